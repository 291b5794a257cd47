import numpy as np
import pytest

from faceid.errors import InputError, ModelError
from faceid.recognition.align import ALIGNERS, align, crop_size
from faceid.types import Box, Face, Image, Undecoded

BY_LANDMARKS = sorted(name for name, spec in ALIGNERS.items() if spec.template is not None)


def image(pixels: np.ndarray) -> Image:
    return Image(np.ascontiguousarray(pixels), "array", "")


def face(landmarks: object, box: Box = (20, 20, 120, 140)) -> Face:
    return Face(box, np.asarray(landmarks, dtype=np.float32), 1.0)


def template(aligner: str) -> np.ndarray:
    return np.array(ALIGNERS[aligner].template)


def ramp(height: int, width: int, across: float, down: float) -> np.ndarray:
    """Brightness that grows evenly: what is sampled where shows in the value."""
    y, x = np.mgrid[:height, :width]
    return np.repeat(np.round(across * x + down * y)[:, :, None], 3, axis=2).astype(np.uint8)


def test_sizes_are_looked_up_by_name() -> None:
    assert [crop_size(name) for name in ("dlib-150-v1", "arcface-112-v1", "facenet-160-v1")] == [
        150,
        112,
        160,
    ]
    with pytest.raises(ModelError) as refused:
        crop_size("dlib-150-v9")
    assert refused.value.code == "unknown_aligner"


@pytest.mark.parametrize("aligner", BY_LANDMARKS)
def test_landmarks_at_the_template_leave_the_pixels_alone(aligner: str) -> None:
    size = crop_size(aligner)
    pixels = np.random.default_rng(0).integers(0, 256, (size + 40, size + 50, 3), dtype=np.uint8)
    crop = align(image(pixels), face(template(aligner) + np.array((30, 20))), aligner)
    assert crop.scale == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(crop.pixels, pixels[20 : 20 + size, 30 : 30 + size])


@pytest.mark.parametrize("aligner", BY_LANDMARKS)
@pytest.mark.parametrize("enlarged", [0.4, 1.0, 1.9, 2.01, 3.7, 6.01])
def test_a_gradient_is_sampled_at_pixel_centres(aligner: str, enlarged: float) -> None:
    size = crop_size(aligner)
    width = int(enlarged * size) + 40
    slope = 200 / (enlarged * size + 40)
    rising = ramp(width, width, slope, 0)
    places = np.arange(size) * enlarged + 15.5
    offsets = []
    for pixels, at in ((rising, places), (rising[:, ::-1].copy(), width - 1 - places)):
        crop = align(
            image(pixels),
            face(template(aligner) * enlarged + 15.5, (0, 0, enlarged * size, enlarged * size)),
            aligner,
        )
        difference = (crop.pixels[:, :, 0].astype(float) - slope * at)[1:-1, 1:-1]
        assert crop.scale == pytest.approx(1 / enlarged, rel=1e-5)
        assert np.abs(difference).max() < 1.3
        offsets.append(difference.mean())
    # Rounding to whole levels shifts both gradients alike, a place that is off shifts them apart.
    assert abs(offsets[0] - offsets[1]) / 2 < 0.15 * slope * enlarged


@pytest.mark.parametrize("aligner", BY_LANDMARKS)
def test_large_faces_are_pooled_not_picked(aligner: str) -> None:
    size = crop_size(aligner)
    pixels = np.zeros((5 * size, 5 * size, 3), np.uint8)
    pixels[::5] = 250
    # A hair over 5, so that rounding in the fit does not leave it under.
    crop = align(image(pixels), face(template(aligner) * 5.0001, (0, 0, 5 * size, 5 * size)), aligner)
    np.testing.assert_allclose(crop.pixels[2:-2, 2:-2], 50, atol=1)


@pytest.mark.parametrize("aligner", BY_LANDMARKS)
def test_outside_the_image_is_black(aligner: str) -> None:
    size = crop_size(aligner)
    white = image(np.full((size, size, 3), 255, np.uint8))
    crop = align(white, face(template(aligner) - np.array((size // 2, 0)), (0, 0, size, size)), aligner)
    assert (crop.pixels[:, : size // 2 - 1] == 0).all()
    assert (crop.pixels[:, size // 2 + 1 :] == 255).all()
    far = align(white, face(template(aligner) + 10 * size, (0, 0, size, size)), aligner)
    assert not far.pixels.any()


@pytest.mark.parametrize("aligner", BY_LANDMARKS)
@pytest.mark.parametrize(
    "landmarks",
    [
        [(70, 80)] * 5,
        [(np.nan, 80)] * 5,
        [(np.inf, 80), *[(60, 70)] * 4],
        [(0, 0), (0, 0), (0, 0), (0, 0), (1e30, 0)],
        [(70, 80), (70.001, 80), (70, 80.001), (70, 80), (70, 80)],
        [(5000, 0), (0, 0), (0, 0), (0, 5000), (0, 0)],
    ],
    ids=["one-place", "nan", "infinite", "huge", "too-close", "too-far"],
)
def test_landmarks_of_no_use_give_way_to_the_box(aligner: str, landmarks: object) -> None:
    size = crop_size(aligner)
    pixels = ramp(200, 200, 1, 0)
    crop = align(image(pixels), face(landmarks, (40, 50, 140, 150)), aligner)
    assert crop.scale == pytest.approx(size / 100)
    assert crop.pixels[size // 2, :, 0].mean() == pytest.approx(90, abs=1)


@pytest.mark.parametrize("aligner", BY_LANDMARKS)
def test_landmarks_in_a_line_are_aligned_as_well_as_they_can_be(aligner: str) -> None:
    crop = align(
        image(ramp(200, 200, 1, 0)), face([(60, 60), (70, 70), (80, 80), (90, 90), (100, 100)]), aligner
    )
    assert crop.pixels.shape == (crop_size(aligner), crop_size(aligner), 3)


@pytest.mark.parametrize("aligner", sorted(ALIGNERS))
@pytest.mark.parametrize("box", [(9, 9, 9, 9), (np.nan, 0, 50, 50), (0, 0, np.inf, 50), (50, 50, 10, 10)])
def test_a_face_without_extent_is_no_input(aligner: str, box: Box) -> None:
    with pytest.raises(InputError) as refused:
        align(image(ramp(100, 100, 1, 0)), face([(1, 1)] * 5, box), aligner)
    assert refused.value.code == "no_face"


@pytest.mark.parametrize("aligner", sorted(ALIGNERS))
@pytest.mark.parametrize("shape", [(1, 1), (3000, 2), (60, 60)])
def test_a_face_much_larger_than_the_image_is_no_trouble(aligner: str, shape: tuple[int, int]) -> None:
    places = [(-3e5, -3e5), (3e5, -3e5), (0, 0), (-2e5, 3e5), (2e5, 3e5)]
    crop = align(image(np.full((*shape, 3), 200, np.uint8)), face(places, (-1e6, -1e6, 1e6, 1e6)), aligner)
    assert crop.pixels.dtype == np.uint8


@pytest.mark.parametrize("box", [(30.7, 40.2, 110.9, 141.5), (-20.5, 3, 60, 90), (150, 150, 260, 270)])
def test_facenet_crops_are_facenet_pytorchs(box: Box) -> None:
    from facenet_pytorch.models.utils.detect_face import extract_face

    pixels = np.random.default_rng(1).integers(0, 256, (240, 250, 3), dtype=np.uint8)
    published = extract_face(pixels, np.array(box), image_size=160, margin=14)
    crop = align(image(pixels), face([(0, 0)] * 5, box), "facenet-160-v1")
    np.testing.assert_array_equal(crop.pixels, published.permute(1, 2, 0).numpy())


def test_a_facenet_crop_of_nothing_is_no_input() -> None:
    with pytest.raises(InputError):
        align(image(ramp(50, 50, 1, 0)), face([(0, 0)] * 5, (100, 100, 150, 150)), "facenet-160-v1")


class Large(Undecoded):
    """A picture that reduces by at most 4, and tells by what it was reduced."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self.asked: list[int] = []

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    def reduced(self, most: int) -> tuple[np.ndarray, int]:
        factor = next(factor for factor in (4, 2, 1) if factor <= most)
        self.asked.append(factor)
        height, width = self.height // factor, self.width // factor
        blocks = self.pixels.reshape(height, factor, width, factor, 3)
        return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8), factor


def smooth(height: int, width: int) -> np.ndarray:
    """Waves of 40 pixels and more."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 17), np.sin(y / 13), np.sin((x + y) / 23)]
    return np.stack([127 + 120 * wave for wave in waves], axis=2).astype(np.uint8)


@pytest.mark.parametrize("aligner", sorted(ALIGNERS))
@pytest.mark.parametrize("enlarged", [1.6, 2.2, 2.7, 4.2, 5.4, 9.3])
@pytest.mark.parametrize("corner", [(300, 211), (-31, -31)])
def test_a_large_face_is_cut_from_the_reduced_picture_in_the_same_place(
    aligner: str, enlarged: float, corner: tuple[int, int]
) -> None:
    size = crop_size(aligner)
    pixels = smooth(1600, 2000)
    landmarks = np.array(ALIGNERS["arcface-112-v1"].template) / 112 * size * enlarged + corner
    left, top = corner
    side = (size - ALIGNERS[aligner].margin) * enlarged
    seen = face(landmarks, (left, top, left + side, top + side))
    large = Large(pixels)
    # The template of dlib is wider: its crops show less of the same face.
    scale = align(image(pixels), seen, aligner).scale
    expected = next((by for by in (4, 2) if 1 / scale >= 1.25 * by), 1)
    crop = align(Image(large, "photo", ""), seen, aligner)
    assert large.asked == [expected]
    difference = crop.pixels.astype(int) - align(image(pixels), seen, aligner).pixels
    # The waves lose up to 4 % of their height; a pixel of the reduced picture off would change 37 levels.
    assert np.abs(difference).max() <= 10
    assert np.abs(difference.mean(axis=(0, 1))).max() < 0.6
