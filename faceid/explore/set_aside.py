"""Faces that are not grouped, because they are alike without being of one person."""

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
"""Of a face's box, the share beyond the border of the picture above which it is cut off.

What an aligner fills in there is the same for all of them, and makes them alike: left in, they are the largest group of
LFW View 1. Chosen by `scripts/studies/compare_clusterings.py`, as docs/results/explore.md says.
"""


def set_aside(faces: Faces, least_quality: float = 0.0) -> dict[Reason, Ints]:
    """Rows that are not to be grouped, by reason: cut off, or else of less quality. What is unknown is neither.

    A face that is cut off counts as such only where its photo shows another one that is not: a picture that is nothing
    but a face, cut out tightly, is what somebody wanted to show.
    """
    cut_off, photo = faces.outside > CUT_OFF, faces.photos()
    cut_off &= np.isin(photo, photo[~cut_off])
    return {
        "cut_off": np.flatnonzero(cut_off),
        "low_quality": np.flatnonzero(~cut_off & (faces.quality < least_quality)),
    }


def cluster_others(faces: Faces, aside: Mapping[Reason, Ints], least: float, cannot: Ints) -> Ints:
    """The groups (n,) of faces as `clustering.cluster` makes them, -1 for those that are set `aside`."""
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
    """Labels (n,) with a new group for each -1: a face that was set aside is alone."""
    alone = np.flatnonzero(label < 0)
    found = label.copy()
    found[alone] = label.max(initial=-1) + 1 + np.arange(alone.size)
    return found
