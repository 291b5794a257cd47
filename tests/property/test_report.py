"""Whatever an evaluation finds can be shown."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

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
from faceid.evaluation.report.page import escaped
from faceid.evaluation.report.render import to_html, to_json
from faceid.evaluation.statistics.caveats import Caveat
from faceid.evaluation.statistics.intervals import Interval, Ratio
from html_check import Page

words = st.text(max_size=12)
counts = st.integers(0, 10**12)
rates = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 1e-300, float("nan")]))
distances = st.floats(allow_nan=True, allow_infinity=True)
intervals = st.builds(Interval, rates, rates, rates)
maybe = st.none()
ratios = st.builds(Ratio, distances, distances, maybe | distances)


def tuples(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(strategy, max_size=3).map(tuple)


def columns(*strategies: st.SearchStrategy) -> st.SearchStrategy:
    """Tuples of one length, one for each strategy."""
    rows = st.lists(st.tuples(*strategies), max_size=6)
    return rows.map(lambda found: tuple(zip(*found, strict=True)) if found else ((),) * len(strategies))


operating = st.builds(
    OperatingRow,
    words,
    distances,
    maybe | distances,
    maybe | distances,
    intervals,
    intervals,
    rates,
    rates,
    st.booleans(),
)
det = columns(distances, rates, rates, rates, rates).map(lambda found: DetCurve(*found))
histogram = st.tuples(st.floats(-2, 2), columns(st.floats(1e-6, 1), counts, counts)).map(
    lambda found: Histogram(
        tuple(found[0] + sum(found[1][0][:k]) for k in range(len(found[1][0]) + 1)), found[1][1], found[1][2]
    )
)
points = st.builds(GalleryPoint, counts, distances, intervals, maybe | intervals, st.booleans())
pairs = st.builds(
    NotablePair,
    st.tuples(words, words),
    st.tuples(maybe | words, maybe | words),
    distances,
    st.tuples(maybe | st.binary(max_size=9), maybe | st.binary(max_size=9)),
)
folds = st.builds(lambda found, *rest: FoldAccuracy(*found, *rest), columns(rates, distances), rates, rates)
curves = columns(distances, rates, rates).map(lambda found: SearchCurve(*found))
open_sets = st.builds(
    OpenSet, counts, counts, counts, counts, counts, rates, intervals, maybe | intervals, curves
)
kinds = st.sampled_from(
    ["outlier_template", "look_alike", "single_template", "low_quality", "stale", "new <kind>"]
)
findings = st.builds(
    Findings,
    title=words,
    created_at=words,
    command=words,
    versions=st.dictionaries(words, words, max_size=3),
    model=words,
    metric=words,
    data=st.builds(
        Data,
        words,
        words,
        counts,
        counts,
        counts,
        st.dictionaries(words, counts, max_size=3),
        counts,
        counts,
        tuples(st.tuples(words, words)),
        words,
    ),
    caveats=tuples(st.builds(Caveat, words, words)),
    proposed=maybe | operating,
    rows=tuples(operating),
    det=maybe | det,
    histogram=maybe | histogram,
    eer=maybe | rates,
    auc=maybe | rates,
    d_prime=maybe | distances,
    cllr=maybe | distances,
    min_cllr=maybe | distances,
    by_size=tuples(points),
    by_threshold=tuples(points),
    cohorts=tuples(
        st.builds(
            CohortRow, words, words, maybe | words, counts, counts, counts, intervals, maybe | intervals
        )
    ),
    differentials=tuples(st.builds(Differential, words, maybe | ratios, words, maybe | ratios, words)),
    alike=maybe
    | st.builds(Alike, st.sampled_from(["attributes", "nearest half"]), words, counts, counts, intervals),
    nearest=tuples(pairs),
    farthest=tuples(pairs),
    health=tuples(st.builds(Health, kinds, tuples(words), tuples(counts), maybe | distances, words)),
    folds=maybe | folds,
    open_set=maybe | open_sets,
    one_shot=maybe | st.builds(OneShot, counts, counts, counts, intervals),
)


@settings(max_examples=50)
@given(findings)
def test_any_findings_make_a_sound_page_and_json(found: Findings) -> None:
    Page(to_html(found)).assert_sound()
    assert list(json.loads(json.dumps(to_json(found), allow_nan=False))) == list(to_json(found))


@given(st.text())
def test_text_comes_out_as_it_went_in(told: str) -> None:
    shown = Page(f"<p>{escaped(told)}</p>").text
    plain = "".join("\ufffd" if unprintable(letter) else letter for letter in told)
    assert shown == " ".join(plain.split())


def unprintable(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\t\n"
