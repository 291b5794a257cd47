"""Does training the last block of `mobilefacenet` help people whom it has not been trained on?

    python -m scripts.studies.lab_mobilefacenet [--data DIR] [--cache DIR] [--json FILE]

The people of LFW View 1 and of celeba_wild are split as in `lab_default`. Of the part that learns, people with two
photos and more take part, with four at most. Each photo is seen as it is, mirrored, and degraded twice (low resolution,
JPEG, blur, masks and other cover, as `faceid train` does it, but more often). The last block learns: it widens each
place of the face, weighs all places, and ends in two linear layers. Part of the people choose the way; those who are
held out are compared once, before and after it, with the gain and its 95 % interval over people: both networks in the
same draws.

The pairs of celeba_wild that are held out carry no FMR of 1e-5. So TMR is also taken there at the thresholds that the
pairs of LFW give.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table
from torch import Tensor, nn

from faceid.config import Settings
from faceid.evaluation.statistics.bootstrap import Resample, places_of, resample
from faceid.networks import registry
from faceid.networks.backbones.mobilefacenet import MobileFaceNet
from faceid.networks.loading import load
from faceid.networks.losses.settings import LossSettings
from faceid.networks.training.augment import augmented
from faceid.networks.training.settings import AugmentationSettings
from faceid.recognition.align import ALIGNERS
from scripts import command
from scripts.datasets import lfw
from scripts.studies.default.split import HELD_OUT, LEARNING, parted
from scripts.studies.default.training import PHOTOS, Below, Collection, Upper, Way, collect, learn, templates
from scripts.studies.lab_default import CELEBA, LFW, Tried, judged

START = "mobilefacenet"
FROZEN = 16
"""Blocks of the seventeen that stay."""
DEGRADED = 2
AUGMENTATION = AugmentationSettings(
    flip=0.5, blur=0.2, jpeg=0.4, low_resolution=0.4, occlusion=0.2, mask=0.15
)
PARTIAL_AUC = LossSettings("partial_auc")
STEPS = 120
WAYS = tuple(
    Way(
        f"rate {rate:g}, distillation {distillation:g}",
        PARTIAL_AUC,
        rate=rate,
        steps=STEPS,
        people=(250, 60),
        distillation=distillation,
    )
    for rate, distillation in ((5e-4, 5.0), (1e-3, 5.0), (2e-3, 5.0), (1e-3, 0.0))
)
RATES = {LFW: (1e-3, 1e-4, 1e-5), CELEBA: (1e-3, 1e-4)}
AT_LFW = f"{CELEBA}, thresholds of LFW"


class LastBlock(Upper):
    """The last block of `mobilefacenet`: (n, 128, 7, 7) -> (n, 192)."""

    def __init__(self, network: MobileFaceNet) -> None:
        super().__init__()
        self.blocks = network.blocks[FROZEN:]
        self.dim = 192

    def forward(self, below: Tensor) -> Tensor:
        """Raw embeddings."""
        embeddings: Tensor = self.blocks(below)
        return embeddings.flatten(1)


@dataclass(frozen=True)
class Gain:
    """TMR on people held out at an FMR, before and after, and the gain with its 95 % interval over people."""

    where: str
    fmr: float
    before: float
    after: float
    gain: float
    low: float
    high: float


def main() -> None:
    arguments = _arguments()
    data = lfw.data_directory(arguments.data)
    card = registry.card(START)
    network = load(card, Settings.load().weights_dir)
    assert isinstance(network, MobileFaceNet)
    key = f"{card.name} {card.weights.sha256} {FROZEN} {AUGMENTATION} {DEGRADED}"
    collections = []
    for name, photos in (
        (LFW, lfw.lfw_photos(data, arguments.cache)),
        (CELEBA, lfw.folder_photos(data / "celeba_wild" / "dev", arguments.cache)),
    ):
        kept, learners = taking_part(photos)
        below = views(network, card.aligner, learners)
        collections.append(collect(name, kept, card.aligner, below, arguments.cache, key))
    start = LastBlock(network)
    parts = [parted(one.names) for one in collections]
    tried = [Tried("as it is", judged(start, collections, parts))]
    learnt: list[Upper] = []
    for way in WAYS:
        learnt.append(learn(start, way, collections, [part == LEARNING for part in parts], seed=0))
        tried.append(Tried(way.name, judged(learnt[-1], collections, parts)))
        print(tried[-1].way, {name: round(tmr, 4) for name, tmr in tried[-1].tmr.items()}, flush=True)
    best = max(range(len(WAYS)), key=lambda number: tried[number + 1].mean)
    found = gains(start, learnt[best], collections, parts)
    show(tried, WAYS[best].name, found)
    report = {
        "tried": [asdict(one) for one in tried],
        "best": WAYS[best].name,
        "held_out": [asdict(one) for one in found],
    }
    command.write_report(arguments.json, report)
    print(f"written to {arguments.json}")


def taking_part(photos: lfw.Photos) -> tuple[lfw.Photos, set[Path]]:
    """The photos that are used, and those among them that are learnt from."""
    known = lfw.known_faces(photos)
    of_person: defaultdict[str, list[Path]] = defaultdict(list)
    for name, path, _ in known:
        of_person[name].append(path)
    learners, others = set(), set()
    for name, part in zip(of_person, parted(list(of_person)), strict=True):
        if part != LEARNING:
            others.update(of_person[name])
        elif len(of_person[name]) > 1:
            learners.update(of_person[name][:PHOTOS])
    rows = [row for row, path in enumerate(photos.paths) if path in learners or path in others]
    return photos.at(rows), learners


def views(network: MobileFaceNet, aligner: str, learners: set[Path]) -> Below:
    """What the frozen blocks make of a crop, its mirror image and, for photos of `learners`, degraded copies.

    The views of others are those of the photo and its mirror image again.
    """
    landmarks = ALIGNERS[aligner].template

    def degraded(crop: NDArray[np.uint8], path: Path) -> list[NDArray[np.uint8]]:
        rng = np.random.default_rng([*path.name.encode()])
        return [augmented(crop, AUGMENTATION, rng, landmarks) for _ in range(DEGRADED)]

    def below(crops: NDArray[np.uint8], paths: list[Path]) -> NDArray[np.float16]:
        seen = [np.stack([crop, crop[:, ::-1]]) for crop in crops]
        more = [
            np.stack(degraded(crop, path))
            for crop, path in zip(crops, paths, strict=True)
            if path in learners
        ]
        made = iter(_frozen(network, np.concatenate(seen)).reshape(len(crops), 2, 128, 7, 7))
        extra = (
            iter(_frozen(network, np.concatenate(more)).reshape(-1, DEGRADED, 128, 7, 7))
            if more
            else iter(())
        )
        rows = []
        for path in paths:
            plain = next(made)
            others = next(extra) if path in learners else plain[np.arange(DEGRADED) % 2]
            rows.append(np.concatenate([plain, others]))
        return np.stack(rows)

    return below


def _frozen(network: nn.Module, crops: NDArray[np.uint8]) -> NDArray[np.float16]:
    assert isinstance(network, MobileFaceNet)
    with torch.inference_mode():
        x = torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float()
        made: NDArray[np.float16] = network.blocks[:FROZEN]((x - 127.5) / 128.0).half().contiguous().numpy()
    return made


def gains(
    start: Upper, learnt: Upper, collections: list[Collection], parts: list[NDArray[np.str_]]
) -> list[Gain]:
    """TMR of both networks on the people held out, at the FMR of RATES, and of CelebA at the thresholds of LFW."""
    held = [part == HELD_OUT for part in parts]
    labels = [
        np.unique(one.identity[kept], return_inverse=True)[1]
        for one, kept in zip(collections, held, strict=True)
    ]
    vectors = [
        [templates(top, one.below[kept]) for one, kept in zip(collections, held, strict=True)]
        for top in (start, learnt)
    ]
    drawn = [resample(int(own.max()) + 1, np.random.default_rng(number)) for number, own in enumerate(labels)]
    found = []
    for where, rates in RATES.items():
        number = [LFW, CELEBA].index(where)
        for fmr in rates:
            made = []
            for network in vectors:
                thresholds = strict(network[number], labels[number], drawn[number], fmr)
                made.append(matched(network[number], labels[number], drawn[number], thresholds))
            found.append(_gain(where, fmr, *made))
    for fmr in RATES[LFW]:
        made = []
        for network in vectors:
            thresholds = strict(network[0], labels[0], drawn[0], fmr)
            made.append(matched(network[1], labels[1], drawn[1], thresholds))
        found.append(_gain(AT_LFW, fmr, *made))
    return found


def strict(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], people: Resample, fmr: float
) -> NDArray[np.float64]:
    """The distance below which FMR is at most `fmr`: first for all people once, then in each replicate (b + 1,)."""
    rows, columns = np.triu_indices(len(labels), k=1)
    other = labels[rows] != labels[columns]
    rows, columns = rows[other], columns[other]
    apart = 1.0 - (vectors @ vectors.T)[rows, columns].astype(np.float64)
    # Far more pairs than any replicate needs.
    nearest = np.argsort(apart)[: 10 * max(1, int(fmr * apart.size)) + 200]
    once = Resample(np.vstack([np.ones_like(people.draws[:1]), people.draws]))
    budget = fmr * once.non_mated_total(np.bincount(labels))
    places = places_of(once, labels[rows[nearest]], labels[columns[nearest]], budget)
    return apart[nearest][np.minimum(places, nearest.size - 1)]


def matched(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    people: Resample,
    thresholds: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The share of mated pairs below each of the thresholds (b + 1,) that `strict` gives, in the same replicates."""
    rows, columns = np.triu_indices(len(labels), k=1)
    same = labels[rows] == labels[columns]
    apart = 1.0 - (vectors @ vectors.T)[rows[same], columns[same]].astype(np.float64)
    weights = np.vstack([np.ones_like(people.draws[:1]), people.draws])[:, labels[rows[same]]]
    found: NDArray[np.float64] = (weights * (apart < thresholds[:, None])).sum(1) / weights.sum(1)
    return found


def _gain(where: str, fmr: float, before: NDArray[np.float64], after: NDArray[np.float64]) -> Gain:
    low, high = np.quantile(after[1:] - before[1:], [0.025, 0.975])
    return Gain(
        where, fmr, float(before[0]), float(after[0]), float(after[0] - before[0]), float(low), float(high)
    )


def show(tried: list[Tried], best: str, found: list[Gain]) -> None:
    """A table of the people who choose, and one of the people held out."""
    table = Table("way", *(Column(name, justify="right") for name in tried[0].tmr), title="people who choose")
    for one in tried:
        table.add_row(one.way, *(f"{tmr:.3f}" for tmr in one.tmr.values()))
    Console(width=110).print(table)
    table = Table("", "FMR", "before", "after", "gain (95 % over people)", title=f"people held out: {best}")
    for gain in found:
        interval = f"{gain.gain:+.3f} ({gain.low:+.3f} .. {gain.high:+.3f})"
        table.add_row(gain.where, f"{gain.fmr:g}", f"{gain.before:.3f}", f"{gain.after:.3f}", interval)
    Console(width=110).print(table)


def _arguments() -> argparse.Namespace:
    return command.parser(__doc__, data=True, cache=True, report="bench/lab_mobilefacenet.json").parse_args()


if __name__ == "__main__":
    main()
