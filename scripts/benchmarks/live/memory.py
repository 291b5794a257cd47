"""Whether `faceid live` keeps memory of people who left: the memory part of bench_live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.benchmarks.pipeline.runs import Failed, Row, System

MARKS = (1_000, 5_000, 10_000, 20_000)


def marks(most: int) -> list[int]:
    """After how many frames to look: `most` of them, and less for trying it out."""
    return sorted({*(mark for mark in MARKS if mark < most), most})


def memory(system: System, path: str, most: int, people: dict[str, Sequence[str]]) -> dict[str, Any]:
    """What the process holds after more and more frames of a recording; `status` says if it failed."""
    try:
        system.ask({"do": "enrol", "with": {"people": people}})
        answer = system.ask({"do": "memory", "with": {"path": path, "at": marks(most)}})
    except Failed as reason:
        return {"system": system.spec.name, "status": f"failed: {reason}", "marks": []}
    return {"system": system.spec.name, "status": "ok", "seconds": answer["seconds"], "marks": answer["told"]}


def show_memory(told: Row) -> None:
    table = Table(
        *("frames", "tracks so far", "in sight", "resident MB", "MB since the first", "objects", "threads"),
        title=f"memory of {told['system']}, people coming and going",
    )
    for mark in told["marks"]:
        table.add_row(
            f"{mark['frames']:,}",
            f"{mark['tracks']:,}",
            str(mark["in_sight"]),
            f"{mark['memory_mb']:.0f}",
            f"{mark['memory_mb'] - told['marks'][0]['memory_mb']:+.1f}",
            f"{mark['objects']:,}",
            str(mark["threads"]),
        )
    Console(width=130).print(table)
    if told["status"] != "ok":
        print(f"{told['system']}: {told['status']}")
