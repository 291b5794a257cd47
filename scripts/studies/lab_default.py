"""How `faceid-triplet` is trained from few people, and its rates on people that took no part.

    python -m scripts.studies.lab_default [--data DIR] [--cache DIR] [--json FILE] [--write]

The people of LFW View 1 and of celeba_wild are split by a hash of their names. A fifth is held out. Of the others, a
fifth chooses among `WAYS`, which differ in loss, rate and number of steps; the rest learns.

`--write` chooses the way, trains the last block and the head of dlib's network once more with all people who are not
held out, and writes weights and card into `models/research`. Then the file itself is loaded as commands do it. It
embeds the people of LFW who are held out, and all their pairs give the calibration and the accuracy of the card.

With or without `--write`, the network in `models/research` is compared with others: TMR on the people who are held
out, on two collections that no training has seen, and the FMR observed where a card states 1e-3 and 1e-4. Intervals
are over people (subset bootstrap).
"""

from __future__ import annotations

import argparse
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
from faceid.evaluation.statistics.bootstrap import at_fmr, fmr_interval, resample
from faceid.evaluation.statistics.margin import AMBIGUOUS_FMR, gaps
from faceid.evaluation.statistics.measured import measure
from faceid.evaluation.statistics.metrics import threshold_at_fmr, tmr_at_fmr
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
from faceid.networks.training.seen import marks, metadata_of
from faceid.recognition.embed.torch import open_embedder
from faceid.training.judging import cosine_distances
from faceid.types import Metric
from scripts import command
from scripts.datasets import lfw
from scripts.studies.default.split import CHOOSING, HELD_OUT, LEARNING, parted, person
from scripts.studies.default.training import (
    Collection,
    Top,
    Upper,
    Way,
    below_dlib,
    collect,
    learn,
    templates,
    weights,
)

NAME, START, BEST = "faceid-triplet", "dlib-resnet", "mobilefacenet"
RESEARCH = command.REPOSITORY / "models" / "research"
PARTIAL_AUC = LossSettings("partial_auc")
WAYS = (
    Way("partial AUC, rate 2e-3, 200 steps", PARTIAL_AUC, rate=2e-3),
    Way("partial AUC, rate 4e-3, 100 steps", PARTIAL_AUC, rate=4e-3, steps=100),
    Way("partial AUC, rate 4e-3, 200 steps", PARTIAL_AUC, rate=4e-3),
    Way("partial AUC, rate 8e-3, 200 steps", PARTIAL_AUC, rate=8e-3),
    Way(
        "triplet, batch-hard, rate 4e-3, 200 steps",
        LossSettings("triplet", distance="cosine", mining="hard"),
        rate=4e-3,
    ),
)
LFW, CELEBA, DEMOGRAPHICS = "LFW View 1", "celeba_wild", "demographics"
CHOOSE_AT = {LFW: 1e-4, CELEBA: 1e-3}
"""The FMR at which TMR is compared among people who choose; the mean of both collections decides."""
RATES = {LFW: (1e-3, 1e-4, 1e-5), CELEBA: (1e-2, 1e-3, 1e-4)}
STATED = (1e-3, 1e-4)
ELSEWHERE = ("umist_faces", "cctwelve")
"""Collections that take no part in training: heads that turn, gray and small; and twelve poses and expressions."""
ELSEWHERE_FMR = 1e-2
METRIC: Metric = "cosine"
POPULATION = "public figures in press photos (LFW)"
KEEP = 3_000_000
PROGRAM = "scripts/studies/lab_default.py"


@dataclass(frozen=True)
class Tried:
    """TMR of a way among people who choose, by collection, at the FMR of CHOOSE_AT; `mean` is that of both."""

    way: str
    tmr: dict[str, float]

    @property
    def mean(self) -> float:
        """The mean over the collections."""
        return float(np.mean(list(self.tmr.values())))


@dataclass(frozen=True)
class Measured:
    """A rate of a network on people who are held out, with its 95 % interval over people.

    `what` is `TMR` at `fmr`, or the observed `FMR` at the threshold for which the card states `fmr`.
    """

    network: str
    collection: str
    what: str
    fmr: float
    rate: float
    low: float
    high: float


def main() -> None:
    arguments = _arguments()
    data = lfw.data_directory(arguments.data)
    photos = {
        LFW: lfw.lfw_photos(data, arguments.cache),
        CELEBA: lfw.folder_photos(data / "celeba_wild" / "dev", arguments.cache),
    }
    tried = made(photos, arguments.cache) if arguments.write else []
    held = {name: held_out(one) for name, one in photos.items()}
    strangers = lfw.folder_photos(data / "demographics" / "photos", arguments.cache)
    found = []
    for network in (START, NAME, BEST):
        for name, one in held.items():
            found += rates(network, name, one, RATES[name], arguments.cache)
        for name, one in (*held.items(), (DEMOGRAPHICS, strangers)):
            found += observed(network, name, one, arguments.cache)
        for folder in ELSEWHERE:
            others = lfw.folder_photos(data / folder, arguments.cache)
            found += rates(network, folder, others, (ELSEWHERE_FMR,), arguments.cache)
    show(found)
    draw(found, arguments.figure)
    report = {"tried": [asdict(one) for one in tried], "measured": [asdict(one) for one in found]}
    command.write_report(arguments.json, report)
    print(f"written to {arguments.json}, drawn in {arguments.figure}")


def made(photos: dict[str, lfw.Photos], cache: Path) -> list[Tried]:
    """Choose a way, train once with it, and write the network; what each way reached among people who choose."""
    card = registry.card(START)
    network = load(card, Settings.load().weights_dir)
    assert isinstance(network, DlibResnet)
    key = f"{card.name} {card.weights.sha256}"
    collections = [
        collect(name, one, card.aligner, lambda crops, _: below_dlib(network, crops), cache, key)
        for name, one in photos.items()
    ]
    start = Top(network)
    tried, best = choose(start, collections)
    parts = [parted(one.names) for one in collections]
    top = learn(start, best, collections, [part != HELD_OUT for part in parts], seed=0)
    path = ship(card, collections, weights(network, top), held_out(photos[LFW]))
    print(f"made {path}")
    return tried


def choose(start: Upper, collections: list[Collection]) -> tuple[list[Tried], Way]:
    """What each of WAYS, learnt by one part, reaches among the people who choose, and the best of them.

    `start` as it is comes first, for comparison.
    """
    parts = [parted(one.names) for one in collections]
    tried = [Tried("as it is", judged(start, collections, parts))]
    for way in WAYS:
        top = learn(start, way, collections, [part == LEARNING for part in parts], seed=0)
        tried.append(Tried(way.name, judged(top, collections, parts)))
        print(tried[-1].way, {name: round(tmr, 4) for name, tmr in tried[-1].tmr.items()}, flush=True)
    best = max(range(len(WAYS)), key=lambda number: tried[number + 1].mean)
    return tried, WAYS[best]


def judged(top: Upper, collections: list[Collection], parts: list[NDArray[np.str_]]) -> dict[str, float]:
    """TMR among the people who choose, by collection."""
    found = {}
    for one, part in zip(collections, parts, strict=True):
        chosen = part == CHOOSING
        pairs = cosine_distances(templates(top, one.below[chosen]), one.identity[chosen])
        found[one.name] = tmr_at_fmr(*pairs, CHOOSE_AT[one.name])
    return found


def held_out(photos: lfw.Photos) -> lfw.Photos:
    """The photos of people who are held out, without those whose label is wrong."""
    corrected = replace(photos, names=tuple(lfw.SAME_PERSON.get(name, name) for name in photos.names))
    part = parted(corrected.names)
    right = [path.name not in lfw.MISLABELLED for path in photos.paths]
    return corrected.at([row for row in range(len(part)) if part[row] == HELD_OUT and right[row]])


def ship(
    start: Card,
    collections: list[Collection],
    state: dict[str, torch.Tensor],
    held: lfw.Photos,
    folder: Path = RESEARCH,
) -> Path:
    """Write the network and its card into `folder`, calibrated by the file itself on people held out; the card's path.

    Raises ValueError if a person of `held` is among those who took part in the training.
    """
    kept = [parted(one.names) != HELD_OUT for one in collections]
    took_part = {
        person(one.names[row])
        for one, rows in zip(collections, kept, strict=True)
        for row in np.flatnonzero(rows)
    }
    if both := took_part.intersection(map(person, held.names)):
        raise ValueError(f"held out and yet trained on: {', '.join(sorted(both))}")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{NAME}.safetensors"
    photos = [
        one.paths[row] for one, rows in zip(collections, kept, strict=True) for row in np.flatnonzero(rows)
    ]
    write_tensors(file, state, metadata_of(marks(sha256_of(path) for path in photos)))
    people = " and ".join(
        f"{one.people(rows):,} people ({np.count_nonzero(rows):,} photos) of {one.name}"
        for one, rows in zip(collections, kept, strict=True)
    )
    card = replace(
        start,
        name=NAME,
        description=f"{START} with its last block and head trained further on {people}",
        licence=f"{start.licence} ({START}); trained on photos that are for research",
        licence_note=(
            "For research. LFW and CelebA, whose photos the last block and the head were trained on, are published for"
            " research, CelebA for non-commercial research only. Whether such terms bind weights is not settled."
        ),
        terms="research",
        source_url=PROGRAM,
        weights=Weights.of_file(file, sha256_of(file), file.stat().st_size),
        accuracy=(),
        calibration=None,
    )
    written = file.with_suffix(".toml")
    write_card(written, card)
    vectors, identity = _embedded(card, held)
    mated, non_mated = (kind.astype(np.float64) for kind in cosine_distances(vectors, identity))
    people = f"{len(vectors):,} photos of {len(np.unique(identity)):,} people"
    data = f"LFW View 1, {people} who took no part in the training"
    accuracy = tuple(
        Accuracy(
            f"TMR at FMR {rate:g}",
            round(tmr_at_fmr(mated, non_mated, rate), 3),
            f"{data}, all pairs",
            "measured by the faceid authors",
        )
        for rate in RATES[LFW]
    )
    write_card(written, replace(card, accuracy=accuracy))
    calibration = measure(
        mated,
        non_mated,
        data=f"{data}, deep-funnelled, all pairs, labels corrected; intervals take comparisons as independent",
        ambiguity_margin=round(
            gaps(vectors, identity, METRIC, threshold_at_fmr(non_mated, AMBIGUOUS_FMR)).margin, 4
        ),
        program=PROGRAM,
    )
    known = replace(calibration, weights_sha256=card.weights.sha256, population=POPULATION)
    write_calibration(written, known)
    return written


def _embedded(card: Card, photos: lfw.Photos) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Templates (n, d) and people (n,) by the file that `card` describes."""
    embedder = open_embedder(card, device="cpu", weights_dir=Settings.load().weights_dir)
    rows = [row for row, face in enumerate(photos.faces) if face is not None]
    identity = np.unique([photos.names[row] for row in rows], return_inverse=True)[1]
    return lfw.vectors_of(photos, embedder), identity.astype(np.int64)


def _templates(network: str, photos: lfw.Photos, cache: Path) -> lfw.Templates:
    """Templates by one of the networks that are compared, without photos whose label is wrong."""
    card = registry.card(network, RESEARCH)
    embedder = open_embedder(card, device="cpu", weights_dir=Settings.load().weights_dir)
    return lfw.labelled(lfw.templates_by(embedder, photos, cache))


def rates(
    network: str, name: str, photos: lfw.Photos, rates: tuple[float, ...], cache: Path
) -> list[Measured]:
    """TMR at each FMR over all pairs."""
    made = _templates(network, photos, cache)
    pairs = compare_all(made.vectors, made.identity, METRIC, keep=KEEP)
    drawn = resample(len(np.unique(made.identity)), np.random.default_rng(0))
    found = []
    for fmr in rates:
        tmr = at_fmr(drawn, pairs, fmr).tmr
        found.append(Measured(network, name, "TMR", fmr, tmr.rate, tmr.low, tmr.high))
    return found


def observed(network: str, name: str, photos: lfw.Photos, cache: Path) -> list[Measured]:
    """The FMR over all pairs at the thresholds for which the card of `network` states STATED."""
    calibration = registry.card(network, RESEARCH).calibration
    assert calibration is not None
    stated = {point.fmr: point.distance for point in calibration.points}
    made = _templates(network, photos, cache)
    pairs = compare_all(made.vectors, made.identity, METRIC, keep=KEEP)
    drawn = resample(len(np.unique(made.identity)), np.random.default_rng(0))
    found = []
    for fmr in STATED:
        share = fmr_interval(drawn, pairs, stated[fmr])
        found.append(Measured(network, name, "FMR", fmr, share.rate, share.low, share.high))
    return found


def show(found: list[Measured]) -> None:
    """A table of TMR, and one of observed over stated FMR: a row a collection and rate, a column a network."""
    for what, title in (("TMR", "TMR at FMR"), ("FMR", "FMR observed, over what the card states")):
        table = Table("", "", *(Column(name, justify="right") for name in (START, NAME, BEST)), title=title)
        cells: dict[tuple[str, float], list[str]] = {}
        for one in found:
            if one.what == what:
                by = one.fmr if what == "FMR" else 1.0
                text = f"{one.rate / by:.3f} ({one.low / by:.3f} .. {one.high / by:.3f})"
                cells.setdefault((one.collection, one.fmr), []).append(text)
        for (collection, fmr), texts in cells.items():
            table.add_row(collection, f"{fmr:g}", *texts)
        Console(width=140).print(table)


def draw(found: list[Measured], path: Path) -> None:
    """TMR by FMR on the people held out: a panel a collection, a line a network, bars of 95 % over people."""
    mpl.rcParams["svg.hashsalt"] = "lab_default"
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axes, (name, rates) in zip(figure.subplots(1, len(RATES), sharey=True), RATES.items(), strict=True):
        for number, (network, colour) in enumerate(
            zip((START, NAME, BEST), ("#000000", "#0072B2", "#D55E00"), strict=True)
        ):
            of = {one.fmr: one for one in found if (one.network, one.collection) == (network, name)}
            runs = [
                one
                for one in found
                if (one.network, one.collection, one.what) == (network, name, "TMR") and one.fmr in of
            ]
            x = [one.fmr * 1.12 ** (number - 1) for one in runs]
            errors = [
                [one.rate - one.low for one in runs],
                [one.high - one.rate for one in runs],
            ]
            axes.errorbar(
                x, [one.rate for one in runs], errors, color=colour, marker="o", markersize=4, label=network
            )
        axes.set(xscale="log", title=name, xlabel="FMR", xlim=(min(rates) / 2, max(rates) * 2))
        axes.grid(color="#DDDDDD")
        axes.set_axisbelow(True)
    figure.axes[0].set_ylabel("TMR on people held out")
    figure.axes[0].legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def _arguments() -> argparse.Namespace:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/lab_default.json")
    parser.add_argument("--figure", type=Path, default=Path("docs/images/lab_default.svg"))
    parser.add_argument("--write", action="store_true", help="choose, train, and make the network first")
    return parser.parse_args()


if __name__ == "__main__":
    main()
