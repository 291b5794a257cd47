"""Which policy counts, what it promises as the gallery grows, and the way back."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.records import NewPolicy, NewTemplate
from faceid.decision.decide import Target
from faceid.decision.thresholds import fmr_interval_at_distance, fpir_of
from faceid.errors import GalleryError, InputError, Refused, UsageError
from faceid.gallery.gallery import Gallery
from faceid.gallery.opening import open_gallery
from faceid.networks.calibration import AlikeCurve, Calibration, CalibrationPoint, EvidencePoint
from faceid.policies.active import Policies
from faceid.policies.file_format import export_policies, import_policies
from faceid.policies.stored import activate, history, rollback
from faceid.types import ModelKey

MODEL = ModelKey("net", "a" * 64, "five-points", 4, "cosine")
OTHER = replace(MODEL, weights_sha256="b" * 64)


def calibration(shift: float = 0.0, name: str = "the card's data") -> Calibration:
    distances = {1e-5: (0.1, 0.6), 1e-4: (0.2, 0.4), 1e-3: (0.3, 0.2), 1e-2: (0.5, 0.1), 1.0: (1.5, 0.0)}
    return Calibration(
        data=name,
        date="2026-01-01",
        software="tests",
        mated=100,
        non_mated=1_000_000,
        points=tuple(
            CalibrationPoint(rate, distance + shift, rate / 2, min(1.0, rate * 2), 1, fnmr)
            for rate, (distance, fnmr) in distances.items()
        ),
        ambiguity_margin=0.05,
        evidence=(EvidencePoint(0.0, 5.0), EvidencePoint(0.5, 0.0), EvidencePoint(1.0, -3.0)),
    )


CARD, OWN = calibration(), calibration(0.05, "our own door")


@pytest.fixture
def gallery(tmp_path: Path):
    opened = open_gallery(tmp_path / "gallery.db", create=True)
    yield opened
    assert opened._database.check() == []
    opened.close()


def enrol(gallery: Gallery, count: int, model: ModelKey = MODEL) -> None:
    start = gallery.identity_count()
    vector = np.eye(model.dim, dtype=np.float32)[0]
    with gallery._database.templates.transaction():
        for number in range(start, start + count):
            gallery._database.templates.add(f"p{number}", [NewTemplate(vector, f"{number:064x}")], model)


def policies(gallery: Gallery, card: Calibration | None = CARD, said: list[str] | None = None) -> Policies:
    return Policies(gallery, MODEL, card, (said if said is not None else []).append)


def test_defaults_count_where_nothing_else_is_said(gallery: Gallery) -> None:
    enrol(gallery, 10)
    claim, search = policies(gallery).for_claim(), policies(gallery).for_search()
    assert (claim.kind, claim.target, claim.source, claim.policy_id) == ("fmr", 1e-4, "default", None)
    assert (search.kind, search.target, search.source, search.identities) == ("fpir", 1e-2, "default", 10)
    assert (claim.threshold, claim.identities) == (pytest.approx(0.2), None)
    assert search.threshold == pytest.approx(0.3)


def test_without_a_gallery_defaults_count() -> None:
    assert Policies(None, None, CARD).for_claim().threshold == pytest.approx(0.2)


def test_the_gallery_s_policy_comes_before_the_default_and_after_what_is_asked_for(gallery: Gallery) -> None:
    enrol(gallery, 10)
    (id_,) = policies(gallery).activate(Target(fpir=0.1))
    stored = policies(gallery).for_search()
    assert (stored.source, stored.policy_id, stored.target) == ("gallery", id_, 0.1)
    assert stored.threshold == pytest.approx(0.5)
    asked = policies(gallery).for_search(Target(fpir=0.001))
    assert (asked.source, asked.policy_id, asked.threshold) == ("asked", None, pytest.approx(0.2))
    assert policies(gallery).for_search(Target()).source == "gallery"


def test_a_policy_for_searches_says_nothing_of_comparisons_and_the_other_way_round(gallery: Gallery) -> None:
    policies(gallery).activate(Target(fpir=0.1))
    assert policies(gallery).for_claim().source == "default"
    policies(gallery).activate(Target(fmr=1e-3))
    assert policies(gallery).for_claim().threshold == pytest.approx(0.3)
    assert policies(gallery).for_search().kind == "fpir"


def test_a_distance_by_hand_decides_everywhere_and_follows_nothing(gallery: Gallery) -> None:
    ids = policies(gallery).activate(Target(threshold=0.42))
    enrol(gallery, 20)
    claim, search = policies(gallery).for_claim(), policies(gallery).for_search()
    assert [claim.policy_id, search.policy_id] == ids
    assert (claim.threshold, search.threshold, search.kind) == (0.42, 0.42, "threshold")
    assert search.fpir == pytest.approx(fpir_of(search.fmr(0.42), 20))


def test_a_distance_by_hand_needs_no_calibration(gallery: Gallery) -> None:
    with pytest.raises(UsageError, match="no calibration"):
        policies(gallery, None).activate(Target(fmr=1e-3))
    policies(gallery, None).activate(Target(threshold=0.42))
    policy = policies(gallery, None).for_search()
    assert (policy.threshold, policy.fpir, policy.miss_rate, policy.llr(0.3)) == (0.42, None, None, None)
    assert history(gallery)[0].target == 0.42


def test_an_own_calibration_counts_for_its_policy_and_stays_with_it(gallery: Gallery) -> None:
    activate(gallery, MODEL, Target(fmr=1e-3), OWN)
    policy = policies(gallery).for_claim()
    assert (policy.threshold, policy.calibration) == (pytest.approx(0.35), OWN)
    assert policies(gallery).for_claim(Target(fmr=1e-4)).threshold == pytest.approx(0.25)
    assert policies(gallery).for_search().calibration == CARD
    policies(gallery).activate(Target(fmr=1e-4))
    assert policies(gallery).for_claim().calibration == OWN
    assert history(gallery)[-1].own_calibration


def test_where_the_card_has_none_an_own_calibration_serves_both(gallery: Gallery) -> None:
    activate(gallery, MODEL, Target(fmr=1e-3), OWN)
    assert policies(gallery, None).for_search().calibration == OWN


def test_a_policy_without_a_calibration_keeps_its_threshold_or_follows_the_card(gallery: Gallery) -> None:
    for kind in ("fmr", "fpir"):
        gallery._database.policies.activate(NewPolicy(MODEL, kind, 0.01, 0.44, "x", 1, 1, 0.0, 1.0))
    enrol(gallery, 10)
    assert policies(gallery).for_claim().threshold == 0.44
    assert policies(gallery).for_search().threshold == pytest.approx(0.3)


def test_growth_makes_the_threshold_stricter_and_is_said_once(
    gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    counting = policies(gallery, said=said)
    enrol(gallery, 1)
    thresholds = []
    with caplog.at_level(logging.INFO, "faceid"):
        for more in (0, 9, 0, 90):
            enrol(gallery, more)
            thresholds.append(counting.for_search().threshold)
    assert thresholds == pytest.approx([0.5, 0.3, 0.3, 0.2])
    assert len(said) == 1
    assert "10 identities instead of 1" in said[0]
    assert len(caplog.messages) == 2
    assert "100 identities instead of 10" in caplog.messages[1]


def test_a_rate_that_cannot_be_kept_any_more_is_said_once(gallery: Gallery) -> None:
    said: list[str] = []
    counting = policies(gallery, said=said)
    enrol(gallery, 10)
    assert counting.for_search(Target(fpir=1e-4)).held
    enrol(gallery, 1)
    for _ in range(2):
        policy = counting.for_search(Target(fpir=1e-4))
        assert (policy.held, policy.threshold) == (False, 0.1)
    assert [message for message in said if "cannot hold FPIR 0.0001" in message] == said[-1:]


def test_another_process_s_policy_counts_at_once(gallery: Gallery, tmp_path: Path) -> None:
    counting = policies(gallery)
    assert counting.for_search().source == "default"
    other = open_gallery(tmp_path / "gallery.db")
    activate(other, MODEL, Target(fpir=0.1), OWN)
    other.close()
    assert counting.for_search().target == 0.1


def test_a_policy_of_another_model_is_never_applied(gallery: Gallery) -> None:
    activate(gallery, OTHER, Target(threshold=0.9), OWN)
    said: list[str] = []
    counting = policies(gallery, said=said)
    for _ in range(2):
        assert counting.for_search().source == "default"
        assert counting.for_claim().source == "default"
    assert len(said) == 2
    assert "does not count for net (aaaaaaaa" in said[0]
    enrol(gallery, 1)
    for refused in (
        lambda: activate(gallery, OTHER, Target(fmr=1e-3), OWN),
        lambda: rollback(gallery, MODEL, 1),
    ):
        with pytest.raises(GalleryError) as caught:
            refused()
        assert caught.value.code == "model_mismatch"


def test_taking_back_leads_to_the_default(gallery: Gallery) -> None:
    policies(gallery).activate(Target(fmr=1e-3))
    policies(gallery).activate(Target(fpir=0.1))
    policies(gallery).activate(Target(fpir=0.05))
    for expected in ((1e-3, 0.1), (1e-3, 0.01), (1e-4, 0.01)):
        rollback(gallery, MODEL)
        assert (policies(gallery).for_claim().target, policies(gallery).for_search().target) == expected
    with pytest.raises(Refused, match="none to take back"):
        rollback(gallery, MODEL)
    rollback(gallery, MODEL, 3)
    assert policies(gallery).for_search().target == 0.05
    with pytest.raises(Refused, match="no policy 9"):
        rollback(gallery, MODEL, 9)
    assert [(row.policy_id, row.in_force) for row in history(gallery)] == [(1, False), (2, False), (3, True)]


def test_a_file_carries_a_policy_to_another_gallery(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "policies.json"
    with pytest.raises(Refused, match="nothing to export"):
        export_policies(gallery, MODEL, path)
    activate(gallery, MODEL, Target(fpir=0.1), OWN)
    policies(gallery).activate(Target(threshold=0.33))
    rollback(gallery, MODEL)
    assert export_policies(gallery, MODEL, path).policies == 2
    other = open_gallery(tmp_path / "other.db", create=True)
    assert import_policies(other, MODEL, path).policies == 2
    enrol(other, 10)
    search = policies(other).for_search()
    assert (search.threshold, search.calibration, search.source) == (pytest.approx(0.55), OWN, "gallery")
    assert policies(other).for_claim().threshold == 0.33
    other.close()


def test_a_policy_among_alike_keeps_its_kind_in_the_gallery_and_in_a_file(
    gallery: Gallery, tmp_path: Path
) -> None:
    enrol(gallery, 1)
    own = replace(OWN, alike=alike_of(OWN))
    activate(gallery, MODEL, Target(fmr_alike=1e-3), own)
    kept = policies(gallery).for_claim()
    assert (kept.kind, kept.target) == ("fmr_alike", 1e-3)
    assert kept.threshold == pytest.approx(0.25)
    (row,) = history(gallery)
    assert (row.kind, row.data, row.non_mated) == ("fmr_alike", "people alike", 9_000)
    assert (row.low, row.high) == pytest.approx((5e-4, 2e-3))
    report, _ = policies(gallery).reports()
    assert report.alike is not None
    assert (report.alike.people, report.alike.fmr_low) == (60, pytest.approx(5e-4))
    export_policies(gallery, MODEL, tmp_path / "policies.json")
    other = open_gallery(tmp_path / "other.db", create=True)
    enrol(other, 1)
    import_policies(other, MODEL, tmp_path / "policies.json")
    found = policies(other).for_claim()
    assert (found.kind, found.target, found.calibration) == ("fmr_alike", 1e-3, own)
    other.close()


def alike_of(calibration: Calibration) -> AlikeCurve:
    """Ten times the FMR at each distance, up to a tenth."""
    return AlikeCurve(
        data="people alike",
        population="people of one sex and group",
        chosen_by="attributes",
        date="2026-01-02",
        software="tests",
        people=60,
        non_mated=9_000,
        points=tuple(
            replace(point, fmr=10 * point.fmr, low=5 * point.fmr, high=20 * point.fmr, fnmr=None)
            for point in calibration.points
            if point.fmr < 0.05
        ),
    )


@pytest.mark.parametrize("enrolled", [0, 1])
def test_a_file_for_another_model_is_refused(gallery: Gallery, tmp_path: Path, enrolled: int) -> None:
    path = tmp_path / "policies.json"
    activate(gallery, MODEL, Target(fmr=1e-3), OWN)
    export_policies(gallery, MODEL, path)
    other = open_gallery(tmp_path / "other.db", create=True)
    enrol(other, enrolled, OTHER)
    with pytest.raises(GalleryError) as caught:
        import_policies(other, OTHER, path)
    assert caught.value.code == "model_mismatch"
    assert history(other) == []
    other.close()


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["format"], "something else"),
        (["policies"], []),
        (["policies", 0, "kind"], "threshold"),
        (["policies", 0, "target"], 0),
        (["policies", 0, "threshold"], -1),
        (["policies", 0, "by_hand"], 1),
        (["policies", 0, "data"], None),
        (["policies", 0, "calibration", "points"], []),
        (["policies", 0, "calibration", "points", 0, "fnmr"], 2),
        (["model", "metric"], "manhattan"),
    ],
)
def test_what_is_no_file_of_policies(
    gallery: Gallery, tmp_path: Path, keys: list[str | int], value: object
) -> None:
    path = tmp_path / "policies.json"
    activate(gallery, MODEL, Target(fmr=1e-3), OWN)
    export_policies(gallery, MODEL, path)
    document = part = json.loads(path.read_text())
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(json.dumps(document))
    with pytest.raises(InputError) as caught:
        import_policies(gallery, MODEL, path)
    assert caught.value.code == "bad_policy"
    assert len(history(gallery)) == 1


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b"{}"])
def test_what_is_no_json_object(gallery: Gallery, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "policies.json"
    with pytest.raises(InputError, match="cannot read"):
        import_policies(gallery, MODEL, path)
    path.write_bytes(content)
    with pytest.raises(InputError, match="no file of policies"):
        import_policies(gallery, MODEL, path)


def test_a_calibration_that_was_damaged_is_an_error(gallery: Gallery) -> None:
    gallery._database.policies.activate(
        NewPolicy(MODEL, "fmr", 0.01, 0.44, "x", 1, 1, 0.0, 1.0, calibration="{}")
    )
    with pytest.raises(GalleryError, match="policy 1 cannot be read"):
        policies(gallery).for_claim()
    rollback(gallery, MODEL)
    assert policies(gallery).for_claim().source == "default"


def test_a_report_says_what_the_rates_rest_on(gallery: Gallery) -> None:
    enrol(gallery, 10)
    activate(gallery, MODEL, Target(fpir=0.01), OWN)
    verify, identify = policies(gallery).reports()
    assert (verify.decides, verify.data, verify.since) == ("verify", CARD.data, None)
    assert (identify.data, identify.mated, identify.non_mated) == ("our own door", 100, 1_000_000)
    assert identify.policy.miss_rate == pytest.approx(0.2)
    assert identify.policy.fmr == pytest.approx(1e-3)
    assert identify.policy.fpir == pytest.approx(1 - 0.999**10)
    assert identify.fmr_low == pytest.approx(5e-4)
    assert identify.since


def test_a_report_says_where_there_is_no_threshold(gallery: Gallery) -> None:
    for report in policies(gallery, None).reports():
        assert (report.policy, report.data) == (None, None)
        assert report.problem is not None
        assert report.problem.code == "not_calibrated"
    short = replace(OWN, points=OWN.points[2:])
    activate(gallery, MODEL, Target(fpir=0.1), short)
    verify, identify = policies(gallery, None).reports()
    assert verify.problem is not None
    assert verify.problem.code == "beyond_calibration"
    assert identify.policy is not None
    assert identify.policy.target == 0.1


def test_the_interval_between_two_points_holds_both() -> None:
    assert fmr_interval_at_distance(CARD, 0.25) == pytest.approx((5e-5, 2e-3))
    assert fmr_interval_at_distance(CARD, 0.3) == pytest.approx((5e-4, 2e-3))
    assert fmr_interval_at_distance(CARD, 0.01) == pytest.approx((0.0, 2e-5))
    assert fmr_interval_at_distance(CARD, 1.9) == pytest.approx((0.5, 1.0))


def test_fpir_of_many_independent_comparisons() -> None:
    assert fpir_of(1e-3, 1) == pytest.approx(1e-3)
    assert fpir_of(1e-3, 0) == pytest.approx(1e-3)
    assert fpir_of(0.5, 3) == pytest.approx(0.875)
    assert fpir_of(1.0, 3) == 1.0
    assert fpir_of(1e-9, 1_000) == pytest.approx(1e-6)
