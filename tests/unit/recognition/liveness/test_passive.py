"""What the networks for liveness are shown, and what becomes of their answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faceid.app.factories import make_liveness_detector
from faceid.cli.messages import hint_for
from faceid.config import Settings
from faceid.errors import ModelError
from faceid.imaging import from_array
from faceid.networks import registry
from faceid.ports.networks import LivenessDetector
from faceid.recognition.detect.fake import FakeDetector, draw_face
from faceid.recognition.liveness.fake import COPY_SCORE, LIVE_SCORE, FakeLivenessDetector, frame_copy
from faceid.recognition.liveness.passive import MiniFasNetDetector, open_detector
from faceid.recognition.liveness.regions import region, region_of
from faceid.types import Face

CARD = replace(registry.liveness_card("minifasnet-v2"), input_size=4)


def face(*box: float) -> Face:
    x1, y1, x2, y2 = box
    return Face((x1, y1, x2, y2), np.zeros((5, 2), np.float32), 0.9)


@pytest.mark.parametrize(
    ("box", "scale", "expected"),
    [
        # 40 x 60 about (100, 100), times 2.
        ((80.0, 70.0, 120.0, 130.0), 2.0, (60, 40, 140, 160)),
        # The left edge would be at -10: moved to 0, as wide as before.
        ((10.0, 70.0, 50.0, 130.0), 2.0, (0, 40, 80, 160)),
        # The bottom would be at 220: moved to the last row.
        ((80.0, 130.0, 120.0, 190.0), 2.0, (60, 79, 140, 199)),
        # 60 * 4 rows are more than there are: scaled by 199 / 60.
        ((80.0, 70.0, 120.0, 130.0), 4.0, (33, 0, 166, 199)),
    ],
)
def test_a_region_by_hand(
    box: tuple[float, float, float, float], scale: float, expected: tuple[int, int, int, int]
) -> None:
    assert region(box, 300, 200, scale) == expected


coordinates = st.floats(-500, 900)


@given(
    corner=st.tuples(coordinates, coordinates),
    size=st.tuples(st.floats(0, 700), st.floats(0, 700)),
    picture=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    scale=st.floats(1, 5),
)
def test_a_region_is_inside_the_picture_and_never_empty(
    corner: tuple[float, float], size: tuple[float, float], picture: tuple[int, int], scale: float
) -> None:
    box = (corner[0], corner[1], corner[0] + size[0], corner[1] + size[1])
    left, top, right, bottom = region(box, *picture, scale)
    assert 0 <= left <= right < picture[0]
    assert 0 <= top <= bottom < picture[1]


def test_a_region_s_pixels_are_those_of_the_picture() -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[40:161, 60:141] = (10, 20, 30)
    crop = region_of(from_array(pixels), (80.0, 70.0, 120.0, 130.0), 2.0, 80)
    assert crop.shape == (80, 80, 3)
    assert (crop == (10, 20, 30)).all()


class Constant(torch.nn.Module):
    """The same logits whatever it sees; remembers what that was."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x)
        return self.logits.expand(len(x), 3)


def test_a_score_is_the_mean_share_of_the_live_class() -> None:
    first, second = Constant([0.0, 0.0, 0.0]), Constant([0.0, float(np.log(2.0)), 0.0])
    detector = MiniFasNetDetector([(first, CARD), (second, replace(CARD, scale=4.0))])
    pixels = np.zeros((50, 60, 3), np.uint8)
    pixels[:] = (200, 100, 50)
    scores = detector.scores(from_array(pixels), [face(10, 10, 20, 20), face(30, 10, 45, 40)])
    assert scores.dtype == np.float32
    assert scores == pytest.approx([(1 / 3 + 1 / 2) / 2] * 2)
    # Channels first, RGB as it is, 0..255.
    (seen,) = first.seen
    assert seen.shape == (2, 3, 4, 4)
    assert seen[:, :, 0, 0].tolist() == [[200.0, 100.0, 50.0]] * 2


def test_no_faces_have_no_scores() -> None:
    detector = MiniFasNetDetector([(Constant([0.0, 0.0, 0.0]), CARD)])
    assert detector.scores(from_array(np.zeros((5, 5, 3), np.uint8)), []).shape == (0,)


def test_a_score_that_is_no_number_is_an_error() -> None:
    detector = MiniFasNetDetector([(Constant([float("nan"), 0.0, 0.0]), CARD)])
    with pytest.raises(ModelError, match="not finite") as caught:
        detector.scores(from_array(np.zeros((5, 5, 3), np.uint8)), [face(1, 1, 3, 3)])
    assert caught.value.code == "not_finite"


def test_missing_weights_are_an_error_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        open_detector(device="cpu", weights_dir=tmp_path)
    assert hint_for(caught.value) == "faceid models pull minifasnet-v2"


@pytest.mark.parametrize("x", [0, 20, 68])
def test_the_fake_knows_copies_by_their_frame(x: int) -> None:
    detector: LivenessDetector = make_liveness_detector("fake", "cpu", Settings.load())
    assert isinstance(detector, FakeLivenessDetector)
    canvas = np.zeros((60, 100, 3), np.uint8)
    draw_face(canvas, (240, 80, 112), x, 10, 32)
    for expected in (LIVE_SCORE, COPY_SCORE):
        image = from_array(canvas.copy())
        (found,) = FakeDetector().detect([image])
        assert detector.scores(image, found) == pytest.approx([expected])
        frame_copy(canvas, x, 10, 32)
