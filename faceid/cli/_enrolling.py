"""Prints the progress and the result of `faceid enroll`, for one photo or a million."""

from __future__ import annotations

import csv
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import typer

from faceid.cli._render import Output, counted, plain
from faceid.cli.messages import message_of
from faceid.enrolment.totals import EnrolmentTotals
from faceid.errors import UsageError
from faceid.results import AlreadyEnrolled, EnrollResult, EnrollSummary

if TYPE_CHECKING:
    from rich.progress import Progress

SHOWN = 40
"""The most photos that the final table lists one by one. For more, it gives the counts."""

NAMED = 5
"""The most people, or photos, that a line names."""

EVERY_S = 30.0
"""Seconds between two lines of progress without a terminal."""

_WORDS = {"rejected": "refused"}
"""Status of a photo in JSON -> the word for people, where they differ."""

COLUMNS = (
    "path",
    "name",
    "status",
    "reason",
    "message",
    "template_id",
    "faces",
    "quality",
    "x1",
    "y1",
    "x2",
    "y2",
    "turned",
)


@dataclass(slots=True, eq=False)
class Tally:
    """Outcomes so far: the totals, faces, and the first results."""

    totals: EnrolmentTotals = field(default_factory=EnrolmentTotals)
    faces: int = 0
    first: list[EnrollResult] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def add(self, result: EnrollResult) -> None:
        """Count one more."""
        self.totals.add(result)
        self.faces += result.faces or 0
        if len(self.first) <= SHOWN:
            self.first.append(result)

    @property
    def outcomes(self) -> Counter[tuple[str, str | None]]:
        """Photos by status and reason."""
        return self.totals.photos

    @property
    def done(self) -> int:
        """Photos so far."""
        return self.outcomes.total()

    def speed(self) -> float:
        """Photos a second."""
        return self.done / max(1e-9, time.monotonic() - self.began)

    def refused(self) -> str:
        """`31 refused (20 multiple_faces, 11 no_face)`."""
        reasons = [
            (count, reason) for (status, reason), count in self.outcomes.items() if status == "rejected"
        ]
        why = ", ".join(f"{count:,} {reason}" for count, reason in sorted(reasons, key=lambda pair: -pair[0]))
        return f"{self.totals.of('rejected'):,} refused" + (f" ({why})" if why else "")

    def so_far(self, total: int | None) -> str:
        """One line with progress, speed and remaining time."""
        parts = [f"{self.done:,}" + (f" of {total:,}" if total is not None else "") + " photos"]
        parts.append(f"{self.speed():,.1f} a second")
        parts.append(f"{counted(self.faces, 'face')}")
        parts.append(self.refused())
        if total is not None and self.done:
            parts.append(f"{_duration((total - self.done) / self.speed())} left")
        return ", ".join(parts)


@contextmanager
def watched(output: Output, total: int | None) -> Iterator[EnrolmentProgress]:
    """Progress on stderr: a bar on a terminal, else a line at intervals."""
    watch = EnrolmentProgress(output, total)
    with ExitStack() as stack:
        if not output.quiet and sys.stderr.isatty():
            watch.bar = stack.enter_context(output.bar())
            watch.task = watch.bar.add_task("enrolling", total=total, said="")
        yield watch


@dataclass(slots=True, eq=False)
class EnrolmentProgress:
    """Counts results and prints progress on stderr."""

    output: Output
    total: int | None
    tally: Tally = field(default_factory=Tally)
    bar: Progress | None = None
    task: Any = None
    said_at: float = field(default_factory=time.monotonic)

    def warn(self, warning: AlreadyEnrolled) -> None:
        """Warn of a person who seems to be enrolled already."""
        self.tally.totals.already_enrolled.append(warning)
        self.output.note(str(warning))

    def ask(self, question: str) -> bool:
        """Ask on the terminal."""
        if self.bar is not None:
            self.bar.stop()
        try:
            return typer.confirm(question, err=True)
        finally:
            if self.bar is not None:
                self.bar.start()

    def add(self, result: EnrollResult) -> None:
        """Count one result, and print progress if it is due."""
        self.tally.add(result)
        if self.bar is not None:
            said = f"{self.tally.speed():,.1f} a second, {self.tally.refused()}"
            self.bar.update(self.task, completed=self.tally.done, said=said)
        elif time.monotonic() - self.said_at >= EVERY_S:
            self.said_at = time.monotonic()
            self.output.note(self.tally.so_far(self.total))


class Report:
    """Writes every photo's outcome as a row of a CSV file, as soon as it is known."""

    def __init__(self, file: IO[str]) -> None:
        self._rows = csv.writer(file)
        self._rows.writerow(COLUMNS)
        self._file = file

    @classmethod
    @contextmanager
    def opened(cls, path: Path | None) -> Iterator[Report | None]:
        """A new file at `path`; None for None. Raises UsageError if it cannot be written."""
        if path is None:
            yield None
            return
        try:
            # File names may hold bytes that are not UTF-8.
            file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}", path=str(path)) from error
        with file:
            yield cls(file)

    def add(self, result: EnrollResult) -> None:
        """Write one row."""
        message = None if result.problem is None else message_of(result.problem)
        told = (
            result.path,
            result.name,
            result.status,
            result.reason,
            message,
            result.template_id,
            result.faces,
        )
        quality = None if result.quality is None else f"{result.quality:.4f}"
        box = (None,) * 4 if result.box is None else tuple(f"{side:.1f}" for side in result.box)
        self._rows.writerow([*told, quality, *box, result.turned])
        self._file.flush()


def told(
    output: Output,
    results: Iterable[EnrollResult],
    watch: EnrolmentProgress,
    report: Report | None,
    *,
    named: bool,
) -> None:
    """Print each result as it arrives."""
    for result in results:
        output.emit(as_object(result, named=named))
        if report is not None:
            report.add(result)
        output.tell_turned(result.path, result.turned)
        if result.problem is not None and result.status == "rejected":
            output.count(3)
            output.problem(result.problem, result.path)
        if result.problem is not None and result.status == "unconfirmed":
            output.count(1)
            output.problem(result.problem, result.path)
        watch.add(result)


def as_object(result: EnrollResult, *, named: bool) -> dict[str, Any]:
    """The JSON of one photo; `name` belongs to it where several people are enrolled at once."""
    left_out = set() if named else {"name"}
    full = plain(result)
    return {field.name: full[field.name] for field in fields(result) if field.name not in left_out}


def tell_people(output: Output, totals: EnrollSummary, loose: Sequence[str]) -> None:
    """The people who end up without a template and why, and the photos that are in no person's folder."""
    without = totals.people_without_template
    if without:
        why = ", ".join(f"{count:,} {reason}" for reason, count in totals.reasons_without_template.items())
        people = len(without) + totals.people_enrolled
        have = "has" if len(without) == 1 else "have"
        output.line(
            f"{len(without):,} of {counted(people, 'person', 'people')} {have} no template"
            f" ({why}): {_first(without)}{' (--json names all)' if len(without) > NAMED else ''}"
        )
    elif totals.people_enrolled > 1:
        output.line(f"all {totals.people_enrolled:,} people have a template")
    if loose:
        output.note(f"{counted(len(loose), 'photo')} in no person's folder, not enrolled: {_first(loose)}")


def _first(names: Sequence[str]) -> str:
    """The first names of a list, and where all are."""
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED:,} more"


def final_table(output: Output, tally: Tally) -> None:
    """The photos one by one, or the number of photos by outcome."""
    if tally.done <= SHOWN:
        rows = [
            (one.name, one.path, _WORDS.get(one.status, one.status), one.reason, one.quality)
            for one in tally.first
        ]
        output.table(["name", "photo", "status", "reason", "quality"], rows)
        return
    ordered = sorted(tally.outcomes.items(), key=lambda item: (item[0][0] != "enrolled", -item[1]))
    output.table(
        ["status", "reason", "photos", "share"],
        [
            (_WORDS.get(status, status), reason, f"{count:,}", f"{count / tally.done:.1%}")
            for (status, reason), count in ordered
        ],
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
