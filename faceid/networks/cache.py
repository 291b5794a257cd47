"""A cache of converted weights.

A file is called SOURCE-nhwc-VERSION-DIGEST.safetensors: the hash of the converted file, the converter's version and the
SHA-256 of the file itself. A file that does not match its name is removed and converted again. A directory that cannot
be written only costs time. Filters are stored channels last, as they are used: reordering them at each start costs more
than reading them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from faceid.networks.files import write_whole

if TYPE_CHECKING:
    from torch import Tensor


def converted(
    directory: Path, source_sha256: str, version: int, convert: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """The state dict of `convert`, from the cache in `directory` if it is there; filters are channels last.

    Raises only the errors of `convert`.
    """
    import safetensors.torch

    stem = f"{source_sha256[:16]}-nhwc-v{version}"
    content = _read(directory, stem)
    if content is None:
        content = safetensors.torch.save({key: _stored(value) for key, value in convert().items()})
        digest = hashlib.sha256(content).hexdigest()
        with suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            write_whole(directory / f"{stem}-{digest}.safetensors", [content])
    return {key: _used(value) for key, value in safetensors.torch.load(content).items()}


def _stored(tensor: Tensor) -> Tensor:
    return (tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor).contiguous()


def _used(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 3, 1, 2) if tensor.dim() == 4 else tensor


def _read(directory: Path, stem: str) -> bytes | None:
    """The content of the first file of that stem whose hash matches its name."""
    for path in sorted(directory.glob(f"{stem}-*.safetensors")):
        with suppress(OSError):
            content = path.read_bytes()
            if path.name == f"{stem}-{hashlib.sha256(content).hexdigest()}.safetensors":
                return content
            path.unlink()
    return None
