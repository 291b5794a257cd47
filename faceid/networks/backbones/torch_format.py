"""State dicts from files that torch wrote: only tensors are read, and no pickled code runs."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import torch
from torch import Tensor

from faceid.networks.errors import WeightsFormat

UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    struct.error,
)
"""The errors of torch's restricted unpickler for invalid bytes."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a `.pt` or `.pth` file, on the CPU. Raises WeightsFormat, and OSError."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise WeightsFormat(f"{path.name} is not a file of torch weights: {error}", path=str(path)) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsFormat(f"{path.name} does not hold a state dict", path=str(path))
    return state
