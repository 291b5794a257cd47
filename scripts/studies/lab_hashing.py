"""Binary codes instead of floats: what they save, and what they lose.

    python -m scripts.studies.lab_hashing [--model NAME] [--bits 64,128,...] [--seeds N] [--synthetic] [--json FILE]

Templates of LFW View 1 (labels corrected) are split by identity into two halves, once for each seed. On top of the
network, a hashing head (`faceid.networks.losses.hashing`) learns from three quarters of the people of the first half.
The last quarter chooses the learning rate and the epoch, for each split and length, by TMR at the lower FMR; the
tested people choose nothing. All pairs within the second half are compared by L2 between floats, and by the Hamming
distance of codes: of random hyperplanes through the origin, of the same through the mean of the first half, and after
training. TMR is the mean over the splits, with the lowest and the highest. A search is for one probe's nearest ten
among `--gallery` random templates, exhaustively, in faiss on one thread; its time is the median of many.

The JSON file keeps finished splits, and a later run does not repeat them. Searches are timed every time.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table

from faceid.evaluation.statistics.metrics import tmr_at_fmr
from faceid.networks.files import write_whole
from faceid.networks.losses.factory import make_loss
from faceid.networks.losses.hashing import HashingHead, HashingLoss
from faceid.networks.losses.settings import LossSettings
from faceid.networks.mining.batches import IdentityBatches
from faceid.networks.mining.splits import split
from scripts import command
from scripts.benchmarks.gallery.data import People, lfw_people, synthetic_people
from scripts.studies.hashing.plot import Row, draw

RATES = (1e-2, 1e-3)
IDENTITIES, PHOTOS = 32, 4
LEARNING_RATES = (0.003, 0.01, 0.03)
EVERY = 5
"""Epochs from one look at the people who choose to the next."""

FIRST_SPLIT = 10
"""The seed of the first split that is reported: lower ones were looked at while this was written."""

CODES = ("random", "centred", "trained")
K = 10


@dataclass(frozen=True)
class Split:
    """One split and length: TMR by kind of code and rate, and what was chosen (epoch 0: codes as they begin)."""

    bits: int
    seed: int
    tmr: dict[str, dict[str, float]]
    learning_rate: float | None
    epoch: int


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    people = (
        synthetic_people(128)
        if arguments.synthetic
        else lfw_people(arguments.model, arguments.data, arguments.cache)
    )
    splits = _kept(arguments.json)
    wanted = {}
    for seed in range(FIRST_SPLIT, FIRST_SPLIT + arguments.seeds):
        for bits in (0, *arguments.bits):
            key = f"{people.what} | {bits} bits | split {seed} | {arguments.epochs} epochs"
            if key not in splits:
                splits[key] = measure(people, bits, seed, arguments.epochs)
                _keep(arguments.json, splits)
                print(key, splits[key].learning_rate, splits[key].epoch, flush=True)
            wanted[key] = splits[key]
    dim = people.vectors.shape[1]
    cost = {bits: search_us(dim, bits, arguments.gallery) for bits in (0, *arguments.bits)}
    rows = summed_up(list(wanted.values()), dim, cost)
    _print(people, rows, arguments.gallery)
    draw(rows, f"{min(RATES):g}", arguments.figure)
    print(f"drawn in {arguments.figure}")


def measure(people: People, bits: int, seed: int, epochs: int) -> Split:
    """TMR on the people of a split who are tested: of floats, for 0 `bits`, or of all CODES of that length."""
    learning, choosing, testing = _parts(people, seed)
    vectors, identity = people.vectors[testing], people.identity[testing]
    if not bits:
        return Split(0, seed, {"floats": _rates(1 - vectors @ vectors.T, identity)}, None, 0)
    loss = _begun(people, bits, seed)
    tmr = {"random": _rates(_hamming(loss.head, vectors), identity)}
    loss.head.centre_on(torch.from_numpy(people.vectors[~testing]))
    tmr["centred"] = _rates(_hamming(loss.head, vectors), identity)

    def judged() -> float:
        distances = _hamming(loss.head, people.vectors[choosing])
        return tmr_at_fmr(*_pairs(distances, people.identity[choosing]), min(RATES))

    begun = copy.deepcopy(loss.state_dict())
    best, chosen, state = judged(), (None, 0), begun
    for learning_rate in LEARNING_RATES:
        loss.load_state_dict(begun)
        taught = people.vectors[learning], people.identity[learning]
        for epoch in train(loss, *taught, seed, learning_rate, epochs):
            if epoch % EVERY == 0 and (score := judged()) > best:
                best, chosen, state = score, (learning_rate, epoch), copy.deepcopy(loss.state_dict())
    loss.load_state_dict(state)
    tmr["trained"] = _rates(_hamming(loss.head, vectors), identity)
    return Split(bits, seed, tmr, *chosen)


def train(
    loss: HashingLoss,
    vectors: NDArray[np.float32],
    identity: NDArray[np.int64],
    seed: int,
    learning_rate: float,
    epochs: int,
) -> Iterator[int]:
    """Fit the head to (n, d) templates and their identities, epoch by epoch; each is told, from 1, once it is done."""
    batches = IdentityBatches(identity.tolist(), identities=IDENTITIES, photos=PHOTOS, seed=seed)
    optimiser = torch.optim.Adam(loss.parameters(), lr=learning_rate)
    embeddings, labels = torch.from_numpy(vectors), torch.from_numpy(identity)
    for epoch in range(epochs):
        for batch in batches.epoch(epoch):
            optimiser.zero_grad()
            loss(embeddings[batch], labels[batch]).value.backward()
            optimiser.step()
        yield epoch + 1


def summed_up(splits: list[Split], dim: int, cost: dict[int, float]) -> list[Row]:
    """A row for floats of `dim` numbers, and one for each of CODES at each length; `cost` in microseconds by length."""
    rows = []
    for bits in sorted({one.bits for one in splits}):
        of_length = [one for one in splits if one.bits == bits]
        for kind in of_length[0].tmr:
            tmr = {f"{rate:g}": [one.tmr[kind][f"{rate:g}"] for one in of_length] for rate in RATES}
            rows.append(Row(bits, kind, bits // 8 or 4 * dim, cost[bits], tmr))
    return rows


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


def _begun(people: People, bits: int, seed: int) -> HashingLoss:
    torch.manual_seed(seed)
    dim = people.vectors.shape[1]
    loss = make_loss(LossSettings("hashing", bits=bits), embedding_size=dim, classes=0)
    assert isinstance(loss, HashingLoss)
    return loss


def _parts(people: People, seed: int) -> list[NDArray[np.bool_]]:
    """Which templates are of people to learn from, of those who choose, and of those who are tested."""
    names = people.identity.astype(str)
    parts = split(names.tolist(), seed=seed, validation=0.125, test=0.5)
    return [np.isin(names, part) for part in (parts.train, parts.validation, parts.test)]


def _rates(distances: NDArray[np.float32], identity: NDArray[np.int64]) -> dict[str, float]:
    mated, non_mated = _pairs(distances, identity)
    return {f"{rate:g}": tmr_at_fmr(mated, non_mated, rate) for rate in RATES}


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


def _kept(path: Path) -> dict[str, Split]:
    if not path.exists():
        return {}
    return {key: Split(**kept) for key, kept in json.loads(path.read_text(encoding="utf-8")).items()}


def _keep(path: Path, splits: dict[str, Split]) -> None:
    content = json.dumps({key: asdict(kept) for key, kept in splits.items()}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, [content.encode()])


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


def _arguments() -> argparse.Namespace:
    parser = command.parser(__doc__, cache=True, report="bench/hashing.json")
    parser.add_argument("--model", default="dlib-resnet")
    parser.add_argument("--data", type=Path, help="the directory with lfw/")
    parser.add_argument("--synthetic", action="store_true", help="vectors that are no faces")
    parser.add_argument("--bits", type=_lengths, default=_lengths("64,128,256,512,1024"))
    parser.add_argument("--seeds", type=int, default=5, help="splits")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--gallery", type=int, default=100_000)
    parser.add_argument("--figure", type=Path, default=Path("docs/images/hashing.svg"))
    return parser.parse_args()


def _lengths(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
