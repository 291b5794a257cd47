"""State dicts in safetensors files: the format of networks that faceid trains."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from faceid.networks.errors import WeightsFormat
from faceid.networks.files import write_whole

if TYPE_CHECKING:
    from torch import Tensor

SAFETENSORS = ".safetensors"


def write_tensors(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write tensors of any device and memory order; the file appears complete or not at all. Raises OSError."""
    import safetensors.torch

    on_disk = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    write_whole(path, [safetensors.torch.save(on_disk)])


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, on the CPU, floating ones as float32, filters channels last.

    Raises WeightsFormat, and OSError.
    """
    import safetensors
    import safetensors.torch
    import torch

    try:
        state = safetensors.torch.load(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise WeightsFormat(f"{path.name} is not a file of safetensors: {error}", path=str(path)) from error
    # Half precision saves space on the disk, but CPUs compute far faster in float32.
    whole = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    return {
        key: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
        for key, value in whole.items()
    }
