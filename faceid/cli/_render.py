"""Output: tables or NDJSON on stdout, everything else on stderr."""

from __future__ import annotations

import json as jsonlib
import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from faceid.cli.messages import exit_code_of, hint_for, message_of, shown_problem
from faceid.errors import FaceIDError
from faceid.results import Problem

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

T = TypeVar("T")

VERDICT_STYLES = {
    "match": "green",
    "enrolled": "green",
    "no_match": "red",
    "refused": "red",
    "unknown": "yellow",
    "ambiguous": "magenta",
    "unconfirmed": "yellow",
}


class Output:
    """Prints the results of a command, and computes its exit code.

    `stdout` carries results only; progress, warnings and hints go to stderr.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self._worst = 0

    @cached_property
    def _stderr(self) -> Console:
        # One console for all: a progress bar moves for lines only if both use the same console.
        return console(sys.stderr)

    @property
    def exit_code(self) -> int:
        """The code of the worst result so far, in the order 4 and 5 > 3 > 1 > 0."""
        return self._worst

    def count(self, code: int) -> None:
        """Record the exit code of a result. The largest code is the worst."""
        self._worst = max(self._worst, code)

    def emit(self, result: Any, **extra: Any) -> None:
        """Print one JSON object on a line, at once; nothing without --json."""
        if self.json:
            line = jsonlib.dumps({**plain(result), **extra}, ensure_ascii=False, allow_nan=False)
            # A file name may hold bytes that are not UTF-8 (surrogates in Python): they must not cause a crash.
            sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace") + b"\n")
            sys.stdout.buffer.flush()

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None
    ) -> None:
        """Print rows for people; nothing with --json."""
        if self.json:
            return
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
        whole = {"network", "non-mated"}
        numeric = {"distance", "similarity", "threshold", "fmr", "quality", "templates", "dim", "id"}
        for column in columns:
            table.add_column(
                column,
                justify="right" if column in numeric else "left",
                overflow="fold",
                no_wrap=column in numeric | whole,
            )
        for row in rows:
            cells = [shown(cell, column) for cell, column in zip(row, columns, strict=True)]
            table.add_row(*(Text(cell, style=VERDICT_STYLES.get(cell, "")) for cell in cells))
        console(sys.stdout).print(table)

    def line(self, text: str) -> None:
        """Print one line for people; nothing with --json."""
        if not self.json:
            console(sys.stdout).print(text, markup=False, highlight=False, soft_wrap=True)

    def paragraph(self, text: str, *, indent: int = 0) -> None:
        """Print text for people in lines of 80 characters at most, if its words allow; nothing with --json."""
        blank = " " * indent
        self.line(
            textwrap.fill(
                text,
                80,
                initial_indent=blank,
                subsequent_indent=blank + "  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        )

    def note(self, text: str) -> None:
        """Print a note on stderr."""
        if not self.quiet:
            self._stderr.print(f"faceid: {text}", markup=False, highlight=False, soft_wrap=True)

    def advise(self, problem: Problem) -> None:
        """Print a problem that does not change the outcome as a note, with what to do about it."""
        advice = hint_for(problem)
        self.note(message_of(problem) + (f": {advice}" if advice else ""))

    def tell_turned(self, path: str, degrees: int) -> None:
        """Print a note about a picture that was turned by `degrees` clockwise; nothing for 0."""
        if degrees:
            self.note(f"{path}: turned by {degrees} degrees clockwise, because the faces lie that way")

    def error(self, error: FaceIDError) -> None:
        """Print an error on stderr in one line, and with --json on stdout as well."""
        self.count(exit_code_of(error))
        problem = Problem.of(error)
        self.problem(problem, path=error.path)
        self.emit({"error": {**shown_problem(problem), "path": error.path}})

    def problem(self, problem: Problem, path: str | None) -> None:
        """Print a problem on stderr in one line. `--quiet` does not suppress it."""
        message, advice = message_of(problem), hint_for(problem)
        where = f"{path}: " if path and path not in message else ""
        hint = f" ({advice})" if advice else ""
        line = " ".join(f"faceid: {where}{message}{hint}".split())
        self._stderr.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Callable[[int, int | None], None]]:
        """A bar on stderr if that is a terminal; the yielded function takes the number done, and the total."""
        if self.quiet or not sys.stderr.isatty():
            yield lambda done, total: None
            return
        with self.bar() as bar:
            task = bar.add_task(what, total=total, said="")
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def bar(self) -> Progress:
        """A bar for stderr, which moves for lines; the field `said` of a task is the text behind it."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[said]}"),
            console=self._stderr,
            transient=True,
        )

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """A spinner on stderr, if that is a terminal, for work without a count."""
        if self.quiet or not sys.stderr.isatty():
            yield
            return
        with self._stderr.status(what):
            yield

    def follow(self, results: Iterable[T], what: str, total: int | None) -> Iterator[T]:
        """The results one by one, with a progress bar."""
        with self.progress(what, total) as advance:
            for done, result in enumerate(results, start=1):
                yield result
                advance(done, total)


def console(stream: TextIO) -> Console:
    """A console with the width of the terminal, or wide enough for paths without one."""
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else 160)


def plain(value: Any) -> Any:
    """`value` as JSON types. Coordinates keep 2 decimals, seconds of a stream 3, all other numbers 8 significant
    digits. A problem gets the command line's wording.
    """
    if isinstance(value, Problem):
        return shown_problem(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _rounded(field.name, getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.8g}")
    return value


def _rounded(name: str, value: Any) -> Any:
    if name in ("box", "boxes", "landmarks", "timing_ms") and value is not None:
        return _two_decimals(value)
    if name == "time_s":
        # A stream can run for weeks: significant digits would lose the fractions.
        return round(float(value), 3)
    return plain(value)


def _two_decimals(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _two_decimals(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_two_decimals(item) for item in value]
    return round(float(value), 2)


def shown(cell: object, column: str) -> str:
    """A cell of a table: small rates in powers of ten, other numbers with decimals, times (`... at`) in minutes."""
    if cell is None:
        return "-"
    if column.endswith(" at"):
        # To the minute; JSON has the milliseconds.
        return f"{str(cell)[:16].replace('T', ' ')}Z"
    if isinstance(cell, float):
        return f"{cell:.1e}" if column == "fmr" and 0.0 < cell < 1e-3 else f"{cell:.3f}"
    return str(cell)


def as_evidence(llr: float | None) -> str | None:
    """A log10 likelihood ratio in words; None without one."""
    if llr is None:
        return None
    from faceid.evaluation.statistics.evidence import in_words

    return f"likelihood ratio 10^{llr:.1f}: {in_words(llr * math.log(10.0))}"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """`1 template`, `2 templates`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
