"""Turns photos for an evaluation into templates: one face per photo, failures to acquire counted by reason."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError, UsageError
from faceid.gallery.gallery import Gallery
from faceid.imaging import fetch, walk
from faceid.recognition.pipeline import Pipeline, Source
from faceid.recognition.subject import SubjectRule, subjects
from faceid.types import ModelKey

if TYPE_CHECKING:
    from faceid.types import Vector

Progress = Callable[[int, int], None]
"""Called with the number of finished photos, and the total."""


@dataclass(frozen=True, eq=False)
class EvaluatedPhoto:
    """One photo: its template, or the reason code why it has none, and the hash of its bytes if it was read."""

    vector: Vector | None
    reason: str | None
    sha256: str | None


@dataclass(frozen=True, eq=False)
class Collection:
    """Templates with their identities: `vectors` (n, d) float32, `names`, `paths` and `digests` one for each.

    `photos` counts the files, `lost` the files without a template by reason and `lost_of` by identity. `duplicates` are
    pairs of identities that contain the same file: its identity is unknown, so the file is left out. `repeated` counts
    further copies of a file within an identity, which are left out too.
    """

    kind: str
    source: str
    model: ModelKey
    vectors: NDArray[np.float32]
    names: tuple[str, ...]
    paths: tuple[str | None, ...]
    digests: tuple[str, ...]
    photos: int
    lost: dict[str, int]
    lost_of: dict[str, int]
    duplicates: tuple[tuple[str, str], ...]
    repeated: int


def analyse_photos(
    pipeline: Pipeline, paths: Sequence[str], subject: SubjectRule, progress: Progress | None = None
) -> dict[str, EvaluatedPhoto]:
    """The template of each photo's subject, or the reason why it has none, such as several faces."""
    found = {}
    sources = (Source(path, partial(fetch, path)) for path in paths)
    analyses = pipeline.analyse(sources, pick=partial(subjects, rule=subject))
    for done, analysis in enumerate(analyses, start=1):
        digest = analysis.sha256
        if analysis.error is not None:
            found[analysis.source] = EvaluatedPhoto(None, analysis.error.code, digest)
        elif len(analysis.embeddings) != 1:
            found[analysis.source] = EvaluatedPhoto(
                None, "multiple_faces" if analysis.found else "no_face", digest
            )
        elif not analysis.observations[0].comparable:
            found[analysis.source] = EvaluatedPhoto(None, "implausible_pose", digest)
        else:
            found[analysis.source] = EvaluatedPhoto(analysis.embeddings[0].vector, None, digest)
        if progress is not None:
            progress(done, len(paths))
    return found


def from_folders(
    root: Path,
    model: ModelKey,
    analysis: Callable[[Sequence[str]], dict[str, EvaluatedPhoto]],
) -> Collection:
    """The templates of a folder per identity; `look` makes templates of `model`. InputError if there are none."""
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not folders:
        raise UsageError(f"{root} has no sub-folders", remedy="folder_per_person", path=str(root))
    whose = {path: folder.name for folder in folders for path in walk([str(folder)]) if Path(path) != folder}
    if not whose:
        raise InputError(f"{root} holds no pictures", code="no_images", path=str(root))
    seen = analysis(list(whose))
    rows = [(name, path, seen[path]) for path, name in whose.items()]
    return _collected("folders", str(root), model, rows)


def from_gallery(gallery: Gallery, source: str) -> Collection:
    """The templates of a gallery. InputError if it is empty."""
    rows: list[tuple[str, str | None, EvaluatedPhoto]] = []
    model = None
    for part in gallery.all_templates():
        model = part.model
        seen = [
            EvaluatedPhoto(vector, None, digest)
            for vector, digest in zip(part.vectors, part.digests, strict=True)
        ]
        rows += zip(part.names, part.sources, seen, strict=True)
    if model is None:
        raise InputError("nothing is enrolled, so there is nothing to evaluate", code="empty")
    return _collected("gallery", source, model, rows)


def digest_of(rows: Iterable[tuple[str, str]]) -> str:
    """The SHA-256 of a list of (hash or value, name), in any order."""
    listed = "\n".join(sorted(f"{digest}\t{name}" for digest, name in rows))
    # Names of files may hold bytes that are not UTF-8.
    return hashlib.sha256(listed.encode(errors="surrogatepass")).hexdigest()


def _collected(
    kind: str, source: str, model: ModelKey, rows: Sequence[tuple[str, str | None, EvaluatedPhoto]]
) -> Collection:
    owners: dict[str, set[str]] = {}
    for name, _, seen in rows:
        if seen.sha256 is not None:
            owners.setdefault(seen.sha256, set()).add(name)
    shared = {digest: sorted(names) for digest, names in owners.items() if len(names) > 1}
    kept: list[tuple[str, str | None, EvaluatedPhoto]] = []
    there: set[str] = set()
    lost = Counter(seen.reason for _, _, seen in rows if seen.reason is not None)
    lost_of = Counter(name for name, _, seen in rows if seen.reason is not None)
    repeated = 0
    for name, path, seen in rows:
        if seen.vector is None or seen.sha256 is None or seen.sha256 in shared:
            continue
        if seen.sha256 in there:
            repeated += 1
            continue
        there.add(seen.sha256)
        kept.append((name, path, seen))
    if not kept:
        reasons = (
            ", ".join(f"{count:,} {reason}" for reason, count in lost.most_common()) or "all are duplicates"
        )
        raise InputError(f"no photo of {source} shows one face: {reasons}", code="no_face", path=source)
    return Collection(
        kind=kind,
        source=source,
        model=model,
        vectors=np.stack([seen.vector for _, _, seen in kept if seen.vector is not None]),
        names=tuple(name for name, _, _ in kept),
        paths=tuple(path for _, path, _ in kept),
        digests=tuple(seen.sha256 or "" for _, _, seen in kept),
        photos=len(rows),
        lost=dict(lost),
        lost_of=dict(lost_of),
        duplicates=tuple((names[0], other) for names in shared.values() for other in names[1:]),
        repeated=repeated,
    )
