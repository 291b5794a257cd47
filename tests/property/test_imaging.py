"""Whatever the bytes, the answer is a whole picture within the limits or an UnreadableImage."""

from __future__ import annotations

import io
from functools import cache
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import features

from faceid.errors import UnreadableImage
from faceid.imaging import Limits, decode
from faceid.imaging.formats import Format, sniff
from faceid.types import Encoded

LIMITS = Limits(max_pixels=1_000_000)
STARTS = [
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"P6 9 9 255\n",
    b"RIFF____WEBP",
]


@cache
def specimens() -> list[bytes]:
    """One small file of each kind."""
    x, y = np.meshgrid(np.arange(24), np.arange(16))
    rgb = Pillow.fromarray(np.stack([x * 9, y * 15, x * y % 256], axis=-1).astype(np.uint8))
    exif = Pillow.Exif()
    exif[0x0112] = 6
    kinds: list[tuple[Pillow.Image, str, dict[str, object]]] = [
        (rgb, "JPEG", {"exif": exif}),
        (rgb, "JPEG", {"progressive": True}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb, "PNG", {"exif": exif}),
        (rgb.convert("RGBA"), "PNG", {}),
        (rgb, "PNG", {"save_all": True, "append_images": [rgb.rotate(90)]}),
        (rgb.convert("L").convert("I;16"), "PNG", {}),
        (rgb, "GIF", {}),
        (rgb, "BMP", {}),
        (rgb, "PPM", {}),
        (rgb, "TIFF", {"tiffinfo": {0x0112: 6}}),
        (rgb, "TIFF", {"compression": "tiff_lzw"}),
        (rgb.convert("F"), "TIFF", {}),
        (rgb.convert("1"), "TIFF", {"compression": "group4"}),
        (rgb, "WEBP", {"exif": exif}),
        (rgb, "WEBP", {"lossless": True}),
    ]
    if features.check("avif"):
        kinds.append((rgb, "AVIF", {"exif": exif}))
    files = []
    for image, fmt, options in kinds:
        buffer = io.BytesIO()
        image.save(buffer, fmt, **options)
        files.append(buffer.getvalue())
    return files


@cache
def jpegs() -> list[bytes]:
    """Small JPEG files of all kinds, large enough to be decoded at an eighth."""
    x, y = np.meshgrid(np.arange(101), np.arange(83))
    rgb = Pillow.fromarray(np.stack([x * 2, y * 3, x * y % 256], axis=-1).astype(np.uint8))
    files = []
    for options in ({}, {"progressive": True}, {"subsampling": 0, "restart_marker_blocks": 3}):
        for mode in ("RGB", "L", "CMYK"):
            buffer = io.BytesIO()
            rgb.convert(mode).save(buffer, "JPEG", **options)
            files.append(buffer.getvalue())
    return files


def check(data: bytes) -> None:
    try:
        image = decode(Encoded.of(data), "photo", LIMITS)
    except UnreadableImage as error:
        message = str(error)
    else:
        assert image.pixels.dtype == np.uint8
        assert image.pixels.shape == (image.height, image.width, 3)
        assert 0 < image.width * image.height <= LIMITS.max_pixels
        assert image.pixels.flags.c_contiguous
        return
    assert message.startswith("photo: ")
    assert message.isprintable()


@given(data=st.binary(max_size=300), start=st.sampled_from([b"", *STARTS]))
@settings(max_examples=200)
def test_random_bytes(data: bytes, start: bytes) -> None:
    check(start + data)


@given(data=st.data())
@settings(max_examples=500)
def test_damaged_files(data: st.DataObject) -> None:
    file = bytearray(data.draw(st.sampled_from(specimens())))
    # Half of the damage goes to the header, where it does most.
    position = st.integers(0, len(file) - 1) | st.integers(0, min(len(file), 120) - 1)
    for at, value in data.draw(st.lists(st.tuples(position, st.integers(0, 255)), max_size=8)):
        file[at] = value
    check(bytes(file[: data.draw(st.just(len(file)) | st.integers(0, len(file)))]))


@given(data=st.data(), factor=st.sampled_from([2, 4, 8]))
@settings(max_examples=300)
def test_a_damaged_jpeg_has_the_same_outcome_at_every_size(data: st.DataObject, factor: int) -> None:
    """What is decoded reduced at first is refused where the whole would be, and the whole never fails later."""
    file = bytearray(data.draw(st.sampled_from(jpegs())))
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(2, len(file) - 1), st.integers(0, 255)), max_size=8)
    ):
        file[at] = value
    damaged = bytes(file[: data.draw(st.just(len(file)) | st.integers(2, len(file)))])
    outcomes = []
    for reduced in (1, factor):
        # A picture of fewer pixels cannot be reduced; a large one has never so few.
        with patch(
            "faceid.imaging.decoder.reducing",
            lambda width, height, _, by=reduced: by if min(width, height) >= by**2 else 1,
        ):
            try:
                image = decode(Encoded.of(damaged), "photo", LIMITS)
                outcomes.append((image.width, image.height, image.pixels.tobytes()))
            except UnreadableImage as error:
                outcomes.append((str(error),))
    assert outcomes[0] == outcomes[1]


@given(data=st.binary(max_size=64))
def test_sniffing_never_fails(data: bytes) -> None:
    assert sniff(data) is None or isinstance(sniff(data), Format)
