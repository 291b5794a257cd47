"""The detector in use: what the user asked for, else the best one whose file is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from faceid.app.detector_choice import PREFERRED, chosen_detector, note_of_choice
from faceid.config import Settings
from faceid.networks import registry
from faceid.recognition.detect import registry as detectors


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(environ={"FACEID_HOME": str(tmp_path)})


def pretend_to_pull(name: str, settings: Settings, size: int | None = None) -> None:
    weights = registry.detection_card(name).weights
    settings.weights_dir.mkdir(parents=True, exist_ok=True)
    (settings.weights_dir / weights.file).write_bytes(bytes(weights.size if size is None else size))


def test_auto_takes_the_best_that_is_installed(settings: Settings) -> None:
    assert chosen_detector("mobilefacenet", settings) == "mtcnn"
    assert note_of_choice("mtcnn", settings) is None
    for name in reversed(PREFERRED):
        pretend_to_pull(name, settings, size=3)
        before = chosen_detector("mobilefacenet", settings)
        assert before != name
        pretend_to_pull(name, settings)
        assert chosen_detector("mobilefacenet", settings) == name
        assert name in str(note_of_choice(name, settings))


def test_auto_is_the_fake_for_the_fake_network(settings: Settings) -> None:
    pretend_to_pull("yunet", settings)
    assert chosen_detector("fake", settings) == "fake"


def test_what_was_asked_for_is_never_replaced(settings: Settings) -> None:
    pretend_to_pull("yunet-n", settings)
    for name in ("mtcnn", "yunet", "no-such"):
        asked = replace(settings, detector=name)
        assert {chosen_detector(model, asked) for model in ("fake", "mobilefacenet")} == {name}
        assert note_of_choice(name, asked) is None


def test_auto_takes_nothing_that_would_change_what_a_threshold_means() -> None:
    assert {detectors.landmarks_of(name) for name in (*PREFERRED, detectors.MTCNN)} == {detectors.O_NET}
    assert set(PREFERRED) == set(registry.detection_names())
