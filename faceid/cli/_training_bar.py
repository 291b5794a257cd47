"""Shows the progress of a training: a bar on a terminal, else lines."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.progress import Progress, TaskID

from faceid.cli._render import Output
from faceid.networks.training.events import Advised, Began, Event, Stepped, Validated


class TrainingBar:
    """Observes a training (`faceid.networks.training.events.TrainingObserver`), in any process."""

    def __init__(self, *, json: bool, quiet: bool) -> None:
        self._output = Output(json=json, quiet=quiet)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._best = ""

    def __enter__(self) -> None:
        if not self._output.quiet and sys.stderr.isatty():
            self._bar = self._output.bar()
            self._bar.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Show it."""
        if isinstance(event, Began):
            where = event.device if event.processes == 1 else f"{event.processes} processes"
            self._output.note(f"training on {where}" + (f", from step {event.step} on" if event.step else ""))
            if self._bar is not None:
                self._task = self._bar.add_task("training", total=event.steps, completed=event.step, said="")
        elif isinstance(event, Stepped) and self._bar is not None:
            said = f"loss {event.loss:.4f}, {event.active:.0%} active{self._best}"
            self._bar.update(self._task, completed=event.step, said=said)
        elif isinstance(event, Validated):
            self._output.emit({"step": event.step, "tmr": event.score, "best": event.best})
            self._output.note(
                f"step {event.step}: TMR {event.score:.4f} at FMR 1e-3{', the best' if event.best else ''}"
            )
            if event.best:
                self._best = f", TMR {event.score:.4f}"
        elif isinstance(event, Advised):
            self._output.note(event.advice)
