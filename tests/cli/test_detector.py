"""`--detector` and what it decides, with a stand-in for the network of YuNet."""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import second_fake
from cli_runs import ALICE, BOB, Faceid, Photo
from faceid.config import Settings
from faceid.networks import registry
from faceid.recognition.detect.fake import FakeDetector


@pytest.fixture
def pulled(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Both files are installed. Instead of YuNet, the fake is opened: the list has the files it was opened with."""
    opened: list[Path] = []

    def open_detector(*, device: str, min_face: float | None, runtime: str, weights: Path) -> FakeDetector:
        opened.append(weights)
        return FakeDetector(min_face or 40)

    module = ModuleType("faceid.recognition.detect.yunet")
    module.open_detector = open_detector  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    cards = {}
    directory = Settings.load().weights_dir
    directory.mkdir(parents=True)
    for name in registry.detection_names():
        card, content = registry.detection_card(name), name.encode()
        pinned = replace(card.weights, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        cards[name] = replace(card, weights=pinned)
        (directory / pinned.file).write_bytes(content)
    monkeypatch.setattr(registry, "detection_card", cards.__getitem__)
    return opened


@pytest.fixture
def folders(photo: Photo, tmp_path: Path) -> Path:
    for name, colour in (("alice", ALICE), ("bob", BOB)):
        for number in range(2):
            photo(colour, name=f"people/{name}/{number}.png")
    return tmp_path / "people"


@pytest.mark.parametrize(
    "words",
    [
        "enroll --name alice {people}/alice/1.png",
        "identify {people}/alice/1.png",
        "verify alice {people}/alice/1.png",
        "compare {people}/alice/0.png {people}/alice/1.png",
        "live {people}/alice --no-display",
        "embed {people} --output {people}/faces.npz",
        "evaluate verification {people}",
        "explore cluster {people} --output {people}/groups",
        "train {people} --output {people}/run --network light",
        "models calibrate fake {people} --replace",
        "calibrate {people} --fmr 0.1",
    ],
)
def test_every_command_that_looks_for_faces_takes_it(faceid: Faceid, folders: Path, words: str) -> None:
    assert faceid("enroll", "--name", "alice", folders / "alice" / "0.png").code == 0
    ran = faceid("--json", "--detector", "yunet", *words.format(people=folders).split())
    assert (ran.code, ran.objects[-1]["error"]["code"]) == (5, "weights_missing"), ran.err
    assert ran.objects[-1]["error"]["hint"] == "faceid models pull yunet"


def test_the_environment_names_it_too(faceid: Faceid, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    one = photo(ALICE)
    monkeypatch.setenv("FACEID_DETECTOR", "yunet-n")
    ran = faceid("--json", "compare", one, one)
    assert (ran.code, ran.object["error"]["hint"]) == (5, "faceid models pull yunet-n")
    assert faceid("--detector", "auto", "compare", one, one).code == 0


def test_an_unknown_one_is_refused_with_the_known_ones(faceid: Faceid, photo: Photo) -> None:
    ran = faceid("--json", "--detector", "retina", "compare", photo(ALICE), photo(ALICE))
    assert (ran.code, ran.object["error"]["code"]) == (5, "unknown_detector")
    assert all(name in ran.object["error"]["hint"] for name in ("mtcnn", "yunet", "yunet-n"))


def test_one_that_was_pulled_is_opened_with_its_file(
    faceid: Faceid, photo: Photo, pulled: list[Path]
) -> None:
    ran = faceid("--detector", "yunet", "compare", photo(ALICE), photo(ALICE))
    assert ran.code == 0, ran.err
    assert {path.name for path in pulled} == {registry.detection_card("yunet").weights.file}
    assert "chosen automatically" not in ran.err


def test_auto_takes_one_that_was_pulled_says_so_once_and_templates_record_it(
    faceid: Faceid, photo: Photo, pulled: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    second_fake.install(monkeypatch.setattr)
    ran = faceid("enroll", "--name", "alice", photo(ALICE), photo(ALICE), model=second_fake.OTHER)
    assert ran.code == 0, ran.err
    assert ran.err.count("detector: yunet (chosen automatically)") == 1
    ran = faceid("--detector", "mtcnn", "enroll", "--name", "bob", photo(BOB), model=second_fake.OTHER)
    assert "chosen automatically" not in ran.err
    found = {name: faceid("--json", "show", name).objects for name in ("alice", "bob")}
    assert [one["detector"] for one in found["alice"]] == ["yunet"] * 2
    assert [one["detector"] for one in found["bob"]] == ["mtcnn"]


def test_an_altered_file_is_never_replaced_by_another_detector(
    faceid: Faceid, photo: Photo, pulled: list[Path]
) -> None:
    file = Settings.load().weights_dir / registry.detection_card("yunet").weights.file
    file.write_bytes(b"Yunet")
    for detector in ("auto", "yunet"):
        ran = faceid(
            "--json", "--detector", detector, "compare", photo(ALICE), photo(ALICE), model="dlib-resnet"
        )
        assert (ran.code, ran.object["error"]["code"]) == (5, "weights_altered")
    assert pulled == []


def checks(faceid: Faceid, *options: str, model: str | None = None) -> dict[str, dict[str, Any]]:
    return {item["check"]: item for item in faceid("--json", *options, "doctor", model=model).objects}


def test_doctor_says_which_is_in_use_and_recommends_a_faster_one(faceid: Faceid) -> None:
    found = checks(faceid)
    assert found["detector"]["ok"]
    assert "mtcnn, chosen automatically" in found["detector"]["detail"]
    assert "faceid models pull yunet`" in found["detector"]["detail"]
    assert all(found[f"model {name}"]["detail"].startswith("not pulled") for name in ("yunet", "yunet-n"))
    # Who asked for it needs no advice.
    assert "faceid models pull" not in checks(faceid, "--detector", "mtcnn")["detector"]["detail"]


def test_doctor_says_that_one_was_pulled(faceid: Faceid, pulled: list[Path]) -> None:
    found = checks(faceid)
    assert "yunet, chosen automatically" in found["detector"]["detail"]
    assert "faceid models pull" not in found["detector"]["detail"]
    assert "for detection" in found["model yunet"]["detail"]
    assert "yunet, as asked for" in checks(faceid, "--detector", "yunet")["detector"]["detail"]


@pytest.mark.parametrize("content", [b"yunet-N", b"half"])
def test_doctor_finds_an_altered_file(faceid: Faceid, pulled: list[Path], content: bytes) -> None:
    (Settings.load().weights_dir / registry.detection_card("yunet-n").weights.file).write_bytes(content)
    ran = faceid("--json", "doctor")
    assert ran.code == 5
    (failed,) = (item for item in ran.objects if item["check"] == "model yunet-n")
    assert not failed["ok"]
    assert "faceid models pull yunet-n" in failed["detail"]


def test_doctor_notes_landmarks_of_different_networks(
    faceid: Faceid, photo: Photo, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_fake.install(monkeypatch.setattr)
    one, two = photo(ALICE), photo(ALICE)
    assert faceid("enroll", "--name", "alice", one, two, model=second_fake.OTHER).code == 0
    for detector, noted in (
        ("mtcnn", False),
        ("yunet", False),
        (None, False),
        ("theirs", True),
        ("fake", True),
    ):
        with closing(sqlite3.connect(db)) as connection, connection:
            connection.execute("UPDATE templates SET detector = ? WHERE id = 1", (detector,))
        found = checks(faceid)["detectors of templates"]
        assert found["ok"]
        assert ("different networks" in found["detail"]) == noted, (detector, found)
        assert f" by {detector or 'an unknown one'}" in found["detail"]
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("UPDATE templates SET detector = 'mtcnn'")
    searched = checks(faceid, "--detector", "fake")["detectors of templates"]
    assert "and fake for searches" in searched["detail"]
