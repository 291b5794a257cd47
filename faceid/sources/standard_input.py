"""Reads standard input: one picture, or a list of paths. The first bytes tell which."""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import cast

from faceid.errors import UnreadableImage
from faceid.imaging import STDIN, Limits
from faceid.imaging.formats import Format, sniff
from faceid.imaging.refusal import refuse
from faceid.types import Encoded

_ENOUGH = 16
"""Within this many bytes, every picture format differs from text."""

_CHUNK = 1 << 16
_LONGEST_PATH = 1 << 13
"""Twice the longest path on Linux; of longer lines only this much is kept, and it is refused as too long."""

_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MAY_BE_TEXT = (None, Format.BMP, Format.GIF)
"""A path may begin with BM or GIF89a as well; the bytes that follow distinguish pictures."""


def separator_of(head: bytes) -> bytes | None:
    r"""The separator of the paths in a stream that begins with `head`.

    b"\0" as `find -print0` writes it, or b"\n"; None if the stream is one picture, or empty: `sniff` knows it, it is
    not UTF-8, or it holds control characters or a NUL that ends no path.
    """
    if not head or sniff(head) not in _MAY_BE_TEXT:
        return None
    try:
        # Not final: the head may end within a character.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return None
    if _CONTROL.search(text):
        return None
    if "\0" not in text:
        return b"\n"
    return None if "" in text.split("\0")[:-1] else b"\0"


@dataclass(frozen=True, slots=True, eq=False)
class Piped:
    """Standard input after its first bytes, `head`, have been read."""

    head: bytes
    rest: BufferedReader

    @classmethod
    def peek(cls) -> Piped | None:
        """Wait for the first bytes. None if nothing is piped in; raises UnreadableImage if reading fails."""
        # None in a process without standard input (pythonw, some services).
        if sys.stdin is None or sys.stdin.isatty():
            return None
        rest = cast("BufferedReader", sys.stdin.buffer)
        head = b""
        while len(head) < _ENOUGH or (len(head) < _CHUNK and b"\n" not in head and b"\0" not in head):
            chunk = _read(rest)
            if not chunk:
                break
            head += chunk
        return cls(head, rest)

    def image(self, limits: Limits) -> Encoded:
        """All bytes, as one picture. Raises UnreadableImage if they exceed `limits`."""
        try:
            data = self.head + self.rest.read(max(0, limits.max_bytes + 1 - len(self.head)))
        except OSError as error:
            raise _unreadable(error) from error
        limits.check_bytes(len(data), STDIN)
        return Encoded.of(data)

    def paths(self, separator: bytes) -> Iterator[str]:
        """The paths, each as soon as it arrives; empty lines are skipped.

        Raises UnreadableImage if reading fails, after the paths before that.
        """
        for piece in self._pieces(separator):
            path = piece.removesuffix(b"\r") if separator == b"\n" else piece
            if path.strip():
                # Inside a list, `-` is a file.
                yield os.fsdecode(path) if path != STDIN.encode() else f"./{STDIN}"

    def _pieces(self, separator: bytes) -> Iterator[bytes]:
        pending = self.head.removeprefix(codecs.BOM_UTF8)
        while True:
            *whole, pending = pending.split(separator)
            for piece in whole:
                yield piece[:_LONGEST_PATH]
            chunk = _read(self.rest)
            if not chunk:
                break
            # Bytes beyond the longest path are dropped as they arrive: a line may be endless.
            pending = pending[:_LONGEST_PATH] + chunk
        yield pending[:_LONGEST_PATH]


def _read(stream: BufferedReader) -> bytes:
    try:
        return stream.read1(_CHUNK)
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> UnreadableImage:
    return refuse(STDIN, (error.strerror or "cannot be read").lower())
