"""Work that the first process does for all processes, with the same result or error in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lightning_fabric import Fabric

from faceid.errors import FaceIDError

T = TypeVar("T")


class FirstProcessError(Exception):
    """Carries the `error` of the first process to all processes, so that none waits for the first."""

    def __init__(self, error: FaceIDError | OSError) -> None:
        super().__init__(error)
        self.error = error


def run_in_first(fabric: Fabric, work: Callable[[], T]) -> T:
    """Run `work` in the first process of `fabric`; returns its result, or raises FirstProcessError, in all."""
    value: T | FaceIDError | OSError | None = None
    if fabric.is_global_zero:
        try:
            value = work()
        except (FaceIDError, OSError) as error:
            value = error
    value = fabric.broadcast(value)
    if isinstance(value, (FaceIDError, OSError)):
        raise FirstProcessError(value)
    return value  # type: ignore[return-value]
