"""Findings of an evaluation that nobody made, with every part filled in."""

from __future__ import annotations

import io

from PIL import Image as PilImage

from faceid.evaluation.findings import (
    Alike,
    CohortRow,
    Data,
    DetCurve,
    Differential,
    Findings,
    FoldAccuracy,
    GalleryPoint,
    Health,
    Histogram,
    NotablePair,
    OneShot,
    OpenSet,
    OperatingRow,
    SearchCurve,
)
from faceid.evaluation.statistics.caveats import Caveat
from faceid.evaluation.statistics.intervals import Interval, Ratio


def thumbnail(shade: int) -> bytes:
    file = io.BytesIO()
    PilImage.new("RGB", (13, 16), (shade, shade, shade)).save(file, "JPEG")
    return file.getvalue()


PROPOSED = OperatingRow(
    "FMR 0.0001",
    0.0863,
    0.0851,
    0.0877,
    Interval(1e-4, 7e-5, 1.4e-4),
    Interval(0.167, 0.15, 0.18),
    0.99e-4,
    0.169,
    False,
)

FITTED = OperatingRow(
    "FMR 1e-08",
    0.0312,
    None,
    None,
    Interval(1e-8, 2e-9, 6e-8),
    Interval(0.61, 0.55, 0.66),
    1e-8,
    0.612,
    True,
)

SAMPLE = Findings(
    title="Evaluation of nobody",
    created_at="2026-11-24T10:12:00Z",
    command="faceid evaluate photos --report 'a report.html'",
    versions={"faceid": "0.1.0", "numpy": "2.1.3"},
    model="net (aaaaaaaa, dlib-150-v1)",
    metric="cosine",
    data=Data(
        source="photos",
        kind="folder",
        identities=3087,
        photos=4992,
        templates=4986,
        lost={"no_face": 4, "unreadable": 2},
        mated=3201,
        non_mated=12_424_404,
        duplicates=(("ann", "bea"),),
        sha256="9f3c" * 16,
        detector="yunet-n",
    ),
    caveats=(Caveat("few_false_matches", "12 false matches at this threshold"),),
    proposed=PROPOSED,
    rows=(PROPOSED, FITTED),
    det=DetCurve(
        threshold=(0.03, 0.05, 0.09, 0.2),
        fmr=(1e-7, 1e-5, 1e-3, 1.0),
        fnmr=(0.7, 0.3, 0.04, 0.0),
        fnmr_low=(0.6, 0.25, 0.03, 0.0),
        fnmr_high=(0.8, 0.35, 0.05, 0.002),
    ),
    histogram=Histogram(
        edges=tuple(k / 10 for k in range(11)),
        mated=(0, 900, 500, 40, 1, 0, 0, 0, 0, 0),
        non_mated=(0, 0, 10, 90, 3000, 9000, 4000, 70, 0, 0),
    ),
    eer=0.0123,
    auc=0.99871,
    d_prime=4.46,
    cllr=0.213,
    min_cllr=0.0841,
    by_size=(
        GalleryPoint(10, 0.0863, Interval(0.001, 0.0008, 0.0013), None, False),
        GalleryPoint(1000, 0.0863, Interval(0.095, 0.08, 0.12), Interval(0.167, 0.15, 0.18), False),
        GalleryPoint(1000, 0.0863, Interval(0.09, 0.07, 0.11), Interval(0.17, 0.14, 0.2), True),
        GalleryPoint(100, 0.0863, Interval(0.0, 0.0, 0.0077), None, True),
    ),
    by_threshold=(
        GalleryPoint(1000, 0.05, Interval(0.01, 0.008, 0.013), Interval(0.35, 0.32, 0.38), False),
        GalleryPoint(1000, 0.08, Interval(0.09, 0.07, 0.11), Interval(0.19, 0.16, 0.22), False),
        GalleryPoint(1000, 0.08, Interval(0.088, 0.066, 0.12), Interval(0.2, 0.15, 0.25), True),
    ),
    cohorts=(
        CohortRow(
            "sex",
            "women",
            None,
            690,
            512,
            300_211,
            Interval(2.9e-4, 1.7e-4, 4.6e-4),
            Interval(0.19, 0.15, 0.24),
        ),
        CohortRow("sex", "men", "women", 3087, 0, 5_111_848, Interval(2.1e-6, 9e-7, 4e-6), None),
    ),
    differentials=(Differential("sex", Ratio(2.42, 1.31, None), "women", None, "men"),),
    alike=Alike("attributes", "people of one sex, in a test", 690, 300_211, Interval(7.1e-4, 4e-4, 1.1e-3)),
    nearest=(
        NotablePair(("ann", "bea"), ("ann/1.jpg", "bea/1.jpg"), 0.0335, (thumbnail(40), thumbnail(80))),
        NotablePair(("cyd", "dot"), (None, None), 0.0341, (None, None)),
    ),
    farthest=(NotablePair(("eve", "eve"), ("eve/1.jpg", "eve/2.jpg"), 0.1252, (thumbnail(120), None)),),
    health=(
        Health("outlier_template", ("ann",), (4711,), 0.1411, "look, then `faceid remove --template 4711`"),
        Health("look_alike", ("ann", "bea"), (12, 99), 0.0121, "look at both"),
        Health("single_template", ("cyd",), (13,), None, "enrol another"),
        Health("low_quality", ("cyd",), (13,), 0.31, "enrol a better one"),
        Health("stale", ("dot",), (17,), 2201.5, "enrol a recent one"),
    ),
    folds=FoldAccuracy((0.97, 0.99), (0.0871, 0.0882), 0.9803, 0.0107),
    open_set=OpenSet(
        identities=811,
        photos=2,
        draws=7,
        mated=4321,
        non_mated=8765,
        rank_1=0.9876,
        fpir=Interval(0.012, 0.009, 0.0161),
        fnir=Interval(0.234, 0.211, 0.257),
        curve=SearchCurve((0.03, 0.05, 0.0863, 0.2), (0.0, 0.001, 0.012, 1.0), (0.7, 0.4, 0.234, 0.0)),
    ),
    one_shot=OneShot(20, 1234, 345, Interval(0.931, 0.915, 0.944)),
)
