"""Detectors by name: the built-in ones, and those that installed packages offer.

A package offers a detector with an entry point of the group `faceid.detectors`. The entry point's name is the
detector's, and its object is a DetectorFactory. A built-in detector cannot be replaced.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, cast

from faceid.config import Runtime
from faceid.errors import ModelError
from faceid.ports.networks import Detector

GROUP = "faceid.detectors"

MTCNN, FAKE = "mtcnn", "fake"

_BUILT_IN = {
    MTCNN: "faceid.recognition.detect.mtcnn",
    FAKE: "faceid.recognition.detect.fake",
}
"""Modules with a DetectorFactory called `open_detector`. They load heavy libraries, so they are imported on demand."""


class DetectorFactory(Protocol):
    """Opens a detector."""

    def __call__(self, *, device: str, min_face: float | None, runtime: Runtime) -> Detector:
        """The detector, ready to use and safe to share between threads.

        `device` is cpu or cuda:N, as torch names it. `min_face` is the smallest face to look for, pixels; None leaves
        the choice to the detector. `runtime` is torch, openvino or auto. Raises ModelError, DeviceError.
        """
        ...


def names() -> list[str]:
    """The detectors that can be opened, by name."""
    return sorted({*_BUILT_IN, *(offered.name for offered in entry_points(group=GROUP))})


def open_detector(name: str, *, device: str, min_face: float | None, runtime: Runtime) -> Detector:
    """The detector called `name`; the other arguments are those of DetectorFactory.

    Raises ModelError: `unknown_detector`, or `bad_detector` for one that a package offers and that cannot be used.
    Raises DeviceError.
    """
    if name in _BUILT_IN:
        factory = cast("DetectorFactory", import_module(_BUILT_IN[name]).open_detector)
        return factory(device=device, min_face=min_face, runtime=runtime)
    offered = [one for one in entry_points(group=GROUP) if one.name == name]
    if not offered:
        known = ", ".join(names())
        raise ModelError(
            f"unknown detector {name!r}; the known ones are {known}",
            code="unknown_detector",
            detector=name,
            known=known,
        )
    detector = _loaded(offered[0])(device=device, min_face=min_face, runtime=runtime)
    if not callable(getattr(detector, "detect", None)):
        raise _bad(offered[0], f"it opens a {type(detector).__name__}, which has no method detect")
    return detector


def _loaded(offered: EntryPoint) -> DetectorFactory:
    try:
        factory = offered.load()
    except (ImportError, AttributeError) as error:
        raise _bad(offered, str(error)) from error
    if not callable(factory):
        raise _bad(offered, f"{offered.value} cannot be called")
    return cast("DetectorFactory", factory)


def _bad(offered: EntryPoint, why: str) -> ModelError:
    return ModelError(
        f"the detector {offered.name} cannot be used: {why}",
        code="bad_detector",
        detector=offered.name,
        reason=why,
    )
