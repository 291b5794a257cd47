"""A source that is killed and comes back under `faceid live --json`: the kills part of bench_live."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from scripts import machine
from scripts.benchmarks.live.sources import Server
from scripts.benchmarks.pipeline.runs import Row

FIRST_S = 60.0
"""For the command to load its networks and to name a person."""
ENDS_S = 10.0


class Missed(Exception):
    """Something did not happen in time."""


@dataclass(frozen=True)
class Kills:
    """How often a server is killed: after `up_s` in which the right name was told, for `down_s` each time.

    It is away a little longer: until it serves again. A person who is not named within `patience_s` of the server's
    return counts as lost.
    """

    times: int = 20
    up_s: float = 4.0
    down_s: float = 1.0
    patience_s: float = 90.0


class Events:
    """The events that the command tells, with when each came."""

    def __init__(self, said: IO[str]) -> None:
        self._said: queue.SimpleQueue[tuple[float, Row]] = queue.SimpleQueue()
        self.told: list[Row] = []
        threading.Thread(target=self._read, args=(said,), daemon=True).start()

    def _read(self, said: IO[str]) -> None:
        for line in said:
            self._said.put((time.monotonic(), json.loads(line)))

    def wait(self, kind: str, until: float) -> float:
        """When the next event of this kind came. Raises Missed."""
        while (left := until - time.monotonic()) > 0:
            try:
                at, event = self._said.get(timeout=left)
            except queue.Empty:
                break
            self.told.append(event)
            if event.get("event") == kind:
                return at
        raise Missed(kind)

    def pass_over(self, seconds: float) -> None:
        """Let events come for so long."""
        try:
            self.wait("", time.monotonic() + seconds)
        except Missed:
            return


def killed(name: str, server: Server, url: str, db: str, kills: Kills) -> Row:
    """A row: how long the server was away each time, and from then until the source and the names were back."""
    down: list[float] = []
    back: list[float] = []
    named: list[float] = []
    status = "ok"
    with subprocess.Popen(
        [*machine.FACEID, "--db", db, "--json", "live", "--no-display", url],
        env=machine.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        events = Events(process.stdout)
        try:
            events.wait("identified", time.monotonic() + FIRST_S)
            for _ in range(kills.times):
                events.pass_over(kills.up_s)
                server.kill()
                gone = time.monotonic()
                events.pass_over(kills.down_s)
                server.start()
                returned = time.monotonic()
                down.append(returned - gone)
                back.append(events.wait("source_back", returned + kills.patience_s) - returned)
                named.append(events.wait("identified", returned + kills.patience_s) - returned)
        except Missed as event:
            status = f"no {event} after {len(named)} kills" + (
                "" if process.poll() is None else f": exit {process.returncode}"
            )
        alive = process.poll() is None
        process.terminate()
        try:
            process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = f"does not end within {ENDS_S:.0f} s of SIGTERM"
    counts = Counter(event.get("event") for event in events.told)
    return {
        "source": name,
        "status": status,
        "times": kills.times,
        "down_s": down,
        "back_s": back,
        "named_s": named,
        "alive": alive,
        "events": {str(kind): count for kind, count in counts.items()},
        "names": dict(Counter(event["name"] for event in events.told if event.get("event") == "identified")),
    }


def show_kills(told: dict[str, Any]) -> None:
    rows: list[Row] = told["rows"]
    table = Table(
        *("source", "killed", "back", "s away, median", "max", "s until back, median", "max"),
        *("s until named, median", "max", "source_lost", "source_back", "names"),
        title="the source is killed (SIGKILL) and comes back",
    )
    for row in rows:
        times = [
            f"{value:.1f}"
            for seconds in (row["down_s"], row["back_s"], row["named_s"])
            for value in ((median(seconds), max(seconds)) if seconds else (float("nan"),) * 2)
        ]
        table.add_row(
            row["source"],
            str(row["times"]),
            str(len(row["named_s"])),
            *times,
            *(str(row["events"].get(kind, 0)) for kind in ("source_lost", "source_back")),
            ", ".join(f"{name} {count}" for name, count in sorted(row["names"].items())),
        )
    Console(width=150).print(table)
    for row in rows:
        if row["status"] != "ok":
            print(f"{row['source']}: {row['status']}")
