"""Fine-tuning for worse cameras: can the default network learn small, compressed and masked faces without harm?

    python -m scripts.studies.lab_degraded [--data DIR] [--steps N] [--seeds N] [--ways "WAY; ..."] [--json FILE]

The people of LFW View 1 (labels corrected) are split once. Six of ten are for training, one chooses the best step of
each run. On the other three, which no run has seen, TMR at FMR 1e-3 is measured before and after: on the photos as
they are, and with degraded probes (degraded/data.py: 24 pixels, heavy JPEG, masks) against photos as they are and
against degraded ones. All pairs of photos count, in both directions. The gain is the mean over the seeds, which draw
batches and degradations. Intervals are over people (subset bootstrap), of the middle run, before and after in the
same draws.

Faces are detected and aligned in the photos as they are, and degraded afterwards, so the study leaves out what a
detector misses in worse pictures. In training, `faceid/networks/training/augment.py` draws masks as the test does, but
reduces and compresses by random amounts. `triplets alone` is the same without distillation. An interrupted run
continues.
"""

from __future__ import annotations

import argparse
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
from faceid.evaluation.statistics.bootstrap import Resample, places_of, resample
from faceid.evaluation.statistics.metrics import tmr_at_fmr
from faceid.networks import registry
from faceid.networks.state import read_tensors
from faceid.networks.training.embedding import embed
from faceid.networks.training.settings import FINE_TUNING, TrainSettings
from faceid.networks.training.starts import Start, Trained
from faceid.networks.training.trainer import Job, run
from faceid.recognition.align import ALIGNERS
from scripts import command
from scripts.datasets import lfw
from scripts.studies.degraded.data import ALIGNER, CLEAN, DOMAINS, MIXED, Part, Parts, parts_of_lfw
from scripts.studies.lab_faces import Told, ways_among

FMR = 1e-3
BEFORE = "as it is"
SETTINGS = FINE_TUNING.changed(
    {
        "batch": {"people": 16, "photos": 2},
        "optimiser": {"rate": 3e-3, "warmup": 30},
        "schedule": {"validate": 50, "checkpoint": 25, "patience": 20},
        "distillation": {"weight": 20.0},
        "augmentation": {"blur": 0.0, "occlusion": 0.0, "jpeg": 0.3, "low_resolution": 0.35, "mask": 0.3},
    }
)
WAYS = {
    "triplets + distillation": SETTINGS,
    "triplets alone": SETTINGS.changed({"distillation": {"weight": 0.0}}),
}
ALIKE = "alike"
"""References that are degraded as the probes are, each in its own way."""
COLOURS = ("#0072B2", "#D55E00", "#009E73")


@dataclass(frozen=True, eq=False)
class Rates:
    """TMR at FMR 1e-3, and again in each replicate of the bootstrap (b,)."""

    tmr: float
    drawn: NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A network on people it has not seen: probes of `domain` against `references`, 95 % intervals over people.

    `gain` is against the network as it is, with the interval of the difference.
    """

    way: str
    seed: int
    best_step: int
    domain: str
    references: str
    tmr: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float


def main() -> None:
    arguments = _arguments()
    cache = arguments.cache / "lab_degraded"
    parts = parts_of_lfw(lfw.data_directory(arguments.data), cache)
    own = Settings.load()
    start = Trained(registry.card("dlib-resnet", own.models_dir), own.weights_dir)
    found = study(parts, start, arguments.ways, arguments.steps, range(arguments.seeds), cache)
    what = (
        f"{parts.training.identities:,} people ({len(parts.training.labels):,} photos) trained on, judged on"
        f" {parts.test.identities:,} others ({len(parts.test.labels):,} photos)"
    )
    report = {"what": what, "steps": arguments.steps, "runs": [asdict(one) for one in found]}
    command.write_report(arguments.json, report)
    show(found, what)
    draw(found, arguments.figure)
    print(f"written to {arguments.json}, drawn in {arguments.figure}")


def study(
    parts: Parts, start: Start, ways: list[str], steps: int, seeds: range, cache: Path
) -> list[Measured]:
    """The network as it is, and what each way makes of it with each seed, in all domains."""
    people = resample(parts.test.identities, np.random.default_rng(0))
    before = rates(embedded(start.make(), parts.test, cache / "as-it-is.npy"), parts.test.labels, people)
    found = compared(BEFORE, 0, 0, before, before)
    for way in ways:
        for seed in seeds:
            settings = replace(WAYS[way].changed({"schedule": {"steps": steps}}), seed=seed)
            directory = cache / f"{way.replace(' ', '-')}-{steps}-{seed}"
            step, network = trained(parts, f"{way}, seed {seed}", start, settings, directory)
            vectors = embedded(network, parts.test, directory / f"test-{step}.npy")
            found += compared(way, seed, step, rates(vectors, parts.test.labels, people), before)
    return found


def trained(
    parts: Parts, name: str, start: Start, settings: TrainSettings, directory: Path
) -> tuple[int, torch.nn.Module]:
    """The best step of a run, which goes on where it was cut short, and the network then."""
    directory.mkdir(parents=True, exist_ok=True)
    job = Job(
        settings=settings,
        start=start,
        training=parts.training.for_training(),
        validation=parts.validation.samples(CLEAN, MIXED),
        judge=judge,
        directory=directory,
        landmarks=ALIGNERS[ALIGNER].template,
    )
    outcome = run(job, Told(name))
    network = start.make()
    network.load_state_dict(read_tensors(outcome.weights))
    return outcome.best_step, network


def judge(vectors: NDArray[np.float32], identity: NDArray[np.int64]) -> float:
    """The mean of two TMR: of the first half, photos as they are, and of the second, degraded, against the first."""
    (clean, mixed), labels = np.split(vectors, 2), identity[: len(identity) // 2]
    pairs = (distances(probes, clean, labels) for probes in (clean, mixed))
    return statistics.mean(tmr_at_fmr(mated, non_mated, FMR) for mated, non_mated in pairs)


def distances(
    probes: NDArray[np.float32], references: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """1 - cosine of each probe and all references but its own photo: mated, and non-mated ones."""
    apart = 1.0 - probes @ references.T
    same = labels[:, None] == labels
    return apart[same & ~np.eye(len(labels), dtype=bool)], apart[~same]


def embedded(network: torch.nn.Module, part: Part, kept: Path) -> NDArray[np.float32]:
    """What a network says of the photos in each domain, in order: (domains, n, d); kept for the next time."""
    if not kept.exists():
        vectors = [embed(network, part.samples(domain), torch.device("cpu")) for domain in DOMAINS]
        np.save(kept, np.stack(vectors))
    found: NDArray[np.float32] = np.load(kept)
    return found


def rates(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], people: Resample
) -> dict[tuple[str, str], Rates]:
    """By domain and kind of references, of vectors (domains, n, d)."""
    clean = vectors[0]
    found = {
        (domain, CLEAN): rate(probes, clean, labels, people)
        for domain, probes in zip(DOMAINS, vectors, strict=True)
    }
    for domain, probes in zip(DOMAINS[1:], vectors[1:], strict=True):
        found[domain, ALIKE] = rate(probes, probes, labels, people)
    return found


def rate(
    probes: NDArray[np.float32],
    references: NDArray[np.float32],
    labels: NDArray[np.int64],
    people: Resample,
) -> Rates:
    """TMR of all pairs, each both ways; each replicate finds its own threshold."""
    mated, non_mated = distances(probes, references, labels)
    same = labels[:, None] == labels
    first, second = np.nonzero(~same)
    order = np.argsort(non_mated, kind="stable")
    budget = FMR * 2 * people.non_mated_total(np.bincount(labels))
    places = places_of(people, labels[first[order]], labels[second[order]], budget)
    thresholds = non_mated[order][places]
    whose = labels[np.nonzero(same & ~np.eye(len(labels), dtype=bool))[0]]
    weights = people.draws[:, whose]
    matched = (weights * (mated < thresholds[:, None])).sum(1)
    return Rates(tmr_at_fmr(mated, non_mated, FMR), matched / weights.sum(1))


def compared(
    way: str,
    seed: int,
    step: int,
    after: dict[tuple[str, str], Rates],
    before: dict[tuple[str, str], Rates],
) -> list[Measured]:
    """Each comparison with its gain; both networks were measured on the same draws."""
    found = []
    for (domain, references), now in after.items():
        then = before[domain, references]
        low, high = _interval(now.drawn)
        gain_low, gain_high = _interval(now.drawn - then.drawn)
        gain = now.tmr - then.tmr
        found.append(
            Measured(way, seed, step, domain, references, now.tmr, low, high, gain, gain_low, gain_high)
        )
    return found


def show(found: list[Measured], what: str) -> None:
    """A row a way, domain and kind of references: means of the seeds, and intervals of the middle run."""
    table = Table(
        "way",
        "probes",
        "references",
        Column(f"TMR at FMR {FMR:g}", justify="right"),
        Column("lowest .. highest", justify="right"),
        Column("gain, points", justify="right"),
        Column("95 % over people", justify="right"),
        title=what,
    )
    for (way, domain, references), runs in _grouped(found).items():
        scores = [one.tmr for one in runs]
        middle = _middle(runs)
        gain = 100 * statistics.mean(one.gain for one in runs)
        table.add_row(
            way,
            domain,
            references,
            f"{statistics.mean(scores):.3f}",
            f"{min(scores):.3f} .. {max(scores):.3f}",
            "" if way == BEFORE else f"{gain:+.1f}",
            "" if way == BEFORE else f"{100 * middle.gain_low:+.1f} .. {100 * middle.gain_high:+.1f}",
        )
    Console(width=130).print(table)


def draw(found: list[Measured], path: Path) -> None:
    """Probes of each domain against photos as they are: a row a domain, a colour a way, a point a seed."""
    mpl.rcParams["svg.hashsalt"] = "lab_degraded"
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    ways = list(dict.fromkeys(one.way for one in found))
    for number, way in enumerate(ways):
        for row, domain in enumerate(reversed(DOMAINS)):
            runs = [one for one in found if (one.way, one.domain, one.references) == (way, domain, CLEAN)]
            y = row + 0.22 * ((len(ways) - 1) / 2 - number)
            middle = _middle(runs)
            colour = "#777777" if way == BEFORE else COLOURS[number - 1]
            axes.plot([middle.low, middle.high], [y, y], color=colour, alpha=0.35, linewidth=6)
            name = way if row == 0 else None
            axes.plot([one.tmr for one in runs], [y] * len(runs), "o", color=colour, markersize=5, label=name)
    axes.set_yticks(range(len(DOMAINS)), list(reversed(DOMAINS)))
    axes.set_ylabel("probes")
    axes.set_xlabel(f"TMR at FMR {FMR:g} against photos as they are (points: seeds; bars: 95 % over people)")
    axes.set_xlim(0.0, 1.0)
    axes.grid(axis="x", color="#DDDDDD")
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=len(ways), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _grouped(found: list[Measured]) -> dict[tuple[str, str, str], list[Measured]]:
    groups: dict[tuple[str, str, str], list[Measured]] = {}
    for one in found:
        groups.setdefault((one.way, one.domain, one.references), []).append(one)
    return groups


def _middle(runs: list[Measured]) -> Measured:
    return sorted(runs, key=lambda one: one.tmr)[len(runs) // 2]


def _arguments() -> argparse.Namespace:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/lab_degraded.json")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--ways",
        type=ways_among(WAYS),
        default=list(WAYS),
        help=f"separated by semicolons: {'; '.join(WAYS)}",
    )
    parser.add_argument("--figure", type=Path, default=Path("docs/images/lab_degraded.svg"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
