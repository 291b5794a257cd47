"""The state of a run on the disk: whole or absent, so that a run killed at any moment goes on from the last one.

    checkpoints/000150/network.safetensors     weights, in the form in which they are trained
                       loss.safetensors        what the loss has learnt, where it learns
                       state.pt                optimiser, step, the best validation so far, what was mined offline
    best-000100.safetensors                    the weights that did best, in the form in which they are used

Files are read without running anything that could be pickled into them (`weights_only`). No generator of random numbers
is kept: what a step draws hangs on the seed and the step.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceid.networks.backbones.torch_format import UNREADABLE
from faceid.networks.errors import WeightsFormat
from faceid.networks.files import write_whole
from faceid.networks.state import read_tensors, write_tensors

FOLDER = "checkpoints"
KEPT = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run is after `step` steps.

    `best_step` and `best_score` are of the best validation, `start_score` of the one before the first step, `behind`
    counts validations since the best. `ended` says why it ended, None where it goes on.
    """

    step: int
    best_step: int
    best_score: float
    start_score: float
    behind: int = 0
    ended: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """State dicts: of the network in the form in which it is trained, its loss, its optimiser and its scaler."""

    network: Mapping[str, Tensor]
    loss: Mapping[str, Tensor]
    optimiser: Mapping[str, Any]
    scaler: Mapping[str, Any]


def write(
    directory: Path, standing: Standing, learnt: Learnt, mined: NDArray[np.int64] | None = None
) -> None:
    """Keep a checkpoint below `directory`; older ones but the last, and weights that were best once, go.

    `mined` are the triplets of the epoch, where mining is offline. Raises OSError.
    """
    folder = directory / FOLDER
    target = folder / f"{standing.step:06d}"
    temporary = folder / f".{target.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        _fill(temporary, standing, learnt, mined)
    except OSError:
        # Where the disk is full, the half of a checkpoint must not be what fills it.
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    # One of this step is there where a run was killed between writing it and cleaning up; it is the same.
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    for older in _found(directory)[:-KEPT]:
        shutil.rmtree(older)
    for path in directory.glob("best-*.safetensors"):
        if path != best_path(directory, standing.best_step):
            path.unlink()


def _fill(folder: Path, standing: Standing, learnt: Learnt, mined: NDArray[np.int64] | None) -> None:
    write_tensors(folder / "network.safetensors", learnt.network)
    write_tensors(folder / "loss.safetensors", learnt.loss)
    content = io.BytesIO()
    state: dict[str, Any] = {
        "standing": asdict(standing),
        "optimiser": learnt.optimiser,
        "scaler": learnt.scaler,
    }
    if mined is not None:
        state["mined"] = torch.from_numpy(mined)
    torch.save(state, content)
    write_whole(folder / "state.pt", [content.getvalue()])


def latest(directory: Path) -> tuple[Standing, Learnt, NDArray[np.int64] | None] | None:
    """What `write` was given last below `directory`; None where it never was. Raises WeightsFormat, and OSError."""
    found = _found(directory)
    if not found:
        return None
    folder = found[-1]
    content = io.BytesIO((folder / "state.pt").read_bytes())
    try:
        state = torch.load(content, map_location="cpu", weights_only=True)
        learnt = Learnt(
            network=read_tensors(folder / "network.safetensors"),
            loss=read_tensors(folder / "loss.safetensors"),
            optimiser=state["optimiser"],
            scaler=state["scaler"],
        )
        mined = state["mined"].numpy() if "mined" in state else None
        return Standing(**state["standing"]), learnt, mined
    except UNREADABLE as error:
        raise WeightsFormat(
            f"{folder} is no checkpoint: {error}",
            remedy="delete_checkpoint",
            path=str(folder),
        ) from error


def best_path(directory: Path, step: int) -> Path:
    """Where the weights of a step are kept as long as they are the best ones."""
    return directory / f"best-{step:06d}.safetensors"


def _found(directory: Path) -> list[Path]:
    # By number: of a million steps and more, names do not sort as numbers do.
    folders = (path for path in (directory / FOLDER).glob("[0-9]*") if path.name.isdecimal())
    return sorted(folders, key=lambda path: int(path.name))
