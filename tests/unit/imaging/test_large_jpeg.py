"""Of a large JPEG no more is decoded than is asked for, and what is decoded lies where it is in the whole picture."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.JpegImagePlugin import JpegImageFile

from faceid.errors import UnreadableImage
from faceid.imaging import decode, from_array
from faceid.imaging.large_jpeg import reducing
from faceid.types import Encoded, Image

# Little more than the least that is reduced; no multiples of the 16 pixels that a JPEG codes at once.
WIDTH, HEIGHT = 4003, 509
EVEN = 4006, 510


def ramps(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Red grows evenly to the right and green down: a pixel in the wrong place has the wrong colour."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x * 255 / width, y * 255 / height, np.full(x.shape, 128)], axis=-1).astype(np.uint8)


def jpeg(pixels: np.ndarray, mode: str = "RGB", orientation: int = 1, **options: object) -> bytes:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).convert(mode).save(buffer, "JPEG", quality=95, exif=exif, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image:
    return decode(Encoded.of(data), "photo")


def means_of_four(pixels: np.ndarray) -> np.ndarray:
    """The means of the 2 x 2 blocks that are whole."""
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    return pixels[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).mean(axis=(1, 3))


@pytest.fixture
def widths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the width of each picture that Pillow decodes."""
    seen: list[int] = []
    load = JpegImageFile.load

    def counted(picture: JpegImageFile) -> object:
        if picture.tile:
            seen.append(picture.width)
        return load(picture)

    monkeypatch.setattr(JpegImageFile, "load", counted)
    return seen


@pytest.mark.parametrize(
    ("width", "height", "factor"),
    [
        (1000, 1000, 1),
        (3999, 3000, 1),
        (4000, 3000, 2),
        (3000, 4000, 2),
        (8064, 6048, 4),
        (16_000, 3000, 8),
        (65_000, 700, 8),
        (12_000, 30, 1),
    ],
)
def test_phone_photos_are_reduced_and_small_ones_are_not(width: int, height: int, factor: int) -> None:
    assert reducing(width, height) == factor


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_pixel_lies_in_the_middle_of_its_block(orientation: int) -> None:
    size = (WIDTH, HEIGHT) if orientation in (1, 5) else EVEN
    upright = Pillow.fromarray(ramps(*size) if orientation < 5 else ramps(*size[::-1]))
    # Turned as a camera stores it: the inverse of what the orientation says to do.
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Pillow.Transpose(back[orientation])) if orientation in back else upright
    image = opened(jpeg(np.asarray(stored), orientation=orientation))
    assert (image.width, image.height) == upright.size
    pixels, factor = image.reduced(8)
    assert factor == 2
    assert pixels.shape == (-(-image.height // 2), -(-image.width // 2), 3)
    assert pixels.flags.c_contiguous
    means = means_of_four(image.pixels)
    shift = (pixels[: means.shape[0], : means.shape[1]] - means)[4:-4, 4:-4].mean(axis=(0, 1))
    # A quarter of a pixel is an eighth of a level of green.
    assert np.abs(shift).max() < 0.1


@pytest.mark.parametrize(
    ("orientation", "size", "factor"),
    [(1, (4001, 3001), 2), (5, (4001, 3001), 2), (2, (4001, 3000), 1), (2, (4000, 3001), 2), (4, (4000, 3001), 1),
     (6, (4001, 3000), 2), (6, (4000, 3001), 1), (8, (4001, 3000), 1), (3, (4000, 3001), 1), (7, (4001, 3000), 1),
     (3, (8002, 6000), 2)],
)  # fmt: skip
def test_blocks_begin_at_the_first_upright_pixel(
    orientation: int, size: tuple[int, int], factor: int
) -> None:
    assert reducing(*size, orientation) == factor


@pytest.mark.parametrize(
    ("mode", "options"),
    [("RGB", {"progressive": True}), ("RGB", {"subsampling": 0}), ("RGB", {"restart_marker_blocks": 5}),
     ("L", {}), ("CMYK", {})],
)  # fmt: skip
def test_all_kinds_look_the_same_reduced(mode: str, options: dict[str, object]) -> None:
    image = opened(jpeg(ramps(), mode, **options))
    pixels, factor = image.reduced(2)
    assert factor == 2
    means = means_of_four(image.pixels)
    assert np.abs(pixels[: means.shape[0], : means.shape[1]] - means).max() < 5


def test_everything_is_decoded_once_and_only_when_asked_for(widths: list[int]) -> None:
    image = opened(jpeg(ramps()))
    assert widths == [-(-WIDTH // 2)]
    assert (image.width, image.height) == (WIDTH, HEIGHT)
    assert image.reduced(2)[0] is image.reduced(5)[0]
    assert widths == [-(-WIDTH // 2)]
    with ThreadPoolExecutor(8) as pool:
        many = list(pool.map(lambda _: image.pixels, range(16)))
    assert all(pixels is many[0] for pixels in many)
    assert many[0].shape == (HEIGHT, WIDTH, 3)
    assert image.reduced(1) == (many[0], 1)
    assert widths == [-(-WIDTH // 2), WIDTH]


def test_the_factor_does_not_depend_on_what_was_decoded_before() -> None:
    data = jpeg(ramps(8001, 300))
    first, second = opened(data), opened(data)
    assert [second.reduced(most)[1] for most in (1, 2, 3, 4, 8)] == [1, 2, 2, 4, 4]
    assert [first.reduced(most)[1] for most in (8, 4, 3, 2, 1)] == [4, 4, 2, 2, 1]


@pytest.mark.parametrize("missing", [40, 100_000])
def test_damage_is_found_before_the_whole_is_decoded(missing: int) -> None:
    data = jpeg(np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    with pytest.raises(UnreadableImage, match="ends before the picture does"):
        opened(data[:-missing])


def test_a_photo_without_its_end_marker_is_whole() -> None:
    data = jpeg(ramps())
    assert np.array_equal(opened(data[:-2]).pixels, opened(data).pixels)


def test_too_little_memory_for_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    image = opened(jpeg(ramps()))

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Pillow, "open", exhausted)
    with pytest.raises(UnreadableImage, match="photo: not enough memory"):
        image.pixels  # noqa: B018
    assert image.reduced(2)[1] == 2


def test_an_array_is_not_resampled() -> None:
    pixels = ramps(500, 40)
    image = from_array(pixels)
    assert image.reduced(8)[0] is image.pixels
    assert image.reduced(8)[1] == 1
