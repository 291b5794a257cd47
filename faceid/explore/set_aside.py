"""Sets aside faces that must not be grouped, because they are similar without showing one person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faceid.explore.clustering import cluster, graph_of
from faceid.explore.faces import Faces

Ints: TypeAlias = NDArray[np.int64]
Reason: TypeAlias = Literal["cut_off", "low_quality"]

WORDS: Mapping[Reason, str] = {
    "cut_off": "cut off by the border of the picture",
    "low_quality": "below the quality asked for",
}

CUT_OFF = 0.1
"""A face counts as cut off if a larger share of its box is beyond the border of the picture.

An aligner fills the missing part equally for all of them, which makes them similar: if kept, they are the largest group
of LFW View 1. Chosen by `scripts/studies/compare_clusterings.py`, see docs/results/explore.md.
"""


def set_aside(faces: Faces, least_quality: float = 0.0) -> dict[Reason, Ints]:
    """Rows not to be grouped, by reason: cut off, or else of lower quality. An unknown value is no reason.

    A face counts as cut off only if its photo shows another one that is not: a tight crop of a single face is
    deliberate.
    """
    cut_off, photo = faces.outside > CUT_OFF, faces.photos()
    cut_off &= np.isin(photo, photo[~cut_off])
    return {
        "cut_off": np.flatnonzero(cut_off),
        "low_quality": np.flatnonzero(~cut_off & (faces.quality < least_quality)),
    }


def cluster_others(faces: Faces, aside: Mapping[Reason, Ints], least: float, cannot: Ints) -> Ints:
    """The groups (n,) of faces by `clustering.cluster`, -1 for those set `aside`."""
    kept = np.ones(len(faces), bool)
    kept[np.concatenate([*aside.values()])] = False
    rows = np.flatnonzero(kept)
    label = np.full(len(faces), -1, np.int64)
    if rows.size:
        place = np.cumsum(kept) - 1
        vectors = faces.vectors[rows]
        apart = place[cannot[kept[cannot].all(axis=1)]]
        label[rows] = cluster(vectors, graph_of(vectors, least), least, apart)
    return label


def each_alone(label: Ints) -> Ints:
    """Labels (n,) with a new group for each -1: a face that was set aside is a group by itself."""
    alone = np.flatnonzero(label < 0)
    found = label.copy()
    found[alone] = label.max(initial=-1) + 1 + np.arange(alone.size)
    return found
