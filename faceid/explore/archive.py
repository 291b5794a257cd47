"""Reads embeddings from .npz archives, written by `embed` or `export`; a gallery imports them too.

Arrays: `embeddings` float32 (n, d), `sources` str (n), `photo_sha256` str (n), `boxes` float32 (n, 4) as x1, y1, x2, y2
in pixels, `quality` float32 (n), `outside` float32 (n), the share of the box beyond the border of the picture, and, if
at least one face has a name, `names` str (n), "" if unknown; scalar strings `model`, `metric`, `weights_sha256` and
`aligner`.
"""

from __future__ import annotations

import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError
from faceid.explore.faces import Faces
from faceid.gallery.npz import bad_archive, opened, read_rows, shape_and_type, unit_rows
from faceid.types import Metric

_ROWS = 16_384
_REMEDY = "form_of_embeddings"


def read_archive(path: Path) -> Faces:
    """Read the output of `embed` or `export`. Vectors are scaled to unit length. Raises InputError (`bad_archive`)."""
    with opened(path, _REMEDY) as archive:
        there = {name.removesuffix(".npy") for name in archive.namelist()}
        if missing := [name for name in ("embeddings", "model", "metric") if name not in there]:
            raise _bad(path, f"has no {' and no '.join(missing)}")
        shape, dtype = shape_and_type(archive, "embeddings")
        if len(shape) != 2 or not np.issubdtype(dtype, np.floating) or not shape[0] or shape[1] < 2:
            raise _bad(path, f"has embeddings of shape {shape} and type {dtype}")
        metric = _scalar(archive, "metric")
        if metric not in ("cosine", "euclidean"):
            raise _bad(path, f"has the metric {metric!r}")
        known: Metric = "cosine" if metric == "cosine" else "euclidean"
        with closing(read_rows(archive, "embeddings", _ROWS)) as parts:
            vectors = np.concatenate([unit_rows(part, path, _REMEDY) for part in parts])
        count = len(vectors)
        texts = {
            name: _texts(archive, name, count, path) if name in there else ("",) * count
            for name in ("names", "sources", "photo_sha256")
        }
        numbers = {
            name: _numbers(archive, name, size, path) if name in there else np.full(size, np.nan, np.float32)
            for name, size in (("boxes", (count, 4)), ("quality", (count,)), ("outside", (count,)))
        }
        model = _scalar(archive, "model")
    return Faces(
        source=str(path),
        kind="archive",
        model=model,
        metric=known,
        vectors=vectors,
        names=texts["names"],
        sources=texts["sources"],
        digests=texts["photo_sha256"],
        boxes=numbers["boxes"],
        quality=numbers["quality"],
        outside=numbers["outside"],
        thumbnails=(None,) * count,
        lost={},
    )


def _scalar(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(f"{name}.npy") as member:
        return str(np.lib.format.read_array(member, allow_pickle=False))


def _texts(archive: zipfile.ZipFile, name: str, count: int, path: Path) -> tuple[str, ...]:
    shape, dtype = shape_and_type(archive, name)
    if shape != (count,) or dtype.kind != "U":
        raise _bad(path, f"has {name} of shape {shape} and type {dtype}, where {count} strings are needed")
    return tuple(text for part in read_rows(archive, name, _ROWS) for text in part.tolist())


def _numbers(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], path: Path) -> NDArray[np.float32]:
    found, dtype = shape_and_type(archive, name)
    if found != shape or dtype.kind != "f":
        raise _bad(path, f"has {name} of shape {found} and type {dtype}, where {shape} floats are needed")
    values = np.concatenate([part.astype(np.float32) for part in read_rows(archive, name, _ROWS)])
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def _bad(path: Path, problem: str) -> InputError:
    return bad_archive(path, problem, _REMEDY)
