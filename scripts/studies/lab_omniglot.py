"""One-shot recognition of characters: what loss, distance and size of embeddings do to it.

    python -m scripts.studies.lab_omniglot [--seeds N] [--sizes 8,16,...] [--jobs N] [--limit MINUTES] [--json FILE]

A small convolutional network learns the characters of five alphabets of Omniglot and is tested on those of three
others; the seed chooses the alphabets. An autoencoder has the same network as its encoder and learns from the same
pictures without labels. `pixels` are the pictures themselves at unit length. Every cell (way to learn x size x seed) is
one training; the cells of a seed learn from the same pictures in the same order. Accuracy is taken over all episodes of
n characters of the three alphabets together, n = 2 .. 20, so that no random choice of episodes remains. The official
runs of 20-way classification (Lake et al. 2015), whose alphabets are in no training, stand beside it. Intervals are
Student's, 95 %, over seeds: over the start of the network and the choice among these eight alphabets. Differences are
taken seed by seed. Of twenty verdicts at 95 % one is wrong by chance. Accuracy falls with n by construction.

The JSON file keeps finished cells, and a later run does not repeat them.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Column, Table

from scripts import command
from scripts.studies.omniglot.data import SIDE, Drawings, Run, read_drawings, read_runs
from scripts.studies.omniglot.episodes import all_episodes
from scripts.studies.omniglot.findings import Mean, findings, mean
from scripts.studies.omniglot.plot import draw
from scripts.studies.omniglot.training import WAYS, as_they_are, embed, l2, train

SIZES = (8, 16, 32, 64, 128, 256)
MOST_WAYS = 20
TESTED = 3
"""Alphabets that a network is asked for and did not learn."""

PIXELS = "pixels"

_SHOWN = (2, 5, 10, 20)
_BACKGROUND = ("images_background_small1", "images_background_small2")
_RUNS = "all_runs"


@dataclass(frozen=True)
class Plan:
    """What a cell computes, but for its drawings; `way` is a place in WAYS, or None for PIXELS."""

    way: int | None
    size: int
    seed: int
    steps: int

    @property
    def name(self) -> str:
        """What its way is called."""
        return PIXELS if self.way is None else WAYS[self.way].name

    @property
    def key(self) -> str:
        """Its name in the JSON file."""
        return f"{self.name} | {self.size} | seed {self.seed} | {self.steps} steps"


@dataclass(frozen=True)
class Cell:
    """One training: accuracy at n = 2 .. 20, the error of each official run, and what it cost."""

    way: str
    size: int
    seed: int
    steps: int
    accuracy: list[float]
    official_error: list[float]
    tested: list[str]
    last_loss: float
    seconds: float


def main() -> None:
    arguments = _arguments()
    plans = [
        Plan(way, size, seed, arguments.steps)
        for seed in range(arguments.seeds)
        for size in arguments.sizes
        for way in range(len(WAYS))
    ]
    plans += [Plan(None, SIDE**2, seed, 0) for seed in range(arguments.seeds)]
    cells = _kept(arguments.json)
    left = [plan for plan in plans if plan.key not in cells]
    if left:
        drawings = read_drawings([_packed_or_not(arguments.data / name) for name in _BACKGROUND])
        runs = read_runs(_packed_or_not(arguments.data / _RUNS))
        _compute(left, drawings, runs, cells, arguments)
    done = [cells[plan.key] for plan in plans if plan.key in cells]
    if not done:
        raise SystemExit("no cell is finished yet")
    if len(done) < len(plans):
        print(f"{len(plans) - len(done)} of {len(plans)} cells are not finished")
    report(done, arguments.figure)


def cell(plan: Plan, drawings: Drawings, runs: list[Run]) -> Cell:
    """Train, and ask. Alphabets that are tested are drawn by the seed, the same for every way and size."""
    started = time.perf_counter()
    torch.set_num_threads(1)
    tested = tested_alphabets(drawings.alphabets, plan.seed)
    learnt = drawings.of_alphabets(set(drawings.alphabets) - set(tested))
    asked = drawings.of_alphabets(tested)
    if plan.way is None:
        embedded, last_loss = as_they_are, 0.0
    else:
        way = WAYS[plan.way]
        network, last_loss = train(way, learnt, dim=plan.size, seed=plan.seed, steps=plan.steps)
        embedded = partial(embed, network, way)
    vectors = embedded(asked.pixels)
    errors = []
    for run in runs:
        nearest = l2(embedded(run.asked), embedded(run.known)).argmin(axis=1)
        errors.append(float((nearest != run.answers).mean()))
    return Cell(
        way=plan.name,
        size=plan.size,
        seed=plan.seed,
        steps=plan.steps,
        accuracy=all_episodes(l2(vectors, vectors), asked.labels, MOST_WAYS).tolist(),
        official_error=errors,
        tested=list(tested),
        last_loss=last_loss,
        seconds=time.perf_counter() - started,
    )


def tested_alphabets(alphabets: tuple[str, ...], seed: int) -> tuple[str, ...]:
    """TESTED of them, sorted."""
    drawn = np.random.default_rng(seed).choice(len(alphabets), TESTED, replace=False)
    return tuple(sorted(alphabets[k] for k in drawn))


def report(cells: list[Cell], figure: Path) -> None:
    """The table, what it says of the known findings, and the picture."""
    rows = grouped(cells)
    floor = sorted((cell for cell in cells if cell.way == PIXELS), key=lambda cell: cell.seed)
    table = Table(
        "way to learn",
        Column("size", justify="right"),
        Column("seeds", justify="right"),
        *(Column(f"{n}-way", justify="right") for n in _SHOWN),
        Column("error, official runs", justify="right"),
        title="accuracy of one-shot recognition, alphabets never seen (95 % over seeds)",
    )
    for (way, size), group in [*rows.items(), *([((PIXELS, SIDE**2), floor)] if floor else [])]:
        shares = [mean([cell.accuracy[n - 2] for cell in group]) for n in _SHOWN]
        errors = mean([float(np.mean(cell.official_error)) for cell in group])
        table.add_row(way, str(size), str(len(group)), *map(_percent, shares), _percent(errors))
    Console(width=130).print(table)
    for found in findings(rows):
        print(found)
    draw(rows, floor, figure)
    print(f"drawn in {figure}")


def grouped(cells: list[Cell]) -> dict[tuple[str, int], list[Cell]]:
    """What was learnt, by way, in the order of WAYS, and by size."""
    groups: dict[tuple[str, int], list[Cell]] = {}
    for way in WAYS:
        for one in sorted(cells, key=lambda cell: (cell.size, cell.seed)):
            if one.way == way.name:
                groups.setdefault((one.way, one.size), []).append(one)
    return groups


def _compute(
    plans: list[Plan],
    drawings: Drawings,
    runs: list[Run],
    cells: dict[str, Cell],
    arguments: argparse.Namespace,
) -> None:
    """Fill `cells`, and keep each as soon as it is there. After the limit no more are begun."""
    stop = time.monotonic() + 60 * arguments.limit
    waiting = list(plans)
    running: dict[Future[Cell], Plan] = {}
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        while running or (waiting and time.monotonic() < stop):
            while waiting and len(running) < arguments.jobs and time.monotonic() < stop:
                plan = waiting.pop(0)
                running[pool.submit(cell, plan, drawings, runs)] = plan
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                plan = running.pop(future)
                cells[plan.key] = future.result()
                _keep(arguments.json, cells)
                done = cells[plan.key]
                print(f"{plan.key}: 20-way {done.accuracy[-1]:.1%} in {done.seconds:.0f} s", flush=True)


def _packed_or_not(path: Path) -> Path:
    """The archive of that name, or the folder. Ends the run where there is neither."""
    archive = path.with_name(path.name + ".zip")
    if not archive.is_file() and not path.is_dir():
        raise SystemExit(f"no {archive}, nor a folder without .zip: give --data, or set FACEID_TEST_DATA")
    return archive if archive.is_file() else path


def _kept(path: Path) -> dict[str, Cell]:
    if not path.exists():
        return {}
    return {key: Cell(**kept) for key, kept in json.loads(path.read_text(encoding="utf-8")).items()}


def _keep(path: Path, cells: dict[str, Cell]) -> None:
    """Through a file beside it: a run that is cut short leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(
        json.dumps({key: asdict(kept) for key, kept in cells.items()}, indent=1), encoding="utf-8"
    )
    partial.replace(path)


def _percent(found: Mean) -> str:
    return f"{found.value:.1%}" + ("" if found.reach is None else f" ± {100 * found.reach:.1f}")


def _arguments() -> argparse.Namespace:
    parser = command.parser(__doc__, report="bench/omniglot.json")
    parser.add_argument(
        "--data",
        type=Path,
        default=command.test_data() / "omniglot",
        help=f"with {', '.join(_BACKGROUND)} and {_RUNS}, as .zip or unpacked",
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sizes", type=lambda text: [int(part) for part in text.split(",")], default=SIZES)
    parser.add_argument("--steps", type=int, default=600, help="of each training")
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument(
        "--limit", type=float, default=float("inf"), help="minutes after which no cell is begun"
    )
    parser.add_argument("--figure", type=Path, default=Path("docs/images/omniglot.png"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
