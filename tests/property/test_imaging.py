"""Whatever the bytes, the answer is a whole picture within the limits or an UnreadableImage."""

from __future__ import annotations

import io
from functools import cache

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


@given(data=st.binary(max_size=64))
def test_sniffing_never_fails(data: bytes) -> None:
    assert sniff(data) is None or isinstance(sniff(data), Format)
