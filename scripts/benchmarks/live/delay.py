"""How far `faceid live` is behind its source: the delay part of bench_live.

The source sends more pictures than any system can process. Delay is the time from the picture at the camera
(`Understood.sent_s`) to its result. It is given in milliseconds; in frames, of the mean time between two results; and
as the number of other results in the meantime. While one picture is processed, the next is decoded, so up to
`UNDER_WAY` of them are no sign of a queue.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from scripts import machine
from scripts.benchmarks.live.sources import Server
from scripts.benchmarks.pipeline.runs import Failed

if TYPE_CHECKING:
    from scripts.benchmarks.pipeline.runs import Row, System

MINUTE_S = 60.0
UNDER_WAY = 2


@dataclass(frozen=True)
class Understood:
    """A picture that was understood: when the camera had it, and when all was known about it. Monotonic seconds."""

    sent_s: float
    done_s: float


def by_minute(understood: Sequence[Understood]) -> list[Row]:
    """For each minute since the first picture was understood how long, and how many pictures, others waited."""
    if not understood:
        return []
    sent, done = (
        np.array([getattr(one, when) for one in understood], dtype=np.float64)
        for when in ("sent_s", "done_s")
    )
    delays = 1e3 * (done - sent)
    # The pictures before it that were done after it was sent.
    behind = np.arange(len(done)) - np.searchsorted(done, sent, side="right")
    minutes = ((done - done[0]) // MINUTE_S).astype(int)
    rows = []
    for minute in np.unique(minutes):
        chosen = minutes == minute
        some, waited = delays[chosen], behind[chosen]
        gaps = 1e3 * np.diff(done[chosen])
        rows.append(
            {
                "minute": int(minute) + 1,
                "frames": int(chosen.sum()),
                "seconds": float(np.ptp(done[chosen])),
                "frame_ms": float(gaps.mean()) if gaps.size else None,
                "median_ms": float(np.median(some)),
                "p99_ms": float(np.percentile(some, 99)),
                "max_ms": float(some.max()),
                "behind_median": float(np.median(waited)),
                "behind_p99": float(np.percentile(waited, 99)),
                "behind_max": int(waited.max()),
                "behind": np.bincount(waited).tolist(),
                "queued": int((waited > UNDER_WAY).sum()),
            }
        )
    return rows


def delay(
    systems: Sequence[tuple[System, float]],
    video: str,
    fps: float,
    pictures: int,
    people: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Minutes of each system, which watches one camera for so many seconds; one system after the other."""
    rows: list[Row] = []
    with Server(
        "scripts.benchmarks.live.server", video, "--fps", str(fps), "--pictures", str(pictures)
    ) as server:
        camera = json.loads(server.said)
        watched = {"url": camera["url"], "began": camera["began"], "fps": fps, "lap": pictures}
        for system, seconds in systems:
            try:
                system.ask({"do": "enrol", "with": {"people": people}})
                answer = system.ask({"do": "delay", "with": {**watched, "seconds": seconds}})
            except Failed as reason:
                rows.append({"system": system.spec.name, "status": f"failed: {reason}"})
                continue
            rows.append(
                {
                    "system": system.spec.name,
                    "status": "ok",
                    "cores_busy": answer["cpu_s"] / answer["seconds"] / machine.cores(),
                    "minutes": answer["told"],
                }
            )
    return {"source_fps": fps, "bytes": camera["bytes"], "systems": rows}


def show_delay(told: dict[str, Any]) -> None:
    table = Table(
        *("system", "minute", "frames/s", "median ms", "99 % ms", "max ms", "median in frames"),
        *("others, median", "99 %", "max", "queued", "cores busy"),
        title=f"delay of a source of {told['source_fps']:.0f} frames/s, {told['bytes'] / 1e3:.0f} kB each",
    )
    for row in told["systems"]:
        for minute in some_of(row.get("minutes", [])):
            table.add_row(
                row["system"],
                str(minute["minute"]),
                f"{minute['frames'] / max(minute['seconds'], 1e-3):.1f}",
                *(f"{minute[name]:.0f}" for name in ("median_ms", "p99_ms", "max_ms")),
                f"{minute['median_ms'] / (minute['frame_ms'] or minute['median_ms']):.1f}",
                *(f"{minute[name]:.0f}" for name in ("behind_median", "behind_p99", "behind_max", "queued")),
                f"{row['cores_busy']:.0%}",
            )
    Console(width=150).print(table)
    for row in told["systems"]:
        if row["status"] != "ok":
            print(f"{row['system']}: {row['status']}")


def some_of(minutes: Sequence[Row]) -> list[Row]:
    """The first minute, the fifth, and the last whole one."""
    whole = [minute for minute in minutes if minute["seconds"] > 0.5 * MINUTE_S] or list(minutes)
    return [minute for place, minute in enumerate(whole) if place in (0, 4, len(whole) - 1)]
