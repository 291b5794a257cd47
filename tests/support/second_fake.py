"""A second model without weights, `other`: of another dimension and alignment than `fake`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from faceid.app import factories
from faceid.config import Runtime
from faceid.networks import registry
from faceid.ports.networks import Detector

OTHER = "other"


def install(set_attribute: Callable[[object, str, object], None]) -> None:
    """Give `other` a card and a detector; `set_attribute` is `setattr` or that of a monkeypatch."""
    make_detector, card_of = factories.make_detector, registry.card

    def detector(
        model: str,
        device: str,
        min_face: float | None = None,
        *,
        runtime: Runtime = "auto",
        detector: str | None = None,
        weights_dir: Path | None = None,
    ) -> Detector:
        # `auto` takes MTCNN for a network that is not the fake.
        model, detector = (registry.FAKE, None) if model == OTHER else (model, detector)
        return make_detector(
            model, device, min_face, runtime=runtime, detector=detector, weights_dir=weights_dir
        )

    def card(name: str, own: Path | None = None) -> registry.Card:
        if name != OTHER:
            return card_of(name, own)
        fake = card_of(registry.FAKE)
        return replace(fake, name=OTHER, dim=48, aligner="arcface-112-v1", input_size=112)

    set_attribute(factories, "make_detector", detector)
    set_attribute(registry, "card", card)
