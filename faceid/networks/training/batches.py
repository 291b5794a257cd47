"""The batch of each step of a run: which crops it holds, and what becomes of them on the way."""

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
"""An epoch and places among the crops: all that whoever makes a batch has to be told."""

Mine: TypeAlias = "Callable[[int], NDArray[np.int64]]"
"""Of the number of an epoch: its triplets (t, 3), places among the crops, by what the network says of them now."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """`pixels` (n, S, S, 3) uint8, augmented, of the crops at `places` (n,) with `labels` (n,), both int64."""

    pixels: Tensor
    labels: Tensor
    places: Tensor

    def share(self, rank: int, world: int) -> Tensor:
        """The pixels that one of `world` processes works on: as many for each, the last ones repeated if need be."""
        size = -(-len(self.labels) // world)
        mine = torch.arange(rank * size, (rank + 1) * size).clamp(max=len(self.labels) - 1)
        return self.pixels[mine]


class Batches:
    """The batch of each step of a run, so that a run can go on anywhere.

    It hangs on the step and the seed alone; with offline mining, on `mined` too: what was mined for the epoch that the
    step is in, None before the first.
    """

    def __init__(self, samples: Samples, settings: TrainSettings, landmarks: Landmarks | None = None) -> None:
        """`landmarks` are where the aligner of the crops brings them, None where it goes by something else.

        Raises BadSettings where too few identities have two crops, and for masks without landmarks.
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
        """The batch of a step, counted from 0, of the epoch that `mined` is of."""
        return self._crops[self._drawn(step)]

    def from_step(self, first: int, last: int, workers: int, mine: Mine) -> Iterator[Batch]:
        """The batches of steps `first` to `last`, made ahead by so many processes (0: by this one).

        With offline mining each epoch begins with asking `mine`, once the last batch before it has been learnt from;
        where `first` is within one, `mined` must be there.
        """
        ahead = _Ahead(self._drawn)
        # A generator of its own: a loader draws from the global one, and what a step draws must not hang on that.
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
    """What the batches of `steps` hold: who makes them is told that, and need not know what was mined."""

    def __init__(self, drawn: Callable[[int], Drawn]) -> None:
        self.steps = range(0)
        self._drawn = drawn

    def __iter__(self) -> Iterator[Drawn]:
        return map(self._drawn, self.steps)


class _Crops(Dataset[Batch]):
    """Batches, for what they hold."""

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
