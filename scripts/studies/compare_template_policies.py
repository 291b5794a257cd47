"""How many templates should an identity keep, and which? Measured on LFW View 1 and CelebA in the wild.

    python -m scripts.studies.compare_template_policies [--model NAME ...] [--data DIR] [--draws 5]

The identities are those of LFW with five and more photos, of CelebA with eight and more, and all UMIST faces. A
quarter of the photos, at least two, are probes. The rest is the pool that k templates are kept of; a smaller pool is
kept whole, as in a gallery. Non-mated probes are the photos of all identities with fewer photos, for UMIST those of
the AT&T faces. The score is `faceid.decision.scores.identity_similarity`. One run has the pools as they are. In the
other, photos of other people replace a tenth of each pool (at least one photo), as if there were no enrolment checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.decision.thresholds import threshold_at_fmr as threshold_in_force
from faceid.enrolment.checks.selection import select
from faceid.evaluation.statistics.metrics import fmr, threshold_at_fmr, tmr_at_fmr
from faceid.evaluation.statistics.scores import distances
from faceid.networks import registry
from faceid.types import Metric
from scripts import command
from scripts.datasets import lfw, photo_faces

Array = NDArray[np.float32]
Select = Callable[[Array, Array, int, np.random.Generator], list[int]]
SIZES = (1, 2, 3, 5, 10, 20)
IN_USE = "nearest to the mean by quality"
IN_FORCE = 1e-4


def at_random(vectors: Array, qualities: Array, keep: int, rng: np.random.Generator) -> list[int]:
    return list(rng.permutation(len(vectors))[:keep])


def best_quality(vectors: Array, qualities: Array, keep: int, rng: np.random.Generator) -> list[int]:
    return list(np.argsort(-qualities, kind="stable")[:keep])


def most_diverse(vectors: Array, qualities: Array, keep: int, rng: np.random.Generator) -> list[int]:
    """Farthest-point sampling (Gonzalez 1985) from the best photo on."""
    taken = [int(qualities.argmax())]
    while len(taken) < min(keep, len(vectors)):
        nearest = (vectors @ vectors[taken].T).max(axis=1)
        nearest[taken] = np.inf
        taken.append(int(nearest.argmin()))
    return taken


def nearest_mean(vectors: Array, qualities: Array, keep: int, rng: np.random.Generator) -> list[int]:
    return list(np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")[:keep])


def medoids(vectors: Array, qualities: Array, keep: int, rng: np.random.Generator) -> list[int]:
    """Greedy k-medoids: each next one adds most to the similarity of every photo to its nearest one kept."""
    gram = vectors @ vectors.T
    covered = np.full(len(vectors), -1.0)
    taken: list[int] = []
    while len(taken) < min(keep, len(vectors)):
        gain = np.maximum(gram, covered[:, None]).sum(axis=0)
        gain[taken] = -np.inf
        taken.append(int(gain.argmax()))
        covered = np.maximum(covered, gram[:, taken[-1]])
    return taken


def same_mean(vectors: Array, qualities: Array, keep: int, rng: np.random.Generator) -> list[int]:
    """Kernel herding (Welling 2009): each next one brings the mean of those kept nearest to the mean of all."""
    goal, total = vectors.mean(axis=0), np.zeros(vectors.shape[1])
    taken: list[int] = []
    while len(taken) < min(keep, len(vectors)):
        off = np.linalg.norm((total + vectors) / (len(taken) + 1) - goal, axis=1)
        off[taken] = np.inf
        taken.append(int(off.argmin()))
        total += vectors[taken[-1]]
    return taken


def quality_and_mean(vectors: Array, qualities: Array, keep: int, rng: np.random.Generator) -> list[int]:
    """By the product of quality and similarity to the mean."""
    mean = qualities @ vectors
    return list(np.argsort(-(vectors @ mean) * qualities, kind="stable")[:keep])


def in_use(vectors: Array, qualities: Array, keep: int, rng: np.random.Generator) -> list[int]:
    """faceid.enrolment.checks.selection.select: nearest to the mean, in which photos count by quality."""
    return select(vectors, qualities, keep)


def one_by_one(vectors: Array, qualities: Array, keep: int, rng: np.random.Generator) -> list[int]:
    """The same, but what is let go is gone: photos come one at a time."""
    kept: list[int] = []
    for place in range(len(vectors)):
        candidates = [*kept, place]
        chosen = select(vectors[candidates], qualities[candidates], keep, range(len(kept)))
        kept = [candidates[index] for index in chosen]
    return kept


POLICIES: dict[str, Select] = {
    "random": at_random,
    "best quality": best_quality,
    "most diverse": most_diverse,
    "nearest to the mean": nearest_mean,
    "medoids": medoids,
    "same mean": same_mean,
    "quality and mean": quality_and_mean,
    IN_USE: in_use,
    "in use, photo by photo": one_by_one,
}


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/template_policies.json")
    command.add_networks(parser)
    parser.add_argument("--draws", type=int, default=5)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    collections = {
        "LFW View 1": (photo_faces.lfw_paths(data), 5),
        "celeba_wild": (photo_faces.wild_paths(data), 8),
        "UMIST": (
            sorted(path for part in ("umist_faces", "orl_faces") for path in (data / part).glob("*/*.*")),
            15,
        ),
    }
    rows = []
    for model in arguments.model or command.NETWORKS:
        calibration = registry.card(model).calibration
        assert calibration is not None
        in_force = threshold_in_force(calibration, IN_FORCE)
        for label, (paths, at_least) in collections.items():
            if not paths:
                continue
            faces = photo_faces.faces(paths, model, arguments.cache)
            for spoilt in (False, True):
                rows += [
                    {"model": model, "collection": label, "spoilt": spoilt, **row}
                    for row in compare(
                        faces, registry.card(model).metric, in_force, at_least, spoilt, arguments.draws
                    )
                ]
    show(rows)
    command.write_report(arguments.json, rows)
    print(f"written to {arguments.json}")


def compare(
    faces: photo_faces.Faces, metric: Metric, in_force: float, at_least: int, spoilt: bool, draws: int
) -> list[dict[str, Any]]:
    """One row for each number of templates and policy."""
    names = np.array(
        [str(path.parent.parent / name) for path, name in zip(faces.paths, faces.names, strict=True)]
    )
    central = np.array([faces.central(photo) for photo in range(len(faces.paths))])
    names, rows = names[central >= 0], central[central >= 0]
    vectors, qualities = faces.vectors[rows], faces.quality[rows]
    _, identity, counts = np.unique(names, return_inverse=True, return_counts=True)
    enrolled = np.flatnonzero(counts >= at_least)
    cases = [(1, "random")] + [
        (size, policy) for size in SIZES for policy in POLICIES if (size, policy) != (1, "random")
    ]
    cases.append((int(counts.max()), "all"))
    mated: dict[tuple[int, str], list[Array]] = {case: [] for case in cases}
    non_mated: dict[tuple[int, str], list[Array]] = {case: [] for case in cases}
    others = vectors[counts[identity] < at_least]
    rng = np.random.default_rng(2026)
    for _ in range(draws):
        for person in enrolled:
            own = rng.permutation(np.flatnonzero(identity == person))
            cut = max(2, len(own) // 4)
            probes, pool, quality = vectors[own[:cut]], vectors[own[cut:]], qualities[own[cut:]]
            if spoilt:
                others = rng.permutation(np.flatnonzero(identity != person))[: max(1, len(pool) // 10)]
                pool = np.concatenate([pool[len(others) :], vectors[others]])
                quality = np.concatenate([quality[len(others) :], qualities[others]])
            for case in cases:
                size, policy = case
                taken = POLICIES[policy](pool, quality, size, rng) if policy != "all" else range(len(pool))
                mean = pool[list(taken)].mean(axis=0)
                mean /= np.sqrt(np.linalg.norm(mean))
                mated[case].append(probes @ mean)
                non_mated[case].append(others @ mean)
    result = []
    for case in cases:
        same = distances(np.concatenate(mated[case]), metric)
        other = distances(np.concatenate(non_mated[case]), metric)
        result.append(
            {
                "identities": int(enrolled.size),
                "templates": case[0],
                "policy": case[1],
                "mated": int(same.size),
                "non_mated": int(other.size),
                "tmr": {f"{rate:g}": tmr_at_fmr(same, other, rate) for rate in (1e-4, 1e-5)},
                "threshold": threshold_at_fmr(other, IN_FORCE),
                "fmr_in_force": fmr(other, in_force),
                "tmr_in_force": float(np.mean(same <= in_force)),
            }
        )
    return result


def show(rows: list[dict[str, Any]]) -> None:
    table = Table(
        "network",
        "collection",
        "pools",
        "k",
        "policy",
        "TMR at 1e-4",
        "1e-5",
        "FMR, active threshold",
        "TMR, active threshold",
    )
    for row in rows:
        table.add_row(
            row["model"],
            row["collection"],
            "spoilt" if row["spoilt"] else "as they are",
            "all" if row["policy"] == "all" else str(row["templates"]),
            row["policy"],
            *(f"{value:.4f}" for value in row["tmr"].values()),
            f"{row['fmr_in_force']:.1e}",
            f"{row['tmr_in_force']:.4f}",
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
