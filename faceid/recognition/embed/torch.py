"""Embeddings by a network of `faceid.networks`, run by torch or, compiled, by OpenVINO."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from faceid.config import Runtime
from faceid.errors import DeviceError
from faceid.networks import loading
from faceid.networks.card import Card
from faceid.recognition.embed.crops import batches, check_crops, key_of, unit
from faceid.runtime.devices import moved
from faceid.types import Crop, ModelKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.types import Pixels

CPU_BATCH, GPU_BATCH = 8, 128
"""Crops a forward pass, without their mirror images: a CPU gains nothing from more."""

SMALL_BATCHES = {"mobilefacenet": 2}
"""Fewer crops a forward pass on a CPU, by kind of network: what its layers pass on stays in the caches of a core."""

COMPILED_BATCH = 4
"""Pictures that OpenVINO computes at once, mirror images included: of 16, each takes mobilefacenet a fifth longer, and
dlib-resnet as long."""

_LONG_RUN = 200
"""With the runtime `auto`, OpenVINO takes over after about so many crops. By then it has cost what it then saves."""


class TorchEmbedder:
    """Crops -> unit vectors by `network`, which takes (n, 3, S, S) float32 RGB 0..255, channels last.

    `mirror` adds the raw embedding of the crop's mirror image before normalising: the same face seen twice. On
    a GPU the network runs in half precision where that is safe (autocast), on a CPU in single.
    """

    def __init__(
        self, network: Callable[[Tensor], Tensor], card: Card, *, device: str, mirror: bool = True
    ) -> None:
        self._device = torch.device(device)
        self._network = network.to(self._device) if isinstance(network, nn.Module) else network
        self._card = card
        self._mirror = mirror
        self._model = key_of(card)

    @property
    def model(self) -> ModelKey:
        """What the vectors belong to."""
        return self._model

    @property
    def input_size(self) -> int:
        """The side of the crops that `embed` takes, pixels."""
        return self._card.input_size

    def embed(self, crops: Sequence[Crop]) -> NDArray[np.float32]:
        """(n, d) float32, rows of unit length in the order of `crops`; (0, d) for none.

        Raises ModelError for crops of another aligner or size, and for output that is not finite; DeviceError
        where the GPU's memory does not suffice.
        """
        check_crops(crops, self._model, self.input_size)
        size = _cpu_batch(self._card) if self._device.type == "cpu" else GPU_BATCH
        rows = [self._raw(pixels) for pixels in batches(crops, size)]
        raw = np.concatenate(rows) if rows else np.empty((0, self._model.dim), np.float32)
        return unit(raw, self._model)

    def _raw(self, pixels: Pixels) -> NDArray[np.float32]:
        try:
            with (
                torch.inference_mode(),
                torch.autocast(self._device.type, torch.float16, enabled=self._device.type == "cuda"),
            ):
                # Height-width-channels in memory, seen as channels first, is what channels_last means.
                batch = moved(torch.from_numpy(pixels), self._device).permute(0, 3, 1, 2).float()
                if self._mirror:
                    both = self._network(torch.cat([batch, batch.flip(3)]))
                    raw = both.unflatten(0, (2, len(pixels))).sum(0)
                else:
                    raw = self._network(batch)
                vectors: NDArray[np.float32] = raw.float().cpu().numpy()
        except torch.cuda.OutOfMemoryError as error:
            raise DeviceError(
                f"the memory of {self._device} does not suffice for {self._model.name}",
                remedy="gpu_memory",
            ) from error
        return vectors


def open_embedder(
    card: Card, *, device: str, weights_dir: Path, mirror: bool = True, runtime: Runtime = "torch"
) -> TorchEmbedder:
    """The network of `card`, loaded, on `device` (`cpu`, `cuda:0`, ...), run by `torch` or, on a CPU, by
    `openvino`; `auto` is torch first, OpenVINO in a long run.

    The model of the vectors is the same: the runtimes agree to within rounding. Raises ModelError where the weights
    are missing, altered or of another form, or OpenVINO is missing.
    """
    network = loading.open_network(card, weights_dir)
    # Only a module can be compiled: a kind that a package adds may be any function of tensors.
    if isinstance(network, nn.Module) and runtime != "torch":
        from faceid.runtime.openvino import CompiledNetwork, LateCompiledNetwork

        late = partial(LateCompiledNetwork, calls=_LONG_RUN // _cpu_batch(card))
        kind = CompiledNetwork if runtime == "openvino" else late
        compiled = kind(network, card.input_size, few_batches=True, at_once=COMPILED_BATCH)
        return TorchEmbedder(compiled.tensor, card, device=device, mirror=mirror)
    return TorchEmbedder(network, card, device=device, mirror=mirror)


def _cpu_batch(card: Card) -> int:
    return SMALL_BATCHES.get(card.backbone, CPU_BATCH)
