"""Detectors by name, built in and offered by packages."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from faceid import FaceID
from faceid.errors import ModelError
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


NO_FACTORY = 7


@pytest.fixture(autouse=True)
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "loud_detectors", __import__("sys").modules[__name__])
    values = {
        "loud": "loud_detectors:open_loud",
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
