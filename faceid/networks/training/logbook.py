"""The log of a run: `log.jsonl` with one line for each step, and the same for TensorBoard with pictures."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from faceid.networks.files import write_whole
from faceid.networks.training.health import Record
from faceid.networks.training.samples import Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOG = "log.jsonl"
TENSORBOARD = "tensorboard"

SHOWN = 1000
"""The most crops in the projector and in the histograms of distances."""

THUMBNAIL = 32


class Logbook:
    """The log of a run in `directory` that continues after `records`; later entries there are removed."""

    def __init__(self, directory: Path, records: Sequence[Record]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        path = directory / LOG
        write_whole(path, ["".join(map(_line, records)).encode()])
        self._file = path.open("a", encoding="utf-8")
        writer: Any = SummaryWriter
        self._directory = directory / TENSORBOARD
        self._board = writer(str(self._directory), purge_step=len(records) + 1)
        self._failed: OSError | None = None

    def step(self, record: Record) -> None:
        """Log a step. `flush` raises the error of a failed write."""
        try:
            self._file.write(_line(record))
            for name, value in asdict(record).items():
                if name != "step":
                    self._board.add_scalar(f"training/{name}", value, record.step)
        except OSError as error:
            self._failed = error

    def validation(self, step: int, score: float, vectors: NDArray[np.float32], samples: Samples) -> None:
        """Log a validation: its score, and the distances of mated and non-mated pairs."""
        self._board.add_scalar("validation/score", score, step)
        shown = _evenly(len(samples))
        cosines = vectors[shown] @ vectors[shown].T
        upper = np.triu(np.ones(cosines.shape, dtype=bool), k=1)
        same = samples.labels[shown][:, None] == samples.labels[shown]
        for name, part in (("mated", upper & same), ("non_mated", upper & ~same)):
            if part.any():
                self._board.add_histogram(f"distances/{name}", 1.0 - cosines[part], step)

    def graph(self, network: nn.Module, example: Tensor) -> None:
        """Log the graph of the network."""
        with warnings.catch_warnings():
            # Expected warnings: shapes become constants in a drawing, and torch recommends another export.
            warnings.simplefilter("ignore")
            self._board.add_graph(network, example)

    def projector(self, step: int, vectors: NDArray[np.float32], samples: Samples) -> None:
        """Log embeddings (n, d) with their crops, for TensorBoard's projector."""
        # An interrupted run may have left it: TensorBoard would print a note on standard output.
        shutil.rmtree(self._directory / f"{step:05d}", ignore_errors=True)
        shown = _evenly(len(samples))
        pictures = torch.from_numpy(samples.crops(shown.tolist())).permute(0, 3, 1, 2).float() / 255
        self._board.add_embedding(
            torch.from_numpy(vectors[shown]),
            metadata=[str(label) for label in samples.labels[shown]],
            label_img=nn.functional.interpolate(pictures, size=(THUMBNAIL, THUMBNAIL), mode="area"),
            global_step=step,
        )

    def flush(self) -> None:
        """Write all entries to the disk. Raises OSError."""
        if self._failed is not None:
            raise self._failed
        self._file.flush()
        self._board.flush()

    def close(self) -> None:
        """Write all entries to the disk, and close the log."""
        self._file.close()
        self._board.close()


def read_log(directory: Path) -> list[Record]:
    """The steps that a run has logged; an incomplete last line is ignored."""
    try:
        lines = (directory / LOG).read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    names = [field.name for field in fields(Record)]
    return [
        Record(**{name: values[name] for name in names})
        for values in (json.loads(line) for line in lines if line.endswith("\n"))
    ]


def _line(record: Record) -> str:
    return json.dumps(asdict(record)) + "\n"


def _evenly(count: int) -> NDArray[np.int64]:
    """Up to SHOWN places out of `count`, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, SHOWN)).astype(np.int64))
