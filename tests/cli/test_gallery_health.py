"""`faceid gallery-health`: what is found, for people, for programs and as a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_runs import ALICE, BOB, CAROL, Faceid, Photo
from html_check import Page


@pytest.fixture
def enrolled(faceid: Faceid, photo: Photo) -> None:
    assert faceid("enroll", "--name", "alice", photo(ALICE), photo(ALICE), photo(ALICE)).code == 0
    assert faceid("enroll", "--name", "bob", photo(BOB), photo(BOB)).code == 0


@pytest.mark.usefixtures("enrolled")
def test_a_gallery_in_order(faceid: Faceid) -> None:
    ran = faceid("--json", "gallery-health")
    assert ran.code == 0
    summary = ran.object["summary"]
    kinds = (
        "outlier_template",
        "look_alike",
        "similar_people",
        "single_template",
        "low_quality",
        "stale",
        "unconfirmed",
    )
    bounds = ("outlier_beyond", "look_alike_within", "look_alikes_by_chance", "rates")
    assert list(summary) == [*kinds, "identities", "templates", *bounds]
    assert [summary[kind] for kind in kinds] == [0] * 7
    assert (summary["identities"], summary["templates"]) == (2, 5)
    assert faceid("gallery-health").out == "5 templates of 2 identities: nothing found\n"


@pytest.mark.usefixtures("enrolled")
def test_findings_are_told_and_are_no_error(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    faceid("enroll", "--name", "bob", "--on-conflict", "accept", photo(CAROL))
    faceid("enroll", "--name", "<b>alias</b>", "--on-conflict", "accept", photo(ALICE))
    ran = faceid("--json", "gallery-health")
    assert ran.code == 0
    *found, last = ran.objects
    assert [(item["kind"], item["names"]) for item in found if item["kind"] != "outlier_template"] == [
        ("single_template", ["<b>alias</b>"]),
        ("look_alike", ["alice", "<b>alias</b>"]),
    ]
    assert ("outlier_template", ["bob"], [6]) in [
        (item["kind"], item["names"], item["template_ids"]) for item in found
    ]
    assert all(list(item) == ["kind", "names", "template_ids", "value", "advice"] for item in found)
    assert last["summary"]["look_alike"] == 1
    report = tmp_path / "health.html"
    told = faceid("gallery-health", "--report", report)
    assert (told.code, "<b>alias</b>" in told.out, str(report) in told.err) == (0, True, True)
    page = Page(report.read_text("utf-8"))
    page.assert_sound()
    assert "<b>alias</b>" in page.text
    assert "faceid remove --template 6" in page.text
    faceid("gallery-health", "--report", tmp_path / "health.json")
    kinds = {item["kind"] for item in json.loads((tmp_path / "health.json").read_text("utf-8"))["health"]}
    assert kinds == {"single_template", "look_alike", "outlier_template"}


@pytest.mark.usefixtures("enrolled")
def test_stale_days(faceid: Faceid) -> None:
    assert faceid("--json", "gallery-health", "--stale-days", 0).objects[-1]["summary"]["stale"] == 5
    assert faceid("gallery-health", "--stale-days", -1).code == 2


def test_no_gallery_and_an_empty_one(faceid: Faceid, photo: Photo) -> None:
    missing = faceid("--json", "gallery-health")
    assert (missing.code, missing.object["error"]["code"]) == (4, "database_missing")
    faceid("enroll", "--name", "alice", photo(ALICE))
    faceid("remove", "--yes", "alice")
    assert faceid("gallery-health").out == "0 templates of 0 identities: nothing found\n"


@pytest.mark.usefixtures("enrolled")
def test_another_model_and_a_place_that_cannot_be_written(faceid: Faceid, tmp_path: Path) -> None:
    assert faceid("gallery-health", model="dlib-resnet").code == 4
    ran = faceid("--json", "gallery-health", "--report", tmp_path / "missing" / "report.html")
    assert (ran.code, ran.objects[-1]["error"]["code"]) == (2, "cannot_write")
