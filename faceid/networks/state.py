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


def write_tensors(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors of any device and memory order; the file appears complete or not at all. Raises OSError.

    `metadata` is what else the file says of itself; see `read_metadata`.
    """
    import safetensors.torch

    on_disk = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    write_whole(path, [safetensors.torch.save(on_disk, dict(metadata) if metadata else None)])


def copy_tensors(source: Path, target: Path, metadata: Mapping[str, str]) -> None:
    """Write the tensors of `source`, unchanged, to `target` with `metadata`. Raises WeightsFormat, and OSError."""
    write_tensors(target, _loaded(source), metadata)


def read_metadata(path: Path) -> dict[str, str]:
    """What a file of tensors says of itself, {} if nothing. Raises WeightsFormat, and OSError."""
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except safetensors.SafetensorError as error:
        raise _not_safetensors(path, error) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, on the CPU, floating ones as float32, filters channels last.

    Raises WeightsFormat, and OSError.
    """
    import torch

    state = _loaded(path)
    # Half precision saves space on the disk, but CPUs compute far faster in float32.
    whole = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    return {
        key: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
        for key, value in whole.items()
    }


def _loaded(path: Path) -> dict[str, Tensor]:
    import safetensors
    import safetensors.torch

    try:
        return safetensors.torch.load(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise _not_safetensors(path, error) from error


def _not_safetensors(path: Path, error: Exception) -> WeightsFormat:
    return WeightsFormat(f"{path.name} is not a file of safetensors: {error}", path=str(path))
