"""What becomes of photos that are neither surely the person's nor surely a stranger's.

Faces are colours, as everywhere with the fake network. Here a table gives each colour its template, so that photos have
exact distances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid import EnrolmentRules, FaceID
from faceid.decision.decide import Target
from faceid.decision.thresholds import threshold_at_fmr
from faceid.enrolment.admission import Admission, Decided
from faceid.enrolment.cases import Case
from faceid.enrolment.checks.confirmation import ConfirmationBounds, confirmation_distance, confirmed
from faceid.imaging import from_array
from faceid.networks.fake_card import DIM, fake_card
from faceid.recognition.detect.fake import draw_face
from faceid.sources import Photo

CALIBRATION = fake_card().calibration
assert CALIBRATION is not None
SURE = confirmation_distance(CALIBRATION)
VERIFY = threshold_at_fmr(CALIBRATION, 1e-4)
NEAR = threshold_at_fmr(CALIBRATION, 1e-2)
AXES = np.eye(DIM)
LEVELS = (80, 112, 144, 176, 208, 240)

Vector = NDArray[np.float64]
Show = Callable[[Vector], NDArray[np.uint8]]


def at(distance: float, axis: int, centre: Vector = AXES[0]) -> Vector:
    """A template at a cosine distance from `centre`, in a direction of its own."""
    cosine = 1.0 - distance
    return cosine * centre + np.sqrt(1.0 - cosine**2) * AXES[axis]


def middle(*vectors: Vector) -> Vector:
    total = np.sum(vectors, axis=0)
    return np.asarray(total / np.linalg.norm(total))


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Makes a picture whose face has a given template."""
    table: list[Vector] = []

    def embedding(pixels: NDArray[np.uint8], dim: int) -> NDArray[np.float32]:
        side = pixels.shape[0] // 2
        colour = np.median(pixels[side - 15 : side + 15, side - 15 : side + 15].reshape(-1, 3), axis=0)
        first, second, third = (int(np.abs(np.array(LEVELS) - one).argmin()) for one in colour)
        return table[36 * first + 6 * second + third].astype(np.float32)

    monkeypatch.setattr("faceid.recognition.embed.fake._embedding", embedding)

    def make(vector: Vector) -> NDArray[np.uint8]:
        number = len(table)
        table.append(vector)
        canvas = np.zeros((200, 200, 3), np.uint8)
        draw_face(canvas, (LEVELS[number // 36], LEVELS[number // 6 % 6], LEVELS[number % 6]), 30, 30, 120)
        return canvas

    return make


@pytest.fixture
def system(tmp_path: Path) -> Iterator[FaceID]:
    with FaceID(db=tmp_path / "gallery.db", model="fake", device="cpu") as system:
        yield system


def states(system: FaceID, name: str) -> list[str]:
    return [template.state for template in system.people.templates(name)]


def outcomes(system: FaceID, name: str, *pictures: NDArray[np.uint8]) -> list[str]:
    return [result.status for result in system.enroll(name, list(pictures))]


def test_the_bounds_lie_in_this_order() -> None:
    assert SURE + 0.04 < VERIFY < VERIFY + 0.1 < NEAR < 0.9


@pytest.mark.parametrize("distance", [SURE + 0.02, VERIFY - 0.02, VERIFY + 0.02, NEAR - 0.02])
def test_a_look_alike_enters_no_identity(system: FaceID, show: Show, distance: float) -> None:
    assert outcomes(system, "ann", show(AXES[0])) == ["enrolled"]
    look_alike = show(at(distance, 1))
    again = show(at(0.01, 2, at(distance, 1)))
    before = system.verify("ann", again)
    (result,) = system.enroll("ann", [look_alike])
    assert (result.status, result.reason) == ("unconfirmed", None)
    assert result.template_id is not None
    assert result.problem is not None
    assert result.problem.code == "unconfirmed"
    assert states(system, "ann") == ["confirmed", "unconfirmed"]
    # Neither a comparison nor a search knows the template.
    assert system.verify("ann", again) == before
    assert system.identify(again).faces[0].distance == pytest.approx(before.distance)


def test_a_clear_stranger_is_refused_as_before(system: FaceID, show: Show) -> None:
    system.enroll("ann", [show(AXES[0])])
    (result,) = system.enroll("ann", [show(at(NEAR + 0.1, 1))])
    assert (result.status, result.reason) == ("rejected", "identity_conflict")
    assert states(system, "ann") == ["confirmed"]


@pytest.mark.parametrize("together", [True, False])
def test_photos_of_one_look_alike_do_not_vouch_for_each_other(
    system: FaceID, show: Show, together: bool
) -> None:
    system.enroll("ann", [show(AXES[0])])
    first = at(VERIFY + 0.02, 1)
    pictures = [show(first), *(show(at(0.1, axis, first)) for axis in (2, 3, 4))]
    groups = [pictures] if together else [[picture] for picture in pictures]
    found = [status for group in groups for status in outcomes(system, "ann", *group)]
    assert "enrolled" not in found
    assert states(system, "ann").count("confirmed") == 1


def test_the_persons_own_photos_do_not_confirm_a_look_alike(system: FaceID, show: Show) -> None:
    system.enroll("ann", [show(AXES[0])])
    assert outcomes(system, "ann", show(at(VERIFY - 0.02, 1))) == ["unconfirmed"]
    for axis in (2, 3, 4):
        assert outcomes(system, "ann", show(at(0.2, axis))) == ["enrolled"]
    assert states(system, "ann") == ["confirmed", "unconfirmed", *["confirmed"] * 3]


def test_a_later_photo_between_both_sides_confirms(system: FaceID, show: Show) -> None:
    first, second = AXES[0], at(SURE + 0.03, 1)
    assert outcomes(system, "ann", show(first)) == ["enrolled"]
    assert outcomes(system, "ann", show(second)) == ["unconfirmed"]
    assert outcomes(system, "ann", show(middle(first, second))) == ["enrolled"]
    assert states(system, "ann") == ["confirmed"] * 3
    assert system.identify(show(second)).faces[0].name == "ann"


def test_the_same_photo_again_confirms_nothing(system: FaceID, show: Show) -> None:
    system.enroll("ann", [show(AXES[0])])
    picture = show(at(SURE + 0.03, 1))
    assert outcomes(system, "ann", picture, picture) == ["unconfirmed"] * 2
    assert outcomes(system, "ann", picture) == ["unconfirmed"]
    assert states(system, "ann") == ["confirmed", "unconfirmed"]


def test_of_a_new_person_the_photos_that_verify_each_other_are_confirmed(system: FaceID, show: Show) -> None:
    centre = AXES[0]
    core = [show(at(0.2, axis, centre)) for axis in (1, 2, 3)]
    rest = show(at(VERIFY - 0.01, 4, centre))
    assert outcomes(system, "ann", rest, *core) == ["unconfirmed", *["enrolled"] * 3]


def test_two_photos_that_disagree_are_kept_until_a_third_tells(system: FaceID, show: Show) -> None:
    own, other = AXES[0], AXES[1]
    assert outcomes(system, "ann", show(own), show(other)) == ["unconfirmed"] * 2
    assert system.identify(show(own)).faces[0].name is None
    assert outcomes(system, "ann", show(at(0.3, 2, own))) == ["enrolled"]
    assert states(system, "ann") == ["confirmed", "unconfirmed", "confirmed"]


def test_a_newcomer_near_to_another_person_is_kept_and_a_second_name_is_refused(
    system: FaceID, show: Show
) -> None:
    system.enroll("ann", [show(AXES[0])])
    assert outcomes(system, "bea", show(at(VERIFY - 0.02, 1))) == ["unconfirmed"]
    (result,) = system.enroll("cid", [show(at(SURE - 0.02, 2))])
    assert (result.status, result.reason) == ("rejected", "identity_conflict")


def test_the_gallerys_stricter_policy_holds_here_too(system: FaceID, show: Show) -> None:
    system.enroll("ann", [show(AXES[0])])
    system.policies.set(Target(threshold=SURE - 0.1))
    assert outcomes(system, "ann", show(at(SURE - 0.05, 1))) == ["unconfirmed"]
    assert outcomes(system, "ann", show(at(SURE - 0.15, 2))) == ["enrolled"]


def test_the_operator_accepts_what_the_guards_doubt(system: FaceID, show: Show) -> None:
    system.enroll("ann", [show(AXES[0])])
    (result,) = system.enroll("ann", [show(at(NEAR - 0.02, 1))], EnrolmentRules(on_conflict="accept"))
    assert result.status == "enrolled"
    assert states(system, "ann") == ["confirmed"] * 2


@pytest.mark.parametrize("stop_after", range(1, 7))
def test_a_run_that_was_cut_short_ends_with_the_same_states(
    tmp_path: Path, show: Show, stop_after: int
) -> None:
    shown = {
        "ann": [show(at(0.2, axis)) for axis in (1, 2)] + [show(at(VERIFY - 0.01, 3))],
        "bea": [show(AXES[10]), show(AXES[11])],
        "cid": [show(AXES[12]), show(at(0.3, 13, AXES[12]))],
    }
    photos = [
        Photo(f"{name}/{place}.png", name, partial(from_array, picture, f"{name}/{place}.png"))
        for name, pictures in shown.items()
        for place, picture in enumerate(pictures)
    ]
    found = []
    for place, stop in (("whole.db", None), ("cut.db", stop_after)):
        for _ in range(2):
            with FaceID(db=tmp_path / place, model="fake", device="cpu") as system:
                results = system.enroll_each(photos)
                for _ in range(len(photos) if stop is None else stop):
                    next(results)
                results.close()  # type: ignore[attr-defined]
                stop = None
        with FaceID(db=tmp_path / place, model="fake", device="cpu") as system:
            found.append({name: states(system, name) for name in shown})
    assert found[0] == found[1]
    assert found[0] == {
        "ann": ["confirmed", "confirmed", "unconfirmed"],
        "bea": ["unconfirmed", "unconfirmed"],
        "cid": ["confirmed", "confirmed"],
    }


def test_a_morph_of_two_enrolled_people_is_refused(system: FaceID, show: Show) -> None:
    ann, bea, cid = AXES[:3]
    for name, vector in (("ann", ann), ("bea", bea), ("cid", cid)):
        system.enroll(name, [show(vector)])
    for name in ("ann", "bea", "eve"):
        (result,) = system.enroll(name, [show(middle(ann, bea))])
        assert (result.status, result.reason) == ("rejected", "morph_suspected")
        assert result.problem is not None
        assert "ann and bea" in result.problem.message
    (result,) = system.enroll("ann", [show(middle(ann, bea, cid))])
    assert (result.status, result.reason) == ("rejected", "atypical")
    (result,) = system.enroll("eve", [show(middle(ann, bea))], EnrolmentRules(on_conflict="accept"))
    assert result.status == "enrolled"


def test_a_photo_between_two_people_who_are_alike_is_no_morph(system: FaceID, show: Show) -> None:
    ann, twin = AXES[0], at(NEAR - 0.05, 1)
    system.enroll("ann", [show(ann)])
    system.enroll("twin", [show(twin)], EnrolmentRules(on_conflict="accept"))
    (result,) = system.enroll("ann", [show(middle(ann, twin))])
    assert result.reason != "morph_suspected"


def test_somebody_is_asked_about_a_morph_once(system: FaceID, show: Show) -> None:
    system.enroll("ann", [show(AXES[0])])
    system.enroll("bea", [show(AXES[1])])
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return True

    picture = show(middle(AXES[0], AXES[1]))
    photo = Photo("eve.png", "eve", partial(from_array, picture, "eve.png"))
    (result,) = system.enroll_each([photo], EnrolmentRules(on_conflict="ask"), ask=ask)
    assert result.status == "enrolled"
    (question,) = asked
    assert "near ann and bea at once" in question


def test_a_gallery_too_large_for_the_calibration_says_so_once(
    tmp_path: Path, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceid.enrolment.checks.rival_identities.CONFLICT_FPIR", 1e-6)
    notes: list[str] = []
    with FaceID(db=tmp_path / "large.db", model="fake", device="cpu", notify=notes.append) as system:
        photos = [
            Photo(f"{axis}.png", f"person {axis}", partial(from_array, show(AXES[axis]), f"{axis}.png"))
            for axis in range(4)
        ]
        assert [result.status for result in system.enroll_each(photos)] == ["enrolled"] * 4
    (limit,) = [note for note in notes if "by chance" in note]
    assert "2 people enrolled" in limit
    assert "keeps it at 1e-06" in limit


def fill(system: FaceID, show: Show, count: int = 4) -> Vector:
    """Enrol ann, and photos of a look-alike under her name; returns the template of the look-alike."""
    system.enroll("ann", [show(AXES[0])])
    look_alike = at(VERIFY + 0.02, 1)
    for axis in range(2, 2 + count):
        assert outcomes(system, "ann", show(at(0.1, axis, look_alike))) == ["unconfirmed"]
    return look_alike


@pytest.mark.parametrize("own", [False, True])
def test_a_person_whose_confirmed_photo_was_removed_is_no_new_person(
    system: FaceID, show: Show, own: bool
) -> None:
    look_alike = fill(system, show)
    system.people.remove_template(system.people.templates("ann")[0].template_id)
    centre = AXES[0] if own else look_alike
    # Neither the look-alike's photos nor the person's are confirmed without the operator.
    assert outcomes(system, "ann", *(show(at(0.1, axis, centre)) for axis in (7, 8))) == ["unconfirmed"] * 2
    assert set(states(system, "ann")) == {"unconfirmed"}
    own_photo = system.people.templates("ann")[-1].template_id
    system.people.confirm("ann", own_photo)
    assert outcomes(system, "ann", show(at(0.1, 9, centre))) == ["enrolled"]


def test_unconfirmed_photos_do_not_confirm_each_other_beside_a_new_one(show: Show) -> None:
    photos = np.array([AXES[0], at(0.3, 1)], np.float32)
    waiting = np.array([at(0.3, axis, AXES[9]) for axis in (2, 3, 4)], np.float32)
    bounds = ConfirmationBounds.of(CALIBRATION, "cosine")
    taken, later = confirmed(photos, [0.9, 0.9], np.zeros(2, bool), photos[:0], waiting, bounds)
    assert (taken.any(), later.any()) == (False, False)
    taken, later = confirmed(photos, [0.9, 0.9], np.zeros(2, bool), photos[:0], waiting[:1], bounds)
    assert (taken.tolist(), later.tolist()) == ([True, True], [False])


def test_so_many_unconfirmed_photos_are_kept_and_the_nearest_ones_stay(system: FaceID, show: Show) -> None:
    fill(system, show, 10)
    (result,) = system.enroll("ann", [show(at(VERIFY + 0.1, 13))])
    assert result.status == "duplicate"
    assert result.problem is not None
    assert result.problem.code == "redundant"
    assert states(system, "ann").count("unconfirmed") == 10
    # A photo that is nearer to the person takes the place of the farthest.
    assert outcomes(system, "ann", show(at(SURE + 0.02, 14))) == ["unconfirmed"]
    assert states(system, "ann").count("unconfirmed") == 10


def test_an_unconfirmed_photo_does_not_change_what_is_known_of_the_person(system: FaceID, show: Show) -> None:
    own, other = (
        Photo("one.png", "ann", partial(from_array, show(vector), "one.png"))
        for vector in (AXES[0], at(VERIFY + 0.02, 1))
    )
    list(system.enroll_each([own], attributes={"ann": {"door": "north"}}))
    (result,) = system.enroll_each([other], attributes={"ann": {"door": "all"}})
    assert result.status == "unconfirmed"
    assert system.people.list()[0].attributes == {"door": "north"}


def test_two_enrolments_of_a_new_person_at_once_confirm_one_of_two_people(
    system: FaceID, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = show(AXES[0]), show(at(VERIFY + 0.02, 1))
    decide, waiting = Admission.decide, [first]

    def decided(self: Admission, name: str, cases: Sequence[Case]) -> Decided:
        found = decide(self, name, cases)
        # Another process enrols the same name between the decision and its storage.
        if waiting:
            system.enroll("ann", [waiting.pop()])
        return found

    monkeypatch.setattr(Admission, "decide", decided)
    assert outcomes(system, "ann", second) == ["unconfirmed"]
    assert states(system, "ann") == ["confirmed", "unconfirmed"]
