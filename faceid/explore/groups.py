"""Presents groups of faces as results, and as a contact sheet."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.report.page import render
from faceid.explore.faces import Faces
from faceid.explore.labels import PictureCell
from faceid.explore.photos import NOBODY
from faceid.explore.set_aside import WORDS, Reason

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GroupedFace:
    """A face: `row` of DATA, its photo and box (pixels; None if unknown), and its name if the data have one."""

    row: int
    path: str
    box: tuple[float, float, float, float] | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """Faces grouped as one person, nearest to their mean first.

    `similarity` is the mean cosine over all pairs of them, None for one face. `names` counts the names they have in
    the data, the most frequent first.
    """

    cluster: int
    size: int
    similarity: float | None
    names: dict[str, int]
    faces: tuple[GroupedFace, ...]


@dataclass(frozen=True, slots=True)
class Aside:
    """Faces that were not grouped, for one reason."""

    set_aside: Reason
    size: int
    faces: tuple[GroupedFace, ...]


def asides_of(faces: Faces, aside: Mapping[Reason, Ints]) -> list[Aside]:
    """The faces set aside, by reason."""
    return [
        Aside(reason, len(rows), tuple(_face(faces, row) for row in rows.tolist()))
        for reason, rows in aside.items()
        if len(rows)
    ]


def groups_of(faces: Faces, label: Ints) -> Iterator[Group]:
    """The groups of labels (n,), which count from 0, in their order; the first group has the number 1, and -1 is no
    group.
    """
    order = np.argsort(label, kind="stable")[(label < 0).sum() :]
    if not order.size:
        return
    starts = np.searchsorted(label[order], np.arange(1, int(label.max()) + 1))
    for number, rows in enumerate(np.split(order, starts), start=1):
        own = faces.vectors[rows].astype(np.float64)
        total = own.sum(axis=0)
        size = len(rows)
        # All ordered pairs except those of a face with itself.
        similarity = float((total @ total - size) / (size * (size - 1))) if size > 1 else None
        nearest = rows[np.argsort(-(own @ total), kind="stable")]
        names = Counter(faces.names[row] for row in rows.tolist() if faces.names[row] != NOBODY)
        yield Group(
            number,
            size,
            similarity,
            dict(sorted(names.items(), key=lambda item: (-item[1], item[0]))),
            tuple(_face(faces, row) for row in nearest.tolist()),
        )


def table_of(groups: Sequence[Group], asides: Sequence[Aside]) -> bytes:
    """A CSV, one line per face: `cluster,row,path,x1,y1,x2,y2,name,set_aside`; the first or the last is empty."""
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    rows.writerow(("cluster", "row", "path", "x1", "y1", "x2", "y2", "name", "set_aside"))
    for group in groups:
        rows.writerows((group.cluster, *_cells(face), "") for face in group.faces)
    for aside in asides:
        rows.writerows(("", *_cells(face), aside.set_aside) for face in aside.faces)
    return file.getvalue().encode("utf-8", "backslashreplace")


def contact_sheet(
    groups: Sequence[Group],
    asides: Sequence[Aside],
    pictures: Mapping[int, bytes],
    about: Sequence[str],
    shown: int,
) -> bytes:
    """A page with the faces of each group, `shown` at most, then single faces and those set aside, UTF-8."""
    values = {
        "title": "Groups of faces",
        "about": about,
        "shown": shown,
        "groups": [group for group in groups if group.size > 1],
        "single": [group.faces[0] for group in groups if group.size == 1],
        "asides": asides,
        "reasons": WORDS,
        "cell": lambda face: _cell(face, pictures),
    }
    return render("faceid.explore", "groups.html", values, style="explore.css").encode()


def _cells(face: GroupedFace) -> tuple[object, ...]:
    box = ("",) * 4 if face.box is None else tuple(f"{value:.1f}" for value in face.box)
    return (face.row, face.path, *box, face.name or "")


def _cell(face: GroupedFace, pictures: Mapping[int, bytes]) -> PictureCell:
    label = face.name or face.path.rsplit("/", 1)[-1]
    return PictureCell(face.row, face.path, label, pictures.get(face.row))


def _face(faces: Faces, row: int) -> GroupedFace:
    box = faces.boxes[row]
    known = None if np.isnan(box).any() else (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
    return GroupedFace(row, faces.sources[row], known, faces.names[row] or None)
