"""A second model without weights, `other`: of another dimension and alignment than `fake`."""

from __future__ import annotations

from collections.abc import Callable

from faceid import backends
from faceid.config import Runtime, Settings
from faceid.embed.fake import CALIBRATION, FakeEmbedder
from faceid.ports import Detector, Embedder
from models.registry import Calibration

OTHER = "other"


def install(set_attribute: Callable[[object, str, object], None]) -> None:
    """Make `backends` know `other`; `set_attribute` is `setattr` or that of a monkeypatch."""
    make_embedder, make_detector, calibration_of = (
        backends.make_embedder,
        backends.make_detector,
        backends.calibration_of,
    )

    def embedder(model: str, device: str, settings: Settings) -> Embedder:
        if model == OTHER:
            return FakeEmbedder("arcface-112-v1", 112, name=OTHER, dim=48)
        return make_embedder(model, device, settings)

    def detector(
        model: str, device: str, min_face: float | None = None, *, runtime: Runtime = "auto"
    ) -> Detector:
        return make_detector(backends.FAKE if model == OTHER else model, device, min_face, runtime=runtime)

    def calibration(model: str, settings: Settings | None = None) -> Calibration | None:
        return CALIBRATION if model == OTHER else calibration_of(model, settings)

    set_attribute(backends, "make_embedder", embedder)
    set_attribute(backends, "make_detector", detector)
    set_attribute(backends, "calibration_of", calibration)
