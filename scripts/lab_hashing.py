"""Binary codes instead of floats: what they save, and what they lose.

    python scripts/lab_hashing.py [--model NAME] [--bits 64,128,...] [--seeds N] [--synthetic] [--json FILE]

Templates of LFW View 1 (label errors mended) are split by identity, half and half, once for each seed. A hashing head
is trained on the one half, by `models.losses.hashing`, on top of the network as it is. All pairs within the other half
are compared by L2 between floats, and by the Hamming distance of codes: of random hyperplanes through the origin, of
the same through the mean of the first half, and after training. TMR is the mean over the splits, with the lowest and
the highest. A search is for one probe's nearest ten among `--gallery` random templates, exhaustively, in faiss on one
thread, the median of many.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from bench_gallery_data import People, lfw_people, synthetic_people
from faceid.calibrate.metrics import tmr_at_fmr
from models.losses.hashing import HashingHead, HashingLoss
from models.losses.loss import make_loss
from models.losses.settings import LossSettings
from models.mining.batches import IdentityBatches
from models.mining.splits import split

RATES = (1e-2, 1e-3)
IDENTITIES, PHOTOS = 32, 4
LEARNING_RATE = 0.001
CODES = ("random", "centred", "trained")
K = 10


@dataclass(frozen=True)
class Row:
    """One way to compare: bits of a code (0: floats), one of CODES, and for each rate the TMR of every split."""

    bits: int
    kind: str
    size: int
    search_us: float
    tmr: dict[str, list[float]]

    @property
    def name(self) -> str:
        return f"{self.bits} bits, {self.kind}" if self.bits else "floats, L2"


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    people = (
        synthetic_people(128)
        if arguments.synthetic
        else lfw_people(arguments.model, arguments.data, arguments.cache)
    )
    rows = measure(people, arguments.bits, range(arguments.seeds), arguments.epochs, arguments.gallery)
    _print(people, rows, arguments.gallery)
    report = {"what": people.what, "gallery": arguments.gallery, "rows": [asdict(row) for row in rows]}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    draw(rows, arguments.figure)
    print(f"written to {arguments.json}, drawn in {arguments.figure}")


def measure(people: People, bits: list[int], seeds: range, epochs: int, gallery: int) -> list[Row]:
    """A row for floats, and one for each of CODES at each length."""
    dim = people.vectors.shape[1]
    ways = [(0, "floats"), *((length, kind) for length in bits for kind in CODES)]
    tmr: dict[tuple[int, str], dict[str, list[float]]] = {
        way: {f"{rate:g}": [] for rate in RATES} for way in ways
    }
    for seed in track(seeds, description="splits", transient=True):
        training, testing = _halves(people, seed)
        vectors, identity = people.vectors[testing], people.identity[testing]
        scores = {(0, "floats"): 1 - vectors @ vectors.T}
        for length in bits:
            torch.manual_seed(seed)
            loss = make_loss(LossSettings("hashing", bits=length), embedding_size=dim, classes=0)
            assert isinstance(loss, HashingLoss)
            scores[length, "random"] = _hamming(loss.head, vectors)
            loss.head.centre_on(torch.from_numpy(people.vectors[training]))
            scores[length, "centred"] = _hamming(loss.head, vectors)
            train(loss, people.vectors[training], people.identity[training], seed, epochs)
            scores[length, "trained"] = _hamming(loss.head, vectors)
        for way, distances in scores.items():
            mated, non_mated = _pairs(distances, identity)
            for rate in RATES:
                tmr[way][f"{rate:g}"].append(tmr_at_fmr(mated, non_mated, rate))
    cost = {length: search_us(dim, length, gallery) for length in (0, *bits)}
    return [
        Row(length, kind, length // 8 or 4 * dim, cost[length], tmr[length, kind]) for length, kind in ways
    ]


def train(
    loss: HashingLoss, vectors: NDArray[np.float32], identity: NDArray[np.int64], seed: int, epochs: int
) -> None:
    """Fit the head to (n, d) templates and their identities."""
    batches = IdentityBatches(identity.tolist(), identities=IDENTITIES, photos=PHOTOS, seed=seed)
    optimiser = torch.optim.Adam(loss.parameters(), lr=LEARNING_RATE)
    embeddings, labels = torch.from_numpy(vectors), torch.from_numpy(identity)
    for epoch in range(epochs):
        for batch in batches.epoch(epoch):
            optimiser.zero_grad()
            loss(embeddings[batch], labels[batch]).value.backward()
            optimiser.step()


def search_us(dim: int, bits: int, gallery: int) -> float:
    """The median of 200 searches of one probe, in microseconds; `bits` of 0 searches floats."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(gallery, dim, generator=generator), dim=1)
    stored: NDArray[Any] = vectors.numpy()
    index: Any = faiss.IndexFlatL2(dim)
    if bits:
        stored = HashingHead(embedding_size=dim, bits=bits).codes(vectors)
        index = faiss.IndexBinaryFlat(bits)
    index.add(stored)
    return _median_us(index.search, stored[:200])


def _median_us(search: Callable[[NDArray[Any], int], object], probes: NDArray[Any]) -> float:
    times = []
    for number in range(len(probes)):
        started = time.perf_counter()
        search(probes[number : number + 1], K)
        times.append(time.perf_counter() - started)
    return 1e6 * statistics.median(times)


def _halves(people: People, seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    names = people.identity.astype(str)
    test = split(names.tolist(), seed=seed, validation=0, test=0.5).test
    testing = np.isin(names, test)
    return ~testing, testing


def _hamming(head: HashingHead, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """All distances: (bits - a . c) / 2 of codes as signs, exact in float32."""
    signs = 2 * np.unpackbits(head.codes(torch.from_numpy(vectors)), axis=1).astype(np.float32) - 1
    distances: NDArray[np.float32] = (signs.shape[1] - signs @ signs.T) / 2
    return distances


def _pairs(
    distances: NDArray[np.float32], identity: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    above = np.triu(np.ones(distances.shape, dtype=bool), 1)
    same = identity[:, None] == identity[None]
    return distances[above & same], distances[above & ~same]


def _print(people: People, rows: list[Row], gallery: int) -> None:
    heads = [Column(f"TMR at FMR {rate:g}", justify="right") for rate in RATES]
    table = Table(
        "",
        Column("bytes", justify="right"),
        Column("µs a search", justify="right"),
        *heads,
        title=f"{people.what}; searches among {gallery:,}",
    )
    for row in rows:
        shares = [_spread(values) for values in row.tmr.values()]
        table.add_row(row.name, str(row.size), f"{row.search_us:.0f}", *shares)
    Console().print(table)


def _spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.3f} ({min(values):.3f}-{max(values):.3f})"


def draw(rows: list[Row], path: Path) -> None:
    """TMR against the bytes of a template, at the lower FMR, to `path`; its suffix says in which format."""
    rate = f"{RATES[-1]:g}"
    with mpl.rc_context({"font.size": 8.5, "svg.fonttype": "none", "svg.hashsalt": "hashing"}):
        figure = Figure(figsize=(5.5, 3.6), layout="constrained")
        axes = figure.subplots()
        for kind, label, colour, style in (
            ("trained", "codes, trained", "#0072B2", "o-"),
            ("centred", "random planes through the mean", "#009E73", "^-."),
            ("random", "random planes through the origin", "#D55E00", "s--"),
        ):
            codes = [row for row in rows if row.bits and row.kind == kind]
            means = [statistics.mean(row.tmr[rate]) for row in codes]
            below = [mean - min(row.tmr[rate]) for mean, row in zip(means, codes, strict=True)]
            above = [max(row.tmr[rate]) - mean for mean, row in zip(means, codes, strict=True)]
            sizes = [row.size for row in codes]
            axes.errorbar(sizes, means, yerr=[below, above], fmt=style, color=colour, label=label, capsize=2)
        floats = statistics.mean(rows[0].tmr[rate])
        axes.axhline(floats, color="black", linestyle=":", label=f"floats, {rows[0].size} bytes")
        axes.set(xscale="log", xlabel="bytes a template", ylabel=f"TMR at FMR {rate}")
        shown = sorted({row.size for row in rows if row.bits})
        axes.set_xticks(shown, [str(size) for size in shown])
        axes.minorticks_off()
        axes.legend(loc="lower right", frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="dlib-resnet")
    parser.add_argument("--data", type=Path, help="the directory with lfw/")
    parser.add_argument("--cache", type=Path, default=Path("bench"))
    parser.add_argument("--synthetic", action="store_true", help="vectors that are no faces")
    parser.add_argument("--bits", type=_lengths, default=_lengths("64,128,256,512,1024"))
    parser.add_argument("--seeds", type=int, default=5, help="splits")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--gallery", type=int, default=100_000)
    parser.add_argument("--json", type=Path, default=Path("bench/hashing.json"))
    parser.add_argument("--figure", type=Path, default=Path("scripts/figures/hashing.svg"))
    return parser.parse_args()


def _lengths(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
