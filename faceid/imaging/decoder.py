"""Decodes bytes, or checks an array, into an `Image`, and translates the exceptions of the decoders."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from faceid.errors import InputError
from faceid.imaging.formats import SUPPORTED, Format, describe_foreign, sniff
from faceid.imaging.heif import decode_heif, heif_size
from faceid.imaging.jpeg import decode_without_end, has_more_scans
from faceid.imaging.large_jpeg import MOST_REDUCED, LargeJpeg, reducing
from faceid.imaging.limits import DEFAULT_LIMITS, Limits
from faceid.imaging.quiet import quiet_pillow
from faceid.imaging.refusal import detail, refuse
from faceid.imaging.upright import deep_gray_strips, lies_on_its_side, upright_pixels
from faceid.types import Encoded, Image, Undecoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.types import Pixels

_DECODER_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    RuntimeError,
    IndexError,
    KeyError,
    ZeroDivisionError,
    OverflowError,
    struct.error,
    zlib.error,
)
"""What Pillow and pillow-heif raise for malformed files, found by decoding some hundred thousand of them."""

_ORIENTATION_TAG = 0x0112
_DEEP_GRAY_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})


def decode(encoded: Encoded, source: str, limits: Limits = DEFAULT_LIMITS) -> Image:
    """The first picture in an encoded file, upright (EXIF), RGB.

    Transparency is composited onto white, 16-bit gray is scaled to 8, colour profiles are ignored. A file that ends
    before its last pixel is refused. A file that lacks only what follows the last pixel is accepted.

    Raises UnreadableImage with the cause for any other input than a whole picture within `limits`.
    """
    data = encoded.data
    if not data:
        raise refuse(source, "the file is empty")
    limits.check_bytes(len(data), source)
    fmt = sniff(data)
    if fmt is None:
        raise refuse(source, describe_foreign(data), remedy="supported_formats", formats=SUPPORTED)
    pixels: Pixels | Undecoded
    with _translated(fmt, source, limits), quiet_pillow():
        if fmt is Format.HEIF:
            pixels = decode_heif(data, source, limits)
        elif fmt is Format.JPEG:
            pixels = _decode_jpeg(data, source, limits)
        elif fmt is Format.AVIF:
            pixels = _decode_avif(data, source, limits)
        else:
            pixels = _decode_pillow(data, fmt, source, limits).pixels
    return Image(pixels=pixels, source=source, sha256=encoded.sha256)


def pixel_count(encoded: Encoded) -> int:
    """How many pixels `decode` would return, by the header alone; 0 if the header does not tell."""
    fmt = sniff(encoded.data)
    if fmt is None:
        return 0
    try:
        if fmt is Format.HEIF:
            width, height = heif_size(encoded.data)
        else:
            with quiet_pillow(), Pillow.open(BytesIO(encoded.data), formats=(fmt.name,)) as picture:
                width, height = picture.size
    # The exceptions that `decode` will turn into a refusal.
    except (*_DECODER_ERRORS, MemoryError, Pillow.DecompressionBombError, UnidentifiedImageError):
        return 0
    return max(0, width * height)


def from_array(pixels: NDArray[Any], source: str = "array") -> Image:
    """Take RGB pixels that are decoded already: (H, W, 3) uint8, at least 1x1.

    Memory is shared with the result unless it is read-only or not contiguous. Raises InputError (`bad_array`) for
    anything else: a wrong type would not fail later, but no face would be found.
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3:
        found = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise _bad_array(source, found)
    if pixels.shape[2] != 3 or 0 in pixels.shape:
        raise _bad_array(source, f"{pixels.dtype} {pixels.shape}")
    whole = np.require(pixels, requirements=["C_CONTIGUOUS", "WRITEABLE"])
    digest = hashlib.sha256(repr(whole.shape).encode())
    digest.update(whole.data)
    return Image(pixels=whole, source=source, sha256=digest.hexdigest())


def _bad_array(source: str, found: str) -> InputError:
    return InputError(
        f"{source}: pixels must be an RGB array of uint8 (height, width, 3), not {found}",
        code="bad_array",
        path=source,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    """Upright pixels, by how much they are reduced, and the (width, height) of the whole upright picture."""

    pixels: Pixels
    factor: int
    whole: tuple[int, int]


def _decode_jpeg(data: bytes, source: str, limits: Limits) -> Pixels | Undecoded:
    def later(factor: int) -> Pixels:
        with _translated(Format.JPEG, source, limits), quiet_pillow():
            return _decode_pillow(data, Format.JPEG, source, limits, factor).pixels

    try:
        first = _decode_pillow(data, Format.JPEG, source, limits, MOST_REDUCED)
    except OSError as error:
        if not _is_truncation(error):
            raise
        # Whole, to see every bit that missing data would change.
        pixels = decode_without_end(
            data, lambda ended: _decode_pillow(ended, Format.JPEG, source, limits).pixels
        )
        if pixels is None:
            raise
        return pixels
    return first.pixels if first.factor == 1 else LargeJpeg(first.whole, first.pixels, first.factor, later)


def _decode_avif(data: bytes, source: str, limits: Limits) -> Pixels:
    try:
        from PIL import _avif  # noqa: F401
    except ImportError as error:
        need = "AVIF pictures need Pillow 11.3 or newer, built with AVIF"
        raise refuse(source, need, remedy="no_avif") from error
    return _decode_pillow(data, Format.AVIF, source, limits).pixels


def _decode_pillow(data: bytes, fmt: Format, source: str, limits: Limits, most: int = 1) -> _Decoded:
    """A JPEG reduced by up to `most`, as `reducing` says; other formats whole."""
    with Pillow.open(BytesIO(data), formats=(fmt.name,)) as picture:
        width, height = picture.size
        limits.check_pixels(width, height, source, fmt)
        factor, orientation = 1, None
        if fmt is Format.JPEG:
            if has_more_scans(data, limits.max_scan_pixels / (width * height)):
                raise refuse(source, "a JPEG of far too many scans", remedy="save_again")
            orientation = _orientation(picture)
            factor = min(most, reducing(width, height, orientation))
            if factor > 1:
                picture.draft(None, (width // factor, height // factor))
        picture.load()
        if picture.mode in _DEEP_GRAY_MODES:
            strips = deep_gray_strips(picture)
        else:

            def strips(top: int, bottom: int) -> Pillow.Image:
                return picture.crop((0, top, picture.width, bottom))

        if orientation is None:
            # After load(): PNG may store its EXIF behind the pixels, and Pillow has already turned a TIFF.
            orientation = _orientation(picture)
        pixels = upright_pixels(picture.size, strips, orientation)
        if factor == 1:
            height, width = pixels.shape[:2]
        elif lies_on_its_side(orientation):
            width, height = height, width
        return _Decoded(pixels, factor, (width, height))


def _orientation(picture: Pillow.Image) -> int:
    """EXIF orientation 1..8; 1 where it is absent, broken or out of range: metadata refuses no picture."""
    try:
        value = picture.getexif().get(_ORIENTATION_TAG, 1)
    except _DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


@contextmanager
def _translated(fmt: Format, source: str, limits: Limits) -> Iterator[None]:
    """Turns what a decoder raises into UnreadableImage."""
    try:
        yield
    except MemoryError as error:
        raise refuse(source, "not enough memory to decode it") from error
    except Pillow.DecompressionBombError as error:
        # Pillow counts before we can: far above our own limit.
        raise refuse(source, f"too many pixels, at most {limits.max_pixels / 1e6:.4g} million") from error
    except UnidentifiedImageError as error:
        raise refuse(
            source, f"a damaged or incomplete {fmt.value} file: its header makes no sense"
        ) from error
    except _DECODER_ERRORS as error:
        if _is_truncation(error):
            raise refuse(
                source, f"an incomplete {fmt.value} file: it ends before the picture does"
            ) from error
        raise refuse(source, f"a damaged or incomplete {fmt.value} file{detail(error)}") from error


def _is_truncation(error: BaseException) -> bool:
    return any(words in str(error).lower() for words in ("truncated", "end of file"))
