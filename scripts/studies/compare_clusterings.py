"""Which method groups unknown faces best? Methods and bounds over archives of `faceid embed` with named folders.

    faceid embed DATA/lfw/images --output lfw.npz
    python -m scripts.studies.compare_clusterings lfw.npz celeba_wild.npz --out bench/clusterings.json

All methods work on the same graph of neighbours, except HDBSCAN and DBSCAN, which search themselves. All faces are
grouped; only those of known identity count. "all" is F of B-cubed over all faces, where each other face in a photo
counts as one more person: hardly any of them is in LFW twice. The label errors of LFW are corrected (datasets/lfw.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceid.decision.decide import Target
from faceid.decision.thresholds import log10_lr_at_distance, threshold_at_fmr
from faceid.enrolment.checks.levels import QUALITY_LEVELS
from faceid.explore.archive import read_archive
from faceid.explore.bounds import bound_of
from faceid.explore.cluster_quality import quality_of
from faceid.explore.clustering import Graph, cluster, graph_of, same_photo
from faceid.explore.faces import Faces
from faceid.explore.set_aside import cluster_others, each_alone, set_aside
from faceid.networks import registry
from faceid.networks.calibration import Calibration
from scripts import command
from scripts.datasets import lfw

Ints = NDArray[np.int64]
NOTHING = np.empty((0, 2), np.int64)


def similarity_at(distance: float, metric: str) -> float:
    return 1.0 - distance if metric == "cosine" else 1.0 - distance * distance / 2.0


def evidence_bound(calibration: Calibration, prior: float) -> float:
    """The distance at which the odds of one person are even, where a share `prior` of all pairs is of one person."""
    grid = np.linspace(0.0, 2.0, 20_001)
    log_odds = np.log10(prior / (1 - prior))
    ratios = [log10_lr_at_distance(calibration, float(at)) for at in grid]
    return float(
        max(
            (at for at, ratio in zip(grid, ratios, strict=True) if (ratio or -9) + log_odds >= 0), default=0.0
        )
    )


def components(faces: Faces, graph: Graph, least: float) -> Ints:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    near = graph.cosine >= least
    count = len(faces)
    links = coo_matrix((np.ones(int(near.sum())), (graph.first[near], graph.second[near])), (count, count))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def whispers(faces: Faces, graph: Graph, least: float) -> Ints:
    """Chinese whispers (Biemann 2006), 20 rounds, as dlib does it: edges weigh alike."""
    rng = np.random.default_rng(0)
    near: list[list[int]] = [[] for _ in range(len(faces))]
    chosen = graph.cosine >= least
    for one, other in zip(graph.first[chosen].tolist(), graph.second[chosen].tolist(), strict=True):
        near[one].append(other)
        near[other].append(one)
    label = np.arange(len(faces))
    for _ in range(20):
        for row in rng.permutation(len(faces)).tolist():
            if near[row]:
                heard, times = np.unique(label[near[row]], return_counts=True)
                label[row] = heard[times.argmax()]
    return label


def louvain(faces: Faces, graph: Graph, least: float) -> Ints:
    import networkx

    chosen = graph.cosine >= least
    network = networkx.Graph()
    network.add_nodes_from(range(len(faces)))
    network.add_weighted_edges_from(
        (int(one), int(other), float(cosine))
        for one, other, cosine in zip(
            graph.first[chosen], graph.second[chosen], graph.cosine[chosen], strict=True
        )
    )
    label = np.empty(len(faces), np.int64)
    for number, members in enumerate(networkx.community.louvain_communities(network, seed=0)):
        label[list(members)] = number
    return label


def dbscan(faces: Faces, least: float, least_points: int) -> Ints:
    from sklearn.cluster import DBSCAN

    found = DBSCAN(eps=float(np.sqrt(max(0.0, 2 - 2 * least))), min_samples=least_points).fit_predict(
        faces.vectors
    )
    return alone(found)


def hdbscan(faces: Faces, least_size: int) -> Ints:
    from sklearn.cluster import HDBSCAN

    return alone(
        HDBSCAN(min_cluster_size=least_size, copy=True).fit_predict(faces.vectors.astype(np.float64))
    )


def alone(label: NDArray[np.integer]) -> Ints:
    """Noise as groups of one."""
    noise = label < 0
    found = label.astype(np.int64)
    found[noise] = label.max() + 1 + np.arange(int(noise.sum()))
    return found


def rank_order(faces: Faces, vectors: NDArray[np.float32], bound: float, k: int = 10) -> Ints:
    """Approximate rank-order (Otto, Wang and Jain 2018): linked where few nearer neighbours are not shared."""
    cosine = vectors @ vectors.T
    order = np.argsort(-cosine, axis=1, kind="stable")[:, : k + 1]
    place = [{row: rank for rank, row in enumerate(rows)} for rows in order.tolist()]
    parent = np.arange(len(faces))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = int(parent[row])
        return row

    def missing(one: int, other: int) -> int:
        upto = place[one].get(other, k)
        return sum(place[other].get(row, k + 1) > k for row in order[one][: upto + 1].tolist())

    for one in range(len(faces)):
        for other in order[one].tolist():
            if other > one:
                ranks = min(place[one].get(other, k), place[other].get(one, k))
                if (missing(one, other) + missing(other, one)) / max(1, ranks) <= bound:
                    parent[root(one)] = root(other)
    return np.array([root(row) for row in range(len(faces))], np.int64)


def run(path: Path, out: list[dict[str, Any]]) -> None:
    faces = read_archive(path)
    calibration = registry.card(faces.model).calibration
    assert calibration is not None
    names = [
        "" if Path(source).name in lfw.MISLABELLED else lfw.SAME_PERSON.get(name, name)
        for name, source in zip(faces.names, faces.sources, strict=True)
    ]
    known = {name: number for number, name in enumerate(sorted({*names} - {""}))}
    identity = np.array([known.get(name, -1) for name in names])
    everybody = identity.copy()
    everybody[identity < 0] = len(known) + np.arange(int((identity < 0).sum()))
    apart = same_photo(faces.photos())
    aside = set_aside(faces)
    count = len(faces)
    print(
        f"\n{path}: {count:,} faces, {len(known):,} identities, {len(apart):,} pairs on one photo", flush=True
    )

    def at(distance: float) -> float:
        return similarity_at(distance, faces.metric)

    def measured(method: str, bound: str, label: Callable[[], Ints]) -> None:
        started = perf_counter()
        found = label()
        took = perf_counter() - started
        quality = quality_of(found, identity, np.random.default_rng(0))
        assert quality is not None
        each = quality_of(found, everybody, np.random.default_rng(0))
        assert each is not None
        largest = int(np.bincount(found).max())
        broken = int((found[apart[:, 0]] == found[apart[:, 1]]).sum())
        precision, recall = quality.pair_precision or 0.0, quality.pair_recall or 0.0
        print(
            f"{method:34} {bound:18} pairs P {precision:.3f} R {recall:.3f}  B3 P {quality.b_cubed_precision:.3f}"
            f" R {quality.b_cubed_recall:.3f} F {quality.b_cubed_f:.3f} all {each.b_cubed_f:.3f}"
            f"  groups {len(np.unique(found)):5,} largest {largest:3}"
            f" broken {broken:3} {took:.1f} s",
            flush=True,
        )
        out.append(
            {
                "data": path.stem,
                "method": method,
                "bound": bound,
                **asdict(quality),
                "f": quality.b_cubed_f,
                "f_all": each.b_cubed_f,
                "largest": largest,
                "broken": broken,
            }
        )

    bounds = {f"FMR {rate:g}": at(threshold_at_fmr(calibration, rate)) for rate in (1e-3, 1e-4, 1e-5)}
    bounds["FMR 1/n"] = at(threshold_at_fmr(calibration, max(1 / count, calibration.points[0].fmr)))
    bounds["default"] = bound_of(faces, Target()).similarity
    for prior in (1e-2, 1e-3):
        bounds[f"odds, prior {prior:g}"] = at(evidence_bound(calibration, prior))
    graph = graph_of(faces.vectors, min(bounds.values()))
    for name, least in bounds.items():
        measured(
            "average linkage, constrained", name, lambda b=least: cluster(faces.vectors, graph, b, apart)
        )
        measured("average linkage", name, lambda b=least: cluster(faces.vectors, graph, b, NOTHING))
    for level in ("cut off", "standard"):
        least, poor = (
            bounds["default"],
            aside if level == "cut off" else set_aside(faces, QUALITY_LEVELS[level]),
        )
        measured(
            f"average linkage, {level} aside",
            "default",
            lambda b=least, p=poor: each_alone(cluster_others(faces, p, b, apart)),
        )
    for name in ("FMR 0.001", "FMR 0.0001", "FMR 1e-05", "default"):
        measured("connected components", name, lambda b=bounds[name]: components(faces, graph, b))
        measured("Chinese whispers", name, lambda b=bounds[name]: whispers(faces, graph, b))
        measured("Louvain", name, lambda b=bounds[name]: louvain(faces, graph, b))
        measured("DBSCAN, 3 points", name, lambda b=bounds[name]: dbscan(faces, b, 3))
    for size in (2, 3):
        measured("HDBSCAN", f"{size} faces", lambda b=size: hdbscan(faces, b))
    if count < 12_000:
        for ratio in (0.2, 0.5, 1.0):
            measured("rank-order", f"{ratio:g}", lambda b=ratio: rank_order(faces, faces.vectors, b))


def best_of_each(rows: list[dict[str, Any]]) -> None:
    """Of each method the setting with the best mean F of B-cubed over all data, as rows of a Markdown table."""
    data = list(dict.fromkeys(row["data"] for row in rows))
    settings: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        settings.setdefault(row["method"], {}).setdefault(row["bound"], []).append(row)
    print(f"\n| method | bound | {' | '.join(data)} | broken |")
    for method, tried in settings.items():
        whole = {bound: found for bound, found in tried.items() if len(found) == len(data)}
        best = max(whole, key=lambda bound: sum(row["f"] for row in whole[bound]), default=None)
        for bound in dict.fromkeys((best, "default")):
            if bound in whole:
                cells = [
                    f"{row['f']:.3f} ({row['b_cubed_precision']:.3f}, {row['b_cubed_recall']:.3f})"
                    for row in whole[bound]
                ]
                broken = sum(row["broken"] for row in whole[bound])
                print(f"| {method} | {bound} | {' | '.join(cells)} | {broken} |")


def main() -> None:
    parser = command.parser(__doc__)
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for path in arguments.archives:
        run(path, rows)
    best_of_each(rows)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
