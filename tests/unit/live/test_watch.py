from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from faceid.imaging.turned import turned_face
from faceid.live.decision.evidence import Evidence
from faceid.live.decision.person import Person
from faceid.live.liveness.challenge import ChallengeCheck
from faceid.live.liveness.challenge_lockout import FIRST_PAUSE_S, LONGEST_PAUSE_S, ChallengeLockout
from faceid.live.liveness.state import Liveness
from faceid.live.view import Moment
from faceid.live.watch import Watch
from faceid.recognition.detect.fake import FakeDetector
from faceid.recognition.liveness.challenge import Challenge
from faceid.types import Face
from filmed import ALICE, BOB, CAROL, CLAIM, Colour, Placed, frame, gallery, told, vector_of, watch
from performers import posed

PEOPLE = {"alice": ALICE, "bob": BOB}


def film(watching: Watch, *scenes: tuple[int, tuple[Placed, ...]], start: int = 0) -> list[Moment]:
    """Show each scene for so many frames, faces moving by a pixel now and then."""
    moments, number = [], start
    for length, faces in scenes:
        for _ in range(length):
            moved = [(colour, x + number % 2, y, side) for colour, x, y, side in faces]
            moments.append(watching.process(frame(number, *moved)))
            number += 1
    return moments


def at(colour: tuple[int, int, int], x: int = 40) -> Placed:
    return colour, x, 60, 100


def test_somebody_comes_is_named_once_and_leaves() -> None:
    watching = watch(PEOPLE)
    moments = film(watching, (3, ()), (30, (at(ALICE),)), (30, ()))
    assert told(moments) == [("appeared", 1, "alice"), ("identified", 1, "alice"), ("left", 1, "alice")]
    assert watching.counts.frames == 63


def test_an_event_says_where_when_and_how_sure() -> None:
    moments = film(watch(PEOPLE), (10, (at(ALICE),)))
    (event,) = [event for moment in moments for event in moment.events if event.event == "identified"]
    assert event.time.endswith("Z")
    assert event.time_s == 0.0
    assert event.frame == 0
    assert event.box == pytest.approx((40, 60, 140, 160), abs=3)
    assert event.distance is not None
    assert event.threshold is not None
    assert 0.0 <= event.distance <= event.threshold
    assert event.looks == 1
    assert event.fmr is not None
    assert event.liveness is None


def test_a_stranger_is_unknown_after_a_few_looks_and_not_again() -> None:
    moments = film(watch(PEOPLE), (60, (at(CAROL),)))
    assert told(moments) == [("appeared", 1, None), ("unknown", 1, None)]


def test_two_people_side_by_side_are_two_tracks() -> None:
    moments = film(watch(PEOPLE), (20, (at(ALICE, 20), at(BOB, 180))))
    named = [(track, name) for event, track, name in told(moments) if event == "identified"]
    assert sorted(named) == [(1, "alice"), (2, "bob")]
    view = moments[-1].view
    assert view is not None
    assert [shown.outcome.name for shown in view.people] == ["alice", "bob"]


def test_a_hard_cut_from_one_person_to_another_in_one_place_never_mixes_them() -> None:
    watching = watch(PEOPLE)
    moments = film(watching, (15, (at(ALICE),)))
    moments += [watching.process(frame(number, at(BOB), background=28)) for number in range(15, 40)]
    assert told(moments) == [
        *(("appeared", 1, "alice"), ("identified", 1, "alice"), ("left", 1, "alice")),
        *(("appeared", 2, "bob"), ("identified", 2, "bob")),
    ]


def test_another_person_inside_one_track_takes_the_name_over() -> None:
    moments = film(watch(PEOPLE), (30, (at(ALICE),)), (60, (at(BOB),)))
    names = [name for event, _, name in told(moments) if event == "identified"]
    assert names == ["alice", "bob"]


def test_a_claim_is_accepted_or_rejected() -> None:
    right = film(watch(PEOPLE, claim="alice"), (30, (at(ALICE),)))
    assert told(right) == [("appeared", 1, "alice"), ("accepted", 1, "alice")]
    wrong = film(watch(PEOPLE, claim="alice"), (40, (at(BOB),)))
    assert told(wrong) == [("appeared", 1, None), ("rejected", 1, None)]


def test_more_looks_can_be_asked_for_before_a_decision() -> None:
    moments = film(watch(PEOPLE, claim="alice", least_looks=4), (30, (at(ALICE),)))
    (event,) = [event for moment in moments for event in moment.events if event.event == "accepted"]
    assert event.looks == 4
    assert [moment.deciding for moment in moments].index(0) == event.frame


def test_a_frame_is_turned_gray_once(monkeypatch: pytest.MonkeyPatch) -> None:
    turned: list[tuple[int, ...]] = []
    convert = cv2.cvtColor

    def counting(pixels: NDArray[np.uint8], code: int) -> object:
        turned.append(pixels.shape)
        return convert(pixels, code)

    watching = watch(PEOPLE)
    monkeypatch.setattr(cv2, "cvtColor", counting)
    film(watching, (5, (at(ALICE),)))
    assert turned.count(frame(0).image.pixels.shape) == 5


def test_faces_are_looked_at_less_once_they_are_named() -> None:
    watching = watch(PEOPLE)
    film(watching, (30, (at(ALICE),)))
    once_named = watching.counts.looks
    detections = watching.counts.detections
    film(watching, (300, (at(ALICE),)), start=30)
    # Ten seconds: one look a second, five detections.
    assert watching.counts.looks - once_named <= 12
    assert watching.counts.detections - detections <= 60


def test_a_face_that_lies_on_its_side_is_followed_and_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    find = FakeDetector._detect_one

    def lying(detector: FakeDetector, pixels: NDArray[np.uint8]) -> list[Face]:
        height, width = pixels.shape[:2]
        return [
            replace(face, landmarks=turned_face(face, 90, width, height).landmarks)
            for face in find(detector, pixels)
        ]

    monkeypatch.setattr(FakeDetector, "_detect_one", lying)
    watching = watch(PEOPLE)
    moments = film(watching, (30, (at(ALICE),)))
    assert told(moments) == [("appeared", 1, None)]
    assert watching.counts.looks == 0


def test_an_empty_still_scene_costs_one_detection_a_second() -> None:
    watching = watch(PEOPLE)
    film(watching, (300, ()))
    assert 9 <= watching.counts.detections <= 12


def test_who_enters_an_empty_scene_is_seen_at_once() -> None:
    moments = film(watch(PEOPLE), (100, ()), (30, (at(ALICE),)))
    (event,) = [event for moment in moments for event in moment.events if event.event == "identified"]
    assert event.frame is not None
    assert event.frame <= 100 + 5


def test_a_lost_source_ends_all_tracks_and_numbers_go_on() -> None:
    watching = watch(PEOPLE)
    moments = film(watching, (10, (at(ALICE),)))
    last = moments[-1].view
    assert last is not None
    (left,) = watching.interrupted(last.frame)
    assert (left.event, left.track, left.name) == ("left", 1, "alice")
    assert watching.interrupted(last.frame) == []
    again = film(watching, (10, (at(ALICE),)), start=100)
    assert told(again) == [("appeared", 2, "alice"), ("identified", 2, "alice")]


def test_what_is_known_does_not_grow_with_the_people_who_have_gone() -> None:
    watching = watch(PEOPLE)
    number = 0
    for _ in range(40):
        for faces in [(at(ALICE),)] * 4 + [()] * 40:
            watching.process(frame(number, *faces))
            number += 1
    assert watching._people == {}
    assert watching._budget.looks == {}


@dataclass
class Scripted:
    """A check that says, look by look, what it was told to."""

    says: list[Liveness]
    every_detection: bool = False
    seen: list[tuple[bool, bool]] = field(default_factory=list)

    def update(self, image: object, face: object, vector: np.ndarray | None, time_s: float) -> Liveness:
        self.seen.append((face is not None, vector is not None))
        return self.says[min(len(self.seen), len(self.says)) - 1]


CHECKING, LIVE = Liveness("checking"), Liveness("live", 0.9)
SPOOF = Liveness("spoof", 0.1, reason="copy")


def test_nobody_is_named_before_being_found_live() -> None:
    check = Scripted([CHECKING, CHECKING, LIVE])
    moments = film(watch(PEOPLE, check=lambda: check), (30, (at(ALICE),)))
    assert told(moments) == [("appeared", 1, None), ("identified", 1, "alice")]
    (event,) = [event for moment in moments for event in moment.events if event.event == "identified"]
    assert (event.looks, event.liveness) == (3, 0.9)


def test_a_copy_is_told_of_and_never_named() -> None:
    check = Scripted([CHECKING, SPOOF])
    moments = film(watch(PEOPLE, check=lambda: check), (60, (at(ALICE),)))
    assert told(moments) == [("appeared", 1, None), ("spoof", 1, None)]
    view = moments[-1].view
    assert view is not None
    assert view.people[0].outcome.name is None
    assert view.people[0].liveness == SPOOF


def test_a_copy_of_the_claimed_person_is_rejected_and_says_why() -> None:
    moments = film(
        watch(PEOPLE, claim="alice", check=lambda: Scripted([CHECKING, SPOOF])), (30, (at(ALICE),))
    )
    events = [(event.event, event.reason) for moment in moments for event in moment.events]
    assert events == [("appeared", None), ("spoof", "copy"), ("rejected", "spoof")]


def test_a_stranger_needs_not_be_live_to_be_one() -> None:
    moments = film(watch(PEOPLE, check=lambda: Scripted([CHECKING])), (60, (at(CAROL),)))
    assert told(moments) == [("appeared", 1, None), ("unknown", 1, None)]


def test_whoever_takes_a_track_over_is_checked_anew() -> None:
    checks = [Scripted([LIVE]), Scripted([SPOOF])]
    made = iter(checks)
    moments = film(watch(PEOPLE, check=lambda: next(made)), (30, (at(ALICE),)), (60, (at(BOB),)))
    kinds = [(event, name) for event, _, name in told(moments)]
    assert kinds == [("appeared", "alice"), ("identified", "alice"), ("spoof", None)]


def test_a_challenge_is_given_to_the_nearest_known_face_and_sees_every_detection() -> None:
    asked = Liveness("checking", asked="nod")
    checks = [Scripted([asked, asked, asked, LIVE], every_detection=True) for _ in range(2)]
    made = iter(checks)
    faces: tuple[Placed, ...] = ((ALICE, 20, 60, 60), (BOB, 150, 60, 140))
    watching = watch(PEOPLE, check=lambda: next(made))
    moments = film(watching, (60, faces))
    events = [(e.event, e.track, e.reason) for moment in moments for e in moment.events]
    # One after the other: Bob, who is nearer, then Alice.
    assert [event for event in events if event[0] in ("challenge", "identified")] == [
        ("challenge", 2, "nod"),
        ("identified", 2, None),
        ("challenge", 1, "nod"),
        ("identified", 1, None),
    ]
    assert checks[1].seen == [(True, True)] * 4


def test_strangers_are_not_challenged() -> None:
    check = Scripted([Liveness("checking", asked="nod")], every_detection=True)
    moments = film(watch(PEOPLE, check=lambda: check), (60, (at(CAROL),)))
    assert told(moments) == [("appeared", 1, None), ("unknown", 1, None)]
    assert check.seen == []


def test_a_challenge_notices_that_the_face_went_out_of_sight() -> None:
    check = Scripted([Liveness("checking", asked="nod")], every_detection=True)
    film(watch(PEOPLE, check=lambda: check), (10, ((ALICE, 40, 60, 40),)), (10, ()))
    assert (False, False) in check.seen


@pytest.mark.parametrize("frames", [1, 4, 7, 10, 13, 30])
def test_whoever_takes_a_track_over_is_checked_anew_however_soon(frames: int) -> None:
    """The liveness of one is not that of another, after one look at the first as after many."""
    made: list[Scripted] = []

    def check() -> Scripted:
        made.append(Scripted([CHECKING] * 2 + [LIVE] if not made else [SPOOF]))
        return made[-1]

    moments = film(watch(PEOPLE, check=check), (frames, (at(CAROL),)), (60, (at(ALICE),)))
    events = told(moments)
    assert ("spoof", 1, None) in events
    assert "identified" not in [event for event, _, _ in events]


def test_a_look_that_contradicts_the_others_makes_nobody_live() -> None:
    alice, bob, carol = (vector_of(colour) for colour in (ALICE, BOB, CAROL))
    person = Person(
        lambda: Evidence(gallery({"alice": ALICE}), CLAIM, "cosine", claim=True),
        lambda: Scripted([CHECKING] * 2 + [LIVE]),
        least_looks=1,
    )
    image, face = frame(0).image, posed()
    # A copy, and then live faces of which no two are alike.
    for number, vector in enumerate([alice, bob, carol, bob, carol]):
        person.add_look(image, face, vector, 0.9, number / 10)
        assert person.outcome.state == "undecided"


def challenged(challenges: list[Challenge]) -> Person:
    """Somebody who is said to be Alice, asked to nod each time."""

    def check() -> ChallengeCheck:
        challenges.append(Challenge(("nod",), least_similarity=0.9, least_turned_similarity=0.9))
        return ChallengeCheck(challenges[-1])

    return Person(
        lambda: Evidence(gallery({"alice": ALICE}), CLAIM, "cosine", claim=True), check, least_looks=1
    )


def performs(person: Person, colours: list[Colour]) -> list[str]:
    """What is told while each of these in turn does for a tenth of a second what a challenge of a nod asks for."""
    image, events = frame(0).image, []
    for number, colour in enumerate(colours):
        face = posed("nod" if 4 <= number < 8 else "look_straight")
        if person.challengeable:
            person.challenge(image, face, vector_of(colour), 0.9, number / 10)
        else:
            person.add_look(image, face, vector_of(colour), 0.9, number / 10)
        events += [event for event, _ in person.news()]
    return events


def test_a_challenge_is_passed_by_who_was_named_and_by_nobody_else() -> None:
    assert performs(challenged([]), [ALICE] * 12)[-1] == "accepted"
    # Alice's photo is shown first, and then another person does what is asked.
    for photos in (1, 2):
        events = performs(challenged([]), [ALICE] * photos + [CAROL] * (12 - photos))
        assert "accepted" not in events
        assert events[-1] == "rejected"


def test_a_challenge_goes_on_while_the_pictures_look_like_a_copy() -> None:
    asked, copied = Liveness("checking", asked="nod"), Liveness("spoof", 0.1, "nod", "low_score")
    check = Scripted([asked, copied, copied, asked, LIVE], every_detection=True)
    moments = film(watch(PEOPLE, check=lambda: check), (60, (at(ALICE),)))
    assert [event for event, _, _ in told(moments)] == ["appeared", "challenge", "spoof", "identified"]


def test_a_stranger_is_told_of_once_also_where_it_is_a_copy() -> None:
    for claim, told_as in ((None, "unknown"), ("alice", "rejected")):
        check = Scripted([CHECKING, CHECKING, SPOOF])
        moments = film(watch(PEOPLE, claim=claim, check=lambda check=check: check), (60, (at(CAROL),)))
        assert [event for event, _, _ in told(moments)] == ["appeared", told_as, "spoof"]


def test_many_looks_asked_for_are_taken_as_soon_as_can_be() -> None:
    moments = film(watch(PEOPLE, claim="alice", least_looks=20), (90, (at(ALICE),)))
    assert told(moments)[-1] == ("accepted", 1, "alice")


def test_a_challenge_that_was_walked_away_from_cannot_be_tried_again_at_once() -> None:
    """Or a recording would be shown again and again, until its movements are those that are asked for."""
    asked = Liveness("checking", asked="nod")
    watching = watch(PEOPLE, check=lambda: Scripted([asked], every_detection=True))
    face: Placed = (ALICE, 40, 60, 40)
    challenges = []
    for visit in range(15):
        moments = film(watching, (15, (face,)), (75, ()), start=90 * visit)
        challenges += [e.time_s for moment in moments for e in moment.events if e.event == "challenge"]
    # 45 seconds: four lockout at the most, with pauses of 4, 8 and 16 seconds between them.
    assert len(challenges) in (3, 4)
    pauses = np.diff(challenges)
    assert pauses[0] >= FIRST_PAUSE_S
    assert all(later > earlier for earlier, later in pairwise(pauses.tolist()))


def test_one_person_who_failed_is_nothing_to_another() -> None:
    asked = Liveness("checking", asked="nod")
    watching = watch(PEOPLE, check=lambda: Scripted([asked], every_detection=True))
    film(watching, (15, ((ALICE, 40, 60, 40),)), (75, ()))
    moments = film(watching, (15, ((BOB, 40, 60, 40),)), start=90)
    assert "challenge" in [event.event for moment in moments for event in moment.events]


def test_tries_are_counted_a_name_at_a_time_and_forgotten_when_one_succeeds() -> None:
    lockout = ChallengeLockout()
    assert lockout.allows("alice", 0.0)
    lockout.failed("alice", 0.0)
    assert not lockout.allows("alice", FIRST_PAUSE_S - 0.1)
    assert lockout.allows("bob", 0.0)
    assert lockout.allows("alice", FIRST_PAUSE_S)
    for _ in range(2000):
        lockout.failed("alice", 10.0)
    assert not lockout.allows("alice", 10.0 + LONGEST_PAUSE_S - 0.1)
    assert lockout.allows("alice", 10.0 + LONGEST_PAUSE_S)
    lockout.passed("alice")
    assert lockout.allows("alice", 10.0)
