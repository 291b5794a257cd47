"""`faceid models calibrate`: from photos to thresholds that commands use."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_runs import ALICE, BOB, Faceid, Photo
from faceid.app import factories
from faceid.networks import registry
from faceid.networks.own_calibrations import place_of

PEOPLE, PHOTOS = 12, 3


COLOURS = list(product((80, 144, 240), repeat=3))[1::2][:PEOPLE]


@pytest.fixture
def people(photo: Photo, tmp_path: Path) -> Path:
    """A folder per person, with a photo that shows nobody."""
    for number in range(PEOPLE):
        for shot in range(PHOTOS):
            photo(COLOURS[number], name=f"people/p{number}/{shot}.png")
    photo(name="people/p0/nobody.png")
    return tmp_path / "people"


@pytest.fixture
def uncalibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake network, without a calibration in its card."""
    card = replace(registry.card("fake"), calibration=None)
    monkeypatch.setattr(registry, "fake_card", lambda: card)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home" / "models"


@pytest.mark.usefixtures("uncalibrated")
def test_a_network_without_thresholds_gets_them(
    faceid: Faceid, people: Path, photo: Photo, home: Path, db: Path
) -> None:
    first, second, other = photo(ALICE), photo(ALICE), photo(BOB)
    before = faceid("--json", "compare", first, second, "--fmr", "0.01")
    assert (before.code, before.object["error"]["code"]) == (2, "not_calibrated")
    assert "faceid models calibrate" in before.err

    ran = faceid("--json", "models", "calibrate", "fake", people)
    assert ran.code == 0, ran.err
    found = ran.object
    assert (found["name"], found["status"], found["replaced"]) == ("fake", "calibrated", False)
    assert (found["identities"], found["photos"], found["templates"]) == (12, 37, 36)
    assert found["lost"] == {"no_face": 1}
    assert (found["mated"], found["non_mated"]) == (12 * 3, 36 * 35 // 2 - 36)
    assert found["least_fmr"] == found["thresholds"][0]["fmr"] == 0.01
    assert found["path"] == str(place_of("fake", home))
    assert "detector fake" in place_of("fake", home).read_text("utf-8")
    assert not db.exists()

    after = faceid("--json", "compare", first, second, "--fmr", "0.01").object
    assert after["threshold"] == found["thresholds"][0]["distance"]
    assert after["verified"] is True
    assert faceid("--json", "compare", first, other, "--fmr", "0.01").object["verified"] is False
    # No rate below what the photos carry.
    strict = faceid("--json", "compare", first, second, "--fmr", "0.001")
    assert (strict.code, strict.object["error"]["code"]) == (2, "beyond_calibration")


@pytest.mark.usefixtures("uncalibrated")
def test_a_pairs_file_is_enough(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    same = [f"p{one}/0.png,p{one}/1.png,1" for one in range(PEOPLE)]
    shots = list(product(range(PHOTOS), repeat=2))
    people_pairs = [(one, other) for one in range(PEOPLE) for other in range(one)]

    def write(shots: list[tuple[int, int]]) -> Path:
        rows = [f"p{a}/{i}.png,p{b}/{j}.png,0" for a, b in people_pairs for i, j in shots]
        pairs = tmp_path / "pairs.csv"
        pairs.write_text("\n".join(["file1,file2,same", *same, *rows]) + "\n")
        return pairs

    few = faceid("--json", "models", "calibrate", "fake", write(shots[:4]), "--images", people)
    assert (few.code, few.object["error"]["code"]) == (3, "too_few")
    pairs = write(shots)
    ran = faceid("--json", "models", "calibrate", "fake", pairs, "--images", people)
    assert ran.code == 0, ran.err
    assert (ran.object["mated"], ran.object["non_mated"]) == (12, 66 * 9)
    assert ran.object["ambiguity_margin"] == 0.0


def test_a_calibrated_network_is_measured_again_only_on_request(
    faceid: Faceid, people: Path, home: Path
) -> None:
    ran = faceid("--json", "models", "calibrate", "fake", people)
    assert (ran.code, ran.object["error"]["code"]) == (2, "calibrated")
    assert "--replace" in ran.err
    assert not home.exists()
    ran = faceid("--json", "models", "calibrate", "fake", people, "--replace")
    assert (ran.code, ran.object["replaced"]) == (0, True)
    again = faceid("--json", "models", "calibrate", "fake", people)
    assert (again.code, again.object["error"]["code"]) == (2, "calibrated")
    assert str(people) in again.object["error"]["message"]


def test_commands_say_who_measured_the_thresholds(
    faceid: Faceid, people: Path, photo: Photo, home: Path
) -> None:
    faceid("enroll", "--name", "alice", photo(ALICE))
    assert faceid("--json", "policy", "show").objects[0]["calibration"] == "card"
    assert faceid("models", "calibrate", "fake", people, "--replace").code == 0
    faceid("policy", "set", "--fmr", "0.02")
    shown = faceid("--json", "policy", "show").objects[0]
    assert (shown["calibration"], shown["non_mated"]) == ("models calibrate", 594)
    assert str(people) in shown["data"]
    assert "`faceid models calibrate`, on " in " ".join(faceid("policy", "show").out.split())


def test_tables_are_for_people(faceid: Faceid, people: Path) -> None:
    ran = faceid("models", "calibrate", "fake", people, "--replace")
    assert "12 people, 37 photos, 36 templates (lost: 1 no_face)" in ran.out
    assert "the lowest FMR that these photos carry is 0.01" in ran.out
    assert "FNMR" in ran.out
    assert "among alike" in ran.out


def test_the_rates_among_alike_are_measured_with_the_weights_that_are_named(
    faceid: Faceid, people: Path, photo: Photo, home: Path, tmp_path: Path
) -> None:
    found = faceid("--json", "models", "calibrate", "fake", people, "--replace").object
    assert all(one["fmr_alike"] >= one["fmr"] for one in found["thresholds"])
    card = registry.card("fake", home)
    assert card.calibration is not None
    assert card.calibration.alike is not None
    assert card.calibration.alike.chosen_by == "nearest half"
    assert card.calibration.weights_sha256 == card.weights.sha256
    first, second = photo(ALICE), photo(ALICE)
    least = found["thresholds"][0]["fmr_alike"]
    assert faceid("--json", "compare", first, second, "--fmr-alike", str(least)).code == 0

    table = tmp_path / "kinds.csv"
    table.write_text("identity,kind\n" + "".join(f"p{n},{n % 2}\n" for n in range(PEOPLE)))
    ran = faceid("models", "calibrate", "fake", people, "--replace", "--attributes", table)
    assert ran.code == 0, ran.err
    card = registry.card("fake", home)
    assert card.calibration is not None
    assert card.calibration.alike is not None
    assert card.calibration.alike.chosen_by == "attributes"


def test_the_subject_of_each_photo_is_chosen_as_asked(faceid: Faceid, people: Path, photo: Photo) -> None:
    photo(COLOURS[0], COLOURS[1], name="people/p0/two.png")
    lost = [
        faceid("--json", "models", "calibrate", "fake", people, "--replace", "--subject", rule).object["lost"]
        for rule in ("only", "centre")
    ]
    assert lost == [{"multiple_faces": 1, "no_face": 1}, {"no_face": 1}]


def test_models_and_doctor_say_who_measured_a_network(
    faceid: Faceid, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> tuple[Any, str]:
        infos = {info["name"]: info for info in faceid("--json", "models").objects}
        checks = {check["check"]: check for check in faceid("--json", "doctor").objects}
        return infos["dlib-resnet"]["calibration"], checks["model dlib-resnet"]["detail"]

    origin, detail = told()
    assert origin == "card"
    assert "thresholds of its card, 20" in detail
    card = registry.card("dlib-resnet")
    assert card.calibration is not None
    own = replace(card.calibration, software="faceid, faceid models calibrate", date="2026-11-28")
    path = registry.store_calibration(card, own, home)
    origin, detail = told()
    assert origin == "models calibrate"
    assert "thresholds of `models calibrate`, 2026-11-28" in detail
    path.write_text(path.read_text().replace(card.weights.sha256, "0" * 64))
    origin, detail = told()
    assert origin == "card"
    ran = faceid("--json", "doctor")
    outdated = next(check for check in ran.objects if check["check"] == "calibration dlib-resnet")
    assert (ran.code, outdated["ok"]) == (0, True)
    assert "faceid models calibrate dlib-resnet DATA" in outdated["detail"]
    path.write_text("name = ")
    ran = faceid("--json", "doctor")
    assert ran.code == 5
    assert [check["check"] for check in ran.objects if not check["ok"]] == ["model dlib-resnet"]


@pytest.mark.parametrize("data", ["gallery", "scores.csv"])
def test_a_network_is_measured_on_photos(faceid: Faceid, tmp_path: Path, data: str) -> None:
    (tmp_path / "scores.csv").write_text("distance,mated\n0.1,1\n0.9,0\n")
    where = data if data == "gallery" else tmp_path / data
    ran = faceid("--json", "models", "calibrate", "fake", where, "--replace")
    assert (ran.code, ran.object["error"]["code"]) == (2, "no_photos")


def test_a_network_that_is_not_there(faceid: Faceid, people: Path) -> None:
    unknown = faceid("--json", "models", "calibrate", "nothing", people)
    assert (unknown.code, unknown.object["error"]["code"]) == (5, "unknown_model")
    missing = faceid("--json", "models", "calibrate", "sface", people)
    assert (missing.code, missing.object["error"]["code"]) == (5, "weights_missing")


def test_an_onnx_file_is_measured_into_the_card_beside_it(
    faceid: Faceid, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper = onnx.helper
    shape = ["n", 3, 112, 112]
    matrix = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["flat"]),
            helper.make_node("MatMul", ["flat", "matrix"], ["y"]),
        ],
        "mean colour",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 8])],
        [onnx.numpy_helper.from_array(matrix, "matrix")],
    )
    path = tmp_path / "colours.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    card = path.with_suffix(".toml")
    card.write_text(
        'name = "colours"\nbackbone = "onnx"\ndim = 8\nmetric = "cosine"\ninput_size = 112\n'
        'aligner = "arcface-112-v1"\ndescription = "a test"\nlicence = "none"\nsource_url = "none"\n'
        '[tensor]\nmean = [127.5, 127.5, 127.5]\nstd = [127.5, 127.5, 127.5]\ncolour = "rgb"\nlayout = "nchw"\n'
    )
    make = factories.make_detector
    monkeypatch.setattr(
        factories,
        "make_detector",
        lambda model, *rest, **options: make("fake", *rest, **{**options, "detector": None}),
    )
    name = f"onnx:{path}"
    ran = faceid("--json", "models", "calibrate", name, people, model=None)
    assert ran.code == 0, ran.err
    assert ran.object["path"] == str(card)
    measured = registry.card(name).calibration
    assert measured is not None
    assert measured.points[0].distance == ran.object["thresholds"][0]["distance"]
    assert "a test" in card.read_text()
