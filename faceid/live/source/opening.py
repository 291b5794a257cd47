"""Opens a source: chooses its reader, and the wait before the next attempt."""

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

    Raises InputError: `source_unreachable` if nothing answers, `source_unreadable` if it is no video.
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

    The waits are random, so that a hundred clients of a restarted server do not all reconnect at the same moment.
    """

    first_s: float
    longest_s: float
    draw: Callable[[], float] = random.random
    failures: int = 0

    def next_s(self) -> float:
        """Seconds to wait after a further failure."""
        whole = min(self.longest_s, self.first_s * 2.0 ** min(self.failures, 60))
        self.failures += 1
        return whole * (0.5 + 0.5 * self.draw())

    def reset(self) -> None:
        """Start from the shortest wait again: the source has worked for a while."""
        self.failures = 0
