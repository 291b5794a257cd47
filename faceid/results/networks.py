"""Facts about networks, and the results of trainings and of `doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from faceid.results.problem import Problem


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The result of a training from the network `start`.

    `status`: `made`, and then `card` is the path of the model card of `name`; or `no_gain` if no step was better than
    the start. Of `photos`, `lost` counts those without a usable face by reason, and `duplicates` the repeated ones.
    People: `trained_on`, `validated_on`, `calibrated_on`, and `alone`, who have only one photo and were left out.
    `steps` were made, `best_step` is the best one, and `ended` is the reason for the end (`steps`, `patience`). TMR at
    FMR 1e-3 on the people of the validation: `start_tmr` of the start, `best_tmr` of the best step. On the people of
    the calibration, who influenced no choice: `tmr`, None if no network was made, and `tmr_before` of the start, None
    from scratch. `least_fmr` is the lowest rate that the calibration has a threshold for.
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
class MeasuredThreshold:
    """At the threshold `distance`, `fmr` (0..1) of the non-mated comparisons match; `low`..`high` is its 95 % interval.

    `fnmr` (0..1) of the mated comparisons do not match. `fmr_alike` (0..1) is the FMR among people who are alike, None
    where it was not measured.
    """

    fmr: float
    low: float
    high: float
    distance: float
    fnmr: float | None
    fmr_alike: float | None


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """The calibration of the network `name` on the user's photos, stored in the file `path`.

    Of `photos`, `lost` counts those without a template by reason; `templates` of `identities` people were compared.
    `thresholds` begin with the strictest, and `least_fmr` is the rate of that one. `replaced` says that the network had
    a calibration before.
    """

    name: str
    status: Literal["calibrated"]
    path: str
    replaced: bool
    identities: int
    photos: int
    templates: int
    lost: Mapping[str, int]
    mated: int
    non_mated: int
    least_fmr: float
    ambiguity_margin: float
    thresholds: tuple[MeasuredThreshold, ...]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A network that has a card. Only a recognition network makes templates: `dim` and `metric` of others are None.

    A detection network takes pictures of any size: its `input_size` is None.

    New galleries use the network with `default`. The one with `recommended` is the best that faceid may give to all
    users.
    `terms` is "research" if the publisher allows non-commercial research only. `calibration` says who measured the
    thresholds: the author of the card, or the user with `models calibrate`; None for a network without.
    """

    name: str
    dim: int | None
    metric: str | None
    input_size: int | None
    weights: Literal["installed", "available", "missing"]
    licence: str
    source: str
    sha256: str | None
    default: bool
    kind: Literal["recognition", "liveness", "detection"]
    recommended: bool
    terms: Literal["research"] | None
    calibration: Literal["card", "models calibrate"] | None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of `doctor`. `problem` describes the fault, or a step that is left to the user."""

    check: str
    ok: bool
    detail: str
    problem: Problem | None = None
