"""What `lab_default.py` and `lab_mobilefacenet.py` train: the last blocks of a network, over what the others make.

The blocks below stay as they are, so their output is computed once for every photo and its mirror image, and a step
costs milliseconds a hundred photos: batches of hundreds of people, which a strict threshold needs, fit a CPU.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

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
"""Blocks of the fourteen of `dlib-resnet` that stay."""
PHOTOS = 4
"""Of a person in a batch, at most. People with one photo give non-mated pairs only."""
WARMUP = 20
_BATCH = 32


@dataclass(frozen=True, eq=False)
class Collection:
    """Photos: `identity` (n,) int64, and `below` (n, v, c, h, w) float16, what the frozen blocks make of v views.

    The first two views are the photo and its mirror image, others are for training only. `names` are those of the
    people and `paths` those of the photos (n,), in the order of the rows.
    """

    name: str
    identity: NDArray[np.int64]
    below: NDArray[np.float16]
    names: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()

    def people(self, kept: NDArray[np.bool_]) -> int:
        """How many there are among the photos `kept` (n,)."""
        return len(np.unique(self.identity[kept]))


@dataclass(frozen=True)
class Way:
    """A loss, how fast each tensor learns, and the people in a batch of each collection, whose losses weigh `shares`.

    `rate` is relative: Adam's steps are that of a tensor's root mean square (as in Adafactor, Shazeer and Stern 2018),
    since folding has left filters and heads at scales of their own. `distillation` weighs 1 - the cosine of an
    embedding and of the template that the start makes of the photo as it is.
    """

    name: str
    loss: LossSettings
    rate: float
    steps: int = 200
    people: tuple[int, ...] = (400, 100)
    shares: tuple[float, ...] = (0.7, 0.3)
    distillation: float = 0.0


class Upper(nn.Module):
    """The blocks that learn: what the blocks below make (n, c, h, w) -> raw embeddings (n, `dim`)."""

    dim: int


class Top(Upper):
    """The last block of `dlib-resnet`, and the head: (n, 256, 4, 4) -> (n, 128)."""

    def __init__(self, network: DlibResnet) -> None:
        super().__init__()
        self.blocks = copy.deepcopy(network.blocks[FROZEN:])
        self.head = copy.deepcopy(network.head)
        self.dim = self.head.out_features

    def forward(self, below: Tensor) -> Tensor:
        """Raw embeddings."""
        embeddings: Tensor = self.head(self.blocks(below).mean(dim=(2, 3)))
        return embeddings


Below = Callable[[NDArray[np.uint8], list[Path]], NDArray[np.float16]]
"""Crops (n, S, S, 3) and the paths of their photos -> what the frozen blocks make of their views (n, v, c, h, w)."""


def collect(name: str, photos: lfw.Photos, aligner: str, below: Below, cache: Path, key: str) -> Collection:
    """Each photo's middle face, with corrected labels for LFW.

    What `below` makes is kept in `cache`; `key` tells what depends on it: the network, and how views are drawn.
    """
    kept = lfw.known_faces(photos)
    paths = tuple(path for _, path, _ in kept)
    digest = sha256("\n".join([key, aligner, *map(str, paths)]).encode()).hexdigest()[:16]
    store = cache / f"below-{digest}.npy"
    if not store.exists():
        parts = []
        for start in range(0, len(kept), _BATCH):
            part = kept[start : start + _BATCH]
            crops = np.stack([align(read(str(path)), face, aligner).pixels for _, path, face in part])
            parts.append(below(crops, [path for _, path, _ in part]))
            print(f"\r{name}: {start + len(part)}/{len(kept)}", end="", file=sys.stderr)
        print(file=sys.stderr)
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = store.with_suffix(".tmp.npy")
        np.save(unfinished, np.concatenate(parts))
        unfinished.replace(store)
    names = tuple(name for name, _, _ in kept)
    identity = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return Collection(name, identity, np.load(store, mmap_mode="r"), names, paths)


def learn(
    start: Upper, way: Way, collections: list[Collection], kept: list[NDArray[np.bool_]], seed: int
) -> Upper:
    """`start` after the steps of `way` on the photos `kept` (n,) of each collection; `start` stays as it is."""
    top = copy.deepcopy(start).requires_grad_(True)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    losses = [
        make_loss(way.loss, embedding_size=top.dim, classes=int(one.identity.max()) + 1)
        for one in collections
    ]
    tensors = [*top.parameters(), *(tensor for loss in losses for tensor in loss.parameters())]
    peaks = [way.rate * float(tensor.detach().square().mean().sqrt()) for tensor in tensors]
    optimiser = torch.optim.Adam(
        [{"params": [tensor], "lr": peak} for tensor, peak in zip(tensors, peaks, strict=True)]
    )
    for step in range(way.steps):
        factor = min(1.0, (step + 1) / WARMUP) * 0.5 * (1.0 + np.cos(np.pi * step / way.steps))
        for group, peak in zip(optimiser.param_groups, peaks, strict=True):
            group["lr"] = peak * factor
        total = torch.zeros(())
        for one, among, loss, people, share in zip(
            collections, kept, losses, way.people, way.shares, strict=True
        ):
            places = _batch(one.identity, among, people, rng)
            below = one.below[places, rng.integers(0, one.below.shape[1], len(places))]
            made = top(torch.from_numpy(below).float())
            labels = torch.from_numpy(one.identity[places])
            total = total + share * loss(made, labels).value
            if way.distillation:
                target = torch.from_numpy(templates(start, one.below[places]))
                apart = 1.0 - functional.cosine_similarity(made, target)
                total = total + share * way.distillation * apart.mean()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    return top.requires_grad_(False)


def templates(top: Upper, below: NDArray[np.float16]) -> NDArray[np.float32]:
    """(n, d) unit vectors of the first view and its mirror image, added before as the embedder does."""
    with torch.inference_mode():
        views = torch.from_numpy(below[:, :2])
        raw = torch.cat([top(part.flatten(0, 1).float()) for part in views.split(_BATCH)])
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


def below_dlib(network: DlibResnet, crops: NDArray[np.uint8]) -> NDArray[np.float16]:
    """What the frozen blocks of `dlib-resnet` make of crops and their mirror images: (n, 2, 256, 4, 4)."""
    with torch.inference_mode():
        x = torch.from_numpy(crops).permute(0, 3, 1, 2).float()
        x = torch.cat([x, x.flip(3)])
        x = functional.max_pool2d(functional.relu_(network.stem(x)), 3, stride=2)
        half = network.blocks[:FROZEN](x).half().unflatten(0, (2, len(crops))).transpose(0, 1)
        output: NDArray[np.float16] = half.contiguous().numpy()
    return output


def weights(network: nn.Module, top: Upper) -> dict[str, Tensor]:
    """The state of the whole network in half precision: what is below `top`, and `top`."""
    # A part of an nn.Sequential keeps the numbers of its blocks.
    state = dict(network.state_dict()) | dict(top.state_dict())
    return {key: value.half() for key, value in state.items()}
