"""faceid, through the engine of `faceid live`."""

from __future__ import annotations

import gc
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceid.app.faceid import FaceID
from faceid.live.tracking.cost import memory_mb
from faceid.runtime.process import tune_process
from scripts.benchmarks.live.contenders import Names
from scripts.benchmarks.live.data import Counting
from scripts.benchmarks.live.delay import Understood, by_minute

if TYPE_CHECKING:
    from faceid.live.view import View


def make(model: str, detector: str = "auto", drawn: bool = False) -> Ours:
    return Ours(model, detector, drawn=drawn)


class Ours:
    def __init__(self, model: str, detector: str, *, drawn: bool) -> None:
        # As the command line does.
        tune_process()
        self._directory = tempfile.TemporaryDirectory()
        db = Path(self._directory.name) / "gallery.db"
        self.system = FaceID(db=db, model=model, device="cpu", detector=detector)
        self._draw: Callable[[View], object] | None = None
        if drawn:
            from faceid.live.screen.annotate import annotate

            self._draw = annotate

    def enrol(self, people: Mapping[str, Sequence[str]]) -> None:
        for name, paths in people.items():
            self.system.enroll(name, paths)

    def watch(self, path: str, claim: str | None = None) -> list[Names]:
        seen: list[Names] = []
        with self.system.watch(path, claim) as live:
            for moment in live:
                if moment.view is None or moment.view.frame.number < len(seen):
                    continue
                if self._draw is not None:
                    self._draw(moment.view)
                seen.append([shown.outcome.name for shown in moment.view.people])
        return seen

    def realtime(self, path: str) -> dict[str, Any]:
        """Of a file at its own pace: frames looked at and dropped, and what it cost."""
        with self.system.watch(path, realtime=True) as live:
            for _ in live:
                pass
            stats = live.stats()
        assert stats is not None
        return asdict(stats)

    def delay(self, url: str, began: float, fps: float, lap: int, seconds: float) -> list[dict[str, Any]]:
        """Of a camera of bench_live_server.py, minute by minute."""
        understood: list[Understood] = []
        counting = Counting(began, fps, lap)
        until = time.monotonic() + seconds
        with self.system.watch(url) as live:
            last = None
            for moment in live:
                if moment.view is not None and moment.view.frame is not last:
                    last = moment.view.frame
                    now_s = time.monotonic()
                    understood.append(Understood(counting.due_s(last.image.pixels, now_s), now_s))
                if time.monotonic() >= until:
                    break
        return by_minute(understood)

    def memory(self, path: str, at: Iterable[int]) -> list[dict[str, Any]]:
        """After so many frames each: resident memory, and how many objects Python keeps."""
        marks, rows, tracks = set(at), [], 0
        with self.system.watch(path) as live:
            for moment in live:
                if moment.view is None:
                    continue
                people, frames = moment.view.people, moment.view.frame.number + 1
                tracks = max([tracks, *(shown.track.number for shown in people)])
                if frames not in marks:
                    continue
                marks.remove(frames)
                resident = memory_mb()
                gc.collect()
                rows.append(
                    {
                        "frames": frames,
                        "memory_mb": round(resident, 1),
                        "objects": len(gc.get_objects()),
                        "threads": threading.active_count(),
                        "in_sight": len(people),
                        "tracks": tracks,
                    }
                )
        return rows
