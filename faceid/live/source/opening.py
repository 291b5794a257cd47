"""Opening a source: which reader reads it, and how long to wait before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from faceid.live.source.addresses import Address, NetworkStream, PictureDirectory, StandardInput
from faceid.live.source.http_stream import open_http
from faceid.live.source.mjpeg_reader import open_standard_input
from faceid.live.source.readers import PictureReader, Reader
from faceid.live.source.video import VideoReader


def open_reader(address: Address) -> Reader:
    """Open what `address` names.

    Raises InputError: `source_unreachable` where nothing answers, `source_unreadable` where it is no video.
    """
    if isinstance(address, PictureDirectory):
        return PictureReader(address.path)
    if isinstance(address, StandardInput):
        return open_standard_input()
    if isinstance(address, NetworkStream) and address.is_http and (reader := open_http(address)) is not None:
        return reader
    return VideoReader(address)


@dataclass(slots=True)
class Backoff:
    """Doubles from `first_s` up to `longest_s`; each wait is drawn from its upper half.

    Drawn, so that a hundred clients of one server that restarts do not all come back in the same instant.
    """

    first_s: float
    longest_s: float
    draw: Callable[[], float] = random.random
    failures: int = 0

    def next_s(self) -> float:
        """Seconds to wait now, one failure after the last call."""
        whole = min(self.longest_s, self.first_s * 2.0 ** min(self.failures, 60))
        self.failures += 1
        return whole * (0.5 + 0.5 * self.draw())

    def reset(self) -> None:
        """Begin anew: the source has been good for a while."""
        self.failures = 0
