"""The detector in use: the one that the user chose, else the best one that is installed."""

from __future__ import annotations

from collections.abc import Mapping

from faceid.config import AUTO_DETECTOR, Settings
from faceid.networks import registry as networks
from faceid.networks.registry import FAKE as FAKE_MODEL
from faceid.recognition.detect import registry as detectors
from faceid.results import Problem

PREFERRED = (detectors.YUNET, detectors.YUNET_N)
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


def faster_detector(detector: str, in_use: str, settings: Settings) -> Problem | None:
    """That a YuNet would take less time than MTCNN, if the user left the choice; `in_use` describes what is used."""
    if settings.detector != AUTO_DETECTOR or detector != detectors.MTCNN:
        return None
    return Problem(
        "faster_detector",
        f"{in_use}; {PREFERRED[0]} finds faces in less time",
        facts={"model": PREFERRED[0]},
    )


def counted_by_detector(counts: Mapping[str | None, int]) -> str:
    """Numbers of templates by detector, as people read them, the largest first."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))
    return ", ".join(f"{count:,} by {detector or 'an unknown one'}" for detector, count in order)


def mixed_landmarks(counts: Mapping[str | None, int], model: str, settings: Settings) -> Problem | None:
    """That faces of templates and searches have landmarks of different networks; None if one network places them all.

    `counts` are the numbers of templates by detector. The rates of a threshold hold for landmarks of the network that
    it was measured with.
    """
    chosen = chosen_detector(model, settings)
    # A name that no detector has is an error of every search.
    used = {*counts, *({chosen} & {*detectors.names()})}
    # What faceid did not record is of MTCNN, unless a program or an archive brought it in.
    sources = {
        detectors.O_NET if detector is None else detectors.landmarks_of(detector) or detector
        for detector in used
    }
    if len(sources) <= 1:
        return None
    return Problem(
        "mixed_landmarks",
        f"{counted_by_detector(counts)}, and {chosen} for searches: they place landmarks by different networks, and"
        " thresholds were measured with one of them",
    )
