"""The score of a clip says at which thresholds the live rule would let it in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from faceid.imaging import from_array
from faceid.live.liveness.passive import FIRST, PassiveCheck, clip_score
from faceid.types import Face, Image
from performers import posed

PICTURE, FACE = from_array(np.zeros((8, 8, 3), np.uint8)), posed()
SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.625, 0.75, 1.0]), max_size=14)


class Scripted:
    def __init__(self, scores: Sequence[float]) -> None:
        self._scores = iter(scores)

    def scores(self, image: Image, faces: Sequence[Face]) -> np.ndarray:
        return np.array([next(self._scores)])


@given(SCORES, st.floats(0.0, 1.0))
def test_a_clip_is_ever_live_just_where_its_score_reaches_the_threshold(
    scores: list[float], threshold: float
) -> None:
    check = PassiveCheck(Scripted(scores), threshold)
    states = [check.update(PICTURE, FACE, None, 0.0).state for _ in scores]
    score = clip_score(scores)
    assert ("live" in states) is (score is not None and score >= threshold)
    assert (score is None) is (len(scores) < FIRST)


@given(SCORES, st.integers(0, 13))
def test_a_higher_look_never_makes_a_clip_worse(scores: list[float], place: int) -> None:
    raised = [1.0 if number == place else score for number, score in enumerate(scores)]
    assert (clip_score(raised) or 0.0) >= (clip_score(scores) or 0.0)
