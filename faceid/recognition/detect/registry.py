"""Detectors by name: the built-in ones, and those that installed packages offer.

A package offers a detector with an entry point of the group `faceid.detectors`. The entry point's name is the
detector's, and its object is a DetectorFactory. A built-in detector cannot be replaced.

A detector has its landmarks from some network. Templates of two detectors are alike, and thresholds hold for both, if
that network is the same: see `landmarks_of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol, cast

from faceid.config import Runtime
from faceid.errors import ModelError
from faceid.networks import registry as networks
from faceid.networks.errors import WeightsMissing
from faceid.networks.weights import verified
from faceid.ports.networks import Detector

GROUP = "faceid.detectors"

MTCNN, FAKE, YUNET, YUNET_N = "mtcnn", "fake", "yunet", "yunet-n"

O_NET = "mtcnn-o-net"
"""The landmarks of MTCNN's O-Net, which the calibrations of the cards in models/cards were measured with."""


class DetectorFactory(Protocol):
    """Opens a detector. It may have an attribute `landmarks`, a str: what `landmarks_of` says."""

    def __call__(self, *, device: str, min_face: float | None, runtime: Runtime) -> Detector:
        """The detector, ready to use and safe to share between threads.

        `device` is cpu or cuda:N, as torch names it. `min_face` is the smallest face to look for, pixels; None leaves
        the choice to the detector. `runtime` is torch, openvino or auto. Raises ModelError, DeviceError.
        """
        ...


class PulledDetectorFactory(Protocol):
    """Opens a built-in detector with a file that users pull. Its card has the name of the detector."""

    def __call__(self, *, device: str, min_face: float | None, runtime: Runtime, weights: Path) -> Detector:
        """As DetectorFactory. `weights` is the file; its size and SHA-256 are checked already."""
        ...


@dataclass(frozen=True, slots=True)
class _BuiltIn:
    """A module with a factory called `open_detector`: a PulledDetectorFactory if `pulled`, else a DetectorFactory.

    The modules load heavy libraries, so they are imported on demand.
    """

    module: str
    landmarks: str = O_NET
    pulled: bool = False


_BUILT_IN = {
    MTCNN: _BuiltIn("faceid.recognition.detect.mtcnn"),
    YUNET: _BuiltIn("faceid.recognition.detect.yunet", pulled=True),
    YUNET_N: _BuiltIn("faceid.recognition.detect.yunet", pulled=True),
    FAKE: _BuiltIn("faceid.recognition.detect.fake", landmarks="fake"),
}


def names() -> list[str]:
    """The detectors that can be opened, by name."""
    return sorted({*_BUILT_IN, *(offered.name for offered in entry_points(group=GROUP))})


def is_pulled(name: str) -> bool:
    """Whether the detector needs a file that users pull: that of `faceid.networks.registry.detection_card(name)`."""
    return name in _BUILT_IN and _BUILT_IN[name].pulled


def landmarks_of(name: str) -> str | None:
    """The source of the detector's landmarks: O_NET, or another word; None if it is unknown.

    The factory of a package's detector says it in its attribute `landmarks`. A name that no package offers is unknown,
    as after the package was uninstalled, and so is one that cannot be loaded.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name].landmarks
    try:
        declared = getattr(_loaded(_offered(name)), "landmarks", None)
    except ModelError:
        return None
    return declared if isinstance(declared, str) else None


def open_detector(
    name: str, *, device: str, min_face: float | None, runtime: Runtime, weights_dir: Path | None = None
) -> Detector:
    """The detector called `name`. `weights_dir` is the directory of pulled weights; others are as of DetectorFactory.

    Raises ModelError: `unknown_detector`; `bad_detector` for one that a package offers and that cannot be used;
    `weights_missing` and `weights_altered` for one whose file is pulled. Raises DeviceError.
    """
    built_in = _BUILT_IN.get(name)
    if built_in is None:
        offered = _offered(name)
        detector = _loaded(offered)(device=device, min_face=min_face, runtime=runtime)
        if not callable(getattr(detector, "detect", None)):
            raise _bad(offered, f"it opens a {type(detector).__name__}, which has no method detect")
        return detector
    if not built_in.pulled:
        factory = cast("DetectorFactory", import_module(built_in.module).open_detector)
        return factory(device=device, min_face=min_face, runtime=runtime)
    if weights_dir is None:
        raise WeightsMissing(f"the weights of {name} are not installed", remedy="pull_model", model=name)
    # First the file, then the imports: without it nothing heavy needs to load.
    weights = verified(networks.detection_card(name), weights_dir)
    pulled = cast("PulledDetectorFactory", import_module(built_in.module).open_detector)
    return pulled(device=device, min_face=min_face, runtime=runtime, weights=weights)


def _offered(name: str) -> EntryPoint:
    for offered in entry_points(group=GROUP):
        if offered.name == name:
            return offered
    raise ModelError(
        f"there is no detector called {name!r}",
        code="unknown_detector",
        detector=name,
        known=", ".join(names()),
    )


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
