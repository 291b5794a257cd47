"""Measures a network on the user's photos and keeps its calibration, so that it has thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as replaced
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from faceid.app.model_services import ModelServices
from faceid.config import Settings
from faceid.decision.thresholds import fmr_alike_at_distance
from faceid.errors import ModelError, UsageError
from faceid.evaluation.data import material as data_sets
from faceid.evaluation.protocols.alike import alike_curve
from faceid.evaluation.protocols.network_calibration import calibrate_network
from faceid.networks import registry
from faceid.networks.own_calibrations import PROGRAM
from faceid.results import CalibrationResult, MeasuredThreshold
from faceid.runtime import devices

if TYPE_CHECKING:
    from faceid.evaluation.statistics.caveats import Caveat
    from faceid.gallery.gallery import Gallery
    from faceid.recognition.subject import SubjectRule

KINDS = ("folders", "pairs")


def calibrate(
    name: str,
    data: str,
    settings: Settings,
    rng: np.random.Generator,
    *,
    images: Path | None = None,
    attributes: Path | None = None,
    replace: bool = False,
    subject: SubjectRule = "largest",
    min_face: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    warn: Callable[[Caveat], None] = lambda caveat: None,
) -> CalibrationResult:
    """Measure the network `name` on photos of known people, and store the thresholds.

    `data` is a folder per person or a pairs file, `images` the folder of the photos of a pairs file. People are alike
    who have the same values in all columns of the table `attributes`; without it, the half of the others whose
    templates are nearest to a person. `replace` allows a network that has a calibration already. `subject` chooses
    among several faces. `progress` is called with the number of finished photos and the total, `warn` with the reason
    if there is no FMR among alike. No gallery is opened.

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
        subject=subject,
    )
    material = data_sets.load(data, tools, rng, images=images, progress=progress)
    if material.key is None or material.data.kind not in KINDS:
        _refuse(data)
    margin = 0.0 if card.calibration is None else card.calibration.ambiguity_margin
    calibration = calibrate_network(material, rng, program=PROGRAM, margin=margin)
    alike, caveats = alike_curve(material, attributes, rng)
    for caveat in caveats:
        warn(caveat)
    calibration = replaced(calibration, alike=alike, weights_sha256=card.weights.sha256)
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
            MeasuredThreshold(
                point.fmr,
                point.low,
                point.high,
                point.distance,
                point.fnmr,
                fmr_alike_at_distance(calibration, point.distance),
            )
            for point in calibration.points
        ),
    )


def _refuse(data: str) -> NoReturn:
    raise UsageError(
        f"{data} is no folder per person and no pairs file: a network is measured on photos", code="no_photos"
    )


def _no_gallery() -> Gallery:
    raise AssertionError("a network is measured without a gallery")
