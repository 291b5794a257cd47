"""The networks that a user can choose from. Lists them without a tensor library and without NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from faceid.app.network_choice import network_of_new_gallery
from faceid.config import RECOMMENDED_MODEL, Settings
from faceid.networks import registry
from faceid.networks.own_calibrations import origin_of
from faceid.results import ModelInfo


def model_infos(settings: Settings) -> Iterator[ModelInfo]:
    """The networks that have a card. Raises ModelError for a user's card that cannot be used."""
    cards = registry.cards(settings.models_dir)
    default = network_of_new_gallery(replace(settings, model=None))
    for card in cards:
        yield ModelInfo(
            name=card.name,
            dim=card.dim,
            metric=card.metric,
            input_size=card.input_size,
            weights=registry.status(card, settings.weights_dir),
            licence=card.licence,
            source=card.source_url,
            sha256=card.weights.sha256,
            default=card.name == default,
            kind="recognition",
            recommended=card.name == RECOMMENDED_MODEL,
            terms=card.terms,
            calibration=None if card.calibration is None else origin_of(card.calibration),
        )
    for liveness in registry.liveness_cards():
        yield ModelInfo(
            name=liveness.name,
            dim=None,
            metric=None,
            input_size=liveness.input_size,
            weights=registry.status(liveness, settings.weights_dir),
            licence=liveness.licence,
            source=liveness.source_url,
            sha256=liveness.weights.sha256,
            default=False,
            kind="liveness",
            recommended=False,
            terms=liveness.terms,
            calibration=None,
        )
    for detection in registry.detection_cards():
        yield ModelInfo(
            name=detection.name,
            dim=None,
            metric=None,
            input_size=None,
            weights=registry.status(detection, settings.weights_dir),
            licence=detection.licence,
            source=detection.source_url,
            sha256=detection.weights.sha256,
            default=False,
            kind="detection",
            recommended=False,
            terms=detection.terms,
            calibration=None,
        )
