"""A gallery whose people resemble each other: what the commands say, and what they do."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from cli_runs import ALICE, Faceid, Photo
from crowds import again, crowd
from enrollment_db.records import Part
from faceid.gallery.opening import open_gallery
from faceid.recognition.embed.fake import FakeEmbedder

PEOPLE = 80


def fill(db: Path, vectors: np.ndarray, names: list[str]) -> None:
    with closing(open_gallery(db, create=True)) as gallery:
        digests = [hashlib.sha256(vector.tobytes()).hexdigest() for vector in vectors]
        gallery.add_many([Part(names, vectors, digests, [None] * len(names))], FakeEmbedder().model)


@pytest.fixture
def alike(db: Path) -> None:
    fill(db, crowd(5, PEOPLE, shift=1.0), [f"person {number}" for number in range(PEOPLE)])


@pytest.fixture
def mixed(db: Path) -> None:
    people = crowd(5, PEOPLE)
    fill(db, people, [f"person {number}" for number in range(PEOPLE)])
    fill(db, again(5, people[:10]), [f"again {number}" for number in range(10)])


@pytest.mark.usefixtures("alike")
def test_policy_show_has_the_card_s_threshold_the_gallery_s_and_the_reason(faceid: Faceid) -> None:
    reports = {one["decides"]: one for one in faceid("--json", "policy", "show").objects}
    for report in reports.values():
        policy = report["policy"]
        assert policy["threshold"] < policy["card_threshold"]
        assert policy["raised_by"] > 2.0
        assert (report["gallery"]["people"], report["gallery"]["raises"]) == (PEOPLE, True)
    ran = faceid("policy", "show")
    assert ran.code == 0
    said = " ".join(ran.out.split())
    for report in reports.values():
        policy = report["policy"]
        assert f"threshold {policy['threshold']:.3f}, not the card's {policy['card_threshold']:.3f}," in said
    # The reason is printed once for both.
    assert said.count(f"this gallery: of 3,160 comparisons between {PEOPLE} people") == 1
    assert said.count("faceid calibrate") == 1


@pytest.mark.usefixtures("alike")
def test_answers_say_it_and_standard_error_says_it_once(faceid: Faceid, photo: Photo) -> None:
    ran = faceid("--json", "identify", photo(ALICE), photo(ALICE), photo(ALICE))
    for answer in ran.objects:
        assert answer["faces"][0]["threshold"] == answer["policy"]["threshold"]
        assert answer["policy"]["threshold"] < answer["policy"]["card_threshold"]
    assert ran.err.count("match each other") == 1


@pytest.mark.usefixtures("alike")
def test_doctor_explains_it_and_offers_calibrate(faceid: Faceid) -> None:
    found = {one["check"]: one for one in faceid("--json", "doctor").objects}["gallery rates"]
    assert found["ok"]
    assert "stricter threshold" in found["detail"]
    assert "faceid calibrate" in found["detail"]


@pytest.mark.usefixtures("alike")
def test_gallery_health_finds_it(faceid: Faceid) -> None:
    ran = faceid("--json", "gallery-health")
    (found,) = (one for one in ran.objects if one.get("kind") == "similar_people")
    assert found["value"] > 1.5
    assert "faceid calibrate" in found["advice"]
    assert ran.objects[-1]["summary"]["similar_people"] == 1
    assert ran.objects[-1]["summary"]["rates"]["people"] == PEOPLE


@pytest.mark.usefixtures("mixed")
def test_people_under_two_names_are_look_alikes_and_raise_nothing(faceid: Faceid) -> None:
    for report in faceid("--json", "policy", "show").objects:
        assert report["policy"]["card_threshold"] is None
        assert not report["gallery"]["raises"]
        assert report["gallery"]["set_aside"] >= 10
    summary = faceid("--json", "gallery-health").objects[-1]["summary"]
    assert summary["look_alike"] >= 10
    assert summary["similar_people"] == 0
    assert "show no more false matches" in faceid("policy", "show").out
    found = {one["check"]: one for one in faceid("--json", "doctor").objects}["gallery rates"]
    assert found["ok"]
    assert "no more false matches" in found["detail"]
