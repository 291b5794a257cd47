"""The photos that every source yields, with the names of their people, not yet decoded."""

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

    `source` is the path that results show. `name` is the given name of the identity; None if it is unknown (an archive
    that breaks off, a sample without a label), and then `load` always raises.

    `load` may be called once, on any thread, and raises UnreadableImage.
    """

    source: str
    name: str | None
    load: Callable[[], Encoded | Image]


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """A stream of photos, each found when it is needed.

    Unreadable input becomes a Photo whose `load` raises, and the stream continues. `total` is the number of photos,
    None if only reading everything would tell. `attributes` are a table's values about identities, by name. `loose` are
    the paths of pictures beside the people's folders, which are not in the stream; None without such folders. Iterating
    again starts from the first photo, except for standard input.
    """

    stream: Callable[[], Iterator[Photo]]
    total: int | None
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    loose: tuple[str, ...] | None = None

    def __iter__(self) -> Iterator[Photo]:
        return self.stream()


def of_file(path: str, name: str, limits: Limits = DEFAULT_LIMITS) -> Photo:
    """The photo in a file, or the error of `fetch`."""
    return Photo(path, name, partial(fetch, path, limits))


def refused(error: UnreadableImage, name: str | None) -> Photo:
    """The photo that stands for a file known to be unreadable."""
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
