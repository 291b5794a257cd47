"""What every source yields: photos with whose they are, not yet decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

from faceid.errors import UnreadableImage
from faceid.imaging import DEFAULT_LIMITS, Limits, fetch
from faceid.types import Encoded, Image


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """One photo of a stream.

    `source` is what results call its path. `name` is the identity's as it was given; None where nobody can say
    whose it is (an archive that breaks off, a sample without a label), and then `load` always raises.

    `load` may be called once, on any thread, and raises UnreadableImage.
    """

    source: str
    name: str | None
    load: Callable[[], Encoded | Image]


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """Photos one after the other, found as they are asked for.

    Something that cannot be read becomes a Photo whose `load` says so: the stream goes on. `total` is how many
    there are, None where that takes reading everything. `attributes` are what a table knows about identities,
    by name. Iterating again begins anew, but for standard input.
    """

    stream: Callable[[], Iterator[Photo]]
    total: int | None
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Photo]:
        return self.stream()


def of_file(path: str, name: str, limits: Limits = DEFAULT_LIMITS) -> Photo:
    """The photo in a file, or what `fetch` says about it."""
    return Photo(path, name, partial(fetch, path, limits))


def refused(error: UnreadableImage, name: str | None) -> Photo:
    """What takes the place of a photo that is known to be unreadable."""
    return Photo(error.path or "", name, failing(error))


def failing(error: UnreadableImage) -> Callable[[], NoReturn]:
    """A `load` that raises."""

    def load() -> NoReturn:
        raise error

    return load


def chained(parts: Iterable[Photos]) -> Photos:
    """Several streams, one after the other."""
    streams = list(parts)
    totals = [part.total for part in streams if part.total is not None]
    return Photos(
        lambda: (photo for part in streams for photo in part),
        sum(totals) if len(totals) == len(streams) else None,
    )
