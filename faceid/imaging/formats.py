"""Detects the format of a file by its first bytes. Suffixes are unreliable: phones name HEIC files `.jpg`.

Only the formats below reach a decoder, and each reaches only its own decoder. This keeps hostile files away from the
rarely used decoders of Pillow, some of which start other programs.
"""

from __future__ import annotations

from enum import Enum


class Format(Enum):
    """A picture format that faceid decodes. The value is its name in messages."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    GIF = "GIF"
    BMP = "BMP"
    TIFF = "TIFF"
    PPM = "PPM"
    AVIF = "AVIF"
    HEIF = "HEIC/HEIF"


SUPPORTED = ", ".join(fmt.value for fmt in Format)

_MAGICS: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"BM", Format.BMP),
    (b"II*\0", Format.TIFF),
    (b"MM\0*", Format.TIFF),
    (b"II+\0", Format.TIFF),
    (b"MM\0+", Format.TIFF),
)

_FOREIGN_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\x01\0", "an icon file"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"<?xml", "an XML or SVG document"),
    (b"<svg", "an SVG drawing"),
    (b"<!DOCTYPE", "a web page"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x1aE\xdf\xa3", "a video"),
)

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_LONGEST_BRAND_BOX = 1024


def sniff(data: bytes) -> Format | None:
    """The format that the first bytes of `data` announce; None if faceid does not decode it."""
    for magic, fmt in _MAGICS:
        if data.startswith(magic):
            return fmt
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Format.WEBP
    if data[:1] == b"P" and data[1:2] in b"123456f" and data[2:3].isspace():
        return Format.PPM
    brands = _brands(data)
    if brands & _AVIF_BRANDS:
        return Format.AVIF
    if brands & _HEIF_BRANDS:
        return Format.HEIF
    return None


def describe_foreign(data: bytes) -> str:
    """A description of a file that `sniff` does not know: `a PDF document`, or in general `not a picture`."""
    for magic, name in _FOREIGN_MAGICS:
        if data.startswith(magic):
            return name
    if data[4:8] == b"ftyp" or (data[:4] == b"RIFF" and data[8:12] == b"AVI "):
        return "a video"
    return "not a picture of a known format"


def _brands(data: bytes) -> frozenset[bytes]:
    """The brands of an ISO media file (MP4, HEIF, AVIF), that is the formats it declares, the main one first."""
    if data[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(data[:4], "big"), len(data), _LONGEST_BRAND_BOX)
    return frozenset({data[8:12], *(data[at : at + 4] for at in range(16, end, 4))})
