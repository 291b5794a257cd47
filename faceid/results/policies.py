"""The threshold of a decision, its origin, and the policies that a gallery stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceid.results.problem import Problem


@dataclass(frozen=True, slots=True)
class GalleryRates:
    """What the comparisons between different people of a gallery say about the rates of the model's card.

    Of `comparisons` between `people`, the share `observed` is within the distance at which the card's FMR is `stated`;
    `low` is its lower bound over people. `set_aside` comparisons do not count: they are so near that they may be of one
    person under two names. With `raises`, the gallery has more false matches than the card says, and its rates replace
    the card's.
    """

    people: int
    comparisons: int
    set_aside: int
    stated: float
    observed: float
    low: float
    raises: bool


@dataclass(frozen=True, slots=True)
class PolicyState:
    """A threshold with its target, its origin, and its error rates in the present gallery.

    `source`: `asked` by the call, `gallery` for the stored policy `policy_id`, or `default`. `kind` and `target`:
    `fmr`, `fpir` or `fmr_alike` with a rate, or `threshold` with a distance. `identities` counts those that are
    searched, None for a comparison with one. `fmr`, and `fpir` for a search, are the rates of the threshold;
    `miss_rate` is how often a photo of a person with one template is missed. `population` names the people for whom
    these rates hold. `fmr_alike` is the FMR among people who are alike, None where it was not measured. All are None
    without a calibration. `held` is false if the calibration does not reach low enough rates to keep the target. Where
    the people of the gallery raise the rates of the model's card, `card_threshold` is the threshold by the card, and
    `raised_by` says how many times the card's FMR the `fmr` is; else both are None.
    """

    source: Literal["asked", "gallery", "default"]
    policy_id: int | None
    kind: Literal["fmr", "fpir", "fmr_alike", "threshold"]
    target: float
    threshold: float
    identities: int | None
    fmr: float | None
    fmr_alike: float | None
    fpir: float | None
    miss_rate: float | None
    population: str | None
    held: bool
    card_threshold: float | None
    raised_by: float | None


@dataclass(frozen=True, slots=True)
class AlikeReport:
    """How the FMR among alike was measured. `fmr_low`..`fmr_high` is its 95 % interval at the threshold, over people.

    `population` names the people who were compared. `chosen_by`: `attributes` for people of one sex and group, `nearest
    half` for the half of the others whose templates are nearest to a person's. The other fields have the meaning that
    they have in PolicyReport.
    """

    population: str
    chosen_by: Literal["attributes", "nearest half"]
    fmr_low: float
    fmr_high: float
    data: str
    people: int
    non_mated: int
    measured_at: str
    software: str


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """The policy that decides for a command at present, and its calibration.

    `fmr_low`..`fmr_high` is the 95 % interval of `policy.fmr`. `data`, with the numbers of `mated` and `non_mated`
    comparisons, was measured on the day `measured_at` with `software`; all are None without a calibration.
    `calibration` says who measured it: the owner of the gallery, on their data (`gallery`); a user of this network with
    `models calibrate`; or the author of the network's card. `alike` describes the measurement of
    `policy.fmr_alike`, None without one. `since` is when the stored policy became active, None without one. Without a
    threshold, `policy` is None and `problem` gives the reason: there is no calibration, or it does not reach the rate
    of the default. `gallery` is the check of the card's rates on the people of the gallery: None for a calibration of
    the owner's, and for too few people.
    """

    decides: Literal["verify", "identify"]
    policy: PolicyState | None
    fmr_low: float | None
    fmr_high: float | None
    data: str | None
    mated: int | None
    non_mated: int | None
    measured_at: str | None
    software: str | None
    alike: AlikeReport | None
    since: str | None
    model: str
    calibration: Literal["gallery", "models calibrate", "card"] | None
    problem: Problem | None = None
    gallery: GalleryRates | None = None


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A stored policy, active or not. `threshold` and `low`..`high` are the values at the time of storing.

    With `own_calibration` the calibration is the gallery owner's, else that of the model's card.
    """

    policy_id: int
    decides: Literal["verify", "identify"]
    kind: Literal["fmr", "fpir", "fmr_alike", "threshold"]
    target: float
    threshold: float
    low: float
    high: float
    data: str
    mated: int
    non_mated: int
    own_calibration: bool
    model: str
    created_at: str
    in_force: bool
    since: str


@dataclass(frozen=True, slots=True)
class PolicyTransfer:
    """Policies imported from or written to a file; `policies` counts them."""

    status: Literal["imported", "exported"]
    path: str
    policies: int
    model: str
