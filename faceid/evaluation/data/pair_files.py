"""Reads files that list pairs of photos: LFW's format, and CSV with the columns file1, file2, same."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError
from faceid.evaluation.data.photos import Progress, analyse_photos
from faceid.recognition.pipeline import Pipeline
from faceid.recognition.subject import SubjectRule
from faceid.types import ModelKey

Ints = NDArray[np.int64]

COLUMNS = ("file1", "file2", "same")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos, whether they are `mated`, and the fold they belong to, where the file has folds."""

    first: str
    second: str
    mated: bool
    fold: str | None


@dataclass(frozen=True, eq=False)
class PairSet:
    """Listed pairs with their similarities: `similarity` (n,) float32, `mated` (n,), `folds` (n,) numbers from 0.

    `folds` is None if the file has none. `first` and `second` (n,) number the people, from 0: photos that mated
    pairs join are one person. `lost` counts photos without a template by reason. `lost_mated` (m,)
    and `lost_folds` (m,) describe the pairs lost with them, as `mated` and `folds` do the others. `contradictions`
    counts the non-mated pairs within one person.
    """

    source: str
    model: ModelKey
    paths: tuple[tuple[str, str], ...]
    similarity: NDArray[np.float32]
    mated: NDArray[np.bool_]
    folds: Ints | None
    first: Ints
    second: Ints
    photos: int
    lost: dict[str, int]
    lost_mated: NDArray[np.bool_]
    lost_folds: Ints | None
    contradictions: int


def in_lfw_format(data: str | None) -> bool:
    """Whether DATA of the command line names a list in LFW's format rather than a CSV, by its suffix."""
    return data is not None and Path(data).suffix.lower() in (".txt", "") and Path(data).is_file()


def read_pairs(path: Path, images: Path) -> list[Pair]:
    """The pairs of a file, with paths below `images`. InputError with the line for any other file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}", code="unreadable", path=str(path)) from error
    lines = text.splitlines()
    listed = _csv(path, lines) if path.suffix.lower() == ".csv" else _lfw(path, lines)
    if not listed:
        raise InputError(f"{path} lists no pairs", code="no_pairs", path=str(path))
    return [
        replace(pair, first=str(images / pair.first), second=str(images / pair.second)) for pair in listed
    ]


def from_pairs(
    path: Path, images: Path, pipeline: Pipeline, subject: SubjectRule, progress: Progress | None = None
) -> PairSet:
    """Process the photos of a pairs file, each once. InputError if one is missing, or no pair is left."""
    pairs = read_pairs(path, images)
    photos = list(dict.fromkeys(photo for pair in pairs for photo in (pair.first, pair.second)))
    if missing := [photo for photo in photos if not Path(photo).is_file()]:
        raise InputError(
            f"{path} names {len(missing):,} photos of {len(photos):,} that are not there, the first is {missing[0]}",
            code="not_found",
            remedy="photos_of_pairs_not_found",
            path=str(path),
        )
    seen = analyse_photos(pipeline, photos, subject, progress)
    vectors = {photo: one.vector for photo, one in seen.items() if one.vector is not None}
    compared = [pair for pair in pairs if {pair.first, pair.second} <= vectors.keys()]
    missed = [pair for pair in pairs if not {pair.first, pair.second} <= vectors.keys()]
    lost: dict[str, int] = {}
    for one in seen.values():
        if one.reason is not None:
            lost[one.reason] = lost.get(one.reason, 0) + 1
    if not compared:
        raise InputError(f"of no pair of {path} both photos show one face", code="no_face", path=str(path))
    similarity = np.array([vectors[pair.first] @ vectors[pair.second] for pair in compared], dtype=np.float32)
    people = people_of(pairs)
    first = np.array([people[pair.first] for pair in compared])
    second = np.array([people[pair.second] for pair in compared])
    mated = np.array([pair.mated for pair in compared])
    labels = sorted({pair.fold for pair in pairs if pair.fold is not None})

    def folds_of(some: Sequence[Pair]) -> Ints | None:
        if len(labels) < 2:
            return None
        return np.array([labels.index(pair.fold or "") for pair in some], dtype=np.int64)

    return PairSet(
        source=str(path),
        model=pipeline.embedder.model,
        paths=tuple((pair.first, pair.second) for pair in compared),
        similarity=similarity,
        mated=mated,
        folds=folds_of(compared),
        first=first,
        second=second,
        photos=len(photos),
        lost=lost,
        lost_mated=np.array([pair.mated for pair in missed], dtype=np.bool_),
        lost_folds=folds_of(missed),
        contradictions=int(np.count_nonzero(~mated & (first == second))),
    )


def people_of(pairs: Sequence[Pair]) -> dict[str, int]:
    """The person on each photo, numbered from 0: photos that mated pairs join are one person."""
    parent: dict[str, str] = {}

    def root(photo: str) -> str:
        while (above := parent.setdefault(photo, photo)) != photo:
            parent[photo] = parent.setdefault(above, above)
            photo = above
        return photo

    for pair in pairs:
        first, second = root(pair.first), root(pair.second)
        if pair.mated:
            parent[second] = first
    numbers: dict[str, int] = {}
    return {photo: numbers.setdefault(root(photo), len(numbers)) for photo in list(parent)}


def _csv(path: Path, lines: Sequence[str]) -> list[Pair]:
    rows = csv.DictReader(lines)
    if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
        raise InputError(
            f"{path} has no column {' and no '.join(missing)}",
            code="bad_pairs",
            remedy="columns_of_pairs",
            path=str(path),
        )
    pairs = []
    for number, fields in enumerate(rows, start=2):
        same = (fields["same"] or "").strip()
        if same not in ("0", "1") or not fields["file1"] or not fields["file2"]:
            raise _bad_line(path, number, "wanted are two files and same, 0 or 1")
        pairs.append(Pair(fields["file1"], fields["file2"], same == "1", fields.get("fold") or None))
    return pairs


def _lfw(path: Path, lines: Sequence[str]) -> list[Pair]:
    """LFW's format: `[folds] n`, then in each fold n mated pairs `name i j` and n non-mated `name i name j`."""
    head = lines[0].split() if lines else []
    if not 1 <= len(head) <= 2 or not all(field.isdecimal() for field in head) or int(head[-1]) < 1:
        raise InputError(
            f"{path} is no list of pairs",
            code="bad_pairs",
            path=str(path),
        )
    folds, count = (int(head[0]) if len(head) == 2 else 1), int(head[-1])
    pairs: list[Pair] = []
    for number, line in enumerate(lines[1:], start=2):
        if not (fields := line.split()):
            continue
        if len(fields) not in (3, 4) or not all(field.isdecimal() for field in (fields[1], fields[-1])):
            raise _bad_line(path, number, "wanted is `name i j` or `name i name j`")
        other = fields[0] if len(fields) == 3 else fields[2]
        fold = str(len(pairs) // (2 * count)).zfill(6) if folds > 1 else None
        pairs.append(Pair(_file(fields[0], fields[1]), _file(other, fields[-1]), len(fields) == 3, fold))
    if len(pairs) != 2 * folds * count:
        raise InputError(
            f"{path} lists {len(pairs):,} pairs, where its first line announces {2 * folds * count:,}",
            code="bad_pairs",
            path=str(path),
        )
    return pairs


def _file(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"


def _bad_line(path: Path, number: int, wanted: str) -> InputError:
    return InputError(f"{path}, line {number}: {wanted}", code="bad_pairs", path=str(path))
