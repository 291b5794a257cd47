"""Photos of people -> aligned crops on the disk, each decoded and aligned once, whatever number of runs needs it.

A cache is a folder of pairs of files: `X.npy`, crops (n, S, S, 3) uint8, and `X.json`, which photos they are of (by the
SHA-256 of the file) and which photos showed nothing usable, and why. The second is written last and names the first: a
pair is there or not. Runs may share a cache, also at the same time: what two of them add, they add under
different names.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faceid.enrolment.rules import MultiFace, in_question
from faceid.networks.files import write_whole
from faceid.recognition.pipeline import Look, Pipeline
from faceid.sources import Photo, Photos
from faceid.types import Crop, ModelKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.types import Pixels

PART = 256
"""Photos after which crops are written: what an interruption costs at most."""


@dataclass(frozen=True, slots=True)
class Place:
    """Row `row` of the `.npy` file `file`."""

    file: Path
    row: int


@dataclass(frozen=True, slots=True, eq=False)
class Portraits:
    """Crops of people who are known by name: `names`, `digests` (of the files) and `places` go together.

    `photos` were looked at, `lost` counts those without a crop by reason, `duplicates` those that lie under several
    names, and further copies under one: whose they are cannot be known, or they teach nothing.
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    places: tuple[Place, ...]
    photos: int
    lost: dict[str, int]
    duplicates: int


class NoNetwork:
    """The embedder of a pipeline of which only the crops are wanted: vectors of one number, 0."""

    def __init__(self, aligner: str, size: int) -> None:
        self.model = ModelKey("none", "0" * 64, aligner, 1, "cosine")
        self.input_size = size

    def embed(self, crops: Sequence[Crop]) -> NDArray[np.float32]:
        """(n, 1) zeros."""
        return np.zeros((len(crops), 1), np.float32)


class CropCache:
    """The crops of one aligner, made under one rule for photos with several faces, in a folder."""

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
        """Where the crop of a photo is, or why there is none. Raises KeyError for an unknown photo."""
        return self._found[digest]

    def add(self, digest: str, crop: Pixels | str) -> None:
        """Keep a crop, or why there is none; on the disk after `flush`, or PART photos later."""
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
    multi_face: MultiFace,
    progress: Callable[[int, int | None], None],
) -> Portraits:
    """The crop of every photo that shows its person; what is in `cache` is not looked at again.

    `pipeline` has NoNetwork for its network. Of several faces in a photo none counts, or the `largest`.
    """
    seen: list[tuple[str, str]] = []
    lost: Counter[str] = Counter()
    done = 0
    looks = pipeline.look(
        photos,
        wanted=lambda photo, sha256: sha256 not in cache,
        pick=partial(in_question, multi_face=multi_face),
    )
    for done, look in enumerate(looks, start=1):
        name, digest = look.origin.name, look.sha256
        if name is None or digest is None or look.error is not None:
            lost["unreadable" if look.error is None else look.error.code] += 1
        else:
            if look.image is not None:
                cache.add(digest, _crop_of(look))
            seen.append((name, digest))
        progress(done, photos.total)
    cache.flush()
    return _portraits(seen, cache, done, lost)


def _crop_of(look: Look[Photo]) -> Pixels | str:
    if len(look.observations) == 1:
        return look.observations[0].crop.pixels
    return "multiple_faces" if look.found else "no_face"


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
    )
