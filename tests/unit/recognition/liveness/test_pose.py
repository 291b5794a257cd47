"""The pose of a head from five points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid.recognition.liveness.pose import head_pose
from performers import posed

angles = st.floats(-45, 45)
rolls = st.floats(-0.6, 0.6)


@given(yaw=angles, pitch=st.floats(-40, 40), roll=rolls, scale=st.floats(0.5, 8))
def test_a_rigid_head_is_measured_whatever_its_roll_and_size(
    yaw: float, pitch: float, roll: float, scale: float
) -> None:
    found = head_pose(posed(yaw=yaw, pitch=pitch, roll=roll, scale=scale).landmarks)
    upright = head_pose(posed(yaw=yaw, pitch=pitch).landmarks)
    assert found is not None
    assert upright is not None
    assert (found.yaw, found.pitch, found.misfit) == pytest.approx(
        (upright.yaw, upright.pitch, upright.misfit), abs=0.01
    )
    # The head of the test has another nose than the average.
    assert found.yaw == pytest.approx(yaw, abs=6)
    assert found.pitch == pytest.approx(pitch, abs=12)
    assert abs(found.misfit) < 0.2


@given(yaw=st.floats(-70, 70), pitch=st.floats(-60, 60), roll=rolls)
def test_a_flat_picture_looks_straight_or_like_no_head_however_it_is_held(
    yaw: float, pitch: float, roll: float
) -> None:
    found = head_pose(posed(yaw=yaw, pitch=pitch, roll=roll, nose=0.0).landmarks)
    assert found is not None
    assert (found.yaw, found.pitch) == pytest.approx((0.0, 0.1), abs=0.2)
    # Turned or tilted far, it is narrower or lower than a head that looks straight.
    if max(abs(yaw), abs(pitch)) > 45 and min(abs(yaw), abs(pitch)) < 20:
        assert abs(found.misfit) > 0.25


@pytest.mark.parametrize(
    "landmarks",
    [
        np.full((5, 2), np.nan, np.float32),
        np.zeros((5, 2), np.float32),
        # The mouth above the eyes.
        np.array([(0, 0), (40, 0), (20, -20), (5, -40), (35, -40)], np.float32),
    ],
)
def test_landmarks_that_are_no_upright_face_have_no_pose(landmarks: np.ndarray) -> None:
    assert head_pose(landmarks) is None


def test_a_pose_by_hand() -> None:
    found = head_pose(np.array([(10, 10), (50, 10), (34, 34), (14, 50), (46, 50)], np.float32))
    assert found is not None
    # 4 of 40 pixels to the right; 24 of 40 down, where 20.8 are straight; as wide as high.
    assert found.yaw == pytest.approx(np.degrees(np.arctan(0.1 / 0.46)))
    assert found.pitch == pytest.approx(np.degrees(np.arctan(0.08 / 0.58)))
    assert (found.eyes, found.height) == pytest.approx((40.0, 40.0))
    assert found.misfit == pytest.approx(0.0866, abs=1e-3)
