"""A gallery whose people resemble each other uses stricter thresholds, and follows its people."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crowds import DIM, again, card, crowd
from enrollment_db.memory import MemoryDatabase
from enrollment_db.records import Part
from faceid.decision.decide import Target
from faceid.decision.thresholds import threshold_at_fmr
from faceid.gallery.gallery import Gallery
from faceid.gallery.opening import gallery_of, open_gallery
from faceid.networks.calibration import Calibration
from faceid.policies import gallery_rates
from faceid.policies.active import Policies
from faceid.policies.gallery_rates import RatesCheck
from faceid.policies.stored import activate
from faceid.types import ModelKey

MODEL = ModelKey("net", "a" * 64, "five-points", DIM, "cosine")
CARD = card()


@pytest.fixture(params=["sqlite", "memory"])
def gallery(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gallery]:
    opened = (
        open_gallery(tmp_path / "gallery.db", create=True)
        if request.param == "sqlite"
        else gallery_of(MemoryDatabase())
    )
    yield opened
    opened.close()


def enrol(gallery: Gallery, vectors: np.ndarray, prefix: str = "person") -> None:
    names = [f"{prefix} {number}" for number in range(len(vectors))]
    digests = [hashlib.sha256(vector.tobytes()).hexdigest() for vector in vectors]
    gallery.add_many([Part(names, vectors, digests, [None] * len(vectors))], MODEL)


def policies(gallery: Gallery, said: list[str] | None = None, of: Calibration = CARD) -> Policies:
    return Policies(gallery, MODEL, of, (said if said is not None else []).append)


def test_people_like_those_of_the_card_change_nothing(gallery: Gallery) -> None:
    enrol(gallery, crowd(1, 60))
    search, claim = policies(gallery).for_search(), policies(gallery).for_claim()
    assert (search.stated, claim.stated) == (None, None)
    assert search.calibration is CARD
    verify, identify = policies(gallery).reports()
    assert verify.gallery is not None
    assert (verify.gallery.people, verify.gallery.raises) == (60, False)
    assert identify.policy is not None
    assert (identify.policy.card_threshold, identify.policy.raised_by) == (None, None)


def test_people_who_resemble_each_other_make_thresholds_stricter(gallery: Gallery) -> None:
    enrol(gallery, crowd(1, 60, shift=1.2))
    said: list[str] = []
    own = policies(gallery, said)
    search, claim = own.for_search(), own.for_claim()
    assert search.stated is not None
    assert claim.stated is not None
    assert search.stated.threshold == pytest.approx(threshold_at_fmr(CARD, 0.01 / 60))
    assert search.threshold < search.stated.threshold
    assert claim.threshold < claim.stated.threshold == pytest.approx(threshold_at_fmr(CARD, 1e-4))
    assert search.fpir == pytest.approx(0.01, rel=0.02)
    assert claim.fmr(claim.threshold) == pytest.approx(1e-4)
    assert search.raised_by is not None
    assert search.raised_by > 3.0
    own.for_search()
    assert len([line for line in said if "match each other" in line]) == 2
    verify, identify = own.reports()
    assert identify.policy is not None
    assert identify.policy.card_threshold == search.stated.threshold
    assert identify.gallery == verify.gallery
    assert identify.gallery is not None
    assert identify.gallery.raises


def test_rates_that_are_asked_for_and_stored_are_kept_too(gallery: Gallery) -> None:
    enrol(gallery, crowd(1, 60, shift=1.2))
    own = policies(gallery)
    asked = own.for_claim(Target(fmr=1e-3))
    assert asked.threshold < threshold_at_fmr(CARD, 1e-3)
    own.activate(Target(fmr=1e-3))
    assert own.for_claim().threshold == pytest.approx(asked.threshold)
    assert own.for_claim().source == "gallery"


def test_a_distance_stays_and_its_rate_is_that_of_the_gallery(gallery: Gallery) -> None:
    enrol(gallery, crowd(1, 60, shift=1.2))
    found = policies(gallery).for_search(Target(threshold=0.6))
    assert found.threshold == 0.6
    assert found.raised_by is not None
    assert found.fmr(0.6) == pytest.approx(found.raised_by * found.stated.fmr(0.6))


def test_the_owner_s_calibration_replaces_the_check(gallery: Gallery) -> None:
    enrol(gallery, crowd(1, 60, shift=1.2))
    activate(gallery, MODEL, Target(fmr=1e-3), replace(CARD, data="our door"))
    activate(gallery, MODEL, Target(fpir=1e-2), replace(CARD, data="our door"))
    own = policies(gallery)
    assert (own.for_claim().stated, own.for_search().stated, own.population()) == (None, None, None)
    assert [report.gallery for report in own.reports()] == [None, None]


def test_a_rate_that_the_gallery_puts_out_of_reach_is_not_held(gallery: Gallery) -> None:
    enrol(gallery, crowd(1, 60, shift=1.2))
    found = policies(gallery).for_claim(Target(fmr=1e-6))
    assert (found.held, found.threshold) == (False, CARD.points[0].distance)


def test_the_check_follows_the_people(gallery: Gallery) -> None:
    own = policies(gallery)
    assert own.for_search().stated is None
    enrol(gallery, crowd(1, 40, shift=1.5))
    assert own.for_search().stated is not None
    for number in range(35):
        gallery.remove(f"person {number}")
    assert own.for_search().stated is None


def test_people_under_two_names_change_nothing(gallery: Gallery) -> None:
    people = crowd(2, 40)
    enrol(gallery, people)
    enrol(gallery, again(2, people), "again")
    assert policies(gallery).for_search().stated is None


def test_a_large_gallery_is_checked_again_when_enough_has_changed(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery_rates, "SMALL", 20)
    monkeypatch.setattr(gallery_rates, "CHANGED", 0.1)
    enrol(gallery, crowd(1, 100))
    check = RatesCheck(gallery, MODEL, CARD)
    first = check.population()
    enrol(gallery, crowd(2, 5), "few")
    assert check.population() is first
    enrol(gallery, crowd(3, 10), "more")
    second = check.population()
    assert second is not None
    assert second.people == 115


def test_the_people_are_read_once(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(gallery, crowd(1, 60, shift=1.2))
    own = policies(gallery)
    own.for_search()
    monkeypatch.setattr(gallery, "sample_of_people", None)
    assert own.for_search().stated is not None
