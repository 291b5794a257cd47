"""Groups, and a run that is cut short."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.records import FaceCrop
from faceid import EnrolmentRules, FaceID
from faceid.app.model_services import ModelServices
from faceid.enrolment import run
from faceid.enrolment.admission import Admission
from faceid.enrolment.cases import Case
from faceid.enrolment.run import GROUP
from faceid.errors import UnreadableImage, UsageError
from faceid.imaging import from_array
from faceid.recognition.detect.fake import FakeDetector, draw_face
from faceid.results import AlreadyEnrolled, Problem
from faceid.sources import Photo
from faceid.types import Face, Image

COLOURS = {"ann": (208, 80, 80), "ben": (80, 208, 80), "cid": (80, 80, 208), "dan": (208, 208, 80)}


def picture(*people: str, number: int = 0) -> np.ndarray:
    canvas = np.zeros((220, 40 + 160 * max(1, len(people)), 3), np.uint8)
    for place, person in enumerate(people):
        draw_face(canvas, COLOURS[person], 20 + 160 * place, 20 + number % 7, 120)
    canvas[canvas > 0] += number % 8
    canvas[-1, -1] = number % 16, number // 16 % 16, number // 256
    return canvas


def photo(name: str, *people: str, number: int = 0) -> Photo:
    source = f"{name}/{number}.png"
    return Photo(source, name, partial(from_array, picture(*people, number=number), source))


def photos() -> list[Photo]:
    """Four people with six photos each: one shows nobody, one two people, and one somebody enrolled before, if any."""
    listed = []
    for at, name in enumerate(COLOURS):
        other = list(COLOURS)[max(0, at - 1)]
        shown = [(name,), (name,), (), (name, "dan"), (other,), (name,)]
        listed += [photo(name, *people, number=10 * at + k) for k, people in enumerate(shown)]
    return listed


class CountingDetector(FakeDetector):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        # A set: a photo without a face is looked at in all its turns.
        self.seen.update(image.sha256 for image in images)
        return super().detect(images)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str], FaceID]]:
    systems: list[FaceID] = []

    def open_system(name: str) -> FaceID:
        system = FaceID(db=tmp_path / f"{name}.db", model="fake", device="cpu")
        system.services.current().pipeline.detector = CountingDetector()
        systems.append(system)
        return system

    yield open_system
    for system in systems:
        system.close()


def stored(system: FaceID) -> list[tuple[str, str]]:
    return [
        (who.name, item.sha256) for who in system.people.list() for item in system.people.templates(who.name)
    ]


def looked_at(system: FaceID) -> set[str]:
    detector = system.services.current().pipeline.detector
    assert isinstance(detector, CountingDetector)
    return detector.seen


@pytest.mark.parametrize("stop_after", [0, 1, 5, 6, 7, 12, 17, 23])
def test_a_run_that_was_cut_short_goes_on_where_it_was(
    opened: Callable[[str], FaceID], stop_after: int
) -> None:
    whole = opened("whole")
    expected = list(whole.enroll_each(photos()))
    assert {result.status for result in expected} == {"enrolled", "rejected"}

    first = opened("cut")
    results = first.enroll_each(photos())
    for _ in range(stop_after):
        next(results)
    results.close()  # type: ignore[attr-defined]
    done = len(first.services.gallery().outcomes(first_run := run_of(first))) + len(stored_or_none(first))
    first.close()

    second = opened("cut")
    again = list(second.enroll_each(photos()))
    assert stored(second) == stored(whole)
    assert len(looked_at(second)) == len(expected) - done
    for before, after in zip(expected, again, strict=True):
        assert after.path == before.path
        if before.status == "rejected":
            assert after == before
        else:
            assert after.status in ("enrolled", "duplicate")
    assert second.services.gallery().outcomes(first_run) == {}


def run_of(system: FaceID) -> str:
    rows = system.services.gallery()._database._connections.query("SELECT DISTINCT run FROM outcomes")
    return rows[0][0] if rows else ""


def stored_or_none(system: FaceID) -> list[tuple[str, str]]:
    return stored(system) if system.services.gallery().model is not None else []


def test_by_other_rules_everything_is_decided_anew(opened: Callable[[str], FaceID]) -> None:
    system = opened("rules")
    results = system.enroll_each(photos())
    for _ in range(6):
        next(results)
    results.close()  # type: ignore[attr-defined]
    looked_at(system).clear()
    again = list(system.enroll_each(photos(), EnrolmentRules(on_conflict="accept")))
    assert [result.status for result in again[:6]] == ["duplicate"] * 2 + ["rejected"] * 2 + ["duplicate"] * 2
    # The duplicates of the first person are the only photos that nobody looks at.
    assert len(looked_at(system)) == len(again) - 4


def test_another_run_in_between_does_no_harm(opened: Callable[[str], FaceID]) -> None:
    system = opened("between")
    results = system.enroll_each(photos())
    for _ in range(6):
        next(results)
    results.close()  # type: ignore[attr-defined]
    kept = system.services.gallery().outcomes(run_of(system))
    assert system.enroll("eve", [picture()])[0].reason == "no_face"
    assert system.services.gallery().outcomes(run_of(system)) == kept
    looked_at(system).clear()
    again = list(system.enroll_each(photos()))
    assert len(looked_at(system)) == len(again) - 6


def test_a_run_that_ended_is_forgotten(opened: Callable[[str], FaceID]) -> None:
    system = opened("ended")
    first = list(system.enroll_each(photos()))
    refused = [result.path for result in first if result.status == "rejected"]
    looked_at(system).clear()
    again = list(system.enroll_each(photos()))
    assert [result.path for result in again if result.status == "rejected"] == refused
    assert len(looked_at(system)) == len(refused)


def test_a_person_with_many_photos_is_stored_in_parts(opened: Callable[[str], FaceID]) -> None:
    system = opened("many")
    many = [photo("ann", "ann", number=k) for k in range(GROUP + 3)]
    results = system.enroll_each(many, EnrolmentRules(max_templates=1000))
    assert next(results).status == "enrolled"
    assert system.services.gallery().template_count("ann") == GROUP
    assert sum(result.status == "enrolled" for result in results) == GROUP + 2


def test_the_same_bytes_twice_in_a_group_are_stored_once_or_refused_twice(
    opened: Callable[[str], FaceID],
) -> None:
    system = opened("copies")
    good, poor = photo("ann", "ann", number=1), photo("ann", number=2)
    copies = [Photo(f"copy of {one.source}", one.name, one.load) for one in (good, poor)]
    results = list(system.enroll_each([good, poor, *copies]))
    assert [result.status for result in results] == ["enrolled", "rejected", "duplicate", "rejected"]
    assert results[2].template_id == results[0].template_id
    assert results[3].reason == results[1].reason == "no_face"
    assert [result.path for result in results[2:]] == [copy.source for copy in copies]


@pytest.mark.parametrize(("light", "reason"), [(0.2, "too_dark"), (1.0, "low_quality")])
def test_a_face_that_lacks_light_is_too_dark(
    opened: Callable[[str], FaceID], light: float, reason: str
) -> None:
    class Found(FakeDetector):
        """Finds the face that is there, with any light."""

        def detect(self, images: Sequence[Image]) -> list[list[Face]]:
            return super().detect([from_array(picture("ann"))]) * len(images)

    system = opened("dark")
    system.services.current().pipeline.detector = Found()
    pixels = (picture("ann") * light).astype(np.uint8)
    (result,) = system.enroll("ann", [pixels], EnrolmentRules(min_quality=0.99))
    assert (result.status, result.reason) == ("rejected", reason)
    assert result.quality is not None
    assert result.box is not None


def test_a_photo_too_large_to_store_a_crop_of_is_refused_and_the_run_goes_on(
    opened: Callable[[str], FaceID], monkeypatch: pytest.MonkeyPatch
) -> None:
    make = run.make_stored_crop

    def fails_once(image: Image, face: Face) -> FaceCrop:
        if image.source == "ann/0.png":
            raise UnreadableImage("no memory for the whole photo", path=image.source)
        return make(image, face)

    monkeypatch.setattr(run, "make_stored_crop", fails_once)
    system = opened("large")
    taken = [photo("ann", "ann", number=number) for number in range(2)]
    results = list(system.enroll_each(taken, store_crops=True))
    assert [(one.status, one.reason) for one in results] == [("rejected", "unreadable"), ("enrolled", None)]


def test_a_name_that_cannot_be_refuses_its_photos_only(opened: Callable[[str], FaceID]) -> None:
    system = opened("names")
    bad = Photo("x.png", "nul\0", photo("ann", "ann").load)
    results = list(system.enroll_each([photo("ben", "ben"), bad, photo("ann", "ann")]))
    assert [(result.status, result.reason) for result in results] == [
        ("enrolled", None),
        ("rejected", "unreadable"),
        ("enrolled", None),
    ]
    assert results[1].problem is not None
    assert results[1].problem.code == "bad_name"
    assert results[1].name is None


def test_attributes_go_with_who_is_let_in(opened: Callable[[str], FaceID]) -> None:
    system = opened("attributes")
    known = {"ann": {"born": "1970"}, "ben": {"born": "1980"}, "dan": {}}
    listed = [photo("ann", "ann"), photo("ben"), photo("dan", "dan")]
    list(system.enroll_each(listed, attributes=known))
    assert [(who.name, who.attributes) for who in system.people.list()] == [
        ("ann", {"born": "1970"}),
        ("dan", {}),
    ]


def test_a_photo_nearer_to_its_own_person_is_no_conflict(opened: Callable[[str], FaceID]) -> None:
    system = opened("own")
    assert system.enroll("ann", picture("ann"))[0].status == "enrolled"
    # All of the folder is somebody who is enrolled: nothing in it speaks for itself.
    refused = system.enroll("ben", [picture("ann", number=1), picture("ann", number=2)])
    assert [result.reason for result in refused] == ["identity_conflict"] * 2
    mixed = system.enroll(
        "ben", [picture("ben", number=3), picture("ann", number=4), picture("ben", number=5)]
    )
    assert [result.status for result in mixed] == ["enrolled", "rejected", "enrolled"]


@pytest.fixture
def varied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos of one person that differ as much as real ones: otherwise they are one burst to the guards."""
    monkeypatch.setattr("faceid.recognition.embed.fake.NOISE", 0.6)


@pytest.mark.usefixtures("varied")
def test_a_photo_of_somebody_unknown_is_found_in_a_folder(opened: Callable[[str], FaceID]) -> None:
    system = opened("outlier")
    photos = [picture("ann", number=k) for k in range(4)] + [picture("ben", number=9)]
    results = system.enroll("ann", photos)
    assert [result.status for result in results] == ["enrolled"] * 4 + ["rejected"]
    assert results[-1].reason == "identity_conflict"
    assert results[-1].problem is not None
    assert "not the one of the person's other photos" in results[-1].problem.message
    accepted = system.enroll("ann", [photos[-1]], EnrolmentRules(on_conflict="accept"))
    assert accepted[0].status == "enrolled"


@pytest.mark.usefixtures("varied")
@pytest.mark.parametrize("answer", [True, False])
def test_somebody_is_asked(opened: Callable[[str], FaceID], answer: bool) -> None:
    system = opened("ask")
    photos = [photo("ann", "ann", number=k) for k in range(4)] + [photo("ann", "ben", number=9)]
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return answer

    results = list(system.enroll_each(photos, EnrolmentRules(on_conflict="ask"), ask=ask))
    assert results[-1].status == ("enrolled" if answer else "rejected")
    (question,) = asked
    assert question.startswith("ann/9.png: the face is not the one")
    assert question.endswith("Enrol it as ann?")


def test_nobody_is_asked_twice_about_a_photo(opened: Callable[[str], FaceID]) -> None:
    system = opened("twice")
    system.enroll("ann", picture("ann"))
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question.partition(":")[0])
        return question.startswith("eve/4.png")

    photos = [photo("eve", "ann", number=4), photo("eve", "ben", number=5)]
    results = list(system.enroll_each(photos, EnrolmentRules(on_conflict="ask"), ask=ask))
    assert asked == ["eve/4.png", "eve/5.png"]
    assert [result.status for result in results] == ["enrolled", "rejected"]


@pytest.mark.usefixtures("varied")
def test_of_several_faces_the_persons_own_is_taken(opened: Callable[[str], FaceID]) -> None:
    system = opened("all")
    alone = [picture("ann", number=k) for k in range(3)]
    together = [picture("ben", "ann", number=5), picture("ben", "cid", number=6)]
    results = system.enroll("ann", alone + together, EnrolmentRules(multi_face="all"))
    assert [result.status for result in results] == ["enrolled"] * 4 + ["rejected"]
    assert results[3].faces == 2
    assert results[3].box is not None
    assert results[3].box[0] > 160
    assert results[4].reason == "multiple_faces"
    assert system.verify("ann", picture("ann", number=7)).verified
    # The same photo shows two people, and may be enrolled as both.
    (other,) = system.enroll("ben", [picture("ben", "ann", number=5)], EnrolmentRules(multi_face="all"))
    assert (other.status, other.box is not None and other.box[0] < 160) == ("enrolled", True)


def test_the_largest_face_is_taken_where_it_clearly_is(opened: Callable[[str], FaceID]) -> None:
    system = opened("largest")
    canvas = np.zeros((300, 500, 3), np.uint8)
    draw_face(canvas, COLOURS["ann"], 20, 20, 200)
    draw_face(canvas, COLOURS["ben"], 300, 20, 100)
    rules = EnrolmentRules(subject="largest")
    (taken,) = system.enroll("ann", [canvas], rules)
    assert taken.status == "enrolled"
    assert taken.box is not None
    assert taken.box[2] < 300
    assert system.enroll("ann", [picture("ann", "ben")], rules)[0].reason == "multiple_faces"


def test_who_is_enrolled_already_is_told(opened: Callable[[str], FaceID]) -> None:
    system = opened("namesake")
    system.enroll("ann", [picture("ann", number=k) for k in range(2)])
    told: list[AlreadyEnrolled] = []
    again = [photo("eve", "ann", number=k) for k in (4, 5, 6)]
    results = list(system.enroll_each(again, warn=told.append))
    assert [result.reason for result in results] == ["identity_conflict"] * 3
    (warning,) = told
    assert (warning.name, warning.candidate, warning.matches, warning.photos) == ("eve", "ann", 3, 3)
    assert "3 of 3 photos match" in str(warning)
    told.clear()
    list(system.enroll_each([photo("ben", "ben")], warn=told.append))
    assert told == []


def test_rules_that_cannot_be(opened: Callable[[str], FaceID], monkeypatch: pytest.MonkeyPatch) -> None:
    system = opened("rules")
    with pytest.raises(UsageError):
        system.enroll("ann", picture("ann"), EnrolmentRules(max_templates=0))
    monkeypatch.setattr(ModelServices, "calibration", None)
    with pytest.raises(UsageError, match="which of several faces"):
        system.enroll("ann", picture("ann"), EnrolmentRules(multi_face="all"))
    # Without a calibration the other guards hold their peace.
    photos = [picture("ann"), picture("ben", number=1), picture("ben", number=2)]
    assert [result.status for result in system.enroll("ann", photos)] == ["enrolled"] * 3


@pytest.mark.usefixtures("varied")
@pytest.mark.parametrize("stop_after", [None, 1, 12])
def test_of_many_photos_the_nearest_to_their_mean_are_kept(
    opened: Callable[[str], FaceID], stop_after: int | None
) -> None:
    """In one run, in a run that was cut short, and in several."""
    many = [photo("ann", "ann", number=k) for k in range(12)]
    more = [photo("ben", "ben"), *(photo("ann", "ann", number=k) for k in range(20, 30))]
    rules = EnrolmentRules(max_templates=5)
    system = opened("kept")
    if stop_after is not None:
        results = system.enroll_each(many + more, rules)
        for _ in range(stop_after):
            next(results)
        results.close()  # type: ignore[attr-defined]
    results = list(system.enroll_each(many + more, rules))
    whole = opened("whole")
    expected = list(whole.enroll_each(many + more, rules))
    assert stored(system) == stored(whole)
    assert system.services.gallery().template_count("ann") == 5
    assert {result.status for result in expected} == {"enrolled", "duplicate"}
    redundant = [result for result in expected if result.status == "duplicate"]
    assert {result.problem.code for result in redundant if result.problem} == {"redundant"}
    assert all(result.reason is None and result.template_id is None for result in redundant)
    # The rest of what was enrolled made way for what came later.
    assert sum(result.status == "enrolled" for result in expected if result.name == "ann") >= 5
    assert system.identify(picture("ann", number=40)).faces[0].name == "ann"


def test_what_is_kept_unconfirmed_takes_no_place_and_is_decided_once(
    opened: Callable[[str], FaceID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two photos of Ann are doubted, and all of Ben's."""
    decide = Admission.decide

    def doubting(self: Admission, name: str, cases: Sequence[Case]) -> object:
        found = decide(self, name, cases)
        for at, case in enumerate(cases):
            if case.face is not None and (name == "ben" or at < 2):
                case.doubt = Problem("unconfirmed", "is it?")
        return found

    monkeypatch.setattr(Admission, "decide", doubting)
    photos = [photo("ann", "ann", number=number) for number in range(4)]
    photos += [photo("ben", "ben", number=number) for number in range(10, 12)]
    rules = EnrolmentRules(max_templates=2)
    first = opened("doubt")
    results = first.enroll_each(photos, rules, attributes={"ben": {"team": "red"}})
    statuses = [next(results).status for _ in range(5)]
    results.close()  # type: ignore[attr-defined]
    assert statuses == ["unconfirmed", "unconfirmed", "enrolled", "enrolled", "unconfirmed"]
    assert [(who.name, who.templates, who.unconfirmed) for who in first.people.list()] == [
        ("ann", 2, 2),
        ("ben", 0, 2),
    ]
    assert first.people.list()[1].attributes == {"team": "red"}
    first.close()

    second = opened("doubt")
    monkeypatch.setattr(Admission, "decide", decide)
    again = list(second.enroll_each(photos, rules))
    assert not looked_at(second)
    assert [one.status for one in again] == [
        *("unconfirmed", "unconfirmed", "duplicate", "duplicate"),
        *("unconfirmed", "unconfirmed"),
    ]
    assert second.identify(picture("ben", number=12)).faces[0].decision == "unknown"
    confirmed = second.people.confirm("ben")
    assert (confirmed.status, confirmed.templates, len(confirmed.template_ids)) == ("confirmed", 2, 2)
    assert second.identify(picture("ben", number=12)).faces[0].name == "ben"
    assert [one.status for one in second.enroll_each(photos[4:], rules)] == ["duplicate", "duplicate"]


def test_a_photo_that_waits_under_another_name_is_no_conflict(
    opened: Callable[[str], FaceID], monkeypatch: pytest.MonkeyPatch
) -> None:
    system = opened("names")
    decide = Admission.decide

    def doubting(self: Admission, name: str, cases: Sequence[Case]) -> object:
        found = decide(self, name, cases)
        for case in cases:
            case.doubt = Problem("unconfirmed", "is it?")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Admission, "decide", doubting)
        assert [one.status for one in system.enroll_each([photo("ann", "ben", number=1)])] == ["unconfirmed"]
    assert [one.status for one in system.enroll_each([photo("ben", "ben", number=1)])] == ["enrolled"]
    refused = list(system.enroll_each([photo("cid", "ben", number=1)]))
    assert [(one.status, one.reason) for one in refused] == [("rejected", "identity_conflict")]
