from __future__ import annotations

import base64
import json
import re
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from faceid.errors import UsageError
from faceid.evaluation.findings import Findings, Health, Histogram, NotablePair
from faceid.evaluation.report.axes import linear, logarithmic, probit, rate_tick
from faceid.evaluation.report.charts import joined
from faceid.evaluation.report.numbers import between, number, one_in, rate
from faceid.evaluation.report.render import to_html, to_json, write_report
from faceid.evaluation.statistics.caveats import Caveat
from faceid.evaluation.statistics.intervals import Interval, Ratio
from html_check import Page
from sample_findings import PROPOSED, SAMPLE

EVIL = "<script>alert('x')</script>\"&'\x00\udc80\u202e"


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(to_html(SAMPLE))


def bare(findings: Findings) -> Findings:
    """Without anything that an evaluation may leave out."""
    empty = {
        field.name: None if "None" in str(field.type) else ()
        for field in fields(findings)
        if "None" in str(field.type) or str(field.type).startswith("tuple")
    }
    return replace(findings, **empty)


def test_the_page_is_sound_and_fetches_nothing(page: Page) -> None:
    page.assert_sound()
    assert not re.search(r"https?:|//[a-z]", page.source)
    assert page.all("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in page.all("meta")


def test_the_parts_come_in_the_order_of_reading(page: Page) -> None:
    sections = [attributes["id"] for attributes in page.all("section")]
    assert sections == [
        *(
            "summary",
            "caveats",
            "audit",
            "limits",
            "folds",
            "searches",
            "one-shot",
            "groups",
            "thresholds",
            "figures",
        ),
        *("pairs", "health", "data", "method", "reproduce"),
    ]


def test_the_summary_says_it_in_words(page: Page) -> None:
    assert (
        "At distance ≤ 0.0863, one stranger in 10,000 is accepted (95 % interval: one in 14,000 to one in 7,100),"
        " and 16.7 % of genuine comparisons are refused (15.0 .. 18.0 %)."
    ) in page.text
    assert "12,424,404 comparisons of different people and 3,201 of the same person" in page.text


def test_what_was_measured_on_is_said_as_far_as_it_is_known() -> None:
    scores = replace(SAMPLE, data=replace(SAMPLE.data, templates=0, identities=0))
    told = Page(to_html(scores)).text
    assert "12,424,404 comparisons of different people and 3,201 of the same person." in told
    assert "of 0 people" not in told
    trials = Page(to_html(replace(bare(SAMPLE), one_shot=SAMPLE.one_shot))).text
    assert "Measured with net (aaaaaaaa, dlib-150-v1) on 4,986 photos of 3,087 people." in trials


def test_no_false_match_is_not_called_a_rate_of_zero() -> None:
    row = replace(PROPOSED, fmr=Interval(0.0, 0.0, 3e-5))
    assert (
        "no stranger was accepted (95 % interval: up to one in 33,000)"
        in Page(to_html(replace(SAMPLE, proposed=row))).text
    )


def test_every_number_and_name_is_there(page: Page) -> None:
    for row in SAMPLE.rows:
        for told in (row.asked, f"{row.threshold:.4f}", rate(row.far), rate(row.frr), between(row.fnmr)):
            assert " ".join(told.split()) in page.text
    for value in (
        "1.23 %",
        "0.99871",
        "4.46",
        "0.213",
        "0.0841",
        "2.42",
        "0.1411",
        "0.0121",
        "2,202",
        "0.310",
    ):
        assert value in page.text
    for point in (*SAMPLE.by_size, *SAMPLE.by_threshold):
        assert " ".join(between(point.fpir).split()) in page.text
    for cohort in SAMPLE.cohorts:
        assert f"{cohort.non_mated:,}" in page.text
    for pair in (*SAMPLE.nearest, *SAMPLE.farthest):
        assert f"{pair.distance:.4f}" in page.text
        assert all(path in page.text for path in pair.paths if path)
    for told in (
        *SAMPLE.versions.values(),
        SAMPLE.command,
        SAMPLE.model,
        SAMPLE.data.sha256,
        "no_face",
        "unreadable",
    ):
        assert told in page.text
    for caveat in SAMPLE.caveats:
        assert caveat.message in page.text
    for item in SAMPLE.health:
        assert item.advice.replace("`", "") in page.text


def test_protocols_are_told_first_and_in_full(page: Page) -> None:
    for told in (
        "98.0 % of comparisons are decided rightly (standard error 1.07 %)",
        "With 811 people enrolled, 1.20 % of searches for people who are not return a name (FPIR; 0.900 .. 1.61 %),"
        " and 23.4 % of searches for people who are do not return theirs (FNIR; 21.1 .. 25.7 %).",
        "By sex, the false match rate is highest for women: 2.42 times the lowest (95 % interval: 1.31 .. unbounded).",
        "Among 20 people of whom one photo each is known, the right one is nearest in 93.1 % of trials",
    ):
        assert told in page.text
        assert page.text.index(told) < page.text.index("At distance ≤")
    for cells in (
        "2 0.0882 99.0 %",
        "non-mated searches 8,765",
        "rank 1 98.8 %",
        "trials 1,234",
        "by chance 5.00 %",
        "0.0500 0.100 %",
    ):
        assert cells.replace(" ", "") in page.text.replace(" ", "")


def test_a_ratio_that_may_be_one_is_called_that() -> None:
    (differential,) = SAMPLE.differentials
    unsure = replace(differential, fmr_ratio=Ratio(2.42, 0.8, 5.5))
    told = Page(to_html(replace(SAMPLE, differentials=(unsure,)))).text
    assert "2.42 times the lowest (95 % interval: 0.800 .. 5.50; the groups may be alike)." in told


def test_the_page_for_an_auditor_says_what_was_measured_and_what_that_does_not_show() -> None:
    page = Page(to_html(SAMPLE))
    page.assert_sound()
    assert SAMPLE.proposed is not None
    assert SAMPLE.alike is not None
    told = page.text.replace(" ", "").replace("\N{NO-BREAK SPACE}", "")
    for expected in (
        f"{SAMPLE.data.identities:,} people of {SAMPLE.data.source}",
        f"threshold {SAMPLE.proposed.threshold:.4f} ({SAMPLE.proposed.asked})",
        f"FMR among alike {rate(SAMPLE.alike.fmr.rate)} ({between(SAMPLE.alike.fmr)})",
        "people of one sex, in a test: 300,211 comparisons of 690 people",
        "What it does not show",
        SAMPLE.data.sha256,
        f"detector {SAMPLE.data.detector}",
        f"faceid {SAMPLE.versions['faceid']}",
        SAMPLE.created_at,
    ):
        assert expected.replace(" ", "").replace("\N{NO-BREAK SPACE}", "") in told, expected
    without = Page(to_html(replace(SAMPLE, cohorts=(), differentials=()))).text
    assert "What it does not show" not in without


def test_no_group_is_named_where_all_are_equal_within_their_intervals() -> None:
    (differential,) = SAMPLE.differentials
    equal = replace(differential, fmr_worst="", fnmr_worst="")
    told = Page(to_html(replace(SAMPLE, differentials=(equal,)))).text
    assert "the false match rate is highest for" not in told
    assert "no group: equal within the intervals" in told


def test_without_an_open_set_predictions_are_drawn_over_each_other() -> None:
    page = Page(to_html(replace(SAMPLE, open_set=None)))
    page.assert_sound()
    assert [chart["aria-labelledby"].split()[0] for chart in page.all("svg")][-1] == "trade-title"


def test_the_proposed_threshold_stands_out_in_an_open_set() -> None:
    assert SAMPLE.open_set is not None
    points = (replace(SAMPLE.by_threshold[2], threshold=PROPOSED.threshold), SAMPLE.by_threshold[2])
    page = Page(to_html(replace(SAMPLE, by_threshold=points)))
    assert "Proposed: FPIR 8.80 %, FNIR 20.0 %." in page.text
    marks = [attributes["class"] for attributes in page.all("circle")]
    assert marks[:2] == ["proposed", "observed"]


def test_charts_are_told_in_words_too(page: Page) -> None:
    charts = page.all("svg")
    assert [chart["aria-labelledby"].split()[0] for chart in charts] == [
        *("search-title", "size-title"),
        *("det-title", "histogram-title"),
    ]
    assert all(chart["role"] == "img" for chart in charts)
    assert len(page.all("details")) == 4
    assert "Proposed: FMR 1 × 10⁻⁴, FNMR 16.7 %" in page.text


def test_photos_are_in_the_page_with_whose_they_are(page: Page) -> None:
    images = page.all("img")
    assert [image["alt"] for image in images] == ["ann", "bea", "eve"]
    first = SAMPLE.nearest[0].thumbnails[0]
    assert first is not None
    assert images[0]["src"].endswith(base64.b64encode(first).decode())
    assert page.text.count("no photo") == 3


def test_files_are_told_from_the_folder_that_holds_them_all() -> None:
    def below(root: str) -> str:
        pairs = [
            replace(pair, paths=tuple(path and root + path for path in pair.paths)) for pair in SAMPLE.nearest
        ]
        return Page(to_html(replace(SAMPLE, nearest=tuple(pairs), farthest=()))).text

    assert "Files are below /photos/of people/." in below("/photos/of people/")
    assert "ann/1.jpg" in below("/photos/of people/")
    assert "/photos/of people/ann" not in below("/photos/of people/")
    assert "Files are below" not in below("/")


def test_findings_that_differ_by_name_only_are_a_list() -> None:
    alone = tuple(replace(SAMPLE.health[2], names=(who,), template_ids=(5,)) for who in ("gil", "hal"))
    told = Page(to_html(replace(SAMPLE, health=alone))).text
    assert "gil (5) · hal (5)" in told
    assert told.count("enrol another") == 1


def test_each_size_with_its_own_threshold_is_one_line_of_predictions() -> None:
    sizes = tuple(
        replace(point, identities=size, threshold=size / 1e4, observed=False)
        for size, point in zip((10, 100, 1000), SAMPLE.by_size, strict=False)
    )
    page = Page(to_html(replace(SAMPLE, open_set=None, by_size=sizes)))
    assert "Lines of predictions: 1. Observations: 0." in page.text
    (alone,) = sizes[:1]
    assert "size-title" not in to_html(replace(SAMPLE, by_size=(alone,)))


def test_names_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    evil = replace(
        SAMPLE,
        title=EVIL,
        command=EVIL,
        created_at=EVIL,
        model=EVIL,
        versions={EVIL: EVIL},
        data=replace(SAMPLE.data, source=EVIL, kind=EVIL, lost={EVIL: 1}, duplicates=((EVIL, EVIL),)),
        caveats=(Caveat(EVIL, EVIL),),
        proposed=replace(PROPOSED, asked=EVIL),
        cohorts=tuple(replace(row, attribute=EVIL, group=EVIL, against=EVIL) for row in SAMPLE.cohorts),
        differentials=tuple(replace(row, attribute=EVIL, fmr_worst=EVIL) for row in SAMPLE.differentials),
        nearest=(NotablePair((EVIL, EVIL), (EVIL, EVIL), 0.1, (b"\xff\xd8", None)),),
        health=(Health(EVIL, (EVIL, EVIL), (1,), 0.5, f"`{EVIL}`"),),
    )
    source = to_html(evil)
    Page(source).assert_sound()
    assert "<script" not in source
    assert source.count("&lt;script&gt;") >= 20
    assert "\x00" not in source
    write_report(evil, tmp_path / "report.html")
    write_report(evil, tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["data"]["kind"].startswith("<script>")


def test_parts_without_findings_are_left_out() -> None:
    page = Page(to_html(bare(SAMPLE)))
    page.assert_sound()
    assert [attributes["id"] for attributes in page.all("section")] == ["summary", "data", "reproduce"]
    assert page.all("svg") == []


def test_as_json_it_is_the_same_field_for_field() -> None:
    plain = json.loads(json.dumps(to_json(SAMPLE), allow_nan=False))
    assert list(plain) == [field.name for field in fields(SAMPLE)]
    assert plain["proposed"]["fnmr"] == {"rate": 0.167, "low": 0.15, "high": 0.18}
    assert plain["data"]["lost"] == {"no_face": 4, "unreadable": 2}
    picture = SAMPLE.nearest[0].thumbnails[0]
    assert base64.b64decode(plain["nearest"][0]["thumbnails"][0]) == picture
    assert plain["health"][2]["value"] is None


def test_json_has_no_infinities() -> None:
    assert SAMPLE.det is not None
    curve = replace(SAMPLE.det, threshold=(float("-inf"), 0.05, float("nan"), 0.2))
    assert to_json(replace(SAMPLE, det=curve))["det"]["threshold"] == [None, 0.05, None, 0.2]


def test_the_suffix_chooses_the_form_and_nothing_is_left_behind(tmp_path: Path) -> None:
    for name in ("report.html", "report.json"):
        write_report(SAMPLE, tmp_path / name)
        write_report(SAMPLE, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["title"] == SAMPLE.title


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "report.html", tmp_path):
        with pytest.raises(UsageError, match="cannot write") as caught:
            write_report(SAMPLE, path)
        assert (caught.value.code, caught.value.path) == ("cannot_write", str(path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "0"),
        (0.1674, "16.7 %"),
        (0.01, "1.00 %"),
        (0.9999, "100 %"),
        (1.0, "100 %"),
        (0.001, "0.100 %"),
        (9.999e-5, "1 × 10⁻⁴"),
        (2.34e-7, "2.3 × 10⁻⁷"),
        (float("nan"), "-"),
        (None, "-"),
    ],
)
def test_rates(value: float | None, told: str) -> None:
    assert rate(value).replace("\N{NO-BREAK SPACE}", " ") == told


def test_other_numbers() -> None:
    assert number(sys.float_info.max) == "1.80e+308"
    assert [one_in(value) for value in (1e-4, 0.9e-4, 0.3, 1.0)] == ["10,000", "11,000", "3.3", "1.0"]
    assert [number(value) for value in (4.456, 0.0, 2201.5, 0.05)] == ["4.46", "0", "2,200", "0.0500"]
    assert between(Interval(0.1, 0.05, 0.15)).replace("\N{NO-BREAK SPACE}", " ") == "5.00 .. 15.0 %"
    assert between(None) == "-"


def test_axes_name_round_values_within_their_ends() -> None:
    assert [name for _, name in linear("", 0.0, 0.35).ticks] == ["0.0", "0.1", "0.2", "0.3"]
    axis = logarithmic("", [13, 60_000], str)
    assert (axis.low, axis.high) == pytest.approx((10, 100_000))
    assert [value for value, _ in axis.ticks] == pytest.approx([10, 100, 1000, 10_000, 100_000])
    assert axis.place(1000) == pytest.approx(0.5)
    assert logarithmic("", [0.3, 0.9], str, highest=1.0).high == 1.0
    normal = probit("", [1e-6, 0.5])
    # As far from one per cent to half as from half to 99 per cent; here the axis ends at 60 %.
    assert normal.place(0.5) - normal.place(0.4) == pytest.approx(normal.place(0.6) - normal.place(0.5))
    assert (normal.low, normal.place(0.0), normal.place(1.0)) == (1e-6, 0.0, 1.0)
    assert [rate_tick(value) for value in (1e-5, 2e-5, 0.001, 0.05)] == ["10⁻⁵", "2·10⁻⁵", "0.1 %", "5 %"]


def test_joining_bins_loses_no_comparison() -> None:
    fine = Histogram(
        tuple(k / 100 for k in range(101)), (0,) * 20 + (1,) * 80, (0,) * 30 + (2,) * 65 + (0,) * 5
    )
    coarse = joined(fine, 7)
    assert len(coarse.mated) <= 7
    assert (sum(coarse.mated), sum(coarse.non_mated)) == (80, 130)
    assert (coarse.edges[0], coarse.edges[-1]) == (0.2, 1.0)
