"""Groups, and a run that is cut short."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from faceid import FaceID, Rules
from faceid.detect.fake import FakeDetector, draw_face
from faceid.enrolment import GROUP
from faceid.imaging import from_array
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
        self.seen: list[str] = []

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        self.seen += [image.sha256 for image in images]
        return super().detect(images)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str], FaceID]]:
    systems: list[FaceID] = []

    def open_system(name: str) -> FaceID:
        system = FaceID(db=tmp_path / f"{name}.db", model="fake", device="cpu")
        system.pipeline.detector = CountingDetector()
        systems.append(system)
        return system

    yield open_system
    for system in systems:
        system.close()


def stored(system: FaceID) -> list[tuple[str, str]]:
    return [(who.name, item.sha256) for who in system.identities() for item in system.templates(who.name)]


def looked_at(system: FaceID) -> list[str]:
    detector = system.pipeline.detector
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
    done = len(first.gallery().outcomes(first_run := run_of(first))) + len(stored_or_none(first))
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
    assert second.gallery().outcomes(first_run) == {}


def run_of(system: FaceID) -> str:
    rows = system.gallery().store._session.query("SELECT DISTINCT run FROM outcomes")
    return rows[0][0] if rows else ""


def stored_or_none(system: FaceID) -> list[tuple[str, str]]:
    return stored(system) if system.gallery().model is not None else []


def test_by_other_rules_everything_is_decided_anew(opened: Callable[[str], FaceID]) -> None:
    system = opened("rules")
    results = system.enroll_each(photos())
    for _ in range(6):
        next(results)
    results.close()  # type: ignore[attr-defined]
    looked_at(system).clear()
    again = list(system.enroll_each(photos(), Rules(on_conflict="accept")))
    assert [result.status for result in again[:6]] == ["duplicate"] * 2 + ["rejected"] * 2 + ["duplicate"] * 2
    # The duplicates of the first person are the only photos that nobody looks at.
    assert len(looked_at(system)) == len(again) - 4


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
    results = system.enroll_each(many)
    assert next(results).status == "enrolled"
    assert system.gallery().template_count("ann") == GROUP
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
    assert [(who.name, who.attributes) for who in system.identities()] == [
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
