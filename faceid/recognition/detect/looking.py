"""Crops of several pictures through a network in common batches, and the O-Net's decision about them.

What a detector proposes are Candidates: places in the published coordinates of MTCNN (see `boxes`). The O-Net decides
which of them are faces and places their landmarks, in the same way for every detector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from faceid.recognition.detect.boxes import Floats, Indices, corrected, suppressed, windows, without_nested
from faceid.recognition.detect.networks import Network


@dataclass(frozen=True, slots=True)
class Batching:
    """How much a network is given at once: up to so many pixels of a level; the least and the most crops.

    No result depends on it. The numbers of crops are powers of two, and only such batches are made: oneDNN
    compiles kernels for each new shape, which takes longer than a small batch itself.
    """

    level_pixels: int
    rnet_crops: tuple[int, int]
    onet_crops: tuple[int, int]


# On a CPU small batches win: their activations stay in the caches and below the size from which malloc gives
# memory back to the system after each use (O-Net: 0.45 ms a crop in batches of 32, 1.3 ms in batches of 512).
ON_CPU = Batching(level_pixels=1 << 17, rnet_crops=(8, 64), onet_crops=(1, 32))
ON_GPU = Batching(level_pixels=1 << 22, rnet_crops=(64, 2048), onet_crops=(32, 1024))


def batching_for(device: torch.device) -> Batching:
    """The batching that suits `device`."""
    return ON_GPU if device.type == "cuda" else ON_CPU


CROPS_HELD = 1024
"""Crops cut out before the networks see them: 29 MB for the O-Net."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Places that may be faces: (n,) picture, rising; (n, 4) boxes; (n,) scores; (n, 4) offsets in box sides."""

    picture: Indices
    boxes: Floats
    scores: Floats
    offsets: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: Indices | slice) -> Candidates:
        return Candidates(self.picture[rows], self.boxes[rows], self.scores[rows], self.offsets[rows])

    def at(self, boxes: Floats) -> Candidates:
        """The same with other boxes."""
        return Candidates(self.picture, boxes, self.scores, self.offsets)

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """All candidates of `parts`, in their order."""
        if not parts:
            return cls(np.zeros(0, np.int64), *(np.zeros(shape, np.float32) for shape in ((0, 4), 0, (0, 4))))
        return cls(
            np.concatenate([part.picture for part in parts]),
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.offsets for part in parts]),
        )


Cut: TypeAlias = Callable[[Indices, Indices, int], Tensor]
"""Cuts (n, 4) windows, as of `boxes.windows`, each of the picture in (n,) rising owners, resized to a square of so many
pixels: (n, size, size, 3) float32 in -1..1, on the networks' device."""


def look(
    network: Network, cut: Cut, sizes: Indices, places: Candidates, size: int, at_once: tuple[int, int]
) -> tuple[Candidates, list[Floats]]:
    """What `network` says of size x size pixels of each place that is not outside its picture.

    `sizes` are the (pictures, 2) widths and heights, `at_once` the least and the most crops of a batch. Returns the
    places with the network's scores and offsets, and whatever else the network returns.
    """
    spans = windows(places.boxes, sizes[places.picture])
    inside = np.flatnonzero((spans[:, 2:] > spans[:, :2]).all(axis=1))
    places, spans = places[inside], spans[inside]
    answers = []
    for start in range(0, max(1, len(places)), CROPS_HELD):
        held = slice(start, start + CROPS_HELD)
        crops = cut(places.picture[held], spans[held], size)
        for first, last in _batches(len(crops), *at_once):
            batch = crops[first:last]
            if len(batch) < last - first:
                batch = torch.cat([batch, batch.new_zeros(last - first - len(batch), *batch.shape[1:])])
            answers.append([answer[: len(crops) - first] for answer in network(batch.permute(0, 3, 1, 2))])
    scores, offsets, *more = (torch.cat(answer).cpu().numpy() for answer in zip(*answers, strict=True))
    return Candidates(places.picture, places.boxes, scores, offsets), more


def decide(
    onet: Network, cut: Cut, sizes: Indices, places: Candidates, threshold: float, at_once: tuple[int, int]
) -> tuple[Candidates, Floats]:
    """The faces among `places` by the O-Net, and their (n, 5, 2) landmarks x, y counted from 1.

    A face scores more than `threshold` and is not nested in a better one. The other arguments are those of `look`.
    """
    found, (marks,) = look(onet, cut, sizes, places, 48, at_once)
    rows = np.flatnonzero(found.scores > threshold)
    found, marks = found[rows], marks[rows]
    sides = found.boxes[:, 2:] - found.boxes[:, :2] + np.float32(1)
    marks = sides[:, None] * marks + found.boxes[:, None, :2] - np.float32(1)
    found = found.at(corrected(found.boxes, found.offsets))
    kept = _by_picture(found, lambda one: without_nested(one.boxes, one.scores, 0.7))
    return found[kept], marks[kept]


def best(candidates: Candidates, threshold: float) -> Candidates:
    """Without those that overlap a better one of the same picture; each picture's best first."""
    return candidates[_by_picture(candidates, lambda one: suppressed(one.boxes, one.scores, threshold))]


def runs(values: Indices) -> Iterator[slice]:
    """Where equal neighbours among (n,) values stand."""
    bounds = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return (slice(start, stop) for start, stop in pairwise(bounds) if start < stop)


def _batches(count: int, least: int, most: int) -> Iterator[tuple[int, int]]:
    """Bounds of batches over `count` items: powers of two long; only the last may reach beyond the end."""
    start, size = 0, most
    while start < max(1, count):
        while size > max(least, count - start):
            size //= 2
        yield start, start + size
        start += size


def _by_picture(candidates: Candidates, choose: Callable[[Candidates], Indices]) -> Indices:
    """The rows that `choose` picks among the candidates of each picture alone."""
    kept = [one.start + choose(candidates[one]) for one in runs(candidates.picture)]
    return np.concatenate(kept) if kept else np.zeros(0, np.int64)
