"""The batch of each step of a run: the choice of its crops, and their augmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from faceid.networks.errors import BadSettings
from faceid.networks.losses.settings import OFFLINE
from faceid.networks.mining.batches import IdentityBatches, TripletBatches
from faceid.networks.training.augment import augmented
from faceid.networks.training.masks import Landmarks
from faceid.networks.training.samples import Samples
from faceid.networks.training.settings import TrainSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

Drawn: TypeAlias = tuple[int, list[int]]
"""An epoch and places among the crops: the whole input of a process that makes a batch."""

Mine: TypeAlias = "Callable[[int], NDArray[np.int64]]"
"""From the number of an epoch to its triplets (t, 3), places among the crops, mined by the present network."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """`pixels` (n, S, S, 3) uint8, augmented, of the crops at `places` (n,) with `labels` (n,), both int64."""

    pixels: Tensor
    labels: Tensor
    places: Tensor

    def share(self, rank: int, world: int) -> Tensor:
        """The pixels for one of `world` processes: the same number for each, if need be with repetitions."""
        size = -(-len(self.labels) // world)
        mine = torch.arange(rank * size, (rank + 1) * size).clamp(max=len(self.labels) - 1)
        return self.pixels[mine]


class Batches:
    """The batch of each step of a run. A run can continue from any step.

    A batch depends only on the step and the seed; with offline mining also on `mined`, the triplets of the step's
    epoch, None before the first epoch.
    """

    def __init__(self, samples: Samples, settings: TrainSettings, landmarks: Landmarks | None = None) -> None:
        """`landmarks` are their places in aligned crops, None for an aligner without landmarks.

        Raises BadSettings if too few identities have two crops, and for masks without landmarks.
        """
        if settings.augmentation.mask and landmarks is None:
            raise BadSettings(
                "a mask cannot be drawn on crops whose aligner does not go by landmarks",
                remedy="mask_needs_landmarks",
            )
        labels, batch = samples.labels.tolist(), settings.batch
        self.mined: NDArray[np.int64] | None = None
        self._crops = _Crops(samples, settings, landmarks)
        self._plan = (
            TripletBatches(labels, triplets=batch.size // 3, seed=settings.seed)
            if settings.loss.mining in OFFLINE
            else IdentityBatches(labels, identities=batch.people, photos=batch.photos, seed=settings.seed)
        )

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, counted from 0, within the epoch of `mined`."""
        return self._crops[self._drawn(step)]

    def from_step(self, first: int, last: int, workers: int, mine: Mine) -> Iterator[Batch]:
        """The batches of steps `first` to `last`, prepared by `workers` processes (0: by this one).

        With offline mining each epoch begins with a call of `mine`, after the last step of the epoch before. If `first`
        is inside an epoch, `mined` must be set.
        """
        ahead = _Ahead(self._drawn)
        # A separate generator: a loader draws from the global one, which must not affect the numbers that a step draws.
        loader: DataLoader[Batch] = DataLoader(
            self._crops,
            batch_size=None,
            sampler=ahead,
            num_workers=workers,
            persistent_workers=workers > 0,
            # Not forked: OpenCV's threads do not survive that.
            multiprocessing_context="spawn" if workers else None,
            generator=torch.Generator(),
        )
        while first < last:
            end = last
            if isinstance(self._plan, TripletBatches):
                epoch, number = divmod(first, len(self._plan))
                if number == 0:
                    self.mined = mine(epoch)
                end = min(last, (epoch + 1) * len(self._plan))
            ahead.steps = range(first, end)
            yield from loader
            first = end

    def _drawn(self, step: int) -> Drawn:
        epoch, number = divmod(step, len(self._plan))
        if isinstance(self._plan, IdentityBatches):
            return epoch, self._plan.batch(epoch, number)
        assert self.mined is not None, "nothing was mined for this epoch"
        return epoch, self._plan.batch(self.mined, epoch, number)


class _Ahead(Sampler[Drawn]):
    """The content of the batches of `steps`, for the processes that make them, which do not need the mined triplets."""

    def __init__(self, drawn: Callable[[int], Drawn]) -> None:
        self.steps = range(0)
        self._drawn = drawn

    def __iter__(self) -> Iterator[Drawn]:
        return map(self._drawn, self.steps)


class _Crops(Dataset[Batch]):
    """Makes batches from their content."""

    def __init__(self, samples: Samples, settings: TrainSettings, landmarks: Landmarks | None) -> None:
        self._samples = samples
        self._settings = settings
        self._landmarks = landmarks

    def __getitem__(self, drawn: Drawn) -> Batch:
        epoch, places = drawn
        settings = self._settings
        pixels = [
            augmented(
                self._samples.crop(place),
                settings.augmentation,
                np.random.default_rng((settings.seed, epoch, place)),
                self._landmarks,
            )
            for place in places
        ]
        return Batch(
            torch.from_numpy(np.stack(pixels)),
            torch.from_numpy(self._samples.labels[places]),
            torch.tensor(places),
        )
