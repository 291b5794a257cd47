"""The wire format of Protocol Buffers: the fields of a message, from bytes that nobody has checked.

https://protobuf.dev/programming-guides/encoding/. Enough to read ONNX files; the packages `protobuf` and `onnx`, which
could do this, are large and are not needed to run a network.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import TypeAlias

Content: TypeAlias = "bytes | mmap.mmap"

VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
"""The wire types."""


class Malformed(ValueError):
    """The bytes are not the message that they should be."""


def fields(content: Content, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of the message in the bytes `start`..`end`: number, wire type, and the bytes of the value.

    Raises Malformed.
    """
    place = start
    while place < end:
        tag, place = varint(content, place, end)
        number, kind = tag >> 3, tag & 7
        first = place
        if kind == VARINT:
            _, place = varint(content, place, end)
        elif kind == BYTES:
            length, first = varint(content, place, end)
            place = first + length
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            place += 8 if kind == EIGHT_BYTES else 4
        else:
            raise Malformed(f"wire type {kind} at byte {first}")
        if place > end or number == 0:
            raise Malformed(f"a broken field at byte {first}")
        yield number, kind, first, place


def varint(content: Content, place: int, end: int) -> tuple[int, int]:
    """The number at `place`, and the place after it. Raises Malformed."""
    value = 0
    for count, byte in enumerate(content[place : min(place + 10, end)]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, place + count + 1
    raise Malformed(f"a broken number at byte {place}")
