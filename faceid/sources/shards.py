"""Reads WebDataset shards: TAR archives of samples, `key.jpg` next to `key.json`, `key.cls` or `key.txt` (Aizman et al.
2019).

The files of a sample have one key and stand next to each other in the archive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import groupby

from faceid.errors import UnreadableImage, UsageError
from faceid.imaging import Limits
from faceid.imaging.refusal import refuse
from faceid.sources.entry import Entry, is_picture
from faceid.sources.photo import Photo, failing, refused
from faceid.sources.survey import LABELS, belongs_to_sample, key_of, kind_of
from faceid.sources.tars import tar_entries
from faceid.types import Encoded

_FIELDS = ("name", "label", "identity")
"""The fields of a .json that carry a name, in this order."""

_LARGEST_LABEL = 1_000_000

_MOST_SHARDS = 100_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def sample_photos(path: str, limits: Limits) -> Iterator[Photo]:
    """The pictures of one shard, each with the name that its sample carries.

    A sample is in memory as a whole, so `limits` for one file hold for all its files together. Raises UnreadableImage
    where the archive breaks off, after all that comes before.
    """
    entries = tar_entries(path, limits, belongs_to_sample)
    for _, sample in groupby(entries, key=lambda entry: key_of(entry.inner)):
        pictures: list[Entry] = []
        labels: dict[str, Entry] = {}
        held, broken = 0, None
        try:
            for entry in sample:
                held += entry.size
                if is_picture(entry.inner):
                    pictures.append(entry if held <= limits.max_bytes else _too_large(path, entry, limits))
                elif entry.size <= _LARGEST_LABEL:
                    labels[kind_of(entry.inner)] = entry
        except UnreadableImage as error:
            # The sample may still be whole: only the next header shows where a sample ends.
            broken = error
        name = _name(labels)
        yield from (_labelled(f"{path}/{picture.inner}", name, picture) for picture in pictures)
        if broken is not None:
            raise broken


def expand_braces(pattern: str) -> list[str]:
    """`shards-{000..009}.tar` and `{train,test}.tar` as lists of paths; a path without braces is itself.

    Raises UsageError for implausibly many paths.
    """
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    before, options, rest = (
        pattern[: match.start()],
        _options(match[1]),
        expand_braces(pattern[match.end() :]),
    )
    if len(options) * len(rest) > _MOST_SHARDS:
        raise _too_many(pattern)
    return [f"{before}{option}{after}" for option in options for after in rest]


def _options(inside: str) -> list[str]:
    span = _RANGE.fullmatch(inside)
    first, last = (int(span[1]), int(span[2])) if span else (1, 0)
    if span is None or last < first:
        return inside.split(",") if "," in inside else [f"{{{inside}}}"]
    if last - first >= _MOST_SHARDS:
        raise _too_many(inside)
    return [str(number).zfill(len(span[1])) for number in range(first, last + 1)]


def _too_many(pattern: str) -> UsageError:
    return UsageError(f"{pattern} stands for more than {_MOST_SHARDS:,} paths")


def _name(labels: dict[str, Entry]) -> str | None:
    for kind in LABELS:
        if kind in labels:
            try:
                encoded = labels[kind].load()
            except UnreadableImage:
                # For example a link: an unreadable label counts as no label.
                continue
            name = _field(encoded) if kind == "json" else _text(encoded)
            if name:
                return name
    return None


def _text(encoded: Encoded) -> str | None:
    try:
        return encoded.data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None


def _field(encoded: Encoded) -> str | None:
    try:
        content = json.loads(encoded.data)
    except (ValueError, RecursionError):
        return None
    values = [content.get(field) for field in _FIELDS] if isinstance(content, dict) else []
    # Numbers are names too; True is none.
    return next((str(value) for value in values if type(value) in (str, int) and str(value).strip()), None)


def _too_large(path: str, entry: Entry, limits: Limits) -> Entry:
    cause = f"a sample of more than {limits.max_bytes / 1e6:.4g} MB"
    return Entry(entry.inner, 0, failing(refuse(f"{path}/{entry.inner}", cause)))


def _labelled(source: str, name: str | None, picture: Entry) -> Photo:
    if name is not None:
        return Photo(source, name, picture.load)
    return refused(
        refuse(
            source,
            "its sample carries no name",
            remedy="name_of_sample",
            fields=f"{', '.join(_FIELDS[:-1])} or {_FIELDS[-1]}",
        ),
        None,
    )
