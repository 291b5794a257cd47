"""A better default network from few people: how `faceid-triplet` is trained, and its TMR on unseen people.

    python -m scripts.studies.lab_default [--data DIR] [--cache DIR] [--json FILE] [--write]

The people of LFW View 1 and of celeba_wild are split into three parts. In turn, two parts train the last block and the
head of dlib's network in each way of `WAYS`. All pairs of the third part, which that training has not seen, are
compared. TMR is the mean over the three, given with each, and its 95 % interval over people (subset bootstrap) is that
of the worst of the three. The settings of the ways were chosen on the first part of LFW alone.

`--write` trains once more, in the first way, on all people, and writes the weights and the card in `models/cards`. The
calibration is that of the three parts together, each by the network that has not seen it: these pairs stand for people
that the network trained on all has never seen. Last, the network in `models/cards` is compared with the start on two
collections that no training has seen.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table

from faceid.config import Settings
from faceid.evaluation.statistics.bootstrap import at_fmr, resample
from faceid.evaluation.statistics.margin import AMBIGUOUS_FMR, gaps
from faceid.evaluation.statistics.measured import measure
from faceid.evaluation.statistics.metrics import threshold_at_fmr
from faceid.evaluation.statistics.scores import compare_all
from faceid.networks import registry
from faceid.networks.backbones.dlib_resnet import DlibResnet
from faceid.networks.card import Accuracy, Card, Weights
from faceid.networks.card_text import write_card
from faceid.networks.files import sha256_of
from faceid.networks.loading import load
from faceid.networks.losses.settings import LossSettings
from faceid.networks.registry import write_calibration
from faceid.networks.state import write_tensors
from faceid.training.judging import cosine_distances
from faceid.types import Metric
from scripts import command
from scripts.datasets import lfw
from scripts.studies.default.training import Collection, Top, Way, collect, learn, templates, weights

NAME, START = "faceid-triplet", "dlib-resnet"
UNTRAINED = "dlib-resnet as it is"
WAYS = (
    Way("partial AUC", LossSettings("partial_auc"), rate=4e-3),
    Way("triplet, batch-hard", LossSettings("triplet", distance="cosine", mining="hard"), rate=4e-3),
)
PARTS = 3
ELSEWHERE = ("umist_faces", "cctwelve")
"""Collections that take no part in training: heads that turn, gray and small; and twelve poses and expressions."""
ELSEWHERE_FMR = 1e-2
RATES = {"LFW View 1": (1e-3, 1e-4, 1e-5), "celeba_wild": (1e-2, 1e-3, 1e-4)}
METRIC: Metric = "cosine"
KEEP = 3_000_000
PROGRAM = "scripts/studies/lab_default.py"


@dataclass(frozen=True)
class Measured:
    """TMR of a way at an FMR on a part that it was not trained on, with its 95 % interval over people."""

    way: str
    collection: str
    part: int
    fmr: float
    tmr: float
    low: float
    high: float


def main() -> None:
    arguments = _arguments()
    data = lfw.data_directory(arguments.data)
    card = registry.card(START)
    network = load(card, Settings.load().weights_dir)
    assert isinstance(network, DlibResnet)
    collections = [
        collect(name, photos, card.aligner, network)
        for name, photos in (
            ("LFW View 1", lfw.lfw_photos(data, arguments.cache)),
            ("celeba_wild", lfw.folder_photos(data / "celeba_wild" / "dev", arguments.cache)),
        )
    ]
    parts = [parted(one.identity, PARTS) for one in collections]
    start = Top(network)
    found, unseen = [], {}
    for number in range(PARTS):
        learnt = {
            way.name: learn(start, way, collections, [part != number for part in parts], seed=number)
            for way in WAYS
        }
        for way, top in {UNTRAINED: start, **learnt}.items():
            for one, part in zip(collections, parts, strict=True):
                vectors = templates(top, one.below[part == number])
                found += compared(way, one, vectors, part == number, number)
                unseen[way, one.name, number] = (vectors, one.identity[part == number])
    show(found)
    draw(found, arguments.figure)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    report = {"ways": [asdict(way) for way in WAYS], "runs": [asdict(one) for one in found]}
    arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(f"written to {arguments.json}, drawn in {arguments.figure}")
    if arguments.write:
        first = WAYS[0]
        everybody = [np.ones(len(one.identity), dtype=bool) for one in collections]
        top = learn(start, first, collections, everybody, seed=PARTS)
        own = [unseen[first.name, collections[0].name, number] for number in range(PARTS)]
        path = ship(card, collections, weights(network, top), own, found)
        print(f"made {path}")
    show_elsewhere([one for folder in ELSEWHERE for one in elsewhere(data / folder, arguments.cache)])


def parted(identity: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """The part, 0.. `parts` - 1, of each photo (n,): all photos of one person in one, drawn by seed 0."""
    people = np.unique(identity)
    part = np.empty(len(people), dtype=np.int64)
    part[np.random.default_rng(0).permutation(len(people))] = np.arange(len(people)) % parts
    return part[np.searchsorted(people, identity)]


def compared(
    way: str, one: Collection, vectors: NDArray[np.float32], kept: NDArray[np.bool_], part: int
) -> list[Measured]:
    """TMR at each FMR of the collection over all pairs of a part."""
    pairs = compare_all(vectors, one.identity[kept], METRIC, keep=KEEP)
    drawn = resample(one.people(kept), np.random.default_rng(0))
    found = []
    for fmr in RATES[one.name]:
        tmr = at_fmr(drawn, pairs, fmr).tmr
        found.append(Measured(way, one.name, part, fmr, tmr.rate, tmr.low, tmr.high))
    return found


def elsewhere(folder: Path, cache: Path) -> list[Measured]:
    """TMR of the start and of what ships over all pairs of a folder a person, with 95 % intervals over people."""
    photos = lfw.folder_photos(folder, cache)
    found = []
    for model in (START, NAME):
        made = lfw.templates(photos, model, cache)
        pairs = compare_all(made.vectors, made.identity, METRIC, keep=KEEP)
        drawn = resample(len(np.unique(made.identity)), np.random.default_rng(0))
        tmr = at_fmr(drawn, pairs, ELSEWHERE_FMR).tmr
        found.append(Measured(model, folder.name, 0, ELSEWHERE_FMR, tmr.rate, tmr.low, tmr.high))
    return found


def show_elsewhere(found: list[Measured]) -> None:
    """A table of what `elsewhere` found."""
    table = Table("", "", f"TMR at FMR {ELSEWHERE_FMR:g}", title="collections that no training has seen")
    for one in found:
        table.add_row(one.collection, one.way, f"{one.tmr:.3f} ({one.low:.3f} .. {one.high:.3f})")
    Console().print(table)


def show(found: list[Measured]) -> None:
    """A table for each collection."""
    for name, rates in RATES.items():
        table = Table("", *(Column(f"TMR at FMR {rate:g}", justify="right") for rate in rates), title=name)
        for way in dict.fromkeys(one.way for one in found):
            table.add_row(way, *(_cell(_of(found, way, name, rate)) for rate in rates))
        Console(width=150).print(table)


def _cell(runs: list[Measured]) -> str:
    worst = min(runs, key=lambda one: one.tmr)
    each = " ".join(f"{one.tmr:.3f}" for one in runs)
    return f"{_mean(runs):.3f} ({each}; {worst.low:.3f} .. {worst.high:.3f})"


def draw(found: list[Measured], path: Path) -> None:
    """TMR by FMR for each collection: a line a way, a point a part."""
    mpl.rcParams["svg.hashsalt"] = "lab_default"
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axes, (name, rates) in zip(figure.subplots(1, len(RATES), sharey=True), RATES.items(), strict=True):
        for way, colour, mark in zip(
            dict.fromkeys(one.way for one in found),
            ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7"),
            "osD^v",
            strict=False,
        ):
            runs = {rate: _of(found, way, name, rate) for rate in rates}
            axes.plot(rates, [_mean(runs[rate]) for rate in rates], color=colour, label=way)
            for rate in rates:
                axes.plot([rate] * PARTS, [one.tmr for one in runs[rate]], mark, color=colour, markersize=4)
        axes.set(xscale="log", title=name, xlabel="FMR")
        axes.grid(color="#DDDDDD")
        axes.set_axisbelow(True)
    figure.axes[0].set_ylabel("TMR on people never seen")
    figure.axes[0].legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def ship(
    start: Card,
    collections: list[Collection],
    state: dict[str, torch.Tensor],
    unseen: list[tuple[NDArray[np.float32], NDArray[np.int64]]],
    found: list[Measured],
) -> Path:
    """The weights and the card of the network trained on everybody, calibrated on `unseen`; the card's path."""
    path = Path(str(registry.card_path(START))).with_name(f"{NAME}.safetensors")
    write_tensors(path, state)
    people = " and ".join(
        f"{one.people(np.ones(len(one.identity), dtype=bool)):,} people ({len(one.identity):,} photos) of {one.name}"
        for one in collections
    )
    data = (
        "all pairs of people of LFW View 1 not trained on, mean of three networks of two thirds of the people"
    )
    card = replace(
        start,
        name=NAME,
        description=f"{START} with its last block and head trained further on {people}",
        licence=f"{start.licence} ({START}); trained on photos that are for research",
        licence_note=(
            "LFW and CelebA, whose photos the last block and the head were trained on, are published for research,"
            " CelebA for non-commercial research only. Whether such terms bind weights is not settled. Choose it"
            " knowingly."
        ),
        source_url=PROGRAM,
        weights=Weights.of_file(path, sha256_of(path), path.stat().st_size),
        accuracy=tuple(
            Accuracy(
                f"TMR at FMR {rate:g}",
                round(_mean(_of(found, WAYS[0].name, "LFW View 1", rate)), 3),
                data,
                "measured by the faceid authors",
            )
            for rate in RATES["LFW View 1"]
        ),
        calibration=None,
    )
    written = path.with_suffix(".toml")
    write_card(written, card)
    distances = [cosine_distances(vectors, identity) for vectors, identity in unseen]
    mated, non_mated = (np.concatenate(kind).astype(np.float64) for kind in zip(*distances, strict=True))
    threshold = threshold_at_fmr(non_mated, AMBIGUOUS_FMR)
    margins = [gaps(vectors, identity, METRIC, threshold).margin for vectors, identity in unseen]
    calibration = measure(
        mated,
        non_mated,
        data=(
            f"LFW View 1, deep-funnelled, {sum(len(identity) for _, identity in unseen):,} photos in three parts, all"
            " pairs within each, labels corrected, each by a network of the same kind that was not trained on it;"
            " intervals take comparisons as independent"
        ),
        ambiguity_margin=round(statistics.mean(margins), 4),
        program=PROGRAM,
    )
    write_calibration(written, calibration)
    return written


def _of(found: list[Measured], way: str, collection: str, fmr: float) -> list[Measured]:
    return [one for one in found if (one.way, one.collection, one.fmr) == (way, collection, fmr)]


def _mean(runs: list[Measured]) -> float:
    return statistics.mean(one.tmr for one in runs)


def _arguments() -> argparse.Namespace:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/lab_default.json")
    parser.add_argument("--figure", type=Path, default=Path("docs/images/lab_default.svg"))
    parser.add_argument("--write", action="store_true", help="train on everybody and make the network")
    return parser.parse_args()


if __name__ == "__main__":
    main()
