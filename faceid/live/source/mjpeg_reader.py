"""Reads MJPEG from a pipe or a socket, and decodes it like any other photo."""

from __future__ import annotations

import sys
from collections.abc import Callable

from faceid.errors import InputError, UnreadableImage
from faceid.imaging import STDIN, Limits, decode
from faceid.live.source.mjpeg import JpegSplitter
from faceid.live.source.readers import Grabbed
from faceid.types import Encoded, Image

_CHUNK = 1 << 20
_LIMITS = Limits(max_bytes=16_000_000)


class MjpegReader:
    """Reads the newest picture of the received bytes.

    `receive(n)` waits for bytes and returns up to n, b"" at the end. If one piece holds several pictures, only the last
    is decoded: so the delay does not grow if the source is faster than the decoder.
    """

    def __init__(self, receive: Callable[[int], bytes], name: str, close: Callable[[], object]) -> None:
        self._receive, self._name, self._close = receive, name, close
        self._splitter = JpegSplitter(_LIMITS.max_bytes)

    def read(self) -> Grabbed | None:
        """The next picture that can be decoded. Raises what `receive` raises."""
        passed_over = 0
        while piece := self._receive(_CHUNK):
            jpegs = self._splitter.feed(piece)
            if not jpegs:
                continue
            passed_over += len(jpegs)
            if (image := self._decoded(jpegs[-1])) is not None:
                return Grabbed(image, None, passed_over - 1)
        return None

    def _decoded(self, jpeg: bytes) -> Image | None:
        try:
            # Frames have no digest.
            return decode(Encoded(jpeg, ""), self._name, _LIMITS)
        except UnreadableImage:
            return None

    def close(self) -> None:
        """Close the source of the bytes."""
        self._close()


def open_standard_input() -> MjpegReader:
    """Standard input. Raises InputError (`source_unreachable`) if nothing is piped in."""
    # None in a process without standard input (pythonw, some services).
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError(
            f"{STDIN}: nothing is piped into standard input",
            code="source_unreachable",
            remedy="pipe_mjpeg",
            path=STDIN,
        )
    # Unbuffered: a thread that waits inside the buffer holds its lock, and Python could not shut down.
    pipe = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)

    def receive(count: int) -> bytes:
        try:
            return pipe.read(count) or b""
        except OSError as error:
            cause = (error.strerror or "cannot be read").lower()
            raise InputError(f"{STDIN}: {cause}", code="source_disconnected", path=STDIN) from error

    return MjpegReader(receive, STDIN, lambda: None)
