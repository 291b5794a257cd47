"""The three stages of MTCNN over several pictures at once, in the published coordinates.

Each network looks closer at fewer places. Neither boxes nor pixels are looped over: places of one stage share
network batches across pictures, and so do pyramid levels of pictures of one size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from faceid.recognition.detect.boxes import Floats, Indices, corrected, squared
from faceid.recognition.detect.looking import Batching, Candidates, Cut, best, decide, look, runs
from faceid.recognition.detect.networks import Networks
from faceid.recognition.detect.pyramid import WINDOW, Level, SummedImage

STRIDE = 2
"""Level pixels between neighbouring windows of the P-Net."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture and the sizes in which the P-Net sees it."""

    image: SummedImage
    pyramid: tuple[Level, ...]


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
        cut = partial(_crops, pictures, self._device)
        sizes = np.array([(picture.image.width, picture.image.height) for picture in pictures])
        places = self._refine(cut, sizes, self._propose(pictures))
        return decide(self._networks.onet, cut, sizes, places, self._thresholds[2], self._batching.onet_crops)

    def _propose(self, pictures: Sequence[Picture]) -> Candidates:
        """P-Net: every window of every level."""
        parts = [
            best(self._windows(pictures, members, level), 0.5)
            for members in _of_one_size(pictures)
            for level in pictures[members[0]].pyramid
        ]
        found = Candidates.joined(parts)
        # Stable: a picture's candidates stay in the order of its levels, by which equal scores are ranked.
        found = best(found[np.argsort(found.picture, kind="stable")], 0.7)
        return found.at(squared(corrected(found.boxes, found.offsets, inclusive=False)))

    def _refine(self, cut: Cut, sizes: Indices, places: Candidates) -> Candidates:
        """R-Net: 24x24 pixels of each proposal."""
        found, _ = look(self._networks.rnet, cut, sizes, places, 24, self._batching.rnet_crops)
        found = best(found[np.flatnonzero(found.scores > self._thresholds[1])], 0.7)
        return found.at(squared(corrected(found.boxes, found.offsets)))

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


def _crops(
    pictures: Sequence[Picture], device: torch.device, owners: Indices, spans: Indices, size: int
) -> Tensor:
    """The (n, 4) windows, each of the picture in (n,) rising `owners`, as (n, size, size, 3)."""
    parts = [torch.empty(0, size, size, 3, device=device)]
    for one in runs(owners):
        parts.append(pictures[owners[one.start]].image.crops(spans[one], size))
    return torch.cat(parts)


def _of_one_size(pictures: Sequence[Picture]) -> list[Indices]:
    """The indices of the pictures, those of equal size and pyramid together."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        groups.setdefault((picture.image.height, picture.image.width, picture.pyramid), []).append(index)
    return [np.array(members) for members in groups.values()]
