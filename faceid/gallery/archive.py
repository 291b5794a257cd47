"""Import and export of templates as NumPy archives (.npz).

Arrays: `embeddings` float32 (n, d), `names` str (n), optional `sources` str (n); scalar strings `model` and `metric`.
Exports also carry `weights_sha256` and `aligner`, which an import compares if they are present, `photo_sha256` (n), by
which a photo is recognised after an import, and, if one is known, `detectors` str (n), "" for an unknown one.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import repeat
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from enrollment_db.files import open_atomically
from enrollment_db.records import Part, TemplateState
from faceid.errors import GalleryError, InputError
from faceid.gallery.gallery import Gallery
from faceid.gallery.npz import bad_archive, opened, read_rows, shape_and_type, unit_rows, write_rows
from faceid.results import TransferResult
from faceid.types import ModelKey

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of finished templates and the number of all."""


class Judge(Protocol):
    """Decides which templates of an archive are stored, part by part, by the gallery as it is.

    `confirmed` are the ids of stored templates that the archive confirms.
    """

    confirmed: list[int]

    def expect(self, names: Iterator[Sequence[str]]) -> None:
        """Begin from the start, with the names of the templates in each part, before the first part comes."""
        ...

    def judge(self, part: Part) -> Sequence[TemplateState | None]:
        """The state of each template of a part; None for one that is not to be stored."""
        ...


ROWS = 16_384
"""The number of templates in memory at a time."""

_REMEDY = "form_of_archive"

_OPTIONAL = ("sources", "photo_sha256", "detectors")
"""Arrays of strings, one a template, that an archive may have."""


def import_templates(
    gallery: Gallery,
    model: ModelKey,
    path: Path,
    progress: Progress | None = None,
    judge: Judge | None = None,
) -> TransferResult:
    """Store the templates of an archive in one transaction; skips those that are stored already.

    Rows with an empty name are left out. `judge` is asked about all parts of at most ROWS templates before the first is
    stored, and once more where the gallery has changed meanwhile; without it all templates are confirmed.

    Vectors are brought to unit length. Raises InputError for a file that is not such an archive, GalleryError
    for templates of another model.
    """
    with opened(path, _REMEDY) as archive:
        total, optional = _check_arrays(archive, path)
        _check_model(archive, gallery, model, path)
        people: set[str] = set()
        nameless = 0

        def named_parts(progress: Progress | None) -> Iterator[Part]:
            nonlocal nameless
            nameless = done = 0
            for vectors, names, sources, digests, detectors in zip(
                _rows(archive, "embeddings"),
                _rows(archive, "names"),
                *(_rows(archive, name) if name in optional else repeat(None) for name in _OPTIONAL),
                strict=False,
            ):
                units = unit_rows(vectors, path, _REMEDY)
                hashes = _digests(units) if digests is None else _checked_digests(digests, path)
                origins, finders = _known(sources, len(units)), _known(detectors, len(units))
                # These templates have no name.
                named = np.flatnonzero(names != "")
                whose = names[named].tolist()
                nameless += len(units) - len(named)
                yield Part(
                    whose,
                    units[named],
                    [hashes[place] for place in named],
                    [origins[place] for place in named],
                    detectors=[finders[place] for place in named],
                )
                done += len(units)
                if progress is not None:
                    progress(done, total)

        def judgement() -> list[Sequence[TemplateState | None]] | None:
            if judge is None:
                return None
            judge.expect(names.tolist() for names in _rows(archive, "names"))
            return [judge.judge(part) for part in named_parts(None)]

        seen = gallery.size()
        judged = judgement()

        def parts() -> Iterator[Part]:
            for number, part in enumerate(named_parts(progress)):
                accepted = part if judged is None else _accepted(part, judged[number])
                people.update(accepted.names)
                yield accepted

        with gallery.transaction():
            now = gallery.size()
            if (now.seq, now.model_id) != (seen.seq, seen.model_id):
                judged = judgement()
            added = gallery.add_many(parts(), model)
            if judge is not None:
                gallery.confirm(judge.confirmed)
    given = [state for states in judged or () for state in states]
    refused, unconfirmed = given.count(None), given.count("unconfirmed")
    skipped = total - nameless - added - refused
    return TransferResult(
        "imported", str(path), len(people), added, skipped, model.name, nameless, unconfirmed
    )


def _accepted(part: Part, states: Sequence[TemplateState | None]) -> Part:
    """The part without the templates that have no state."""
    places = [place for place, state in enumerate(states) if state is not None]
    return Part(
        [part.names[place] for place in places],
        part.vectors[places],
        [part.digests[place] for place in places],
        [part.sources[place] for place in places],
        [state for state in states if state is not None],
        None if part.detectors is None else [part.detectors[place] for place in places],
    )


def export_templates(gallery: Gallery, path: Path, progress: Progress | None = None) -> TransferResult:
    """Write the confirmed templates to `path`; a file there is replaced only after everything is written.

    An archive has no states, and an import would confirm what is not confirmed. So unconfirmed templates are left out,
    and counted in the result. The archive holds the gallery as of one moment. Raises GalleryError for a gallery without
    confirmed templates, or if the file cannot be written.
    """
    try:
        with open_atomically(path) as file:
            model, identities, templates = _write(gallery, zipfile.ZipFile(file, "w"), progress)
    except OSError as error:
        raise GalleryError(
            f"cannot write {path}: {error.strerror}",
            code="cannot_write",
            remedy="choose_another_place",
            path=str(path),
        ) from error
    left_out = sum(gallery.unconfirmed_counts().values())
    return TransferResult("exported", str(path), identities, templates, 0, model.name, unconfirmed=left_out)


def _write(
    gallery: Gallery, archive: zipfile.ZipFile, progress: Progress | None
) -> tuple[ModelKey, int, int]:
    names: list[str] = []
    sources: list[str] = []
    digests: list[str] = []
    detectors: list[str] = []

    with archive, closing(gallery.all_templates(ROWS)) as parts:
        first = next(parts, None)
        if first is None:
            what = "no template is confirmed" if gallery.unconfirmed_counts() else "nothing is enrolled"
            raise GalleryError(f"{what}, so there is nothing to export", code="empty")
        # Not `gallery.model`, read at another moment: the gallery may have moved to another model.
        model = first.model

        def vectors() -> Iterator[NDArray[np.float32]]:
            part = first
            while True:
                names.extend(part.names)
                sources.extend(source or "" for source in part.sources)
                digests.extend(part.digests)
                detectors.extend(detector or "" for detector in part.detectors)
                if progress is not None:
                    progress(len(names), first.total)
                yield part.vectors
                if len(names) == first.total:
                    return
                part = next(parts)

        write_rows(archive, "embeddings", (first.total, model.dim), "<f4", vectors())
        columns = {"names": names, "sources": sources, "photo_sha256": digests}
        if any(detectors):
            columns["detectors"] = detectors
        for name, column in columns.items():
            array = np.array(column, dtype=np.str_)
            write_rows(archive, name, array.shape, array.dtype, [array])
        for name, value in (
            ("model", model.name),
            ("metric", model.metric),
            ("weights_sha256", model.weights_sha256),
            ("aligner", model.aligner),
        ):
            scalar = np.array(value, dtype=np.str_)
            write_rows(archive, name, (), scalar.dtype, [scalar])
    return model, len(set(names)), len(names)


def _check_arrays(archive: zipfile.ZipFile, path: Path) -> tuple[int, list[str]]:
    """The number of templates, and which optional arrays the archive has."""
    there = {name.removesuffix(".npy") for name in archive.namelist()}
    if missing := [name for name in ("embeddings", "names", "model", "metric") if name not in there]:
        raise _bad(path, f"has no {' and no '.join(missing)}")
    shape, dtype = shape_and_type(archive, "embeddings")
    if len(shape) != 2:
        raise _bad(path, f"has embeddings of shape {shape}, where (n, d) is needed")
    if not np.issubdtype(dtype, np.floating):
        raise _bad(path, f"has embeddings of type {dtype}, where float32 is needed")
    optional = [name for name in _OPTIONAL if name in there]
    for name in ("names", *optional):
        length, kind = shape_and_type(archive, name)
        if length != shape[:1] or kind.kind != "U":
            raise _bad(
                path, f"has {name} of shape {length} and type {kind}, where {shape[0]} strings are needed"
            )
    return shape[0], optional


def _check_model(archive: zipfile.ZipFile, gallery: Gallery, model: ModelKey, path: Path) -> None:
    expected = {
        "model": model.name,
        "metric": model.metric,
        "weights_sha256": model.weights_sha256,
        "aligner": model.aligner,
    }
    for field, value in expected.items():
        if f"{field}.npy" in archive.namelist() and (found := _scalar(archive, field)) != value:
            raise GalleryError(
                f"{path} holds templates of {field} {found}, not {value}",
                code="model_mismatch",
                remedy="model_of_archive",
                model=_scalar(archive, "model"),
                path=str(path),
            )
    (_, dim), _ = shape_and_type(archive, "embeddings")
    if dim != model.dim:
        raise GalleryError(
            f"{path} holds templates of {dim} numbers, where {model.name} has {model.dim}",
            code="model_mismatch",
            remedy="model_of_templates",
            path=str(path),
        )
    gallery.guard(model)


def _scalar(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(f"{name}.npy") as member:
        return str(np.lib.format.read_array(member, allow_pickle=False))


def _rows(archive: zipfile.ZipFile, name: str) -> Iterator[NDArray[Any]]:
    return read_rows(archive, name, ROWS)


def _known(column: NDArray[np.str_] | None, count: int) -> list[str | None]:
    """The strings of an optional array, None for an empty one; `count` times None without the array."""
    return [None] * count if column is None else [text or None for text in column.tolist()]


def _digests(vectors: NDArray[np.float32]) -> list[str]:
    # The photos are not available: a hash of the vector makes its second import a duplicate.
    return [hashlib.sha256(vector.tobytes()).hexdigest() for vector in vectors]


def _checked_digests(digests: NDArray[np.str_], path: Path) -> list[str]:
    found: list[str] = digests.tolist()
    if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in found):
        raise _bad(path, "has photo_sha256 that are not one hash a template")
    return found


def _bad(path: Path, problem: str) -> InputError:
    return bad_archive(path, problem, _REMEDY)
