"""A training that takes a second: crops of 16 pixels, people who are colours, a network of a few weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from faceid.networks.training.events import Event, Validated
from faceid.networks.training.norms import with_norms
from faceid.networks.training.samples import Samples
from faceid.networks.training.settings import FROM_SCRATCH, TrainSettings
from faceid.networks.training.trainer import Job

SIDE = 16


class TinyNet(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2)
        self.blocks = nn.Sequential(nn.ReLU(), nn.Conv2d(4, 8, 3, stride=2), nn.ReLU())
        self.head = nn.Linear(8 * 9, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x / 255)).flatten(1))


@dataclass(frozen=True)
class Tiny:
    dim: int = 8
    norms: bool = True

    def make(self) -> nn.Module:
        torch.manual_seed(0)
        return with_norms(TinyNet(self.dim)) if self.norms else TinyNet(self.dim)


def samples(directory: Path, people: int, seed: int, photos: int = 4) -> Samples:
    """Photos of people who are patterns of 4x4 colours, with noise."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), photos)
    patterns = rng.integers(0, 256, (people, 4, 4, 3))[labels] + rng.normal(0, 30, (len(labels), 4, 4, 3))
    crops = np.clip(np.kron(patterns, np.ones((1, 4, 4, 1))), 0, 255).astype(np.uint8)
    path = directory / f"crops{seed}.npy"
    np.save(path, crops)
    return Samples((path,), np.zeros(len(labels), np.int64), np.arange(len(labels)), labels)


def separation(vectors: np.ndarray, labels: np.ndarray) -> float:
    """How much nearer one's own photos are, in the mean of cosines."""
    cosines = vectors @ vectors.T
    same = labels[:, None] == labels
    return float(cosines[same].mean() - cosines[~same].mean())


def settings(**changes: dict[str, Any]) -> TrainSettings:
    usual: dict[str, dict[str, Any]] = {
        "schedule": {"steps": 12, "validate": 4, "checkpoint": 2},
        "batch": {"people": 4, "photos": 3},
        "optimiser": {"warmup": 2},
    }
    for section, values in changes.items():
        usual[section] = usual.get(section, {}) | values
    return FROM_SCRATCH.changed(usual)


def job(directory: Path, chosen: TrainSettings | None = None, **changes: Any) -> Job:
    directory.mkdir(parents=True, exist_ok=True)
    given = {
        "settings": chosen or settings(),
        "start": Tiny(),
        "training": samples(directory, 10, 1),
        "validation": samples(directory, 5, 2),
        "judge": separation,
        "directory": directory / "run",
    } | changes
    given["directory"].mkdir(exist_ok=True)
    return Job(**given)


class Heard:
    """Keeps what it hears; ends the process's work at a step, where one is given."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.events: list[Event] = []
        self._stop_at = stop_at

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if self._stop_at is not None and getattr(event, "step", -1) == self._stop_at:
            raise KeyboardInterrupt

    @property
    def scores(self) -> list[tuple[int, float, bool]]:
        return [
            (event.step, event.score, event.best) for event in self.events if isinstance(event, Validated)
        ]
