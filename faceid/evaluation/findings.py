"""The findings of an evaluation as plain values, from which the report, its JSON and the command line are made.

Distances are the model's own metric, smaller is closer. Rates are shares (0..1). Arrays are tuples here: a finding
is a document, not a data set.
"""

from __future__ import annotations

from dataclasses import dataclass

from faceid.evaluation.statistics.caveats import Caveat
from faceid.evaluation.statistics.intervals import Interval, Ratio
from faceid.networks.calibration import AlikeBy


@dataclass(frozen=True, slots=True)
class Data:
    """The evaluated data: their source, and how much of them could be used.

    `lost` counts photos without a template (failures to acquire) by reason code (no_face, unreadable, ...), and `fta`
    is their share, 0..1; `mated_lost` and `non_mated_lost` count the comparisons that are missing with them.
    `duplicates` are pairs of identities that hold the same file. `sha256` is that of the list of files and names: equal
    hashes mean the same data. `detector` is the name of what found the faces, several names for the templates of a
    gallery; None if it is unknown, or the pictures were taken as crops.
    """

    source: str
    kind: str
    identities: int
    photos: int
    templates: int
    lost: dict[str, int]
    mated: int
    non_mated: int
    duplicates: tuple[tuple[str, str], ...]
    sha256: str
    fta: float = 0.0
    mated_lost: int = 0
    non_mated_lost: int = 0
    detector: str | None = None

    def measured_by(self, *programs: str) -> str:
        """`programs` and the detector, as `software` of a calibration names them."""
        return ", ".join([*programs, *([] if self.detector is None else [f"detector {self.detector}"])])


@dataclass(frozen=True, slots=True)
class OperatingRow:
    """One threshold, the requested rate, and both error rates with 95 % intervals; `frr` and `far` include failures to
    acquire. `extrapolated` means that it comes from a fit to the tail, not from counting.
    """

    asked: str
    threshold: float
    threshold_low: float | None
    threshold_high: float | None
    fmr: Interval
    fnmr: Interval
    far: float
    frr: float
    extrapolated: bool


@dataclass(frozen=True, slots=True)
class DetCurve:
    """The error trade-off: (p,) rising thresholds, FMR, FNMR, and the 95 % band of FNMR at each threshold."""

    threshold: tuple[float, ...]
    fmr: tuple[float, ...]
    fnmr: tuple[float, ...]
    fnmr_low: tuple[float, ...]
    fnmr_high: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Distances of both kinds in (b,) bins between (b + 1,) edges, as counts."""

    edges: tuple[float, ...]
    mated: tuple[int, ...]
    non_mated: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GalleryPoint:
    """Search in a gallery of `identities` at one threshold: FPIR and FNIR, predicted or observed (then with counts)."""

    identities: int
    threshold: float
    fpir: Interval
    fnir: Interval | None
    observed: bool


@dataclass(frozen=True, slots=True)
class CohortRow:
    """Error rates of one group at the threshold in question; `against` is None within the group itself."""

    attribute: str
    group: str
    against: str | None
    identities: int
    mated: int
    non_mated: int
    fmr: Interval
    fnmr: Interval | None


@dataclass(frozen=True, slots=True)
class Differential:
    """Worst to best group (ISO/IEC 19795-10): the ratio of FMR, and of FNMR; None if the best has no errors.

    A worst group is "" if the rates of all groups are equal within their intervals. The intervals of the ratios are for
    the two groups observed as worst and best: among many groups with one true rate some pair is far apart by chance.
    """

    attribute: str
    fmr_ratio: Ratio | None
    fmr_worst: str
    fnmr_ratio: Ratio | None
    fnmr_worst: str


@dataclass(frozen=True, slots=True)
class Alike:
    """The FMR among people who are alike, at the proposed threshold; `chosen_by` and `population` as in AlikeCurve."""

    chosen_by: AlikeBy
    population: str
    people: int
    non_mated: int
    fmr: Interval


@dataclass(frozen=True, slots=True)
class NotablePair:
    """Two photos that are unusually near or far: names, files where known, distance, thumbnails (JPEG) where known."""

    names: tuple[str, str]
    paths: tuple[str | None, str | None]
    distance: float
    thumbnails: tuple[bytes | None, bytes | None]


@dataclass(frozen=True, slots=True)
class Health:
    """A finding about identities or templates that an operator should check, with advice.

    `kind`: outlier_template, look_alike, similar_people, single_template, low_quality, stale, unconfirmed.
    """

    kind: str
    names: tuple[str, ...]
    template_ids: tuple[int, ...]
    value: float | None
    advice: str


@dataclass(frozen=True, slots=True)
class FoldAccuracy:
    """LFW's protocol: accuracy (0..1) and threshold of each fold, mean accuracy and its standard error over folds.

    The accuracy is over `pairs` listed pairs; the `lost` ones among them, a photo of which has no template, count as
    errors.
    """

    accuracy: tuple[float, ...]
    threshold: tuple[float, ...]
    mean: float
    standard_error: float
    pairs: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class SearchCurve:
    """Searches at (p,) thresholds, rising: FPIR and FNIR, counted over all draws together."""

    threshold: tuple[float, ...]
    fpir: tuple[float, ...]
    fnir: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class OpenSet:
    """Open-set identification: `draws` galleries of `identities` people with `photos` templates each, on average.

    Searches are summed over the draws. `rank_1` is the closed-set rate, whatever the threshold.
    """

    identities: int
    photos: int
    draws: int
    mated: int
    non_mated: int
    rank_1: float
    fpir: Interval
    fnir: Interval | None
    curve: SearchCurve


@dataclass(frozen=True, slots=True)
class OneShot:
    """N-way one-shot recognition: the share of `episodes` that were right; `people` had the two photos it takes."""

    ways: int
    episodes: int
    people: int
    accuracy: Interval


@dataclass(frozen=True, slots=True)
class Findings:
    """A whole evaluation. Parts that were not requested, or for which the data are too few, are None or empty."""

    title: str
    created_at: str
    command: str
    versions: dict[str, str]
    model: str
    metric: str
    data: Data
    caveats: tuple[Caveat, ...]
    proposed: OperatingRow | None = None
    rows: tuple[OperatingRow, ...] = ()
    det: DetCurve | None = None
    histogram: Histogram | None = None
    eer: float | None = None
    auc: float | None = None
    d_prime: float | None = None
    cllr: float | None = None
    min_cllr: float | None = None
    by_size: tuple[GalleryPoint, ...] = ()
    by_threshold: tuple[GalleryPoint, ...] = ()
    cohorts: tuple[CohortRow, ...] = ()
    differentials: tuple[Differential, ...] = ()
    alike: Alike | None = None
    nearest: tuple[NotablePair, ...] = ()
    farthest: tuple[NotablePair, ...] = ()
    health: tuple[Health, ...] = ()
    folds: FoldAccuracy | None = None
    open_set: OpenSet | None = None
    one_shot: OneShot | None = None
