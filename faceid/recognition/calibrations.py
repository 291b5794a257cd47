"""What is known about the distances of a network."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from faceid.config import Settings
from faceid.networks import registry

if TYPE_CHECKING:
    from faceid.networks.registry import Calibration

FAKE = "fake"
"""The model of tests: no network, no weights, faces are coloured squares (faceid/recognition/detect/fake.py)."""


def calibration_of(model: str, settings: Settings | None = None) -> Calibration | None:
    """What is known about the distances of `model`'s non-mated comparisons; None where they were not measured.

    Networks of the user's own are looked for where `settings` say. Raises ModelError.
    """
    if model == FAKE:
        return cast("Calibration", import_module("faceid.recognition.embed.fake").CALIBRATION)
    return registry.card(model, settings.models_dir if settings else None).calibration
