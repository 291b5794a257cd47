"""The checkpoints of a run, each complete or absent, so that a killed run continues from the last one.

    checkpoints/000150/network.safetensors     weights, in the form for training
                       loss.safetensors        parameters of the loss, if it has any
                       state.pt                optimiser, step, the best validation so far, the mined triplets
    best-000100.safetensors                    the best weights, in the form for use

Reading a file runs no pickled code (`weights_only`). No state of a random generator is stored: the random numbers of a
step depend on the seed and the step.
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
    """The state of a run after `step` steps.

    `best_step` and `best_score` are of the best validation, `start_score` of the one before the first step, `behind`
    counts validations since the best. `ended` is the reason for the end, None while the run continues.
    """

    step: int
    best_step: int
    best_score: float
    start_score: float
    behind: int = 0
    ended: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """State dicts: of the network in the form for training, its loss, its optimiser and its scaler."""

    network: Mapping[str, Tensor]
    loss: Mapping[str, Tensor]
    optimiser: Mapping[str, Any]
    scaler: Mapping[str, Any]


def write(
    directory: Path, standing: Standing, learnt: Learnt, mined: NDArray[np.int64] | None = None
) -> None:
    """Write a checkpoint below `directory`; removes all but the last two, and weights that are no longer the best.

    `mined` are the triplets of the epoch with offline mining. Raises OSError.
    """
    folder = directory / FOLDER
    target = folder / f"{standing.step:06d}"
    temporary = folder / f".{target.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        _fill(temporary, standing, learnt, mined)
    except OSError:
        # On a full disk, an incomplete checkpoint must not take up space.
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    # A run killed between writing and cleaning up has left the same checkpoint of this step.
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
    """The last checkpoint below `directory`; None if there is none. Raises WeightsFormat, and OSError."""
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
    """The path of the weights of a step, which are kept while they are the best."""
    return directory / f"best-{step:06d}.safetensors"


def _found(directory: Path) -> list[Path]:
    # By number: from a million steps on, names do not sort like numbers.
    folders = (path for path in (directory / FOLDER).glob("[0-9]*") if path.name.isdecimal())
    return sorted(folders, key=lambda path: int(path.name))
