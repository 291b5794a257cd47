"""Finds what Pillow does not report about a JPEG: the number of scans, and whether only its end is missing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from faceid.types import Pixels

_PROGRESSIVE = 0xC2
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_WITHOUT_LENGTH = frozenset({0x01, 0xD8, _END_OF_IMAGE})
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""In coded data 0xFF is followed by 0x00 or a restart marker (D0..D7); anything else ends the scan."""

_MOST_SEGMENTS = 20_000
_NOISES = tuple(
    hashlib.shake_128(seed).digest(4096).replace(b"\xff", b"\0") for seed in (b"first", b"second", b"third")
)
"""Several: bytes that are no code of the picture's Huffman tables are decoded to zeros, as missing bytes are."""

_END = bytes([0xFF, _END_OF_IMAGE])


def has_more_scans(data: bytes, most: float) -> bool:
    """Whether the first picture in `data` has over `most` scans, or more segments than any camera writes.

    Thumbnails inside the metadata and whatever follows the picture (phones append films) do not count.
    """
    if data.count(bytes([0xFF, _START_OF_SCAN])) <= most:
        return False
    scans = 0
    for segments, marker in enumerate(_markers(data), start=1):
        scans += marker == _START_OF_SCAN
        if scans > most or segments > _MOST_SEGMENTS:
            return True
    return False


def decode_without_end(data: bytes, decode: Callable[[bytes], Pixels]) -> Pixels | None:
    """The picture of a file that lacks only its end marker; None if coded pixels are missing too.

    Some cameras never write the marker, and viewers ignore that. But with a marker appended, libjpeg silently fills
    missing pixels with gray. So the file is decoded again with noise before the marker: this changes the picture
    exactly where libjpeg still expects coded data. Progressive files are refused: the number of missing scans, and so
    the missing detail, is unknown.
    """
    markers = list(islice(_markers(data), _MOST_SEGMENTS))
    if markers[-1:] != [_START_OF_SCAN] or _PROGRESSIVE in markers:
        return None
    # One byte of the marker may be there.
    coded = data.rstrip(b"\xff")
    try:
        ended = decode(coded + _END)
        whole = all(np.array_equal(ended, decode(coded + noise + _END)) for noise in _NOISES)
    except OSError:
        return None
    return ended if whole else None


def _markers(data: bytes) -> Iterator[int]:
    """The second bytes of the markers of the first picture in `data`, up to its end if it has one."""
    at = 2
    while found := _MARKER.search(data, at):
        marker = found[1][0]
        yield marker
        if marker == _END_OF_IMAGE:
            return
        at = found.end()
        if marker not in _WITHOUT_LENGTH:
            at += int.from_bytes(data[at : at + 2], "big")
