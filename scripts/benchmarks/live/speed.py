"""How fast `faceid live` is beside loops over frames, and how early it names: the speed part of bench_live."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from scripts import machine
from scripts.benchmarks.live.contenders import NAMELESS, Names
from scripts.benchmarks.live.data import FPS
from scripts.benchmarks.pipeline.runs import Failed, Row, System

SOON = 10
"""Frames within which a face is to be named."""


@dataclass(frozen=True)
class Recording:
    """A video file that shows a person."""

    name: str
    path: str


class Turns:
    """What the systems were asked and said, until one fails: then nothing more of that one."""

    def __init__(self, people: Mapping[str, Sequence[str]]) -> None:
        """`people`: photo files of everybody who is enrolled, by name."""
        self._people = people
        self.failed: dict[str, str] = {}
        self.seconds: dict[str, list[float]] = {}

    def enrol(self, system: System) -> None:
        self._guarded(system, lambda: system.ask({"do": "enrol", "with": {"people": self._people}}))

    def ask(self, system: System, do: str, **arguments: Any) -> Any:
        """What it told, None where it failed, now or before."""
        answer = self._guarded(system, lambda: system.ask({"do": do, "with": arguments}))
        if answer is None:
            return None
        spent = self.seconds.setdefault(system.spec.name, [0.0, 0.0])
        spent[0] += answer["seconds"]
        spent[1] += answer["cpu_s"]
        return answer["told"]

    def forget(self) -> None:
        """Begin to count seconds anew."""
        self.seconds = {}

    def _guarded(self, system: System, what: Callable[[], Row]) -> Row | None:
        if system.spec.name in self.failed:
            return None
        try:
            return what()
        except Failed as reason:
            self.failed[system.spec.name] = f"failed: {reason}"
            return None


def race(systems: Sequence[System], recordings: Sequence[Recording], turns: Turns, warm_up: str) -> list[Row]:
    """A row for each system; they take turns on the recordings, after a first short one that is not counted."""
    for system in systems:
        turns.enrol(system)
        turns.ask(system, "watch", path=warm_up)
    turns.forget()
    watched: dict[str, list[tuple[str, list[Names]]]] = {}
    for recording in recordings:
        for system in systems:
            seen = turns.ask(system, "watch", path=recording.path)
            if seen is not None:
                watched.setdefault(system.spec.name, []).append((recording.name, seen))
    rows: list[Row] = []
    for system in systems:
        name = system.spec.name
        if name in turns.failed:
            rows.append({"system": name, "status": turns.failed[name]})
            continue
        seconds, cpu_s = turns.seconds[name]
        seen = [frame for _, frames in watched[name] for frame in frames]
        told = counted(watched[name])
        rows.append(
            {
                "system": name,
                "status": "ok",
                "frames": len(seen),
                "fps": len(seen) / seconds,
                "cpu_ms": 1e3 * cpu_s / len(seen),
                "cores_busy": cpu_s / seconds / machine.cores(),
                **(told if name not in NAMELESS else {"with_face": told["with_face"]}),
            }
        )
    ours = next((row for row in rows if row["status"] == "ok"), None)
    for row in rows:
        if ours is not None and row["status"] == "ok":
            row["ratio"] = ours["fps"] / row["fps"]
    return rows


def counted(watched: Sequence[tuple[str, Sequence[Names]]]) -> dict[str, float]:
    """Shares of frames that show a face, the person's name and another enrolled person's."""
    frames = [(person, names) for person, seen in watched for names in seen]
    return {
        "with_face": sum(bool(names) for _, names in frames) / len(frames),
        "named": sum(person in names for person, names in frames) / len(frames),
        "wrong": sum(bool({*names} - {person, None}) for person, names in frames) / len(frames),
    }


def soon(systems: Sequence[System], recordings: Sequence[Recording], turns: Turns) -> list[Row]:
    """A row for each of our systems: how many frames it takes to name and to accept, counted from the first one."""
    rows: list[Row] = []
    for system in systems:
        for what in ("identified", "accepted"):
            seen = [
                (
                    recording,
                    turns.ask(
                        system,
                        "watch",
                        path=recording.path,
                        claim=None if what == "identified" else recording.name,
                    ),
                )
                for recording in recordings
            ]
            if system.spec.name in turns.failed:
                continue
            firsts = [first(frames, recording.name) for recording, frames in seen]
            rows.append(
                {
                    "system": system.spec.name,
                    "event": what,
                    "clips": len(seen),
                    "after": firsts,
                    "wrong": sum(
                        bool({name for names in frames for name in names} - {recording.name, None})
                        for recording, frames in seen
                    ),
                }
            )
    return rows


def first(seen: Sequence[Names], name: str) -> int | None:
    """After how many frames the name is known; 1 is at once, None never."""
    return next((number for number, names in enumerate(seen, 1) if name in names), None)


def realtime(systems: Sequence[System], recording: Recording, turns: Turns) -> list[Row]:
    """A row for each of our systems: frames looked at and dropped while a recording is played at its own pace."""
    rows = []
    for system in systems:
        stats = turns.ask(system, "realtime", path=recording.path)
        if stats is not None:
            rows.append({"system": system.spec.name, **stats})
    return rows


def show_speed(told: dict[str, Any]) -> None:
    race_table = Table(
        *("system", "frames/s", "faceid is", "CPU ms a frame", "cores busy", "with a face", "named", "wrong"),
        title=f"full speed, {told['frames']} frames, 640x480",
    )
    for row in told["systems"]:
        if row["status"] == "ok":
            race_table.add_row(
                row["system"],
                f"{row['fps']:.1f}",
                f"{row['ratio']:.1f}x",
                f"{row['cpu_ms']:.1f}",
                *(
                    f"{row[name]:.0%}" if name in row else "-"
                    for name in ("cores_busy", "with_face", "named", "wrong")
                ),
            )
    soon_table = Table(
        *(
            "system",
            "event",
            "clips",
            "median frames",
            "worst",
            f"within {SOON}",
            "never",
            "clips with a wrong name",
        ),
        title="frames until known",
    )
    for row in told["soon"]:
        known = cast("list[int]", [after for after in row["after"] if after is not None])
        soon_table.add_row(
            row["system"],
            row["event"],
            str(row["clips"]),
            f"{median(known):g}" if known else "-",
            str(max(known, default=0)),
            str(sum(after <= SOON for after in known)),
            str(row["clips"] - len(known)),
            str(row["wrong"]),
        )
    live_table = Table(
        *("system", "frames/s", "looked at", "dropped", "CPU, % of a core", "MB"),
        title=f"--realtime, {FPS:.0f} frames/s",
    )
    for row in told["realtime"]:
        live_table.add_row(
            row["system"],
            f"{row['fps']:.1f}",
            *map(str, (row["frames"], row["dropped"])),
            f"{row['cpu_percent']:.0f}",
            f"{row['memory_mb']:.0f}",
        )
    console = Console(width=130)
    for table in (race_table, soon_table, live_table):
        console.print(table)
    for row in told["systems"]:
        if row["status"] != "ok":
            print(f"{row['system']}: {row['status']}")
