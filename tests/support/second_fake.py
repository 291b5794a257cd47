"""A second model without weights, `other`: of another dimension and alignment than `fake`."""

from __future__ import annotations

from collections.abc import Callable

from faceid.app import factories
from faceid.config import Runtime, Settings
from faceid.networks.registry import Calibration
from faceid.ports.networks import Detector, Embedder
from faceid.recognition import calibrations
from faceid.recognition.embed.fake import CALIBRATION, FakeEmbedder

OTHER = "other"


def install(set_attribute: Callable[[object, str, object], None]) -> None:
    """Make `factories` know `other`; `set_attribute` is `setattr` or that of a monkeypatch."""
    make_embedder, make_detector, calibration_of = (
        factories.make_embedder,
        factories.make_detector,
        calibrations.calibration_of,
    )

    def embedder(model: str, device: str, settings: Settings) -> Embedder:
        if model == OTHER:
            return FakeEmbedder("arcface-112-v1", 112, name=OTHER, dim=48)
        return make_embedder(model, device, settings)

    def detector(
        model: str,
        device: str,
        min_face: float | None = None,
        *,
        runtime: Runtime = "auto",
        detector: str | None = None,
    ) -> Detector:
        model = calibrations.FAKE if model == OTHER else model
        return make_detector(model, device, min_face, runtime=runtime, detector=detector)

    def calibration(model: str, settings: Settings | None = None) -> Calibration | None:
        return CALIBRATION if model == OTHER else calibration_of(model, settings)

    set_attribute(factories, "make_embedder", embedder)
    set_attribute(factories, "make_detector", detector)
    set_attribute(calibrations, "calibration_of", calibration)
