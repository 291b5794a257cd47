"""What is known about networks, what a training gives, and what `doctor` checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from faceid.results.problem import Problem


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What came of a training from the network `start`.

    `status`: `made`, and then `card` is the path of the model card of `name`; `no_gain`, where no step did better than
    the start. Of `photos`, `lost` counts those without a usable face by reason; `duplicates` lie there more than once.
    People: `trained_on`, `validated_on`, `calibrated_on`, and `alone`, who have one photo only and were left out.
    `steps` were made, the best was `best_step`, and `ended` says why no more (`steps`, `patience`). TMR at FMR 1e-3 on
    the people of the validation: `start_tmr` of the start, `best_tmr` of the best step. On those of the calibration,
    whom nothing was chosen by: `tmr`, None where nothing was made, and `tmr_before` of the start, None from scratch.
    The calibration reaches down to `least_fmr`: there is no threshold for a lower rate.
    """

    status: Literal["made", "no_gain"]
    name: str
    card: str | None
    start: str
    photos: int
    lost: Mapping[str, int]
    duplicates: int
    trained_on: int
    validated_on: int
    calibrated_on: int
    alone: int
    steps: int
    best_step: int
    ended: str
    start_tmr: float
    best_tmr: float
    tmr: float | None
    tmr_before: float | None
    least_fmr: float | None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A network that has a card; one for liveness makes no templates, and so has neither `dim` nor `metric`."""

    name: str
    dim: int | None
    metric: str | None
    input_size: int
    weights: Literal["installed", "available", "missing"]
    licence: str
    source: str
    sha256: str | None
    default: bool
    kind: Literal["recognition", "liveness"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that `doctor` looked at. `problem` says what is wrong, or what has still to be done."""

    check: str
    ok: bool
    detail: str
    problem: Problem | None = None
