"""Crops on the disk as tensors in memory: which ones a batch holds is decided here, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.errors import BadSettings
from models.mining.batches import IdentityBatches
from models.training.augment import augmented
from models.training.masks import Landmarks
from models.training.settings import TrainSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Crops (n, S, S, 3) uint8 RGB and the numbers of their identities, `labels` (n,) int64.

    Crop k is row `rows[k]` of the `.npy` file `files[file_of[k]]`. Files are mapped into memory when they are first
    read, in each process by itself.
    """

    files: tuple[Path, ...]
    file_of: NDArray[np.int64]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    _open: dict[int, Pixels] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """How many crops there are."""
        return len(self.labels)

    def __reduce__(self) -> tuple[Any, ...]:
        return Samples, (self.files, self.file_of, self.rows, self.labels)

    def crop(self, place: int) -> Pixels:
        """One crop (S, S, 3), to be read only."""
        number = int(self.file_of[place])
        if number not in self._open:
            self._open[number] = np.load(self.files[number], mmap_mode="r")
        crop: Pixels = self._open[number][self.rows[place]]
        return crop

    def crops(self, places: Sequence[int]) -> Pixels:
        """Crops (m, S, S, 3)."""
        return np.stack([self.crop(place) for place in places])

    def parts(self, size: int) -> Iterator[Pixels]:
        """All crops in order, up to `size` at a time."""
        for start in range(0, len(self), size):
            yield self.crops(range(start, min(start + size, len(self))))


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


class Batches(Dataset[Batch]):
    """The batch of each step of a run: it hangs on the step and the seed alone, so a run can go on anywhere."""

    def __init__(self, samples: Samples, settings: TrainSettings, landmarks: Landmarks | None = None) -> None:
        """`landmarks` are where the aligner of the crops brings them, None where it goes by something else.

        Raises BadSettings where too few identities have two crops, and for masks without landmarks.
        """
        if settings.augmentation.mask and landmarks is None:
            raise BadSettings(
                "a mask cannot be drawn on crops whose aligner does not go by landmarks",
                hint="set augmentation.mask = 0.0",
            )
        self._samples = samples
        self._settings = settings
        self._landmarks = landmarks
        self._batches = IdentityBatches(
            samples.labels.tolist(),
            identities=settings.batch.people,
            photos=settings.batch.photos,
            seed=settings.seed,
        )

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, counted from 0."""
        epoch, number = divmod(step, len(self._batches))
        places = self._batches.batch(epoch, number)
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

    def from_step(self, first: int, last: int, workers: int) -> Iterator[Batch]:
        """The batches of steps `first` to `last`, made ahead by so many processes (0: by this one)."""
        # A generator of its own: a loader draws from the global one, and what a step draws must not hang on that.
        loader: DataLoader[Batch] = DataLoader(
            self,
            batch_size=None,
            sampler=range(first, last),
            num_workers=workers,
            # Not forked: OpenCV's threads do not survive that.
            multiprocessing_context="spawn" if workers else None,
            generator=torch.Generator(),
        )
        return iter(loader)
