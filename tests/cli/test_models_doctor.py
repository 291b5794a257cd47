from __future__ import annotations

import hashlib
import re
import socket
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli_runs import ALICE, Faceid, Photo
from faceid.config import Settings
from faceid.networks import registry
from faceid.networks.card import DetectionCard, Weights, WeightsSource
from faceid.networks.files import sha256_of
from weights_server import serving


def test_models(faceid: Faceid) -> None:
    found = {item["name"]: item for item in faceid("--json", "models").objects}
    recognition = set(registry.names())
    liveness = {"minifasnet-v1se", "minifasnet-v2"}
    detection = {"yunet", "yunet-n"}
    assert {name: item["kind"] for name, item in found.items()} == {
        **dict.fromkeys(recognition, "recognition"),
        **dict.fromkeys(liveness, "liveness"),
        **dict.fromkeys(detection, "detection"),
    }
    default = found["dlib-resnet"]
    assert list(default)[:8] == [
        "name",
        "dim",
        "metric",
        "input_size",
        "weights",
        "licence",
        "source",
        "sha256",
    ]
    assert (default["dim"], default["weights"], default["default"]) == (128, "installed", True)
    recommended = found["mobilefacenet"]
    assert (recommended["weights"], recommended["default"], recommended["recommended"]) == (
        "available",
        False,
        True,
    )
    assert [name for name, item in found.items() if item["recommended"]] == ["mobilefacenet"]


def test_a_network_that_nobody_pulled_is_an_error_with_the_command(faceid: Faceid, photo: Photo) -> None:
    ran = faceid("--json", "compare", photo(ALICE), photo(ALICE), model="mobilefacenet")
    assert (ran.code, ran.object["error"]["code"]) == (5, "weights_missing")
    assert "faceid models pull mobilefacenet" in ran.err


def test_an_unknown_network(faceid: Faceid, photo: Photo) -> None:
    ran = faceid("--json", "compare", photo(ALICE), photo(ALICE), model="resnet-9000")
    assert ran.code == 5
    assert "dlib-resnet" in ran.err


def test_a_network_for_liveness_is_no_model_of_a_gallery(
    faceid: Faceid, photo: Photo, tmp_path: Path
) -> None:
    ran = faceid("--json", "compare", photo(ALICE), photo(ALICE), model="minifasnet-v2")
    assert (ran.code, ran.object["error"]["code"]) == (5, "unknown_model")
    ran = faceid("--json", "models", "pull", "minifasnet-v2", "--default")
    assert (ran.code, ran.object["error"]["code"]) == (5, "unknown_model")
    assert not (tmp_path / "home" / "config.toml").exists()


@pytest.fixture
def detection_cards(monkeypatch: pytest.MonkeyPatch) -> dict[str, DetectionCard]:
    """The cards of detectors, as `faceid models` finds them, with files of a test."""
    found: dict[str, DetectionCard] = {}
    for name in registry.detection_names():
        content = name.encode() * 1000
        card = registry.detection_card(name)
        pinned = replace(card.weights, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        found[name] = replace(card, weights=pinned)
    monkeypatch.setattr(registry, "detection_card", found.__getitem__)
    return found


def test_a_detector_is_pulled_from_the_source_that_has_it(
    faceid: Faceid, tmp_path: Path, detection_cards: dict[str, DetectionCard]
) -> None:
    def listed() -> dict[str, Any]:
        (item,) = (item for item in faceid("--json", "models").objects if item["name"] == "yunet")
        return item

    before = listed()
    assert (before["kind"], before["weights"], before["dim"], before["metric"], before["input_size"]) == (
        "detection",
        "available",
        None,
        None,
        None,
    )
    with serving() as broken, serving() as whole:
        broken.status = 404
        whole.content = b"yunet" * 1000
        card = detection_cards["yunet"]
        sources = (WeightsSource("url", broken.url), WeightsSource("url", whole.url))
        detection_cards["yunet"] = replace(card, weights=replace(card.weights, sources=sources))
        ran = faceid("--json", "models", "pull", "yunet")
    assert (ran.code, ran.object["status"]) == (0, "installed"), ran.err
    assert Path(ran.object["path"]).read_bytes() == whole.content
    assert card.licence_note in ran.err
    assert broken.url in ran.err
    assert listed()["weights"] == "installed"
    kept = {entry.name for entry in (tmp_path / "home" / "weights").iterdir()}
    assert kept - {f"{card.weights.file}.lock"} == {card.weights.file}


def test_a_file_of_another_network_is_refused_by_its_name(
    faceid: Faceid, tmp_path: Path, detection_cards: dict[str, DetectionCard]
) -> None:
    given = tmp_path / "the file.onnx"
    for content, said in ((b"yunet-n", True), (b"yuNet-n", False)):
        given.write_bytes(content * 1000)
        ran = faceid("--json", "models", "pull", "yunet", "--from", given)
        assert (ran.code, ran.object["error"]["code"]) == (5, "weights_altered")
        assert (f"faceid models pull yunet-n --from '{given}'" in ran.object["error"]["hint"]) == said
    assert list((tmp_path / "home" / "weights").iterdir()) == []
    given.write_bytes(b"yunet-n" * 1000)
    assert faceid("models", "pull", "yunet-n", "--from", given).code == 0


def test_a_detector_is_no_network_of_new_galleries(faceid: Faceid, tmp_path: Path) -> None:
    ran = faceid("--json", "models", "pull", "yunet", "--default")
    assert (ran.code, ran.object["error"]["code"]) == (5, "unknown_model")
    assert not (tmp_path / "home" / "config.toml").exists()


def test_weights_that_are_another_file_are_refused(faceid: Faceid, tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(b"not the weights")
    ran = faceid("--json", "models", "pull", "mobilefacenet", "--from", other, "--default")
    assert ran.code == 5
    assert [
        item["weights"] for item in faceid("--json", "models").objects if item["name"] == "mobilefacenet"
    ] == ["available"]
    assert not (tmp_path / "home" / "config.toml").exists()


def test_a_network_for_research_needs_accepted_terms(faceid: Faceid, tmp_path: Path) -> None:
    file = tmp_path / "any.onnx"
    file.write_bytes(b"not the weights")
    ran = faceid("--json", "models", "pull", "lvface-b", "--from", file, "--default")
    error = ran.object["error"]
    assert (ran.code, error["code"]) == (2, "terms_not_accepted")
    assert "ByteDance" in error["message"]
    assert ran.err.count("non-commercial research only") == 1
    assert "faceid models pull lvface-b --accept-terms" in ran.err
    assert not (tmp_path / "home").exists()
    accepted = faceid("--json", "models", "pull", "lvface-b", "--from", file, "--accept-terms")
    assert (accepted.code, accepted.object["error"]["code"]) == (5, "weights_altered")
    assert "non-commercial research only" in accepted.err


def test_a_chosen_default_is_kept_and_shown(faceid: Faceid, tmp_path: Path) -> None:
    ran = faceid("--json", "models", "pull", "dlib-resnet", "--default")
    assert (ran.code, ran.object["default"]) == (0, True)
    assert (tmp_path / "home" / "config.toml").read_text() == 'default_model = "dlib-resnet"\n'


def test_the_recommended_network_is_the_default_once_it_is_installed(faceid: Faceid) -> None:
    pretend_to_install("mobilefacenet")
    found = {item["name"]: item for item in faceid("--json", "models").objects}
    assert [name for name, item in found.items() if item["default"]] == ["mobilefacenet"]
    (line,) = (line for line in faceid("models").out.splitlines() if line.strip().startswith("mobilefacenet"))
    assert "default, recommended" in line


def test_pull_without_a_name_is_for_the_recommended_network(faceid: Faceid, tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(b"not the weights")
    ran = faceid("--json", "models", "pull", "--from", other)
    assert (ran.code, ran.object["error"]["code"]) == (5, "weights_altered")
    assert "mobilefacenet" in ran.err


def test_a_source_that_fails_before_another_is_a_note(
    faceid: Faceid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.tflite"
    own.write_bytes(b"weights")
    known = Weights.of_file(own, sha256_of(own), 7)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/w"
        sources = (WeightsSource("url", url), *known.sources)
        card = replace(registry.card("mobilefacenet"), weights=replace(known, sources=sources))
        monkeypatch.setattr(registry, "any_card", lambda name, own: card)
        ran = faceid("--json", "models", "pull")
        assert (ran.code, ran.object["path"]) == (0, str(own))
        assert [line for line in ran.err.splitlines() if url in line and str(own) in line]
        own.unlink()
        ran = faceid("--json", "models", "pull")
    assert ran.code == 5
    assert url in ran.object["error"]["message"]
    assert str(own) in ran.object["error"]["message"]


def test_doctor_says_what_the_network_of_a_new_gallery_costs(faceid: Faceid) -> None:
    def choice() -> str:
        checks = {item["check"]: item for item in faceid("--json", "doctor", model=None).objects}
        return str(checks["choice of network"]["detail"])

    assert re.search(
        r"dlib-resnet, which misses 1\d % at FMR 1e-4 where mobilefacenet misses \d %.*faceid models pull",
        choice(),
    )
    pretend_to_install("mobilefacenet")
    assert re.search(r"mobilefacenet \(recommended\), which misses \d % at FMR 1e-4$", choice())


def test_doctor_looks_at_the_network_of_the_gallery(faceid: Faceid, photo: Photo) -> None:
    faceid("enroll", "--name", "alice", photo(ALICE))
    checks = {item["check"]: item for item in faceid("--json", "doctor", model=None).objects}
    assert "with 1 identity of one template each, fake misses" in checks["choice of network"]["detail"]


def pretend_to_install(name: str) -> None:
    """A file of the right size, which lists take for the weights."""
    card, directory = registry.card(name), Settings.load().weights_dir
    directory.mkdir(parents=True, exist_ok=True)
    (directory / card.weights.file).write_bytes(bytes(card.weights.size))


def test_a_broken_config_file_is_named(faceid: Faceid, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text("default_model = ")
    ran = faceid("--json", "models")
    assert (ran.code, ran.object["error"]["code"]) == (2, "bad_config")


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "tpu"])
def test_a_device_that_is_not_there_is_never_replaced(
    faceid: Faceid, photo: Photo, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    ran = faceid("--device", device, "compare", photo(ALICE), photo(ALICE))
    assert ran.code == 5
    assert len(ran.err.splitlines()) == 1


def test_doctor(faceid: Faceid, photo: Photo) -> None:
    faceid("enroll", "--name", "alice", photo(ALICE))
    ran = faceid("--json", "doctor")
    assert ran.code == 0, ran.out
    checks = {item["check"]: item for item in ran.objects}
    assert all(list(item) == ["check", "ok", "detail"] for item in ran.objects)
    wanted = {
        "version",
        "device",
        "detector",
        "model dlib-resnet",
        "sqlite",
        "gallery",
        "integrity",
        "index",
        "disk",
    }
    assert wanted <= set(checks)
    assert "1 identities, 1 templates" in checks["gallery"]["detail"]


def test_doctor_looks_at_networks_for_liveness(faceid: Faceid) -> None:
    checks = {item["check"]: item for item in faceid("--json", "doctor").objects}
    assert "faceid models pull minifasnet-v2" in checks["model minifasnet-v2"]["detail"]
    card = registry.liveness_card("minifasnet-v2")
    altered = Settings.load().weights_dir / card.weights.file
    altered.write_bytes(bytes(card.weights.size))
    ran = faceid("--json", "doctor")
    assert ran.code == 5
    assert [item["check"] for item in ran.objects if not item["ok"]] == ["model minifasnet-v2"]


def test_doctor_finds_a_broken_gallery_and_looks_on(faceid: Faceid, db: Path) -> None:
    db.write_bytes(b"x" * 8192)
    ran = faceid("--json", "doctor")
    assert ran.code == 4
    failed = [item["check"] for item in ran.objects if not item["ok"]]
    assert failed == ["gallery"]
    assert ran.objects[-1]["check"] == "disk"


def pin_to_the_triplet_of_0_1_0(db: Path) -> None:
    """What a gallery of that version says, whose templates are kept as they are."""
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(
            "UPDATE models SET name = 'faceid-triplet', weights_sha256 = ?", ("bfe25349" + "0" * 56,)
        )


def test_a_gallery_of_the_triplet_of_0_1_0_names_the_way_out(faceid: Faceid, photo: Photo, db: Path) -> None:
    assert faceid("enroll", "--name", "alice", photo(ALICE)).code == 0
    pin_to_the_triplet_of_0_1_0(db)
    for arguments in (("identify", photo(ALICE)), ("enroll", "--name", "alice", photo(ALICE))):
        ran = faceid("--json", *arguments, model=None)
        assert (ran.code, ran.object["error"]["code"]) == (5, "unknown_model"), ran.err
        assert "faceid-triplet.safetensors" in ran.err
        assert "those of faceid 0.1.0" in ran.err
        assert "faceid re-embed --to" in ran.err
    # Nothing was mixed, and the way out works.
    moved = faceid("--json", "re-embed", "--to", "fake", model=None)
    assert (moved.code, moved.object["summary"]["status"]) == (0, "switched")
    assert faceid("--json", "identify", photo(ALICE), model=None).object["faces"][0]["name"] == "alice"


def test_other_weights_of_the_same_name_are_never_mixed(faceid: Faceid, photo: Photo, db: Path) -> None:
    assert faceid("enroll", "--name", "alice", photo(ALICE)).code == 0
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("UPDATE models SET weights_sha256 = ?", ("1" * 64,))
    ran = faceid("--json", "identify", photo(ALICE), model=None)
    assert (ran.code, ran.object["error"]["code"]) == (4, "model_mismatch"), ran.err
    assert "faceid re-embed --to fake" in ran.err
    assert "use --model" not in ran.err


def test_doctor_names_networks_that_are_not_pulled_in_one_row(faceid: Faceid) -> None:
    waiting = [
        check["check"].removeprefix("model ")
        for check in faceid("--json", "doctor").objects
        if check["detail"].startswith("not pulled")
    ]
    assert len(waiting) > 3
    told = " ".join(faceid("doctor").out.split())
    assert told.count("`faceid models pull NAME`") == 1
    assert f"not pulled yes {', '.join(waiting)}" in told
