"""What a run tells whoever watches it, while it goes on. Imports the standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Began:
    """`step` of `steps` are done already; `device` is where it runs, in `processes` of them."""

    step: int
    steps: int
    device: str
    processes: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step is done; `active` is the share of tuples that still pull."""

    step: int
    loss: float
    active: float


@dataclass(frozen=True, slots=True)
class Validated:
    """The network of `step` scored `score` on people who are not trained on; `best` where none did better before."""

    step: int
    score: float
    best: bool


@dataclass(frozen=True, slots=True)
class Advised:
    """Something that whoever started the run may want to change, in one line."""

    advice: str


Event: TypeAlias = Began | Stepped | Validated | Advised


class TrainingObserver(Protocol):
    """Is told what happens, in between being entered and left; pickled where there are several processes."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __call__(self, event: Event) -> None:
        """Hear of `event`; must not change the course of the run."""
        ...


class Nobody:
    """Watches nothing."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __call__(self, event: Event) -> None:
        """Let it pass."""
