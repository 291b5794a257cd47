"""Photos of people -> aligned crops on disk: each photo is decoded and aligned once for all runs.

A cache is a folder of pairs of files. `X.npy` holds crops (n, S, S, 3) uint8. `X.json` names their photos by the
SHA-256 of the file, and the photos without a usable face with the reason. `X.json` is written last, so that a pair is
complete or absent. Runs may share a cache at the same time: each adds files under its own names.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faceid.networks.files import write_whole
from faceid.recognition.pipeline import Analysis, Pipeline
from faceid.recognition.subject import SubjectRule, subjects
from faceid.sources import Photo, Photos
from faceid.types import Crop, ModelKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.types import Pixels

PART = 256
"""Crops are written after so many photos: the most that an interruption loses."""


@dataclass(frozen=True, slots=True)
class Place:
    """Row `row` of the `.npy` file `file`."""

    file: Path
    row: int


@dataclass(frozen=True, slots=True, eq=False)
class Portraits:
    """Crops of named people: `names`, `digests` (of the files) and `places` are parallel.

    `photos` counts the photos, `lost` those without a crop by reason, `duplicates` those under several names and
    further copies under one name: their person is unknown, or they teach nothing. `linked` gives names with such a
    photo in common one name, because they may be one person.
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    places: tuple[Place, ...]
    photos: int
    lost: dict[str, int]
    duplicates: int
    linked: dict[str, str] = field(default_factory=dict)


class NoNetwork:
    """An embedder for a pipeline that only makes crops: its vectors have one number, 0."""

    def __init__(self, aligner: str, size: int) -> None:
        self.model = ModelKey("none", "0" * 64, aligner, 1, "cosine")
        self.input_size = size

    def embed(self, crops: Sequence[Crop]) -> NDArray[np.float32]:
        """(n, 1) zeros."""
        return np.zeros((len(crops), 1), np.float32)


class CropCache:
    """A folder of crops by one aligner and one rule for photos with several faces."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where the folder cannot be made or read."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._found: dict[str, Place | str] = {}
        self._new: list[tuple[str, Pixels | str]] = []
        for index in sorted(folder.glob("*.json")):
            content = json.loads(index.read_text(encoding="utf-8"))
            file = index.with_suffix(".npy")
            self._found |= {digest: Place(file, row) for row, digest in enumerate(content["crops"])}
            self._found |= content["refused"]

    def __contains__(self, digest: str) -> bool:
        return digest in self._found

    def __getitem__(self, digest: str) -> Place | str:
        """The place of a photo's crop, or the reason why there is none. Raises KeyError for an unknown photo."""
        return self._found[digest]

    def add(self, digest: str, crop: Pixels | str) -> None:
        """Keep a crop, or the reason why there is none. It is on disk after `flush`, or PART photos later."""
        self._new.append((digest, crop))
        if len(self._new) >= PART:
            self.flush()

    def flush(self) -> None:
        """Write what was added. Raises OSError."""
        if not self._new:
            return
        crops = {digest: crop for digest, crop in self._new if not isinstance(crop, str)}
        refused = {digest: reason for digest, reason in self._new if isinstance(reason, str)}
        index = self._folder / f"{uuid.uuid4().hex}.json"
        file = index.with_suffix(".npy")
        if crops:
            content = BytesIO()
            np.save(content, np.stack(list(crops.values())))
            write_whole(file, [content.getvalue()])
        write_whole(index, [json.dumps({"crops": list(crops), "refused": refused}).encode()])
        self._found |= {digest: Place(file, row) for row, digest in enumerate(crops)}
        self._found |= refused
        self._new.clear()


def portraits(
    photos: Photos,
    pipeline: Pipeline,
    cache: CropCache,
    subject: SubjectRule,
    progress: Callable[[int, int | None], None],
) -> Portraits:
    """The crop of every photo that shows its person; photos in `cache` are not decoded again.

    `pipeline` has NoNetwork for its network. `subject` chooses among the faces of a photo; of one without a
    clear subject no face is used.
    """
    seen: list[tuple[str, str]] = []
    lost: Counter[str] = Counter()
    done = 0
    analyses = pipeline.analyse(
        photos,
        wanted=lambda photo, sha256: sha256 not in cache,
        pick=partial(subjects, rule=subject),
    )
    for done, analysis in enumerate(analyses, start=1):
        name, digest = analysis.origin.name, analysis.sha256
        if name is None or digest is None or analysis.error is not None:
            lost["unreadable" if analysis.error is None else analysis.error.code] += 1
        else:
            if analysis.image is not None:
                cache.add(digest, _crop_of(analysis))
            seen.append((name, digest))
        progress(done, photos.total)
    cache.flush()
    return _portraits(seen, cache, done, lost)


def _crop_of(analysis: Analysis[Photo]) -> Pixels | str:
    if len(analysis.observations) == 1:
        (one,) = analysis.observations
        return one.crop.pixels if one.comparable else "implausible_pose"
    return "multiple_faces" if analysis.found else "no_face"


def _portraits(
    seen: Sequence[tuple[str, str]], cache: CropCache, photos: int, lost: Counter[str]
) -> Portraits:
    owners: dict[str, set[str]] = {}
    for name, digest in seen:
        owners.setdefault(digest, set()).add(name)
    rows: dict[str, tuple[str, Place]] = {}
    for name, digest in seen:
        found = cache[digest]
        if isinstance(found, str):
            lost[found] += 1
        elif len(owners[digest]) == 1:
            rows[digest] = name, found
    return Portraits(
        names=tuple(name for name, _ in rows.values()),
        digests=tuple(rows),
        places=tuple(place for _, place in rows.values()),
        photos=photos,
        lost=dict(lost),
        duplicates=photos - lost.total() - len(rows),
        linked=_linked([names for digest, names in owners.items() if not isinstance(cache[digest], str)]),
    )


def _linked(owners: Iterable[set[str]]) -> dict[str, str]:
    """The first of the names that have a photo in common, directly or through others, for each of them.

    `owners` are the names of each photo. A photo of more than two names says nothing about them: it may be a symbol.
    """
    linked: dict[str, str] = {}

    def first(name: str) -> str:
        while name in linked:
            name = linked[name]
        return name

    for names in owners:
        if len(names) == 2:
            one, other = sorted(map(first, names))
            if one != other:
                linked[other] = one
    return {name: first(name) for name in linked}
