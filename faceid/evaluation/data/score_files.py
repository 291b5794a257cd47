"""Reads bare scores, computed elsewhere: CSV columns or NPZ arrays `distance` or `similarity`, and `mated`."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError
from faceid.evaluation.statistics.scores import distances
from faceid.types import Metric


@dataclass(frozen=True, eq=False)
class ScoreSet:
    """Comparisons without photos: `distance` (n,) float64 and `mated` (n,). `model` if the file names it."""

    source: str
    distance: NDArray[np.float64]
    mated: NDArray[np.bool_]
    model: str | None
    sha256: str


def has_scores(path: Path) -> bool:
    """Whether a CSV file holds scores, by its first line."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head = next(csv.reader(file), [])
    return "mated" in head


def read_scores(path: Path, metric: Metric) -> ScoreSet:
    """The scores of a .csv or .npz file; similarities are cosines, which become distances of `metric`.

    InputError for NaN, labels other than 0 and 1, and any other file.
    """
    model = None
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            model = str(arrays["model"]) if "model" in arrays else None
        else:
            arrays = _columns(path)
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}", code="unreadable", path=str(path)
        ) from error
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, csv.Error) as error:
        raise _bad(path, f"is no table of scores: {error}") from error
    kinds = [name for name in ("distance", "similarity") if name in arrays]
    if len(kinds) != 1 or "mated" not in arrays:
        raise _bad(path, f"holds {', '.join(sorted(arrays)) or 'nothing'}")
    values, mated = arrays[kinds[0]], arrays["mated"]
    if values.ndim != 1 or values.shape != mated.shape or values.size == 0:
        raise _bad(path, f"holds {kinds[0]} of shape {values.shape} and mated of shape {mated.shape}")
    if values.dtype.kind not in "fiu" or mated.dtype.kind not in "fiub":
        raise _bad(path, f"holds {kinds[0]} of type {values.dtype} and mated of type {mated.dtype}")
    values = values.astype(np.float64)
    if (wrong := np.flatnonzero(~np.isfinite(values))).size:
        raise _bad(
            path, f"holds {wrong.size:,} scores that are not finite, the first is number {wrong[0] + 1:,}"
        )
    if (wrong := np.flatnonzero((mated != 0) & (mated != 1))).size:
        raise _bad(path, f"has mated {mated[wrong[0]]} at number {wrong[0] + 1:,}")
    if kinds[0] == "similarity":
        if np.abs(values).max() > 1.0 + 1e-6:
            raise _bad(path, f"has a similarity of {values[np.abs(values).argmax()]:g}, which is no cosine")
        values = distances(values, metric)
    labels = mated.astype(np.bool_)
    sha256 = hashlib.sha256(values.tobytes() + labels.tobytes()).hexdigest()
    return ScoreSet(str(path), values, labels, model, sha256)


def _columns(path: Path) -> dict[str, NDArray[np.float64]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = [name.strip() for name in next(csv.reader([file.readline()]), [])]
        wanted = [index for index, name in enumerate(head) if name in ("distance", "similarity", "mated")]
        if not wanted:
            return dict.fromkeys(head, np.empty(0))
        text = file.read()
    if not text.strip():
        return dict.fromkeys(head, np.empty(0))
    table = np.loadtxt(io.StringIO(text), delimiter=",", usecols=wanted, ndmin=2)
    return {head[index]: table[:, place] for place, index in enumerate(wanted)}


def _bad(path: Path, problem: str) -> InputError:
    return InputError(f"{path} {problem}", code="bad_scores", path=str(path))
