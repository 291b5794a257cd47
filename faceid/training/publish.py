"""Weights -> a usable network: a model card, its calibration, and a place among the user's own networks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError
from faceid.evaluation.statistics.margin import AMBIGUOUS_FMR, gaps
from faceid.evaluation.statistics.measured import measure
from faceid.evaluation.statistics.metrics import threshold_at_fmr, tmr_at_fmr
from faceid.networks import registry
from faceid.networks.calibration import Calibration, write_calibration
from faceid.networks.card import Accuracy, Card, Weights
from faceid.networks.card_text import write_card
from faceid.networks.files import read_blocks, sha256_of, write_whole
from faceid.networks.state import copy_tensors
from faceid.networks.training.samples import Samples
from faceid.networks.training.seen import metadata_of
from faceid.networks.training.starts import FORMS, Scratch, Start
from faceid.recognition.embed.torch import open_embedder
from faceid.training.folder import taken_name
from faceid.training.judging import FMR, cosine_distances, true_match_rate
from faceid.training.people import People
from faceid.types import Crop, Metric

PROGRAM = "faceid train"

METRIC: Metric = "cosine"
_PART = 64


@dataclass(frozen=True, slots=True)
class Published:
    """A network among the user's own, with its TMR at FMR 1e-3 on people of the calibration group.

    `start_tmr` is that of the network it was trained from on the same people; None from scratch. `least_fmr` is the
    lowest rate that its calibration reaches.
    """

    card_path: Path
    tmr: float
    start_tmr: float | None
    least_fmr: float


def describe(start: Start) -> str:
    """The start of a training, in a few words."""
    if isinstance(start, Scratch):
        return f"scratch ({start.backbone}, {start.settings.dim} numbers)"
    return f"{start.card.name} ({start.card.weights.sha256[:8]})"


def publish(
    name: str,
    start: Start,
    description: str,
    trained: Path,
    weights: Path,
    models_dir: Path,
    people: People,
    device: str,
    detector: str,
) -> Published:
    """Write the network `trained` from `start` to `weights` with a calibrated card, and both into `models_dir`.

    The calibration names the `detector` that found the faces of `people`.

    The network is loaded and run as commands do it, which proves that it works. Raises InputError
    (`too_few`) where the calibration group has too few people, UsageError (`name_taken`) where another network has
    taken the name meanwhile, ModelError, and OSError.
    """
    samples = people.calibration
    path = weights.with_suffix(".toml")
    copy_tensors(trained, weights, metadata_of(people.seen))
    card = _card(name, start, description, weights)
    if (
        name in registry.names(models_dir)
        and registry.card(name, models_dir).weights.sha256 != card.weights.sha256
    ):
        raise taken_name(name)
    vectors = _templates(card, weights.parent, samples, device)
    mated, non_mated = cosine_distances(vectors, samples.labels)
    tmr = tmr_at_fmr(mated, non_mated, FMR)
    data = f"{len(samples):,} photos of {people.identities('calibration'):,} people not trained on, all pairs"
    figure = Accuracy(f"TMR at FMR {FMR:g}", round(tmr, 4), data, f"measured by {PROGRAM}")
    write_card(path, replace(card, accuracy=(figure,)))
    calibration = _calibration(vectors, samples, mated, non_mated, data)
    measured_by = f"{calibration.software}, detector {detector}"
    write_calibration(path, replace(calibration, weights_sha256=card.weights.sha256, software=measured_by))
    models_dir.mkdir(parents=True, exist_ok=True)
    # The card last: a network is among the user's own when it is whole.
    for file in (weights, path):
        write_whole(models_dir / file.name, read_blocks(file))
    before = (
        None if isinstance(start, Scratch) else _templates(start.card, start.weights_dir, samples, device)
    )
    start_tmr = None if before is None else true_match_rate(before, samples.labels)
    return Published(models_dir / path.name, tmr, start_tmr, calibration.points[0].fmr)


def _card(name: str, start: Start, description: str, weights: Path) -> Card:
    source = f"{PROGRAM}, from {describe(start)}"
    known = Weights.of_file(weights, sha256_of(weights), weights.stat().st_size)
    if isinstance(start, Scratch):
        form = FORMS[start.backbone]
        return Card(
            name=name,
            backbone=start.backbone,
            dim=start.settings.dim,
            metric=METRIC,
            input_size=form.size,
            aligner=form.aligner,
            description=description,
            licence="that of the photos it was trained on",
            licence_note=None,
            source_url=source,
            weights=known,
            tensor=None,
            accuracy=(),
            calibration=None,
        )
    return replace(
        start.card,
        name=name,
        metric=METRIC,
        description=description,
        licence=f"{start.card.licence} ({start.card.name}); that of the photos it was trained on",
        source_url=source,
        weights=known,
        accuracy=(),
        calibration=None,
    )


def _templates(card: Card, weights_dir: Path, samples: Samples, device: str) -> NDArray[np.float32]:
    embedder = open_embedder(card, device=device, weights_dir=weights_dir)
    return np.concatenate(
        [
            embedder.embed([Crop(pixels, card.aligner, 1.0) for pixels in part])
            for part in samples.parts(_PART)
        ]
    )


def _calibration(
    vectors: NDArray[np.float32],
    samples: Samples,
    mated: NDArray[np.float32],
    non_mated: NDArray[np.float32],
    data: str,
) -> Calibration:
    threshold = threshold_at_fmr(non_mated, AMBIGUOUS_FMR)
    try:
        return measure(
            mated.astype(np.float64),
            non_mated.astype(np.float64),
            data=f"{data}; intervals take comparisons as independent",
            ambiguity_margin=round(gaps(vectors, samples.labels, METRIC, threshold).margin, 4),
            program=PROGRAM,
        )
    except ValueError as error:
        raise InputError(
            f"cannot calibrate: {error}",
            code="too_few",
            remedy="more_people_to_calibrate_on",
        ) from error
