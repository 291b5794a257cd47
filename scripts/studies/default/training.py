"""What `lab_default.py` trains: the default network's last block and head, over what the others make of photos.

The blocks below stay as they are, so their output is computed once for every photo and its mirror image, and a step
costs milliseconds a hundred photos: batches of hundreds of people, which a strict threshold needs, fit a CPU.
"""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from faceid.imaging import read
from faceid.networks.backbones.dlib_resnet import DlibResnet
from faceid.networks.losses.factory import make_loss
from faceid.networks.losses.settings import LossSettings
from faceid.recognition.align import align
from scripts.datasets import lfw

FROZEN = 13
"""Blocks of the fourteen that stay."""
PHOTOS = 4
"""Of a person in a batch, at most. People with one photo give non-mated pairs only."""
STEPS, WARMUP = 200, 20
_BATCH = 32


@dataclass(frozen=True, eq=False)
class Collection:
    """Photos: `identity` (n,) int64, and `below` (n, 2, 256, 4, 4) float16, of each photo and its mirror image."""

    name: str
    identity: NDArray[np.int64]
    below: NDArray[np.float16]

    def people(self, kept: NDArray[np.bool_]) -> int:
        """How many there are among the photos `kept` (n,)."""
        return len(np.unique(self.identity[kept]))


@dataclass(frozen=True)
class Way:
    """A loss, how fast each tensor learns, and the people in a batch of each collection, whose losses weigh `shares`.

    `rate` is relative: Adam's steps are that of a tensor's root mean square (as in Adafactor, Shazeer and Stern 2018),
    since folding has left filters and heads at scales of their own.
    """

    name: str
    loss: LossSettings
    rate: float
    people: tuple[int, ...] = (400, 100)
    shares: tuple[float, ...] = (0.7, 0.3)


class Top(nn.Module):
    """The blocks that learn, and the head: (n, 256, 4, 4) -> (n, 128)."""

    def __init__(self, network: DlibResnet) -> None:
        super().__init__()
        self.blocks = copy.deepcopy(network.blocks[FROZEN:])
        self.head = copy.deepcopy(network.head)

    def forward(self, below: Tensor) -> Tensor:
        """Raw embeddings."""
        embeddings: Tensor = self.head(self.blocks(below).mean(dim=(2, 3)))
        return embeddings


def collect(name: str, photos: lfw.Photos, aligner: str, network: DlibResnet) -> Collection:
    """Each photo's middle face, with corrected labels for LFW."""
    kept = lfw.known_faces(photos)
    parts = []
    for start in range(0, len(kept), _BATCH):
        part = kept[start : start + _BATCH]
        crops = np.stack([align(read(str(path)), face, aligner).pixels for _, path, face in part])
        parts.append(_below(network, crops))
        print(f"\r{name}: {start + len(part)}/{len(kept)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    identity = np.unique([name for name, _, _ in kept], return_inverse=True)[1].astype(np.int64)
    return Collection(name, identity, np.concatenate(parts))


def learn(
    start: Top, way: Way, collections: list[Collection], kept: list[NDArray[np.bool_]], seed: int
) -> Top:
    """`start` after STEPS steps on the photos `kept` (n,) of each collection; `start` itself stays as it is."""
    top = copy.deepcopy(start).requires_grad_(True)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    losses = [
        make_loss(way.loss, embedding_size=top.head.out_features, classes=int(one.identity.max()) + 1)
        for one in collections
    ]
    tensors = [*top.parameters(), *(tensor for loss in losses for tensor in loss.parameters())]
    peaks = [way.rate * float(tensor.detach().square().mean().sqrt()) for tensor in tensors]
    optimiser = torch.optim.Adam(
        [{"params": [tensor], "lr": peak} for tensor, peak in zip(tensors, peaks, strict=True)]
    )
    for step in range(STEPS):
        factor = min(1.0, (step + 1) / WARMUP) * 0.5 * (1.0 + np.cos(np.pi * step / STEPS))
        for group, peak in zip(optimiser.param_groups, peaks, strict=True):
            group["lr"] = peak * factor
        total = torch.zeros(())
        for one, among, loss, people, share in zip(
            collections, kept, losses, way.people, way.shares, strict=True
        ):
            places = _batch(one.identity, among, people, rng)
            below = one.below[places, rng.integers(0, 2, len(places))]
            labels = torch.from_numpy(one.identity[places])
            total = total + share * loss(top(torch.from_numpy(below).float()), labels).value
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    return top.requires_grad_(False)


def templates(top: Top, below: NDArray[np.float16]) -> NDArray[np.float32]:
    """(n, 128) unit vectors, mirror images added before, as the embedder does."""
    with torch.inference_mode():
        raw = torch.cat([top(part.flatten(0, 1).float()) for part in torch.from_numpy(below).split(_BATCH)])
        summed: NDArray[np.float32] = functional.normalize(raw.unflatten(0, (-1, 2)).sum(1)).numpy()
    return summed


def _batch(
    identity: NDArray[np.int64], kept: NDArray[np.bool_], people: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    names = np.unique(identity[kept])
    drawn = rng.choice(names, min(people, len(names)), replace=False)
    places = []
    for name in drawn:
        photos = np.flatnonzero(kept & (identity == name))
        places.append(rng.choice(photos, PHOTOS, replace=False) if len(photos) > PHOTOS else photos)
    return np.concatenate(places)


def _below(network: DlibResnet, crops: NDArray[np.uint8]) -> NDArray[np.float16]:
    with torch.inference_mode():
        x = torch.from_numpy(crops).permute(0, 3, 1, 2).float()
        x = torch.cat([x, x.flip(3)])
        x = functional.max_pool2d(functional.relu_(network.stem(x)), 3, stride=2)
        half = network.blocks[:FROZEN](x).half().unflatten(0, (2, len(crops))).transpose(0, 1)
        output: NDArray[np.float16] = half.contiguous().numpy()
    return output


def weights(network: DlibResnet, top: Top) -> dict[str, Tensor]:
    """The state of the whole network in half precision: what is below `top`, and `top`."""
    # A part of an nn.Sequential keeps the numbers of its blocks.
    state = dict(network.state_dict()) | dict(top.state_dict())
    return {key: value.half() for key, value in state.items()}
