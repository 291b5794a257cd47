"""The events that a run reports to its observer. Imports the standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Began:
    """The run starts, with `step` of `steps` done already, on `device`, in `processes` processes."""

    step: int
    steps: int
    device: str
    processes: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step is done; `active` is the share of tuples that still contribute."""

    step: int
    loss: float
    active: float


@dataclass(frozen=True, slots=True)
class Validated:
    """The network of `step` has `score` on people outside the training; `best` is true for the best score so far."""

    step: int
    score: float
    best: bool


@dataclass(frozen=True, slots=True)
class Advised:
    """Advice to the user about the settings of the run, in one line."""

    advice: str


Event: TypeAlias = Began | Stepped | Validated | Advised


class TrainingObserver(Protocol):
    """Receives the events of a run, between its entry and exit; is pickled for several processes."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __call__(self, event: Event) -> None:
        """Receive `event`; must not change the run."""
        ...


class NullObserver:
    """Ignores all events."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __call__(self, event: Event) -> None:
        """Do nothing."""
