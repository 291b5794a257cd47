"""What the first process does for all, and how all come to the same end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lightning_fabric import Fabric

from faceid.networks.errors import ModelsError

T = TypeVar("T")


class Told(Exception):
    """`error` of the first process, of which all know, so that none waits for it."""

    def __init__(self, error: ModelsError | OSError) -> None:
        super().__init__(error)
        self.error = error


def by_first(fabric: Fabric, work: Callable[[], T]) -> T:
    """What `work` gives in the first process of `fabric`, in all. Raises Told in all where it raises there."""
    value: T | ModelsError | OSError | None = None
    if fabric.is_global_zero:
        try:
            value = work()
        except (ModelsError, OSError) as error:
            value = error
    value = fabric.broadcast(value)
    if isinstance(value, (ModelsError, OSError)):
        raise Told(value)
    return value  # type: ignore[return-value]
