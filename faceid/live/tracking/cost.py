"""Measures the costs of watching: CPU time, memory and delay."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PAGES = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Stats:
    """Since the last stats: `fps` frames processed, `detections` and `looks`, each per second, and `cpu_percent` of
    one core. Since the start: `frames` processed, and `dropped` because newer ones had come. Now: `delay_ms` from
    reading the last frame to its result, None for a source that waits, and resident `memory_mb` (1e6 bytes), or its
    peak on systems that report no other value.
    """

    time_s: float
    fps: float
    detections: float
    looks: float
    frames: int
    dropped: int
    delay_ms: float | None
    cpu_percent: float
    memory_mb: float


class Meter:
    """Turns counts into `Stats`; `clock` and `cpu` give seconds."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
        memory: Callable[[], float] | None = None,
    ) -> None:
        self._clock, self._cpu, self._memory = clock, cpu, memory or memory_mb
        self._began = self._at = clock()
        self._used = cpu()
        self._counted = (0, 0, 0)

    @property
    def since_s(self) -> float:
        """Seconds since the last stats."""
        return self._clock() - self._at

    def read(self, *, frames: int, detections: int, looks: int, dropped: int, delay_s: float | None) -> Stats:
        """Stats since they were last read; the counts are since the start."""
        now, used = self._clock(), self._cpu()
        passed = max(now - self._at, 1e-6)
        counts = (frames, detections, looks)
        fps, detections_s, looks_s = (
            round((new - old) / passed, 2) for new, old in zip(counts, self._counted, strict=True)
        )
        share = 100.0 * (used - self._used) / passed
        self._at, self._used, self._counted = now, used, counts
        return Stats(
            time_s=round(now - self._began, 3),
            fps=fps,
            detections=detections_s,
            looks=looks_s,
            frames=frames,
            dropped=dropped,
            delay_ms=None if delay_s is None else round(1e3 * delay_s, 1),
            cpu_percent=round(share, 1),
            memory_mb=round(self._memory(), 1),
        )


def memory_mb() -> float:
    """Resident memory of this process, 1e6 bytes: the present value on Linux, elsewhere the peak, 0 if unknown."""
    try:
        return int(_PAGES.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
