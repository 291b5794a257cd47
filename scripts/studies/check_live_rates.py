"""Do tracks of many looks keep the rates of their policy? Tracks are modelled from photos.

    python -m scripts.studies.check_live_rates [--model NAME] [--tracks 20000] [--looks 12] [--agreement 0.985]

No collection has enough labelled non-mated tracks for rates of 1e-3. Here each track is one photo of LFW View 1. Every
look adds its own noise in a random direction, so that the mean of the looks is `--agreement` long (29 clips: 0.96 to
1.00, median 0.99). Looks of a track differ by this noise alone, so the study shows the cost of repeated tests, and
nothing about light and pose. Claims are against one photo of another person, and of the same person for false
non-matches. Searches are in 50 identities of one photo each. `once` is the first look alone, at the policy's threshold.
`ever` counts tracks that were accepted after any look, `in the end` those after the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from faceid.decision.decide import Policy, Target, policy_for
from faceid.evaluation.statistics.intervals import wilson
from faceid.live.decision.evidence import Evidence
from faceid.networks import registry
from faceid.types import Candidate
from scripts import command
from scripts.datasets import lfw, photo_faces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.live.decision.evidence import Search
    from faceid.types import Vector

IDENTITIES = 50


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True)
    parser.add_argument("--model", default="dlib-resnet")
    parser.add_argument("--tracks", type=int, default=20_000)
    parser.add_argument("--looks", type=int, default=12)
    parser.add_argument("--agreement", type=float, default=0.985)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    (card,) = (card for card in registry.cards() if card.name == arguments.model)
    paths = photo_faces.lfw_paths(lfw.data_directory(arguments.data))
    faces = photo_faces.faces(paths, arguments.model, arguments.cache)
    rows = np.array([faces.central(photo) for photo in range(len(paths))])
    vectors, names = faces.vectors[rows[rows >= 0]], np.array(faces.names)[rows >= 0]
    rng = np.random.default_rng(arguments.seed)
    simulate = Tracks(rng, arguments.looks, arguments.agreement)

    table = Table("what", "goal", "tracks", "once", "ever", "95 % of ever", "in the end")
    for rate in (1e-2, 1e-3):
        policy = policy_for(Target(fmr=rate), card.calibration)
        for mated in (False, True):
            pairs = _pairs(names, mated, arguments.tracks, rng)
            results = [
                simulate.run(vectors[probe], _claimed(vectors[claim]), policy, claim=True)
                for probe, claim in pairs
            ]
            _row(table, f"claim, {'mated' if mated else 'non-mated'}", f"FMR {rate:g}", results)
    enrolled = rng.choice(np.unique(names), IDENTITIES, replace=False)
    templates = {name: vectors[np.flatnonzero(names == name)[0]] for name in enrolled}
    non_mated = rng.permutation(np.flatnonzero(~np.isin(names, enrolled)))[: arguments.tracks]
    for rate in (5e-2, 1e-2):
        policy = policy_for(Target(fpir=rate), card.calibration, identities=IDENTITIES)
        find = _searched(templates)
        results = [simulate.run(vectors[row], find, policy, claim=False) for row in non_mated]
        _row(table, f"search of {IDENTITIES}, non-mated", f"FPIR {rate:g}", results)
    Console(width=140).print(table)


class Tracks:
    """Looks of one track from one photo."""

    def __init__(self, rng: np.random.Generator, looks: int, agreement: float) -> None:
        self._rng, self._looks = rng, looks
        # The mean of (u + e) / |u + e| with e across u is 1 / sqrt(1 + |e|^2) long.
        self._noise = (agreement**-2 - 1.0) ** 0.5

    def run(self, photo: Vector, search: Search, policy: Policy, *, claim: bool) -> tuple[bool, bool, bool]:
        """Whether the first look, any state and the last state accepted."""
        across = self._rng.standard_normal((self._looks, len(photo)))
        across -= np.outer(across @ photo, photo)
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        looks = (photo + self._noise * across) / (1.0 + self._noise**2) ** 0.5
        evidence = Evidence(search, policy, "cosine", claim=claim)
        accepted = [
            evidence.add_look(vector, 0.9, float(number)).name is not None
            for number, vector in enumerate(looks.astype(np.float32))
        ]
        nearest = search(looks[0].astype(np.float32))[0]
        return nearest.distance <= policy.threshold, any(accepted), accepted[-1]


def _pairs(
    names: NDArray[np.str_], mated: bool, most: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    if not mated:
        drawn = rng.integers(len(names), size=(2 * most, 2))
        return [(a, b) for a, b in drawn.tolist() if names[a] != names[b]][:most]
    order = np.argsort(names, kind="stable")
    return [(int(a), int(b)) for a, b in pairwise(order) if names[a] == names[b]][:most]


def _claimed(template: Vector) -> Search:
    def find(vector: Vector) -> Sequence[Candidate]:
        cosine = float(vector @ template)
        return (Candidate("claimed", 1.0 - cosine, cosine),)

    return find


def _searched(templates: dict[str, Vector]) -> Search:
    names, matrix = list(templates), np.stack(list(templates.values()))

    def find(vector: Vector) -> Sequence[Candidate]:
        cosines = matrix @ vector
        nearest = np.argsort(-cosines)[:5].tolist()
        return [Candidate(names[row], 1.0 - float(cosines[row]), float(cosines[row])) for row in nearest]

    return find


def _row(table: Table, what: str, goal: str, results: Sequence[tuple[bool, bool, bool]]) -> None:
    once, ever, end = (int(column) for column in np.array(results).sum(axis=0))
    total = len(results)
    interval = wilson(ever, total)
    shares = (f"{count / total:.5f}" for count in (once, ever, end))
    first, second, third = shares
    table.add_row(
        what, goal, f"{total:,}", first, second, f"{interval.low:.5f} .. {interval.high:.5f}", third
    )


if __name__ == "__main__":
    main()
