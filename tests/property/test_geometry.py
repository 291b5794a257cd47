"""Alignment under known turns, scales and shifts."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceid.recognition.align import ALIGNERS, align, fit_similarity
from faceid.types import Face, Image

angles = st.floats(-np.pi, np.pi)
scales = st.floats(0.05, 20)
shifts = st.complex_numbers(max_magnitude=5000)
faces = st.lists(st.tuples(*[st.floats(-100, 100)] * 2), min_size=5, max_size=5)


def plane(points: object) -> np.ndarray:
    return np.asarray(points, dtype=float) @ (1, 1j)


@given(faces, angles, scales, shifts)
def test_a_known_similarity_is_recovered(
    face: list[tuple[float, float]], angle: float, scale: float, shift: complex
) -> None:
    z = plane(face)
    if np.abs(z - z.mean()).max() < 1:
        return
    factor = scale * np.exp(1j * angle)
    w = factor * z + shift
    found = fit_similarity(face, np.stack([w.real, w.imag], axis=1))
    assert found is not None
    assert found.factor == pytest.approx(factor, abs=1e-6)
    assert found.shift == pytest.approx(shift, abs=1e-6)
    assert found.scale == pytest.approx(scale, abs=1e-6)
    np.testing.assert_allclose(
        np.column_stack([face, np.ones(5)]) @ found.matrix.T, w.view(float).reshape(-1, 2), atol=1e-6
    )
    assert found.inverse(complex(w[0])) == pytest.approx(z[0], abs=1e-5)


@given(faces, faces)
def test_no_other_similarity_is_nearer(
    places: list[tuple[float, float]], targets: list[tuple[float, float]]
) -> None:
    found = fit_similarity(places, targets)
    if found is None or not 1e-3 < found.scale < 1e3:
        return
    z, w = plane(places), plane(targets)

    def error(factor: complex, shift: complex) -> float:
        return float((np.abs(factor * z + shift - w) ** 2).sum())

    least = error(found.factor, found.shift)
    for step in (1e-3, -1e-3, 1e-3j, -1e-3j):
        assert error(found.factor + step, found.shift) >= least - 1e-6
        assert error(found.factor, found.shift + step) >= least - 1e-6


@given(st.sampled_from(["dlib-150-v1", "arcface-112-v1"]), angles, st.floats(0.7, 4), st.floats(-30, 30))
@settings(max_examples=25)
def test_a_turned_photo_gives_nearly_the_same_crop(
    aligner: str, angle: float, scale: float, shift: float
) -> None:
    spec = ALIGNERS[aligner]
    # A smooth scene: linear interpolation is exact to a few levels in it, and only geometry can be off.
    y, x = np.mgrid[:900, :900]
    scene = 128 + 50 * np.sin(x / 23 / scale) + 50 * np.cos(y / 31 / scale + x / 57 / scale)
    upright = Image(np.repeat(scene[:, :, None], 3, axis=2).astype(np.uint8), "array", "")
    landmarks = (np.array(spec.template) - spec.size / 2) * scale + 450
    turn = cv2.getRotationMatrix2D((450, 450), float(np.degrees(angle)), 1)
    turn[:, 2] += shift, -shift
    turned = Image(
        cv2.warpAffine(upright.pixels, turn, (900, 900), borderMode=cv2.BORDER_REFLECT), "array", ""
    )
    moved = np.column_stack([landmarks, np.ones(5)]) @ turn.T
    box = (300.0, 300.0, 600.0, 600.0)
    straight = align(upright, Face(box, landmarks.astype(np.float32), 1.0), aligner)
    again = align(turned, Face(box, moved.astype(np.float32), 1.0), aligner)
    assert again.scale == pytest.approx(straight.scale, rel=1e-4)
    difference = np.abs(again.pixels.astype(int) - straight.pixels)
    assert np.quantile(difference[4:-4, 4:-4], 0.99) <= 4
