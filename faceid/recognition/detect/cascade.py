"""The three stages of MTCNN over several pictures at once, in the published coordinates.

Each network looks closer at fewer places. Neither boxes nor pixels are looped over: places of one stage share
network batches across pictures, and so do pyramid levels of pictures of one size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from faceid.recognition.detect.boxes import (
    Floats,
    Indices,
    corrected,
    squared,
    suppressed,
    windows,
    without_nested,
)
from faceid.recognition.detect.networks import Network, Networks
from faceid.recognition.detect.pyramid import WINDOW, Level, SummedImage

STRIDE = 2
"""Level pixels between neighbouring windows of the P-Net."""


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


CROPS_HELD = 1024
"""Crops cut out before the networks see them: 29 MB for the O-Net."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture and the sizes in which the P-Net sees it."""

    image: SummedImage
    pyramid: tuple[Level, ...]


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


class Cascade:
    """P-, R- and O-Net, in that order, with the least score of each stage."""

    def __init__(
        self,
        networks: Networks,
        thresholds: tuple[float, float, float],
        batching: Batching,
        device: torch.device,
    ) -> None:
        self._networks = networks
        self._thresholds = thresholds
        self._batching = batching
        self._device = device

    def run(self, pictures: Sequence[Picture]) -> tuple[Candidates, Floats]:
        """The faces in `pictures`, and their (n, 5, 2) landmarks x, y counted from 1."""
        return self._decide(pictures, self._refine(pictures, self._propose(pictures)))

    def _propose(self, pictures: Sequence[Picture]) -> Candidates:
        """P-Net: every window of every level."""
        parts = [
            _best(self._windows(pictures, members, level), 0.5)
            for members in _of_one_size(pictures)
            for level in pictures[members[0]].pyramid
        ]
        found = Candidates.joined(parts)
        # Stable: a picture's candidates stay in the order of its levels, by which equal scores are ranked.
        found = _best(found[np.argsort(found.picture, kind="stable")], 0.7)
        return found.at(squared(corrected(found.boxes, found.offsets, inclusive=False)))

    def _refine(self, pictures: Sequence[Picture], places: Candidates) -> Candidates:
        """R-Net: 24x24 pixels of each proposal."""
        found, _ = self._look(self._networks.rnet, pictures, places, 24, self._batching.rnet_crops)
        found = _best(found[np.flatnonzero(found.scores > self._thresholds[1])], 0.7)
        return found.at(squared(corrected(found.boxes, found.offsets)))

    def _decide(self, pictures: Sequence[Picture], places: Candidates) -> tuple[Candidates, Floats]:
        """O-Net: 48x48 pixels of what the R-Net left, and the landmarks."""
        found, (marks,) = self._look(self._networks.onet, pictures, places, 48, self._batching.onet_crops)
        rows = np.flatnonzero(found.scores > self._thresholds[2])
        found, marks = found[rows], marks[rows]
        sides = found.boxes[:, 2:] - found.boxes[:, :2] + np.float32(1)
        marks = sides[:, None] * marks + found.boxes[:, None, :2] - np.float32(1)
        found = found.at(corrected(found.boxes, found.offsets))
        kept = _by_picture(found, lambda one: without_nested(one.boxes, one.scores, 0.7))
        return found[kept], marks[kept]

    def _windows(self, pictures: Sequence[Picture], members: Indices, level: Level) -> Candidates:
        """The P-Net's hits in one level of pictures of one size, ordered by picture, row, column."""
        parts = []
        for some, top, bottom in self._tiles(len(members), level):
            images = [pictures[member].image for member in members[some]]
            pixels = torch.stack([image.rows_of(level, top, bottom) for image in images])
            scores, offsets = (
                answer.cpu().numpy() for answer in self._networks.pnet(pixels.permute(0, 3, 1, 2))
            )
            picture, row, column = hits = np.nonzero(scores >= self._thresholds[0])
            corners = np.stack([column, row + top // STRIDE], axis=1) * STRIDE + 1
            # In single precision, as published: a corner is not rounded down to another pixel.
            boxes = np.concatenate([corners, corners + (WINDOW - 1)], axis=1).astype(np.float32)
            boxes = np.floor(boxes / np.float32(level.scale))
            parts.append(Candidates(members[some][picture], boxes, scores[hits], offsets[hits]))
        return Candidates.joined(parts)

    def _tiles(self, pictures: int, level: Level) -> Iterator[tuple[slice, int, int]]:
        """Batches of one level of equal pictures: which pictures, and which rows top..bottom-1 of the level."""
        at_once = max(1, self._batching.level_pixels // (level.height * level.width))
        # Windows overlap by all but STRIDE rows; every strip starts on an even row, as pooling demands.
        rows = -(-(level.height - 2) // STRIDE) - 4
        per_strip = max(1, (self._batching.level_pixels // level.width - WINDOW) // STRIDE + 1)
        for first in range(0, pictures, at_once):
            for row in range(0, rows, per_strip):
                bottom = level.height if row + per_strip >= rows else STRIDE * (row + per_strip - 1) + WINDOW
                yield slice(first, min(first + at_once, pictures)), STRIDE * row, bottom

    def _look(
        self,
        network: Network,
        pictures: Sequence[Picture],
        places: Candidates,
        size: int,
        at_once: tuple[int, int],
    ) -> tuple[Candidates, list[Floats]]:
        """What `network` says of size x size pixels of each place that is not outside its picture.

        The places with the network's scores and offsets, and whatever else the network returns.
        """
        sizes = np.array([(picture.image.width, picture.image.height) for picture in pictures])
        spans = windows(places.boxes, sizes[places.picture])
        inside = np.flatnonzero((spans[:, 2:] > spans[:, :2]).all(axis=1))
        places, spans = places[inside], spans[inside]
        answers = []
        for start in range(0, max(1, len(places)), CROPS_HELD):
            held = slice(start, start + CROPS_HELD)
            crops = _crops(pictures, places.picture[held], spans[held], size, self._device)
            for first, last in _batches(len(crops), *at_once):
                batch = crops[first:last]
                if len(batch) < last - first:
                    batch = torch.cat([batch, batch.new_zeros(last - first - len(batch), *batch.shape[1:])])
                answers.append(
                    [answer[: len(crops) - first] for answer in network(batch.permute(0, 3, 1, 2))]
                )
        scores, offsets, *more = (torch.cat(answer).cpu().numpy() for answer in zip(*answers, strict=True))
        return Candidates(places.picture, places.boxes, scores, offsets), more


def _crops(
    pictures: Sequence[Picture], owners: Indices, spans: Indices, size: int, device: torch.device
) -> Tensor:
    """The (n, 4) windows, each of the picture in (n,) rising `owners`, as (n, size, size, 3)."""
    parts = [torch.empty(0, size, size, 3, device=device)]
    for one in _runs(owners):
        parts.append(pictures[owners[one.start]].image.crops(spans[one], size))
    return torch.cat(parts)


def _batches(count: int, least: int, most: int) -> Iterator[tuple[int, int]]:
    """Bounds of batches over `count` items: powers of two long; only the last may reach beyond the end."""
    start, size = 0, most
    while start < max(1, count):
        while size > max(least, count - start):
            size //= 2
        yield start, start + size
        start += size


def _of_one_size(pictures: Sequence[Picture]) -> list[Indices]:
    """The indices of the pictures, those of equal size and pyramid together."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        groups.setdefault((picture.image.height, picture.image.width, picture.pyramid), []).append(index)
    return [np.array(members) for members in groups.values()]


def _best(candidates: Candidates, threshold: float) -> Candidates:
    """Without those that overlap a better one of the same picture; each picture's best first."""
    return candidates[_by_picture(candidates, lambda one: suppressed(one.boxes, one.scores, threshold))]


def _by_picture(candidates: Candidates, choose: Callable[[Candidates], Indices]) -> Indices:
    """The rows that `choose` picks among the candidates of each picture alone."""
    kept = [one.start + choose(candidates[one]) for one in _runs(candidates.picture)]
    return np.concatenate(kept) if kept else np.zeros(0, np.int64)


def _runs(values: Indices) -> Iterator[slice]:
    """Where equal neighbours among (n,) values stand."""
    bounds = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return (slice(start, stop) for start, stop in pairwise(bounds) if start < stop)
