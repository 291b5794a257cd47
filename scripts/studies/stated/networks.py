"""The networks whose stated rates are checked: their cards, and templates of people who were not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.config import Settings
from faceid.networks import registry
from faceid.networks.calibration import Calibration
from faceid.ports.networks import Embedder
from faceid.recognition.embed.torch import open_embedder
from faceid.types import Metric
from scripts import command
from scripts.datasets import demographics, lfw
from scripts.studies import lab_default

TRAINED_HERE = lab_default.NAME
NETWORKS = (*command.NETWORKS, TRAINED_HERE)
LFW, CELEBA, DEMOGRAPHICS = "LFW View 1", "celeba_wild", "demographics"
STUDIOS = {"ORL": "orl_faces", "UMIST": "umist_faces"}


@dataclass(frozen=True, eq=False)
class People:
    """Templates (n, d) of a collection with the number (n,) of the person that each shows."""

    name: str
    vectors: NDArray[np.float32]
    identity: NDArray[np.int64]

    @property
    def count(self) -> int:
        """The number of people."""
        return int(np.unique(self.identity).size)

    def photos(self) -> list[NDArray[np.int64]]:
        """The templates of each person."""
        return [np.flatnonzero(self.identity == person) for person in np.unique(self.identity)]

    def part(self, people: NDArray[np.int64]) -> People:
        """Only these people."""
        kept = np.isin(self.identity, people)
        return People(self.name, self.vectors[kept], self.identity[kept])


@dataclass(frozen=True, eq=False)
class Network:
    """A network as it ships, and the folders of data and cache."""

    name: str
    calibration: Calibration
    metric: Metric
    embedder: Embedder
    data: Path
    cache: Path

    def press(self) -> People:
        """LFW View 1 with its labels corrected; of a network that was trained on it, only the people held out."""
        return self._people(LFW, lfw.lfw_photos(self.data, self.cache))

    def wild(self) -> People:
        """CelebA in the wild; of a network that was trained on it, only the people held out."""
        return self._people(CELEBA, lfw.folder_photos(self.data / "celeba_wild" / "dev", self.cache))

    def studio(self, name: str) -> People:
        """One of STUDIOS: portraits of one place and time."""
        photos = lfw.folder_photos(self.data / STUDIOS[name], self.cache)
        found = lfw.templates_by(self.embedder, photos, self.cache)
        return People(name, found.vectors, found.identity)

    def cohorts(self) -> demographics.Cohorts:
        """The people of known sex and ethnic group."""
        return demographics.cohorts_by(self.embedder, self.data, self.cache)

    def _people(self, name: str, photos: lfw.Photos) -> People:
        own = self.name == TRAINED_HERE
        judged = lab_default.held_out(photos) if own else photos
        found = lfw.labelled(lfw.templates_by(self.embedder, judged, self.cache))
        return People(f"{name}, held out" if own else name, found.vectors, found.identity)


def network(name: str, data: Path, cache: Path) -> Network:
    """The network with its own card; that of `TRAINED_HERE` is in the folder of networks for research."""
    weights = Settings.load().weights_dir
    card = registry.card(name, lab_default.RESEARCH if name == TRAINED_HERE else weights)
    assert card.calibration is not None
    embedder = open_embedder(card, device="cpu", weights_dir=weights)
    return Network(name, card.calibration, card.metric, embedder, data, cache)
