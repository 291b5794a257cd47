"""Pictures of 12 bits in 16 are stretched where the file shows that they are, and no dark picture else."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from faceid.imaging import decode
from faceid.types import Encoded

WHITE_12 = 4095


def shades() -> np.ndarray:
    """(40, 60, 3) of 12 bits: different in each corner, white in one of them."""
    x, y = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 40))
    return np.rint(np.stack([x, y, (x + y) / 2], axis=-1) * WHITE_12).astype(np.uint16)


def gray() -> np.ndarray:
    return shades()[..., 2]


def file_of(values: np.ndarray, suffix: str, **options: int) -> bytes:
    """`values` (RGB, RGBA or gray) as written by OpenCV: Pillow writes no colours of 16 bits."""
    if values.ndim == 3:
        values = values[..., [2, 1, 0, *range(3, values.shape[2])]]
    flags = [item for name, value in options.items() for item in (getattr(cv2, name), value)]
    written, data = cv2.imencode(suffix, values, flags)
    assert written
    return bytes(data)


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    """`png` with one more chunk behind its header."""
    chunk = struct.pack(">I", len(content)) + kind + content
    return png[:33] + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + png[33:]


def pixels(data: bytes) -> np.ndarray:
    return decode(Encoded.of(data), "photo").pixels


def eight_bits(values: np.ndarray, white: int = WHITE_12) -> np.ndarray:
    scaled = values.astype(float) * 255 / white
    return scaled if scaled.ndim == 3 else np.repeat(scaled[..., None], 3, axis=2)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("values", [shades(), gray()], ids=["colour", "gray"])
def test_low_bits_are_stretched(values: np.ndarray, suffix: str) -> None:
    assert np.abs(pixels(file_of(values, suffix)) - eight_bits(values)).max() < 1.3


def test_low_bits_are_stretched_in_a_tiff_without_compression() -> None:
    data = file_of(shades(), ".tif", IMWRITE_TIFF_COMPRESSION=1)
    assert np.abs(pixels(data) - eight_bits(shades())).max() < 1.3


def test_low_bits_are_stretched_with_opaque_alpha() -> None:
    values = np.dstack([shades(), np.full(gray().shape, 65535, np.uint16)])
    assert np.abs(pixels(file_of(values, ".png")) - eight_bits(shades())).max() < 1.3


def test_low_bits_are_stretched_and_turned() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    data = with_chunk(file_of(shades(), ".png"), b"eXIf", exif.tobytes()[6:])
    assert np.abs(pixels(data) - np.rot90(eight_bits(shades()), -1)).max() < 1.3


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("values", [shades(), gray()], ids=["colour", "gray"])
def test_high_bits_are_left_alone(values: np.ndarray, suffix: str) -> None:
    assert np.abs(pixels(file_of(values * 16, suffix)) - eight_bits(values)).max() < 1.3


@pytest.mark.parametrize("values", [shades(), gray()], ids=["colour", "gray"])
def test_a_dark_picture_of_16_bits_stays_dark(values: np.ndarray) -> None:
    dark = np.minimum(values + 1, 4096)
    assert pixels(file_of(dark, ".png")).max() in (15, 16)
    assert pixels(file_of((shades() >> 8).astype(np.uint8), ".png")).max() == 15


@pytest.mark.parametrize("values", [shades(), gray()], ids=["colour", "gray"])
@pytest.mark.parametrize("bits", [10, 14])
def test_the_file_may_say_how_many_bits_are_in_use(values: np.ndarray, bits: int) -> None:
    values = values >> 2 if bits == 10 else values << 2
    said = bytes([bits]) * (3 if values.ndim == 3 else 1)
    data = with_chunk(with_chunk(file_of(values, ".png"), b"sBIT", said), b"tEXt", b"Comment\0long " * 9)
    assert np.abs(pixels(data) - eight_bits(values, 2**bits - 1)).max() < 1.3
    # In the high bits the same word changes nothing.
    assert np.abs(pixels(with_chunk(file_of(values << (16 - bits), ".png"), b"sBIT", said))
                  - eight_bits(values, 2**bits - 1)).max() < 1.3  # fmt: skip


@pytest.mark.parametrize("said", [b"", b"\0", b"\x11\x11\x11", b"\xff" * 300])
def test_nonsense_about_the_bits_is_passed_over(said: bytes) -> None:
    data = with_chunk(file_of(shades(), ".png"), b"sBIT", said)
    assert np.abs(pixels(data) - eight_bits(shades())).max() < 1.3
