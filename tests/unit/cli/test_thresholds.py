"""The two lines under an answer: the threshold with its price, and the rates with the people for whom they hold."""

from __future__ import annotations

from dataclasses import replace

from faceid.cli._thresholds import threshold_lines
from faceid.results import PolicyState

SEARCH = PolicyState(
    source="default",
    policy_id=None,
    kind="fpir",
    target=0.01,
    threshold=0.6184,
    identities=500,
    fmr=0.00002,
    fmr_alike=0.0044,
    fpir=0.01,
    miss_rate=0.061,
    population="public figures in press photos (LFW)",
    held=True,
    card_threshold=None,
    raised_by=None,
)


def test_a_search_says_what_the_threshold_is_for_and_for_whom_its_rates_hold() -> None:
    assert threshold_lines(SEARCH) == (
        "threshold 0.618 for FPIR 0.01 with 500 identities: misses 6.1% of photos",
        "FMR 2e-05, among alike 0.0044, for public figures in press photos (LFW)",
    )


def test_provenance_is_left_to_policy_show() -> None:
    long = (
        "LFW View 1, deep-funnelled, 4,986 photos of 3,087 identities, all pairs; intervals take comparisons"
    )
    assert threshold_lines(replace(SEARCH, population=long))[1].endswith(", for LFW View 1")
    like = replace(SEARCH, population="people like the 1,200 of photos")
    assert threshold_lines(like)[1].endswith(", for people like the 1,200 of photos")


def test_a_threshold_for_an_fmr_shows_the_fpir_of_a_search() -> None:
    by_fmr = replace(SEARCH, kind="fmr", target=1e-4)
    assert threshold_lines(by_fmr)[0] == (
        "threshold 0.618 for FMR 0.0001: FPIR 0.01 with 500 identities, misses 6.1% of photos"
    )
    claim = replace(by_fmr, identities=None, fpir=None)
    assert threshold_lines(claim)[0] == "threshold 0.618 for FMR 0.0001: misses 6.1% of photos"


def test_a_rate_that_is_not_reached_is_shown_with_what_is() -> None:
    assert (
        "for FPIR 0.01 with 500 identities: reaches only 0.05,"
        in (threshold_lines(replace(SEARCH, held=False, fpir=0.05))[0])
    )
    alike = replace(SEARCH, kind="fmr_alike", target=1e-5, held=False, fpir=None, identities=None)
    assert "for FMR among alike 1e-05: reaches only 0.0044," in threshold_lines(alike)[0]


def test_the_threshold_that_the_gallery_raised_stands_beside_the_cards() -> None:
    raised = replace(
        SEARCH, card_threshold=0.65, raised_by=3.0, population="the people of this gallery, from 9"
    )
    assert threshold_lines(raised) == (
        "threshold 0.618, not the card's 0.650, for FPIR 0.01 with 500 identities",
        "misses 6.1% of photos; FMR 2e-05, among alike 0.0044, in this gallery",
    )
    as_strict = replace(raised, card_threshold=0.6184)
    assert threshold_lines(as_strict)[0] == threshold_lines(SEARCH)[0]
    assert threshold_lines(as_strict)[1].endswith("for the people of this gallery")


def test_without_a_calibration_no_rate_is_shown() -> None:
    unknown = replace(
        SEARCH, kind="threshold", fmr=None, fmr_alike=None, fpir=None, miss_rate=None, population=None
    )
    assert threshold_lines(unknown) == (
        "threshold 0.618 by hand with 500 identities",
        "no error rates: the network has no calibration",
    )
