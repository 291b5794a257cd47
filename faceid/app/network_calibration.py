"""Measures a network on the user's photos and keeps its calibration, so that it has thresholds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from faceid.app.model_services import ModelServices
from faceid.config import Settings
from faceid.errors import ModelError, UsageError
from faceid.evaluation.data import material as data_sets
from faceid.evaluation.protocols.network_calibration import calibrate_network
from faceid.networks import registry
from faceid.networks.own_calibrations import PROGRAM
from faceid.results import CalibrationResult, MeasuredThreshold
from faceid.runtime import devices

if TYPE_CHECKING:
    from faceid.gallery.gallery import Gallery

KINDS = ("folders", "pairs")


def calibrate(
    name: str,
    data: str,
    settings: Settings,
    rng: np.random.Generator,
    *,
    images: Path | None = None,
    replace: bool = False,
    min_face: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CalibrationResult:
    """Measure the network `name` on photos of known people, and store the thresholds.

    `data` is a folder per person or a pairs file, `images` the folder of the photos of a pairs file. `replace` allows a
    network that has a calibration already. `progress` is called with the number of finished photos and the total. No
    gallery is opened.

    Raises UsageError (`calibrated` without `replace`, `no_photos` for other data), InputError for data that cannot be
    used or are too few, ModelError.
    """
    card = registry.card(name, settings.models_dir)
    if card.calibration is not None and not replace:
        raise UsageError(
            f"{name} has a calibration: {card.calibration.data}, {card.calibration.date}",
            code="calibrated",
            model=name,
        )
    if data == data_sets.GALLERY:
        _refuse(data)
    network = ModelServices(
        name, settings, lambda: devices.resolve_device(settings.device), min_face=min_face
    )
    tools = data_sets.Tools(
        pipeline=lambda: network.pipeline,
        gallery=_no_gallery,
        model=name,
        metric=lambda: card.metric,
    )
    material = data_sets.load(data, tools, rng, images=images, progress=progress)
    if material.key is None or material.data.kind not in KINDS:
        _refuse(data)
    margin = 0.0 if card.calibration is None else card.calibration.ambiguity_margin
    calibration = calibrate_network(material, rng, program=PROGRAM, margin=margin)
    try:
        path = registry.store_calibration(card, calibration, settings.models_dir)
    except OSError as error:
        raise ModelError(
            f"cannot store the calibration of {name}: {error.strerror or error}",
            code="unwritable",
            remedy="make_writable",
            path=str(error.filename or settings.models_dir),
        ) from error
    about = material.data
    return CalibrationResult(
        name=name,
        status="calibrated",
        path=str(path),
        replaced=card.calibration is not None,
        identities=about.identities,
        photos=about.photos,
        templates=about.templates,
        lost=about.lost,
        mated=calibration.mated,
        non_mated=calibration.non_mated,
        least_fmr=calibration.points[0].fmr,
        ambiguity_margin=calibration.ambiguity_margin,
        thresholds=tuple(
            MeasuredThreshold(point.fmr, point.low, point.high, point.distance, point.fnmr)
            for point in calibration.points
        ),
    )


def _refuse(data: str) -> NoReturn:
    raise UsageError(
        f"{data} is no folder per person and no pairs file: a network is measured on photos", code="no_photos"
    )


def _no_gallery() -> Gallery:
    raise AssertionError("a network is measured without a gallery")
