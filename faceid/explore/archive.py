"""Embeddings in .npz archives: those of `faceid embed`, which `faceid import` takes too, and those of `export`.

Arrays: `embeddings` float32 (n, d), `sources` str (n), `photo_sha256` str (n), `boxes` float32 (n, 4) as x1, y1, x2,
y2 in pixels, `quality` float32 (n), and, where one face at least has a name, `names` str (n), "" for nobody's; scalar
strings `model`, `metric`, `weights_sha256` and `aligner`.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError
from faceid.explore.faces import Faces
from faceid.npz import shape_and_type, write_rows
from faceid.types import Metric, ModelKey

_ROWS = 16_384


def write_archive(file: Path, faces: Faces, model: ModelKey) -> None:
    """Write an archive. Raises OSError."""
    columns = {
        "sources": np.array(faces.sources, np.str_),
        "photo_sha256": np.array(faces.digests, np.str_),
        "boxes": faces.boxes,
        "quality": faces.quality,
    }
    if any(faces.names):
        columns["names"] = np.array(faces.names, np.str_)
    for name in ("model", "metric", "weights_sha256", "aligner"):
        columns[name] = np.array(str(getattr(model, "name" if name == "model" else name)), np.str_)
    with zipfile.ZipFile(file, "w") as archive:
        parts = (faces.vectors[start : start + _ROWS] for start in range(0, len(faces), _ROWS))
        write_rows(archive, "embeddings", faces.vectors.shape, "<f4", parts)
        for name, column in columns.items():
            write_rows(archive, name, column.shape, column.dtype, [column])


def read_archive(path: Path) -> Faces:
    """What `embed` or `export` wrote. Vectors are brought to unit length. Raises InputError (`bad_archive`)."""
    try:
        with zipfile.ZipFile(path) as archive:
            there = {name.removesuffix(".npy") for name in archive.namelist()}
            if missing := [name for name in ("embeddings", "model", "metric") if name not in there]:
                raise _bad(path, f"has no {' and no '.join(missing)}")
            shape, dtype = shape_and_type(archive, "embeddings")
            if len(shape) != 2 or not np.issubdtype(dtype, np.floating) or shape[0] == 0:
                raise _bad(path, f"has embeddings of shape {shape} and type {dtype}")
            vectors = _units(_read(archive, "embeddings"), path)
            metric = str(_read(archive, "metric"))
            if metric not in ("cosine", "euclidean"):
                raise _bad(path, f"has the metric {metric!r}")
            known: Metric = "cosine" if metric == "cosine" else "euclidean"
            count = len(vectors)
            texts = {
                name: _texts(archive, name, count, path) if name in there else ("",) * count
                for name in ("names", "sources", "photo_sha256")
            }
            numbers = {
                name: _numbers(archive, name, size, path)
                if name in there
                else np.full(size, np.nan, np.float32)
                for name, size in (("boxes", (count, 4)), ("quality", (count,)))
            }
            model = str(_read(archive, "model"))
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}", code="unreadable", path=str(path)
        ) from error
    except (ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise _bad(path, f"is not an .npz archive of plain arrays: {error}") from error
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
        thumbnails=(None,) * count,
        lost={},
    )


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as member:
        return np.asarray(np.lib.format.read_array(member, allow_pickle=False))


def _texts(archive: zipfile.ZipFile, name: str, count: int, path: Path) -> tuple[str, ...]:
    found = _read(archive, name)
    if found.shape != (count,) or found.dtype.kind != "U":
        raise _bad(path, f"has {name} of shape {found.shape}, where {count} strings are needed")
    return tuple(found.tolist())


def _numbers(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], path: Path) -> NDArray[np.float32]:
    found = _read(archive, name)
    if found.shape != shape or found.dtype.kind != "f":
        raise _bad(path, f"has {name} of shape {found.shape}, where {shape} is needed")
    return found.astype(np.float32, copy=False)


def _units(embeddings: NDArray[Any], path: Path) -> NDArray[np.float32]:
    lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths < 1e-6).any():
        raise _bad(path, "has embeddings that are not finite, or zero")
    return np.ascontiguousarray(embeddings / lengths, dtype=np.float32)


def _bad(path: Path, problem: str) -> InputError:
    return InputError(
        f"{path} {problem}",
        code="bad_archive",
        hint="make one with `faceid embed` or `faceid export`",
        path=str(path),
    )
