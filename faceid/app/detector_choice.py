"""The detector in use: the one that the user chose, else the best one that is installed."""

from __future__ import annotations

from faceid.config import AUTO_DETECTOR, Settings
from faceid.networks import registry as networks
from faceid.networks.registry import FAKE as FAKE_MODEL
from faceid.recognition.detect import registry as detectors

PREFERRED = (detectors.YUNET_N, detectors.YUNET)
"""What `auto` takes: the first of these whose file is installed, else MTCNN. They are faster than MTCNN and have their
landmarks from the same network."""


def chosen_detector(model: str, settings: Settings) -> str:
    """The name of the detector for `model`. `auto` is the fake for the fake network.

    Nothing is opened or checked here, except that `auto` looks for files of the right size.
    """
    if settings.detector != AUTO_DETECTOR:
        return settings.detector
    if model == FAKE_MODEL:
        return detectors.FAKE
    return next((name for name in PREFERRED if is_installed(name, settings)), detectors.MTCNN)


def note_of_choice(detector: str, settings: Settings) -> str | None:
    """The line for the user about what `auto` chose; None for MTCNN, which users without a choice expect."""
    if settings.detector == AUTO_DETECTOR and detector in PREFERRED:
        return f"detector: {detector} (chosen automatically)"
    return None


def is_installed(name: str, settings: Settings) -> bool:
    """Whether the file of a detector that is pulled is installed, by its size."""
    return networks.status(networks.detection_card(name), settings.weights_dir) == "installed"
