"""Kill a process that uses a gallery, again and again, and check each time that nothing was lost or came back.

    python -m scripts.chaos.gallery [--kills 500] [--seed 1] [--index numpy|faiss|growing|rabitq|all] [--json FILE]
    python -m scripts.chaos.gallery --crowd [--seconds 60] [--json FILE]

A worker enrols, removes, renames, imports, searches, compacts and writes snapshots. It reports what it begins and what
it has done. It gets SIGKILL, mostly inside an operation that was chosen before. The script then checks this: a finished
write is there; a finished removal is gone from the database, the index and, as bytes, from every file; a write that had
begun is there whole or not at all; the index agrees with the database template by template; the database passes its own
check. After every third kill inside a write, the process that opens the gallery again is killed too. SIGKILL keeps what
the system has buffered, so this does not test a loss of power.

`--crowd` runs four writers and four readers on one gallery instead, and counts at the end.

The script ends with 1 at the first violation and keeps the gallery and the journal. `--seed` repeats the operations,
but not the moments of the kills, which depend on the machine.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from scripts import command

# The workers are forks of this process: there must be no threads in it.
os.environ["OMP_NUM_THREADS"] = "1"

from rich.console import Console
from rich.table import Table

from scripts.chaos.gallery_crowd import crowd
from scripts.chaos.gallery_oracle import INDEXES, PHOTOS, Expected, Operation, Violation, inspect
from scripts.chaos.gallery_worker import OTHERS, WRITES, Worker

_FORK = get_context("fork")
_KILLS_A_GALLERY = 60
_LONGEST_ROUND_S = 2.0


@dataclass
class Tally:
    """Of one kind of operation: how often begun, how often died in, and what was found after that."""

    begun: int = 0
    killed: int = 0
    whole: int = 0
    undone: int = 0
    seconds: float = 0.01


@dataclass
class Run:
    """Some hundreds of deaths, one gallery after another."""

    directory: Path
    indexes: tuple[str, ...]
    seed: int
    targets: tuple[str, ...] = WRITES + OTHERS
    tallies: dict[str, Tally] = field(default_factory=lambda: {kind: Tally() for kind in WRITES + OTHERS})
    galleries: int = 0
    between: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._begin()

    def go(self, kills: int) -> None:
        """Raises Violation, having written down what happened to the gallery."""
        try:
            for number in range(kills):
                index = self.indexes[number % len(self.indexes)]
                again = self.pending is not None and self.random.random() < 1 / 3
                target = self.random.choice(OTHERS if again else self.targets)
                if not again:
                    self._examine(index)
                self._kill(index, target, writing=not again)
            self._examine(self.indexes[0])
        except Violation:
            lines = "".join(f"{json.dumps(entry)}\n" for entry in self.journal)
            (self.path.parent / "journal.ndjson").write_text(lines)
            raise

    def _begin(self) -> None:
        self.galleries += 1
        self.path = self.directory / f"gallery{self.galleries}" / "gallery.db"
        self.path.parent.mkdir()
        self.expected = Expected()
        self.journal: list[dict[str, Any]] = []
        self.deaths = 0
        # What the last writer had begun, and whether the gallery has not been examined since then.
        self.pending: Operation | None = None
        self.examined = True

    def _examine(self, index: str) -> None:
        """Find out which state the gallery is in, and whether it is sound."""
        if self.examined:
            return
        states = self._possible()
        found = inspect(self.path, states, index, snapshot=self.random.random() < 0.25)
        if self.pending is not None and self.pending.kind in WRITES:
            tally = self.tallies[self.pending.kind]
            tally.undone += found is states[0]
            tally.whole += found is not states[0]
        self.expected, self.pending, self.examined = found, None, True
        self.expected.next_photo = max(state.next_photo for state in states)
        if self.deaths >= _KILLS_A_GALLERY or self.expected.next_photo > PHOTOS * 3 // 4:
            shutil.rmtree(self.path.parent)
            self._begin()

    def _possible(self) -> list[Expected]:
        """The state before what is pending, and the one after it."""
        if self.pending is None:
            return [self.expected]
        after = self.expected.copy()
        after.apply(self.pending)
        return [self.expected, after]

    def _kill(self, index: str, target: str, *, writing: bool) -> None:
        """Let a worker work and kill it, at the first to third `target` that it begins or at any time."""
        reader, writer = _FORK.Pipe(duplex=False)
        states = self._possible()
        unsure = states[0].live() ^ states[-1].live()
        worker = Worker(self.path, index, self.expected.copy(), unsure, self.random.randrange(2**32))
        process = _FORK.Process(target=worker.work, args=(writer, target), kwargs={"writing": writing})
        left = self.random.randint(1, 3)
        anytime = time.monotonic() + self.random.expovariate(20) if self.random.random() < 0.2 else None
        process.start()
        writer.close()
        started = time.monotonic()
        operation, begun, deadline = None, 0.0, anytime or started + _LONGEST_ROUND_S
        try:
            while reader.poll(max(deadline - time.monotonic(), 0)):
                message, moment = reader.recv_bytes(), time.monotonic()
                if message == b"done":
                    self._done(operation, moment - begun)
                    operation = None
                    continue
                operation, begun = self._begun(message, index), moment
                left -= operation.kind == target
                if left == 0 and anytime is None:
                    deadline = moment + self.random.uniform(0, 1.1 * self.tallies[target].seconds)
                    anytime = deadline
            process.kill()
            while True:
                if (message := reader.recv_bytes()) == b"done":
                    self._done(operation, None)
                    operation = None
                else:
                    operation = self._begun(message, index)
        except EOFError:
            pass
        process.join()
        reader.close()
        self.journal.append({"killed in": operation.kind if operation else "-"})
        self.examined = False
        if process.exitcode != -signal.SIGKILL:
            raise Violation(f"the worker ended by itself with {process.exitcode} in {operation}")
        self.deaths += 1
        if operation is None:
            self.between += 1
        else:
            self.tallies[operation.kind].killed += 1
            if writing:
                self.pending = operation

    def _begun(self, message: bytes, index: str) -> Operation:
        fields = json.loads(message)
        self.journal.append({"index": index, **fields})
        self.tallies[fields["kind"]].begun += 1
        return Operation(**fields)

    def _done(self, operation: Operation | None, seconds: float | None) -> None:
        assert operation is not None
        self.journal.append({"done": operation.kind})
        self.expected.apply(operation)
        if seconds is not None:
            tally = self.tallies[operation.kind]
            tally.seconds += (seconds - tally.seconds) / 8


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--index", choices=(*INDEXES, "all"), default="all")
    parser.add_argument("--crowd", action="store_true")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    started = time.monotonic()
    try:
        if options.crowd:
            report = crowd(directory / "gallery.db", options.seconds, options.seed)
        else:
            indexes = INDEXES if options.index == "all" else (options.index,)
            run = Run(directory, indexes, options.seed)
            run.go(options.kills)
            report = {"kills": options.kills, "index": options.index, "galleries": run.galleries}
            report |= {"between": run.between, "operations": show(run)}
    except Violation as violation:
        sys.exit(f"chaos_gallery: {violation}\nkept: {directory} (--seed {options.seed})")
    shutil.rmtree(directory)
    report |= {"seed": options.seed, "seconds": round(time.monotonic() - started, 1)}
    print(", ".join(f"{name} {value}" for name, value in report.items() if name != "operations"))
    target = options.json or Path("bench/chaos_crowd.json" if options.crowd else "bench/chaos.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=2) + "\n")


def show(run: Run) -> dict[str, dict[str, int]]:
    """Print a row for each kind of operation and return the same numbers."""
    table = Table("operation", "begun", "killed inside", "found whole", "found undone", "typical ms")
    rows = {}
    for kind, tally in run.tallies.items():
        found = (tally.whole, tally.undone) if kind in WRITES else ("-", "-")
        numbers = (tally.begun, tally.killed, *found)
        table.add_row(kind, *map(str, numbers), f"{1000 * tally.seconds:.1f}")
        rows[kind] = dict(zip(("begun", "killed", "whole", "undone"), numbers, strict=True))
    Console(width=100).print(table)
    return rows


if __name__ == "__main__":
    main()
