"""What Pillow does not tell about a JPEG: how many scans it has, and whether only its end is missing."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from faceid.types import Pixels

_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_WITHOUT_LENGTH = frozenset({0x01, 0xD8})
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""In coded data 0xFF is followed by 0x00 or a restart marker (D0..D7); anything else ends the scan."""

_MOST_SEGMENTS = 20_000
_NOISE = bytes(random.Random(0).randrange(0xFF) for _ in range(4096))
_END = bytes([0xFF, _END_OF_IMAGE])


def has_more_scans(data: bytes, most: float) -> bool:
    """Whether the first picture in `data` has over `most` scans, or more segments than any camera writes.

    Thumbnails inside the metadata and whatever follows the picture (phones append films) do not count.
    """
    if data.count(bytes([0xFF, _START_OF_SCAN])) <= most:
        return False
    at = 2
    scans = 0
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None or found[1][0] == _END_OF_IMAGE:
            return False
        at = found.end()
        if found[1][0] == _START_OF_SCAN:
            scans += 1
            if scans > most:
                return True
        if found[1][0] not in _WITHOUT_LENGTH:
            at += int.from_bytes(data[at : at + 2], "big")
    return True


def decode_without_end(data: bytes, decode: Callable[[bytes], Pixels]) -> Pixels | None:
    """The picture of a file that lacks nothing but its end marker; None where coded pixels are missing too.

    Some cameras never write the marker, and viewers do not mind. But with a marker appended, libjpeg fills
    whatever is missing with gray and says nothing. So the file is decoded twice, with noise before the marker
    the second time: it changes the picture exactly where coded data was still expected.
    """
    try:
        ended = decode(data.rstrip(b"\xff") + _END)
        noisy = decode(data + _NOISE + _END)
    except OSError:
        return None
    return ended if np.array_equal(ended, noisy) else None
