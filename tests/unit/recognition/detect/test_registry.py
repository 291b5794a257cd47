"""Detectors by name, built in and offered by packages."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from faceid import FaceID
from faceid.cli.messages import hint_for
from faceid.errors import ModelError
from faceid.networks import registry as networks
from faceid.networks.errors import WeightsAltered, WeightsMissing
from faceid.recognition.detect import registry
from faceid.recognition.detect.fake import FakeDetector, draw_face
from faceid.types import Face, Image


class LoudDetector(FakeDetector):
    """The fake, and what it was asked."""

    asked: list[int] = []  # noqa: RUF012

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        self.asked.append(len(images))
        return super().detect(images)


def open_loud(*, device: str, min_face: float | None, runtime: str) -> LoudDetector:
    return LoudDetector(min_face or 40)


def open_nothing(*, device: str, min_face: float | None, runtime: str) -> object:
    return object()


def open_declared(*, device: str, min_face: float | None, runtime: str) -> LoudDetector:
    return LoudDetector(min_face or 40)


open_declared.landmarks = "five-points"  # type: ignore[attr-defined]

NO_FACTORY = 7


@pytest.fixture(autouse=True)
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "loud_detectors", __import__("sys").modules[__name__])
    values = {
        "loud": "loud_detectors:open_loud",
        "declared": "loud_detectors:open_declared",
        "nothing": "loud_detectors:open_nothing",
        "no-factory": "loud_detectors:NO_FACTORY",
        "no-object": "loud_detectors:missing",
        "no-module": "no_such_module:anything",
        "mtcnn": "loud_detectors:open_nothing",
    }
    points = [EntryPoint(name, value, registry.GROUP) for name, value in values.items()]
    monkeypatch.setattr(registry, "entry_points", lambda *, group: points if group == registry.GROUP else [])


def opened(name: str) -> object:
    return registry.open_detector(name, device="cpu", min_face=None, runtime="torch")


@pytest.fixture
def yunet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, object]]:
    """What the module of YuNet is called with; the file of `yunet` is b"yunet"."""
    calls: list[dict[str, object]] = []

    def open_recorded(**arguments: object) -> FakeDetector:
        calls.append(arguments)
        return FakeDetector()

    module = ModuleType("faceid.recognition.detect.yunet")
    module.open_detector = open_recorded  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    card = networks.detection_card("yunet")
    pinned = replace(card.weights, sha256=hashlib.sha256(b"yunet").hexdigest(), size=5)
    monkeypatch.setattr(networks, "detection_card", lambda name: replace(card, name=name, weights=pinned))
    return calls


def test_one_that_is_pulled_gets_its_file_once_that_is_checked(
    yunet: list[dict[str, object]], tmp_path: Path
) -> None:
    def open_it(weights_dir: Path | None) -> object:
        return registry.open_detector(
            "yunet", device="cpu", min_face=33, runtime="torch", weights_dir=weights_dir
        )

    for nowhere in (None, tmp_path):
        with pytest.raises(WeightsMissing) as caught:
            open_it(nowhere)
        assert hint_for(caught.value) == "faceid models pull yunet"
    file = tmp_path / networks.detection_card("yunet").weights.file
    file.write_bytes(b"yunot")
    with pytest.raises(WeightsAltered):
        open_it(tmp_path)
    assert yunet == []
    file.write_bytes(b"yunet")
    assert type(open_it(tmp_path)) is FakeDetector
    assert yunet == [{"device": "cpu", "min_face": 33, "runtime": "torch", "weights": file}]


def test_every_network_for_detection_has_a_detector_and_the_other_way_round() -> None:
    assert {name for name in registry.names() if registry.is_pulled(name)} == set(networks.detection_names())


def test_whose_landmarks_are_known() -> None:
    assert {registry.landmarks_of(name) for name in ("mtcnn", "yunet", "yunet-n")} == {registry.O_NET}
    assert registry.landmarks_of("fake") not in (registry.O_NET, None)
    assert registry.landmarks_of("declared") == "five-points"
    # Not declared, not a factory, not there, and not of this name: a package does not replace a built-in one.
    assert {registry.landmarks_of(name) for name in ("loud", "no-factory", "no-module", "gone")} == {None}


def test_the_built_in_ones_come_first() -> None:
    assert {"fake", "loud", "mtcnn"} <= set(registry.names())
    assert type(opened("fake")) is FakeDetector
    assert type(opened("mtcnn")).__name__ == "MtcnnDetector"


def test_one_of_a_package_finds_the_faces_of_a_whole_system() -> None:
    picture = np.zeros((160, 160, 3), np.uint8)
    draw_face(picture, (208, 80, 80), 20, 20, 120)
    LoudDetector.asked.clear()
    with FaceID(db="unused.db", model="fake", device="cpu", detector="loud") as system:
        assert system.compare(picture, picture).verified
    assert LoudDetector.asked == [1, 1]


def test_an_unknown_one_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError) as caught:
        opened("retina")
    assert caught.value.code == "unknown_detector"
    assert "loud" in str(caught.value.facts["known"])
    assert "--" not in str(caught.value)


@pytest.mark.parametrize("name", ["nothing", "no-factory", "no-object", "no-module"])
def test_one_that_cannot_be_used_is_refused(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        opened(name)
    assert caught.value.code == "bad_detector"
    assert name in str(caught.value)
