"""Which templates stay, by hand-made geometry."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid.enrolment.checks.selection import select


def at(*degrees: float) -> NDArray[np.float32]:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_all_stay_where_there_is_room() -> None:
    assert select(at(0, 90), [0.5, 0.5], 2) == [0, 1]
    assert select(at(0, 90), [0.5, 0.5], 10) == [0, 1]
    assert select(at(), [], 3) == []


def test_who_is_far_from_the_others_goes_first() -> None:
    assert select(at(0, 5, 120, 10), [0.5] * 4, 3) == [0, 1, 3]


def test_good_photos_say_more_of_where_the_middle_is() -> None:
    assert select(at(0, 20, 40), [1.0, 0.1, 0.1], 1) == [0]
    assert select(at(0, 20, 40), [0.1, 0.1, 1.0], 1) == [2]


def test_near_duplicates_wait_until_the_others_are_in() -> None:
    vectors, qualities = at(0, 0.1, 0.2, 30, -30), [0.5, 0.9, 0.5, 0.5, 0.5]
    assert select(vectors, qualities, 3) == [0, 1, 2]
    # Of the three that are one scene the nearest to the mean stays, then the better photo.
    assert len({0, 1, 2} & set(select(vectors, qualities, 3, same_scene=0.999))) == 1
    assert {3, 4} <= set(select(vectors, qualities, 3, same_scene=0.999))
    assert len(select(vectors, qualities, 4, same_scene=0.999)) == 4


def test_near_duplicates_do_not_drag_the_mean() -> None:
    burst = at(*np.linspace(40, 40.2, 9), 0, 5, -5)
    qualities = [0.5] * 12
    assert 9 not in select(burst, qualities, 1)
    assert select(burst, qualities, 1, same_scene=0.999) == [10]


def test_of_copies_the_stored_one_stays() -> None:
    vectors = at(0, 0, 0)
    assert select(vectors, [0.5] * 3, 1) == [0]
    assert select(vectors, [0.5] * 3, 1, already=[2]) == [2]


def test_quality_zero_is_no_error() -> None:
    assert select(at(0, 10, 20), [0.0, 0.0, 0.0], 1) == [1]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        select(at(0), [0.5], 0)
    with pytest.raises(ValueError, match="2 qualities of 1"):
        select(at(0), [0.5, 0.5], 1)
