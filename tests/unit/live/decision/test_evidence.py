from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import log10
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceid.decision.decide import Policy, Target, policy_for
from faceid.decision.scores import identity_similarity
from faceid.errors import UsageError
from faceid.live.decision.evidence import MOST_LOOKS, Evidence, Outcome
from faceid.live.decision.fusion import DEPENDENCE, Fused
from faceid.networks.calibration import Calibration, CalibrationPoint, EvidencePoint
from faceid.recognition.embed.fake import CALIBRATION, DIM
from faceid.types import Candidate

if TYPE_CHECKING:
    from faceid.types import Vector

ALICE, BOB, CAROL = np.eye(DIM, dtype=np.float32)[:3]
GALLERY = {"alice": ALICE, "bob": BOB}
SEARCH = policy_for(Target(fpir=1e-2), CALIBRATION, identities=2)
CLAIM = policy_for(Target(fmr=1e-4), CALIBRATION)


def search(people: dict[str, Vector]) -> Callable[[Vector], Sequence[Candidate]]:
    def find(vector: Vector) -> list[Candidate]:
        cosines = {name: float(vector @ template) for name, template in people.items()}
        nearest = sorted(cosines, key=lambda name: -cosines[name])
        return [Candidate(name, 1.0 - cosines[name], cosines[name]) for name in nearest]

    return find


def towards(person: Vector, cosine: float, other: int = 10) -> Vector:
    """A unit vector of that cosine to `person`, the rest of it along axis `other`."""
    return (cosine * person + (1.0 - cosine**2) ** 0.5 * np.eye(DIM)[other]).astype(np.float32)


def watching(policy: Policy = SEARCH, **people: Vector) -> Evidence:
    return Evidence(search(people or GALLERY), policy, "cosine")


def shown(evidence: Evidence, looks: Sequence[Vector], quality: float = 0.9) -> list[Outcome]:
    return [evidence.add_look(vector, quality, float(second)) for second, vector in enumerate(looks)]


def test_a_clear_look_is_named_at_once_and_says_what_it_rests_on() -> None:
    evidence = watching()
    assert evidence.outcome.state == "undecided"
    assert evidence.outcome.since_s is None
    (outcome,) = shown(evidence, [towards(ALICE, 0.98)])
    assert (outcome.state, outcome.name, outcome.looks, outcome.since_s) == ("named", "alice", 1, 0.0)
    assert outcome.distance == pytest.approx(0.02, abs=1e-6)
    assert outcome.threshold == SEARCH.threshold
    assert outcome.fmr == SEARCH.fmr(0.02)
    assert outcome.llr == outcome.evidence == SEARCH.llr(outcome.distance)


def test_a_clear_stranger_is_unknown_at_once_and_a_claim_of_one_is_rejected() -> None:
    (outcome,) = shown(watching(), [CAROL])
    assert (outcome.state, outcome.name) == ("unknown", None)
    rejected = Evidence(search({"alice": ALICE}), CLAIM, "cosine", claim=True).add_look(CAROL, 0.9, 0.0)
    accepted = Evidence(search({"alice": ALICE}), CLAIM, "cosine", claim=True).add_look(ALICE, 0.9, 0.0)
    assert (rejected.state, rejected.name) == ("rejected", None)
    assert (accepted.state, accepted.name) == ("accepted", "alice")


def test_what_is_neither_clear_is_undecided_until_the_looks_are_used_up() -> None:
    near = [towards(ALICE, 0.81)] * (MOST_LOOKS + 1)
    outcomes = shown(watching(), near)
    assert [outcome.state for outcome in outcomes] == ["undecided"] * (MOST_LOOKS - 1) + ["named"] * 2
    assert outcomes[-1].since_s == MOST_LOOKS - 1
    # The same looks, under a threshold that they do not meet.
    strict = policy_for(Target(threshold=0.15), CALIBRATION, identities=2)
    outcomes = shown(watching(strict), near)
    assert [outcome.state for outcome in outcomes] == ["undecided"] * (MOST_LOOKS - 1) + ["unknown"] * 2


def test_a_name_outlasts_looks_that_would_not_have_given_it() -> None:
    strict = policy_for(Target(threshold=0.15), CALIBRATION, identities=2)
    evidence = watching(strict)
    shown(evidence, [ALICE])
    outcomes = shown(evidence, [towards(ALICE, 0.82)] * 60)
    assert outcomes[-1].distance is not None
    assert outcomes[-1].distance > strict.threshold
    assert {(outcome.state, outcome.name) for outcome in outcomes} == {("named", "alice")}
    assert outcomes[-1].since_s == 0.0


def test_a_name_gives_way_to_another_that_is_accepted_where_its_own_is_not() -> None:
    people = {"alice": ALICE, "like": towards(ALICE, 0.85)}
    evidence = watching(policy_for(Target(threshold=0.14), CALIBRATION, identities=2), **people)
    shown(evidence, [ALICE])
    outcomes = shown(evidence, [people["like"]] * 80)
    names = [outcome.name for outcome in outcomes]
    assert names[0] == "alice"
    assert names[-1] == "like"
    assert names == sorted(names)


def test_a_stranger_stays_unknown_until_the_test_accepts() -> None:
    evidence = watching()
    shown(evidence, [towards(ALICE, 0.76)])
    assert evidence.outcome.state == "unknown"
    between = evidence.add_look(towards(ALICE, 0.86), 0.9, 1.0)
    assert between.evidence is not None
    assert abs(between.evidence) < 1.5
    assert (between.state, between.looks, between.since_s) == ("unknown", 2, 0.0)
    assert shown(evidence, [towards(ALICE, 0.97)] * 6)[-1].name == "alice"


def test_two_who_are_too_close_to_tell_apart_are_not_named() -> None:
    middle = (ALICE + BOB) / np.linalg.norm(ALICE + BOB)
    twins = {"alice": towards(middle, 0.97, 20), "bob": towards(middle, 0.97, 21)}
    outcomes = shown(watching(**twins), [middle.astype(np.float32)] * MOST_LOOKS)
    assert [outcome.name for outcome in outcomes] == [None] * MOST_LOOKS
    assert outcomes[-1].state == "unknown"


def test_an_empty_gallery_knows_nobody() -> None:
    evidence = Evidence(lambda vector: (), SEARCH, "cosine")
    outcomes = shown(evidence, [ALICE] * MOST_LOOKS)
    assert [outcome.state for outcome in outcomes] == ["undecided"] * (MOST_LOOKS - 1) + ["unknown"]
    assert outcomes[-1].distance is None
    assert outcomes[-1].fmr is None


def test_a_change_of_person_is_doubted_first_and_then_starts_anew() -> None:
    evidence = watching()
    shown(evidence, [ALICE] * 10)
    doubted = evidence.add_look(BOB, 0.9, 10.0)
    assert (doubted.name, doubted.doubted, doubted.looks) == ("alice", True, 10)
    changed = evidence.add_look(towards(BOB, 0.97), 0.9, 11.0)
    assert (changed.state, changed.name, changed.looks, changed.since_s) == ("named", "bob", 2, 11.0)
    assert not changed.doubted


def test_a_stranger_who_takes_the_place_of_a_named_person_loses_the_name() -> None:
    evidence = watching()
    shown(evidence, [ALICE] * 10)
    evidence.add_look(CAROL, 0.9, 10.0)
    assert (evidence.add_look(CAROL, 0.9, 11.0).name, evidence.outcome.state) == (None, "unknown")


def test_a_look_alike_who_takes_the_place_is_found_by_how_alike_the_looks_of_one_track_are() -> None:
    """Half of all pairs of photos of one person are within 0.1; this look-alike is likelier one person than two."""
    points = tuple(
        replace(point, distance=distance, fnmr=fnmr)
        for point, distance, fnmr in zip(
            CALIBRATION.points, (0.05, 0.10, 0.18, 0.19, 0.20), (0.9, 0.5, 0.2, 0.1, 0.0), strict=True
        )
    )
    policy = policy_for(Target(fpir=1e-2), replace(CALIBRATION, points=points), identities=1)
    evidence = watching(policy, alice=ALICE)
    shown(evidence, [ALICE] * 5)
    twin = towards(ALICE, 0.88)
    assert (policy.llr(0.12) or 0.0) > 0.0
    assert evidence.add_look(twin, 0.9, 5.0).doubted
    assert evidence.add_look(twin, 0.9, 6.0).looks == 2
    near = watching(policy, alice=ALICE)
    shown(near, [ALICE] * 5)
    assert not near.add_look(towards(ALICE, 0.92), 0.9, 5.0).doubted


def test_a_doubt_about_the_same_person_leaves_the_name_and_its_time() -> None:
    evidence = watching()
    shown(evidence, [towards(ALICE, 0.86, 10)] * 3)
    turned = towards(ALICE, 0.86, 11)
    first, second = evidence.add_look(turned, 0.9, 3.0), evidence.add_look(turned, 0.9, 4.0)
    assert first.doubted
    assert (first.name, second.name) == ("alice", "alice")
    assert (second.looks, second.since_s) == (2, 0.0)


def test_single_looks_that_contradict_everything_are_dropped() -> None:
    evidence = watching()
    shown(evidence, [ALICE] * 3)
    stray = [np.eye(DIM, dtype=np.float32)[axis] for axis in (30, 31, 32)]
    outcomes = shown(evidence, [stray[0], ALICE, stray[1], stray[2], ALICE])
    assert [outcome.name for outcome in outcomes] == ["alice"] * 5
    assert [outcome.doubted for outcome in outcomes] == [True, False, True, True, False]
    assert outcomes[-1].looks == 5


def test_a_policy_without_a_curve_of_evidence_is_refused() -> None:
    for calibration in (None, replace(CALIBRATION, evidence=())):
        with pytest.raises(UsageError) as raised:
            watching(Policy(0.3, "threshold", 0.3, calibration))
        assert raised.value.code == "not_calibrated"


def test_fused_looks_are_scored_as_the_templates_of_an_identity_are() -> None:
    rng = np.random.default_rng(0)
    looks = [towards(ALICE, 0.9, axis) for axis in (5, 6, 7)]
    fused = Fused.of(looks[0], 0.5).joined_by(looks[1], 0.5).joined_by(looks[2], 0.5)
    other = rng.standard_normal(DIM).astype(np.float32)
    other /= np.linalg.norm(other)
    assert fused.similarity(float(fused.template @ other)) == pytest.approx(
        identity_similarity(other, np.stack(looks)), abs=1e-6
    )


def test_better_looks_weigh_more() -> None:
    fused = Fused.of(ALICE, 0.9).joined_by(BOB, 0.1)
    assert fused.template @ ALICE == pytest.approx(0.9 / (0.9**2 + 0.1**2) ** 0.5)
    # A track of poor looks only has a mean as well.
    assert Fused.of(ALICE, 0.0).joined_by(BOB, 0.0).length == pytest.approx(0.5**0.5)


def test_a_long_track_follows_the_person_as_they_turn() -> None:
    fused = Fused.of(ALICE, 1.0)
    for _ in range(1000):
        fused = fused.joined_by(ALICE, 1.0)
    for _ in range(100):
        fused = fused.joined_by(BOB, 1.0)
    assert fused.cosine_to(BOB) > 0.99


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 0.9), st.floats(0.0, 1.0))
def test_identical_looks_make_the_evidence_stronger_up_to_a_bound(distance: float, quality: float) -> None:
    evidence = watching(CLAIM, alice=ALICE)
    outcomes = shown(evidence, [towards(ALICE, 1.0 - distance)] * 12, quality)
    values = [outcome.evidence for outcome in outcomes]
    assert None not in values
    strength = np.abs(np.array(values, dtype=np.float64))
    assert (np.diff(strength) >= -1e-4).all()
    assert strength[-1] <= strength[0] / DEPENDENCE + 1e-4


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.35))
def test_noise_that_is_no_other_person_never_moves_a_name(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    evidence = watching()
    names = []
    for second in range(25):
        step = rng.standard_normal(DIM)
        vector = ALICE + noise * step / np.linalg.norm(step)
        outcome = evidence.add_look((vector / np.linalg.norm(vector)).astype(np.float32), 0.8, float(second))
        names.append(outcome.name)
    given = [name for name in names if name is not None]
    assert set(given) <= {"alice"}
    # Once given, it stays.
    assert names[len(names) - len(given) :] == given


def _like_faces() -> Calibration:
    """Cosines of strangers are normal about 0, those of one person about 0.5, both as wide as random directions."""
    strangers, person = NormalDist(0.0, DIM**-0.5), NormalDist(0.5, DIM**-0.5)
    rates = (1e-4, 1e-3, 1e-2, 0.05, 0.2)
    return replace(
        CALIBRATION,
        points=tuple(
            CalibrationPoint(rate, 1.0 - strangers.inv_cdf(1.0 - rate), low=rate, high=rate, count=0)
            for rate in rates
        ),
        evidence=tuple(
            EvidencePoint(1.0 - cosine, log10(person.pdf(cosine) / strangers.pdf(cosine)))
            for cosine in np.linspace(0.9, -0.5, 50).tolist()
        ),
    )


@pytest.mark.parametrize("rate", [0.2, 0.05])
def test_strangers_are_accepted_at_most_as_often_as_the_policy_says(rate: float) -> None:
    """Tracks of strangers whose looks hang together as those of one person do, against one claim."""
    rng = np.random.default_rng(7)
    policy = policy_for(Target(fmr=rate), _like_faces())
    accepted, tracks = 0, 1500
    for _ in range(tracks):
        stranger = rng.standard_normal(DIM)
        evidence = Evidence(search({"alice": ALICE}), policy, "cosine", claim=True)
        for look in range(MOST_LOOKS + 3):
            vector = stranger / np.linalg.norm(stranger) + 0.15 * rng.standard_normal(DIM) / DIM**0.5
            outcome = evidence.add_look(
                (vector / np.linalg.norm(vector)).astype(np.float32), 0.8, float(look)
            )
            if outcome.state == "accepted":
                accepted += 1
                break
    tolerance = 3.0 * (tracks * rate * (1.0 - rate)) ** 0.5
    assert tracks * rate / 4.0 < accepted <= tracks * rate + tolerance


def test_a_name_that_leaves_the_gallery_is_not_kept() -> None:
    """Renamed, or removed where somebody alike stays, while the track goes on."""
    look = towards(ALICE, 0.98)
    for name, vector in (("alicia", ALICE), ("sister", towards(ALICE, 0.75))):
        people = {"alice": ALICE}
        evidence = Evidence(lambda vector, people=people: search(people)(vector), CLAIM, "cosine")
        assert evidence.add_look(look, 0.9, 0.0).name == "alice"
        del people["alice"]
        people[name] = vector
        assert evidence.add_look(look, 0.9, 1.0).name == name


def test_a_stranger_who_stays_gets_no_more_chances_than_one_who_passes_by() -> None:
    """Settled as unknown, a name takes the test's own evidence, not looks that are just within the threshold."""
    just_within = towards(ALICE, 1.0 - SEARCH.threshold + 0.05)
    assert shown(watching(), [just_within] * MOST_LOOKS)[-1].name == "alice"
    settled = watching()
    assert shown(settled, [towards(ALICE, 0.2)] * MOST_LOOKS)[-1].state == "unknown"
    # So many that the mean of the looks is what these are.
    assert {outcome.state for outcome in shown(settled, [just_within] * 400)} == {"unknown"}
    assert shown(settled, [ALICE] * 400)[-1].name == "alice"
