"""The crops of a training, on the disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

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
        """The number of crops."""
        return len(self.labels)

    def __reduce__(self) -> tuple[Any, ...]:
        return Samples, (self.files, self.file_of, self.rows, self.labels)

    def crop(self, place: int) -> Pixels:
        """One crop (S, S, 3), read-only."""
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
