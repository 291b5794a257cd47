"""`faceid train`, as people and programs see it: people are coloured squares, the network is a real one."""

from __future__ import annotations

import json
import os
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from cli_runs import Faceid
from faceid.config import Settings
from faceid.networks import registry
from faceid.networks.files import sha256_of
from faceid.networks.training.seen import marks, photos_seen_by
from faceid.recognition.detect.fake import LEVELS, draw_face
from faceid.recognition.embed.torch import open_embedder
from faceid.training.judging import cosine_distances
from faceid.types import Crop

PEOPLE, PHOTOS = 20, 3
QUICK = ("--network", "light", "--people", "4", "--photos", "2", "--dim", "8", "--steps", "4")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A folder per person: colours far apart."""
    root = tmp_path / "people"
    colours = list(product(LEVELS[::2], repeat=3))
    for person in range(PEOPLE):
        colour = colours[person]
        for number in range(PHOTOS):
            canvas = np.zeros((150, 160, 3), np.uint8)
            draw_face(canvas, colour, 10 + number * 5, 10, 110)
            canvas[canvas > 0] += np.uint8(number * 3)
            path = root / f"person{person:02d}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            PilImage.fromarray(canvas).save(path)
    return root


@pytest.fixture(autouse=True)
def growing_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four steps make no network better on coloured squares for sure; what comes out is tested, not how good it is."""
    scores = iter(range(100))
    monkeypatch.setattr("faceid.training.run.true_match_rate", lambda vectors, labels: next(scores) / 100)


def test_what_comes_out_is_a_network_like_the_others(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    output = tmp_path / "runs" / "mine"
    ran = faceid("--json", "train", people, "--output", output, *QUICK)
    assert ran.code == 0, ran.err
    *validations, last = ran.objects
    assert validations == [
        {"step": 0, "tmr": 0.0, "best": True},
        {"step": 4, "tmr": 0.01, "best": True},
    ]
    summary = last["summary"]
    assert (summary["status"], summary["name"], summary["best_step"]) == ("made", "mine", 4)
    assert summary["trained_on"] + summary["validated_on"] + summary["calibrated_on"] == PEOPLE
    assert summary["start"] == "scratch (light, 8 numbers)"
    assert 0.0 <= summary["tmr"] <= 1.0
    listed = {item["name"]: item for item in faceid("--json", "models").objects}
    assert (listed["mine"]["dim"], listed["mine"]["weights"]) == (8, "installed")
    settings = Settings.load()
    card = registry.card("mine", settings.models_dir)
    assert summary["card"] == str(settings.models_dir / "mine.toml")
    assert card.calibration is not None
    assert card.calibration.non_mated > 0
    assert card.accuracy[0].value == pytest.approx(summary["tmr"], abs=1e-4)
    assert registry.card("mine", output) == card.__class__(
        **{name: getattr(card, name) for name in card.__slots__ if name != "weights"},
        weights=registry.card("mine", output).weights,
    )
    embedder = open_embedder(card, device="cpu", weights_dir=settings.weights_dir)
    vectors = embedder.embed([Crop(np.zeros((112, 112, 3), np.uint8), card.aligner, 1.0)])
    assert vectors.shape == (1, 8)
    checks = {item["check"]: item for item in faceid("--json", "doctor").objects}
    assert checks["model mine"]["ok"]


def test_the_rates_are_those_of_the_weights_that_ship_on_people_they_have_not_seen(
    faceid: Faceid, people: Path, tmp_path: Path
) -> None:
    output = tmp_path / "mine"
    summary = faceid("--json", "train", people, "--output", output, *QUICK).objects[-1]["summary"]
    settings = Settings.load()
    card = registry.card("mine", settings.models_dir)
    assert card.calibration is not None
    assert card.calibration.weights_sha256 == card.weights.sha256 == sha256_of(Path(card.weights.source))
    seen = photos_seen_by(Path(card.weights.source))
    assert len(seen) == PHOTOS * (summary["trained_on"] + summary["validated_on"])
    owner = {sha256_of(path): path.parent.name for path in people.glob("*/*.png")}
    strangers = {digest: name for digest, name in owner.items() if marks([digest]).isdisjoint(seen)}
    assert len(set(strangers.values())) == summary["calibrated_on"]
    # What the file itself makes of exactly these people gives every rate again.
    (folder,) = (output / "crops").iterdir()
    # Another detector finds other faces, so its crops lie in another folder.
    assert folder.name.endswith("-fake")
    assert card.calibration.software.endswith("detector fake")
    crops = {
        digest: crop
        for index in folder.glob("*.json")
        for digest, crop in zip(
            json.loads(index.read_text("utf-8"))["crops"], np.load(index.with_suffix(".npy")), strict=True
        )
    }
    embedder = open_embedder(card, device="cpu", weights_dir=settings.weights_dir)
    vectors = embedder.embed([Crop(crops[digest], card.aligner, 1.0) for digest in strangers])
    labels = np.unique(list(strangers.values()), return_inverse=True)[1]
    mated, non_mated = cosine_distances(vectors, labels)
    assert (card.calibration.mated, card.calibration.non_mated) == (mated.size, non_mated.size)
    for point in card.calibration.points:
        # The last digits of a distance hang on the batches.
        assert np.count_nonzero(non_mated <= point.distance + 1e-5) >= point.count
        assert np.count_nonzero(non_mated <= point.distance - 1e-5) <= point.count


def test_the_same_command_tells_it_again_and_another_one_is_refused(
    faceid: Faceid, people: Path, tmp_path: Path
) -> None:
    output = tmp_path / "mine"
    first = faceid("--json", "train", people, "--output", output, *QUICK).objects[-1]
    crops = sorted((output / "crops").rglob("*.npy"))
    again = faceid("--json", "train", people, "--output", output, *QUICK)
    assert again.objects == [first]
    assert sorted((output / "crops").rglob("*.npy")) == crops
    other = faceid("--json", "train", people, "--output", output, *QUICK, "--seed", "1")
    assert (other.code, other.object["error"]["code"]) == (2, "other_run")
    assert "settings differ" in other.err
    taken = faceid("--json", "train", people, "--output", tmp_path / "x", "--name", "mine", *QUICK)
    assert (taken.code, taken.object["error"]["code"]) == (2, "name_taken")
    # Another network of that name that came while this one was trained stays.
    card = Settings.load().models_dir / "mine.toml"
    text = card.read_text().replace(registry.card("mine", card.parent).weights.sha256, "0" * 64)
    card.write_text(text)
    late = faceid("--json", "train", people, "--output", output, *QUICK)
    assert (late.code, late.object["error"]["code"]) == (2, "name_taken")
    assert card.read_text() == text


def test_a_run_whose_groups_were_drawn_otherwise_does_not_go_on(
    faceid: Faceid, people: Path, tmp_path: Path
) -> None:
    # One photo under two names: version 0.1.0 did not keep the two names in one group.
    shutil.copy(people / "person00" / "0.png", people / "person01" / "same.png")
    output = tmp_path / "run"
    assert faceid("train", people, "--output", output, *QUICK).code == 0
    described = json.loads((output / "run.json").read_text("utf-8"))
    assert described.pop("kept_apart") == {"linked": 1, "known": 0}
    (output / "run.json").write_text(json.dumps(described), "utf-8")
    ran = faceid("--json", "train", people, "--output", output, *QUICK)
    assert (ran.code, ran.object["error"]["code"]) == (2, "other_run")
    assert "kept_apart" in ran.err


def test_crops_may_be_shared(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        ran = faceid("train", people, "--output", tmp_path / name, *QUICK, "--crops", tmp_path / "crops")
        assert ran.code == 0
        assert f"{name} is there" in ran.out
        assert "so few people cannot tell thresholds below FMR 0." in ran.err
    assert len(list((tmp_path / "crops").rglob("*.npy"))) == 1


def test_a_network_of_one_s_own_may_go_on_and_is_compared_with_the_start(
    faceid: Faceid, people: Path, tmp_path: Path
) -> None:
    crops = ("--crops", tmp_path / "crops")
    assert faceid("train", people, "--output", tmp_path / "first", *QUICK, *crops).code == 0
    # No face has to be found any more: all crops are there.
    ran = faceid(
        *("--json", "--detector", "fake"),
        "train",
        people,
        "--output",
        tmp_path / "second",
        *("--steps", "3", "--people", "4", "--photos", "2", "--frozen", "2", *crops),
        model="first",
    )
    assert ran.code == 0, ran.err
    summary = ran.objects[-1]["summary"]
    assert summary["start"].startswith("first (")
    assert 0.0 <= summary["tmr_before"] <= 1.0
    models_dir = Settings.load().models_dir
    first, second = (registry.card(name, models_dir) for name in ("first", "second"))
    assert (second.backbone, second.dim, second.aligner) == (first.backbone, first.dim, first.aligner)
    assert second.weights.sha256 != first.weights.sha256
    assert "from first (" in second.source_url


def test_no_gain_is_no_network(
    faceid: Faceid, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceid.training.run.true_match_rate", lambda vectors, labels: 0.5)
    ran = faceid("train", people, "--output", tmp_path / "mine", *QUICK)
    assert ran.code == 1
    assert "no step did better than the start" in ran.out
    assert "mine" not in registry.names(Settings.load().models_dir)


def test_what_was_left_out_is_said(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    PilImage.new("RGB", (80, 80)).save(people / "person00" / "empty.png")
    ran = faceid("train", people, "--output", tmp_path / "mine", *QUICK, "--people", "50")
    assert "1 of 61 photos show no face, or several: 1 no_face" in ran.err
    assert "people in a batch, as there are no more" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("--network", "vgg"), 2, "bad_settings"),
        (("--network", "light", "--distillation", "1"), 2, "usage"),
        (("--network", "light", "--dim", "4"), 2, "bad_settings"),
        (("--network", "light", "--loss", "softmax", "--mining", "hard"), 2, "bad_settings"),
        (("--network", "light", "--name", "My Network"), 2, "bad_name"),
        (("--network", "light", "--name", "dlib-resnet"), 2, "name_taken"),
        (("--network", "light", "--multi-face", "all"), 2, "usage"),
        (("--network", "light", "--settings", "nowhere.toml"), 2, "usage"),
        (("--dim", "64"), 2, "usage"),
        ((), 5, "unknown_model"),
    ],
)
def test_what_cannot_be_is_refused(
    faceid: Faceid, people: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    ran = faceid("--json", "train", people, "--output", tmp_path / "mine", *arguments)
    assert (ran.code, ran.object["error"]["code"]) == (code, reason), ran.err
    assert len(ran.err.splitlines()) <= 2


def test_a_file_of_settings_counts_less_than_options(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    file = tmp_path / "train.toml"
    file.write_text("seed = 5\n[schedule]\nsteps = 99\nvalidate = 2\n[loss]\nmining = 'semi_hard'\n")
    output = tmp_path / "mine"
    assert faceid("train", people, "--output", output, *QUICK, "--settings", file).code == 0
    settings = json.loads((output / "run.json").read_text())["settings"]
    assert (settings["seed"], settings["schedule"]["steps"], settings["schedule"]["validate"]) == (5, 4, 2)
    assert settings["loss"]["mining"] == "semi_hard"
    file.write_text("[schedule]\nsteps = 'many'\n")
    ran = faceid("--json", "train", people, "--output", output, *QUICK, "--settings", file)
    assert (ran.code, ran.object["error"]["code"]) == (2, "bad_settings")


def test_a_folder_that_cannot_be_written_is_named(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for option in ("--crops", "--output"):
        others = () if option == "--output" else ("--output", tmp_path / "mine")
        ran = faceid("--json", "train", people, option, tmp_path / "file" / "x", *others, *QUICK)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert f"cannot write to {tmp_path / 'file'}" in ran.err


def test_what_the_network_cannot_be_is_told_before_photos_are_looked_at(
    faceid: Faceid, people: Path, tmp_path: Path
) -> None:
    output = tmp_path / "mine"
    file = tmp_path / "train.toml"
    file.write_text("[network]\nside = 77\n")
    for wrong in (("--frozen", "99"), ("--settings", file)):
        ran = faceid("--json", "train", people, "--output", output, *QUICK, *wrong)
        assert (ran.code, ran.object["error"]["code"]) == (2, "bad_settings")
        assert not list(output.rglob("*.npy"))
    assert faceid("train", people, "--output", output, *QUICK).code == 0


def test_a_folder_in_which_nothing_was_learnt_may_go_to_another_run(
    faceid: Faceid, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> float:
        raise KeyboardInterrupt

    output = tmp_path / "mine"
    with monkeypatch.context() as patch:
        patch.setattr("faceid.training.run.true_match_rate", fails)
        assert faceid("train", people, "--output", output, *QUICK).code == 130
    assert (output / "run.json").exists()
    assert faceid("train", people, "--output", output, *QUICK, "--seed", "1").code == 0
    assert faceid("train", people, "--output", output, *QUICK, "--seed", "2").code == 2


def test_names_of_people_may_be_any_that_folders_have(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    for number, name in enumerate(
        (b"caf\xe9", "Bj\u00f6rn \u4eba".encode(), b"with  spaces 'and' \"quotes\"")
    ):
        (people / f"person{number:02d}").rename(people / os.fsdecode(name))
    ran = faceid("train", people, "--output", tmp_path / "mine", *QUICK)
    assert ran.code == 0, ran.err


def test_people_of_one_photo_each(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    for path in people.rglob("[12].png"):
        path.unlink()
    ran = faceid("--json", "train", people, "--output", tmp_path / "mine", *QUICK)
    assert (ran.code, ran.object["error"]["code"]) == (3, "one_photo_each")


def test_the_extra_and_the_gpu_are_asked_for_in_one_line(
    faceid: Faceid, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    ran = faceid("--device", "cuda", "train", people, "--output", tmp_path / "mine", *QUICK)
    assert (ran.code, len(ran.err.splitlines())) == (5, 1)
    monkeypatch.setattr("faceid.training.run._EXTRA", ("lightning_fabric", "not_installed"))
    ran = faceid("--json", "train", people, "--output", tmp_path / "mine", *QUICK)
    assert (ran.code, ran.object["error"]["code"]) == (5, "no_train")
    assert 'pip install "faceid-verify[train]"' in ran.err
