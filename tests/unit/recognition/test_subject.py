"""Which face of a photo is its subject."""

from collections.abc import Sequence

import numpy as np
import pytest

from faceid.enrolment.rules import EnrolmentRules
from faceid.errors import UsageError
from faceid.recognition.subject import ONE_PHOTO, RULES, checked_rule, no_subject, prominence, subjects
from faceid.types import Face, Image

WIDTH, HEIGHT = 400, 300
PICTURE = Image(np.zeros((HEIGHT, WIDTH, 3), np.uint8), "picture.png", "0" * 64)


def face(x: float, y: float, side: float, score: float = 1.0) -> Face:
    """A square face whose middle is at x, y."""
    half = side / 2
    return Face((x - half, y - half, x + half, y + half), np.zeros((5, 2), np.float32), score)


def chosen(rule: str, *faces: Face) -> list[int]:
    """The places of the chosen faces."""
    found = subjects(faces, PICTURE, checked_rule(rule))
    return [index for index, one in enumerate(faces) if any(one is other for other in found)]


MIDDLE = face(200, 150, 100)


@pytest.mark.parametrize("rule", RULES)
def test_a_photo_of_one_face_shows_its_subject(rule: str) -> None:
    assert chosen(rule, face(20, 20, 30, score=0.7)) == [0]
    assert chosen(rule) == []


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ([face(320, 60, 50)], "a smaller face in the background"),
        ([face(320, 60, 60), face(60, 60, 60), face(340, 250, 60)], "several of them"),
        ([face(395, 150, 100)], "a face that the edge cuts in half"),
        ([face(300, 150, 110, score=0.75)], "what is hardly a face"),
    ],
)
def test_what_is_not_the_subject_does_not_refuse_the_photo(others: Sequence[Face], why: str) -> None:
    assert chosen("largest", *others, MIDDLE) == [len(others)], why
    assert chosen("only", *others, MIDDLE) == []


@pytest.mark.parametrize(
    ("faces", "why"),
    [
        ([face(110, 150, 100), face(290, 150, 100)], "two beside each other"),
        ([face(110, 150, 100), face(290, 150, 115)], "two of nearly one size"),
        ([face(150, 150, 100), face(300, 150, 100)], "two, and the picture ends nearer to one"),
        ([face(67, 150, 90), face(200, 150, 90), face(333, 150, 90)], "three in a row"),
        ([face(110, 150, 100, score=0.0), face(290, 150, 100, score=0.0)], "two without any confidence"),
    ],
)
def test_people_who_are_equally_prominent_are_nobodys_photo(faces: Sequence[Face], why: str) -> None:
    assert chosen("largest", *faces) == [], why
    assert chosen("all", *faces) == list(range(len(faces)))


def test_the_face_nearest_to_the_middle_is_taken_however_small_it_is() -> None:
    assert chosen("centre", face(60, 60, 110), face(210, 160, 40), face(330, 60, 110)) == [1]
    assert chosen("largest", face(100, 150, 150), face(210, 160, 40)) == [0]


@pytest.mark.parametrize(
    "lesser",
    [face(200, 150, 90), face(260, 150, 100), face(200, 190, 100), face(200, 150, 100, score=0.9)],
)
def test_size_place_and_confidence_count(lesser: Face) -> None:
    assert prominence(MIDDLE, WIDTH, HEIGHT) > prominence(lesser, WIDTH, HEIGHT)


def test_a_face_that_is_not_in_the_picture_counts_for_nothing() -> None:
    assert prominence(face(-100, 150, 100), WIDTH, HEIGHT) == 0.0
    assert prominence(face(100, 150, 0), WIDTH, HEIGHT) == 0.0
    assert prominence(MIDDLE, WIDTH, HEIGHT) == pytest.approx(100.0)


@pytest.mark.parametrize(
    "broken", [face(np.nan, 150, 100), face(200, 150, 100, score=np.nan), face(200, 150, np.inf)]
)
def test_a_broken_detection_neither_is_the_subject_nor_hides_a_rival(broken: Face) -> None:
    for place in range(4):
        faces = [face(110, 150, 100), face(200, 290, 20), face(290, 150, 100)]
        faces.insert(place, broken)
        assert chosen("largest", *faces) == []
        assert broken not in subjects([*faces, MIDDLE], PICTURE, "largest")
    assert chosen("largest", broken, MIDDLE) == [1]
    if not np.isfinite(broken.box).all():
        assert chosen("centre", broken, MIDDLE) == [1]


def test_prominence_does_not_depend_on_the_resolution() -> None:
    small, large = face(120, 90, 60), face(240, 180, 120)
    assert prominence(large, 2 * WIDTH, 2 * HEIGHT) == pytest.approx(2 * prominence(small, WIDTH, HEIGHT))


def test_the_error_says_how_many_faces_and_what_to_do() -> None:
    error = no_subject(3, "party.jpg", "largest")
    assert (error.code, error.path, error.remedy) == ("multiple_faces", "party.jpg", "choose_one_face")
    assert str(error) == "3 faces, and none is clearly the subject"
    assert no_subject(0, "wall.jpg", "largest").code == "no_face"
    assert str(no_subject(2, "pair.jpg", "only")) == "2 faces where one is needed"


def test_rules_that_are_unknown_or_need_other_photos() -> None:
    with pytest.raises(UsageError, match="unknown subject 'biggest'"):
        checked_rule("biggest")
    with pytest.raises(UsageError, match="only enrolment has"):
        checked_rule("all", ONE_PHOTO)
    with pytest.raises(UsageError):
        EnrolmentRules(subject="reject")  # type: ignore[arg-type]


def test_the_former_names_of_the_rules_are_read() -> None:
    assert EnrolmentRules().subject == "largest"
    assert EnrolmentRules(multi_face="reject").subject == "only"
    assert EnrolmentRules(multi_face="all") == EnrolmentRules(subject="all")
