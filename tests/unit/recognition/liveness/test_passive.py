"""What the networks for liveness are shown, and what becomes of their answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
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
from faceid.networks.errors import WeightsAltered
from faceid.networks.liveness_rule import LIVE_THRESHOLD, LivenessRule
from faceid.ports.networks import LivenessDetector
from faceid.recognition.detect.fake import FakeDetector, draw_face
from faceid.recognition.liveness.fake import COPY_SCORE, LIVE_SCORE, FakeLivenessDetector, frame_copy
from faceid.recognition.liveness.passive import PassiveDetector, open_detector
from faceid.recognition.liveness.regions import region, region_of, square_of
from faceid.types import Face

CARD = replace(registry.liveness_card("minifasnet-v2"), input_size=4)
MIRRORED = registry.liveness_card("antispoof-98")


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


def test_a_face_keeps_its_proportions() -> None:
    """The square has the middle and the area of the box."""
    assert square_of((80.0, 60.0, 120.0, 150.0)) == (70.0, 75.0, 130.0, 135.0)
    assert square_of((5.0, 5.0, 5.0, 9.0)) == (5.0, 7.0, 5.0, 7.0)


def test_the_pixels_of_a_region_are_those_of_the_picture() -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    # Twice the square of side 60 about (100, 105).
    pixels[45:166, 40:161] = (10, 20, 30)
    crop = region_of(from_array(pixels), (80.0, 60.0, 120.0, 150.0), replace(CARD, scale=2.0, input_size=80))
    assert crop.shape == (80, 80, 3)
    assert (crop == (10, 20, 30)).all()


def published_crop(pixels: np.ndarray, box: tuple[float, float, float, float], scale: float) -> np.ndarray:
    """Mirror the whole picture far enough, then cut: what face-antispoof-onnx does, with another order of steps."""
    x1, y1, x2, y2 = box
    longest = max(x2 - x1, y2 - y1)
    length = int(longest * scale)
    left, top = int((x1 + x2 - longest * scale) / 2), int((y1 + y2 - longest * scale) / 2)
    padded = np.pad(pixels, ((length, length), (length, length), (0, 0)), "reflect")
    crop = padded[top + length : top + 2 * length, left + length : left + 2 * length]
    how = cv2.INTER_LANCZOS4 if length < 128 else cv2.INTER_AREA
    return np.asarray(cv2.resize(crop, (128, 128), interpolation=how))


@pytest.mark.parametrize(
    "box",
    [
        (60.0, 50.5, 99.3, 101.0),
        (2.0, 3.0, 61.0, 80.0),
        (130.7, 90.0, 199.0, 149.0),
        (1.0, 1.0, 198.0, 148.0),
        (-8.0, -4.0, 40.0, 60.0),
    ],
)
def test_a_mirrored_region_is_the_published_one(box: tuple[float, float, float, float]) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (150, 200, 3), np.uint8)
    found = region_of(from_array(pixels), box, MIRRORED)
    np.testing.assert_array_equal(found, published_crop(pixels, box, 1.5))


@given(
    corner=st.tuples(coordinates, coordinates),
    size=st.tuples(st.floats(0, 700), st.floats(0, 700)),
    picture=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    card=st.sampled_from(["minifasnet-v1se", "antispoof-98"]),
)
def test_any_box_in_any_picture_has_a_region(
    corner: tuple[float, float], size: tuple[float, float], picture: tuple[int, int], card: str
) -> None:
    box = (corner[0], corner[1], corner[0] + size[0], corner[1] + size[1])
    pixels = np.full((*picture, 3), 7, np.uint8)
    crop = region_of(from_array(pixels), box, registry.liveness_card(card))
    assert (crop == 7).all()


class Constant(torch.nn.Module):
    """The same logits whatever it sees; remembers what that was."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x)
        return self.logits.expand(len(x), -1)


def rule(*votes: tuple[str, ...], offset: float = 0.0) -> LivenessRule:
    return replace(registry.liveness_rules()[0], votes=votes, offset=offset)


def one(logits: list[float], **rest: float) -> PassiveDetector:
    return PassiveDetector({"a": (Constant(logits), CARD)}, rule(("a",), **rest))


PICTURE = from_array(np.full((50, 60, 3), (200, 100, 50), np.uint8))


def test_networks_of_one_publisher_share_a_vote() -> None:
    first, second, third = Constant([0.0, 4.0, -90.0]), Constant([0.0, 0.0, -90.0]), Constant([1.0, 5.0])
    networks = {"a": (first, CARD), "b": (second, CARD), "c": (third, MIRRORED)}
    detector = PassiveDetector(networks, rule(("a", "b"), ("c",), offset=1.0))
    scores = detector.scores(PICTURE, [face(10, 10, 20, 20), face(30, 10, 45, 40)])
    assert scores.dtype == np.float32
    # Log-odds of 4 and 0 make a vote of 2, which with 4 makes 3; 1 is the offset.
    assert scores == pytest.approx([1 / (1 + np.exp(-2.0))] * 2, rel=1e-5)
    # Channels first, RGB as it is, 0..255, of the size that the card says.
    (seen,) = first.seen
    assert seen.shape == (2, 3, 4, 4)
    assert seen[:, :, 0, 0].tolist() == [[200.0, 100.0, 50.0]] * 2
    assert third.seen[0].shape == (2, 3, 128, 128)


def test_all_other_classes_together_speak_against_a_live_face() -> None:
    assert one([0.0, float(np.log(2.0)), 0.0]).scores(PICTURE, [face(1, 1, 9, 9)]) == pytest.approx([0.5])


def test_the_offset_is_the_operating_point() -> None:
    for odds, live in ((-2.49, True), (-2.51, False)):
        (score,) = one([0.0, odds], offset=-2.5).scores(PICTURE, [face(1, 1, 9, 9)])
        assert bool(score >= LIVE_THRESHOLD) is live


@pytest.mark.parametrize(("odds", "score"), [(1e30, 1.0), (-1e30, 0.0)])
def test_a_sure_network_gives_the_end_of_the_scale(odds: float, score: float) -> None:
    assert one([0.0, odds]).scores(PICTURE, [face(1, 1, 9, 9)]) == pytest.approx([score])


def test_no_faces_have_no_scores() -> None:
    assert one([0.0, 0.0, 0.0]).scores(PICTURE, []).shape == (0,)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number_is_an_error(bad: float) -> None:
    with pytest.raises(ModelError, match="not finite") as caught:
        one([0.0, bad]).scores(PICTURE, [face(1, 1, 3, 3)])
    assert caught.value.code == "not_finite"


def test_missing_weights_are_an_error_with_the_command(tmp_path: Path) -> None:
    (tmp_path / registry.liveness_card("antispoof-98").weights.file).write_bytes(b"alone it has no rule")
    with pytest.raises(ModelError) as caught:
        open_detector(device="cpu", weights_dir=tmp_path)
    assert hint_for(caught.value) == "faceid models pull minifasnet-v2"


def test_an_altered_file_is_an_error_and_not_one_vote_less(tmp_path: Path) -> None:
    for name in registry.liveness_rules()[0].networks:
        (tmp_path / registry.liveness_card(name).weights.file).write_bytes(b"other weights")
    with pytest.raises(WeightsAltered):
        open_detector(device="cpu", weights_dir=tmp_path)


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
