"""Landmarks that a face can have, and those that none has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid.recognition.align import ALIGNERS
from faceid.recognition.plausible import MOST_ROLL, has_shape_of_face, is_plausible, roll, turn_of
from faceid.types import Face

FRONTAL = np.array(ALIGNERS["arcface-112-v1"].template, np.float32)
# A three-quarter view and a profile: MTCNN's landmarks of photos, in pixels of ArcFace's crop.
HALF_TURNED = np.array([(52, 50), (80, 52), (84, 70), (52, 92), (76, 93)], np.float32)
PROFILE = np.array([(66, 50), (82, 51), (92, 66), (66, 90), (80, 92)], np.float32)


def leaning(marks: np.ndarray, degrees: float, scale: float = 1.0) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return ((marks - 56) @ turn * scale + 56).astype(np.float32)


def face(marks: np.ndarray, side: float = 90.0) -> Face:
    middle = np.nan_to_num(marks).mean(axis=0)
    x, y = (float(place) for place in middle)
    return Face((x - side / 2, y - side / 2, x + side / 2, y + side / 2), marks.astype(np.float32), 1.0)


@pytest.mark.parametrize("marks", [FRONTAL, HALF_TURNED, PROFILE], ids=["frontal", "half turned", "profile"])
@pytest.mark.parametrize("lean", [-45, -20, 0, 20, 45])
def test_faces_of_every_pose_are_plausible(marks: np.ndarray, lean: float) -> None:
    assert is_plausible(face(leaning(marks, lean)))


def swapped(first: int, second: int) -> np.ndarray:
    order = list(range(5))
    order[first], order[second] = order[second], order[first]
    return FRONTAL[order]


IMPOSSIBLE = {
    "mirrored": FRONTAL[[1, 0, 2, 4, 3]],
    "eyes below the mouth": FRONTAL[[3, 4, 2, 0, 1]],
    "eyes crossed": swapped(0, 1),
    "an eye for a corner of the mouth": swapped(0, 3),
    "nose above the eyes": FRONTAL - np.float32([[0, 0], [0, 0], [0, 40], [0, 0], [0, 0]]),
    "nose far beside": FRONTAL + np.float32([[0, 0], [0, 0], [60, 0], [0, 0], [0, 0]]),
    "all in one place": np.full((5, 2), 7.0),
    "in a line": np.float32([[10, 10], [30, 30], [50, 50], [70, 70], [90, 90]]),
    "not finite": np.full((5, 2), np.nan),
    "flat": FRONTAL * np.float32([1.0, 0.05]),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
@pytest.mark.parametrize("lean", [0, 30])
def test_no_face_has_such_landmarks(what: str, lean: float) -> None:
    marks = leaning(IMPOSSIBLE[what], lean)
    assert not has_shape_of_face(marks)
    assert not is_plausible(face(marks))


@pytest.mark.parametrize("degrees", [MOST_ROLL + 1, -MOST_ROLL - 1, 90, 180, -90])
def test_what_leans_too_far_has_the_shape_and_is_not_plausible(degrees: float) -> None:
    marks = leaning(FRONTAL, degrees)
    assert has_shape_of_face(marks)
    assert not is_plausible(face(marks))


@pytest.mark.parametrize("side", [20.0, 400.0, 0.0, np.nan, np.inf])
def test_landmarks_that_do_not_fit_the_box_are_not_plausible(side: float) -> None:
    assert not is_plausible(face(FRONTAL, side))


@given(st.floats(-179, 179), st.floats(0.05, 30))
def test_the_shape_depends_on_neither_roll_nor_size(degrees: float, scale: float) -> None:
    marks = leaning(HALF_TURNED, degrees, scale)
    assert has_shape_of_face(marks)
    assert not has_shape_of_face(leaning(IMPOSSIBLE["mirrored"], degrees, scale))


@pytest.mark.parametrize("lies", [0, 90, 180, 270])
@pytest.mark.parametrize("lean", [-30, 0, 30])
def test_the_turn_undoes_how_the_picture_lies(lies: int, lean: float) -> None:
    found = roll(leaning(FRONTAL, lean))
    assert found == pytest.approx(lean, abs=0.01)
    assert turn_of(face(leaning(FRONTAL, lies + lean))) == -lies % 360


@pytest.mark.parametrize("lean", [-MOST_ROLL + 1, MOST_ROLL - 1])
def test_a_face_that_is_found_upright_is_not_turned(lean: float) -> None:
    """A crop of the box alone would show it another way round than when it was enrolled."""
    assert is_plausible(face(leaning(FRONTAL, lean)))
    assert turn_of(face(leaning(FRONTAL, lean))) == 0


def test_landmarks_without_a_pose_ask_for_no_turn() -> None:
    assert turn_of(face(np.full((5, 2), 3.0))) == 0
