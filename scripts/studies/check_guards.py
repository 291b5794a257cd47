"""Whether the checks of enrolment find what would poison a gallery, and what they cost.

    python -m scripts.studies.check_guards [--model NAME ...] [--data DIR] [--seeds 10] [--tune] [--end-to-end]

Poisoned folders: 200 identities with two and more photos of LFW View 1 (labels corrected) and of CelebA in the wild;
5 % of all photos are swapped between people. "Caught" are swapped photos that are refused, "refused" are honest ones.
Several faces: photos of LFW View 1 with more than one face, in the folders of their people; the labelled person is
the one in the middle. Second names: people with four and more photos, half of them enrolled and the others offered
under a new name; and each person as a newcomer to a gallery of all others. `--tune` chooses bounds on the people of
the first half of each collection; all else is measured on those of the second half.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.decision.decide import Target, policy_for
from faceid.decision.scores import distance_from_similarity
from faceid.enrolment.checks.conflict import enrolled_as
from faceid.enrolment.checks.group import Bounds, examine
from faceid.enrolment.checks.rival_identities import CONFLICT_FPIR
from faceid.evaluation.statistics.bootstrap import share_interval
from faceid.evaluation.statistics.intervals import clopper_pearson
from faceid.networks import registry
from faceid.types import Candidate
from scripts import command
from scripts.datasets import lfw, photo_faces
from scripts.datasets.poisoned_folders import Network, Person, count, enrol, half, judge, people, poison

Array = NDArray[np.float32]
REPLICATES = 1000
CANDIDATES = 5
OUTCOMES = ("right", "wrong", "refused")


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/guards.json")
    command.add_networks(parser)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tune", action="store_true", help="compare bounds on the half that is for choosing")
    parser.add_argument(
        "--end-to-end", action="store_true", help="poisoned folders go through the whole enrolment"
    )
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    results = []
    for name in arguments.model or command.NETWORKS:
        calibration = registry.card(name).calibration
        assert calibration is not None
        network = Network(name, calibration, registry.card(name).metric)
        collections = {
            "LFW View 1": people(photo_faces.faces(photo_faces.lfw_paths(data), name, arguments.cache))
        }
        wild = photo_faces.wild_paths(data)
        if wild:
            collections["celeba_wild"] = people(photo_faces.faces(wild, name, arguments.cache))
        if arguments.tune:
            tune(collections, network, arguments.seeds)
            continue
        results.append({"model": name, **check(collections, network, arguments.seeds, arguments.end_to_end)})
    if results:
        show(results)
        command.write_report(arguments.json, results)
        print(f"written to {arguments.json}")


def tune(collections: dict[str, list[Person]], network: Network, seeds: int) -> None:
    """Bounds compared on the people who are for choosing."""
    table = Table("network", "collection", "near", "scene", "swaps caught", "honest refused")
    for label, collection in collections.items():
        crowd = half(collection, second=False)
        drawn = [poison(crowd, np.random.default_rng(seed)) for seed in range(seeds)]
        for bounds in (*map(Bounds, (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)), Bounds(scene=0.0)):
            totals = sum(
                count(judge(folder, network, bounds), folder.wrong) for folders in drawn for folder in folders
            )
            caught, planted, lost, honest = totals
            table.add_row(
                network.name,
                label,
                f"{bounds.near:g}",
                f"{bounds.scene:g}",
                f"{caught / planted:.1%} of {planted}",
                f"{lost / honest:.2%} of {honest}",
            )
    Console(width=120).print(table)


def show(results: Sequence[dict[str, Any]]) -> None:
    """All results as tables."""
    folders = Table("network", "collection", "folders", "identities", "swaps caught", "honest photos refused")
    faces = Table("network", "policy", *OUTCOMES)
    names = Table("network", "collection", "second names found", "by one photo", "newcomers warned of")
    for result in results:
        for label, rows in result["poisoned"].items():
            for folder, row in rows.items():
                folders.add_row(
                    result["model"],
                    label,
                    folder,
                    str(row["identities"]),
                    *(text(row.get(kind)) for kind in ("caught", "honest_refused")),
                )
        for label, outcome in result["several_faces"].items():
            if label.endswith("why"):
                print(result["model"], label, outcome)
            else:
                faces.add_row(result["model"], label, *(str(outcome.get(kind, 0)) for kind in OUTCOMES))
        for label, row in result["second_names"].items():
            shown = (text(row[kind]) for kind in ("found", "found_by_one_photo", "newcomers_warned"))
            names.add_row(result["model"], label, *shown)
    for table in (folders, faces, names):
        Console(width=150).print(table)


def text(share: dict[str, Any] | None) -> str:
    if share is None:
        return "-"
    return f"{share['rate']:.2%} ({share['low']:.2%} .. {share['high']:.2%}) of {share['of']:,}"


def outcome_of(face: int | None, own: int) -> str:
    return "refused" if face is None else "right" if face == own else "wrong"


def check(
    collections: dict[str, list[Person]], network: Network, seeds: int, end_to_end: bool
) -> dict[str, Any]:
    """All that is measured on the people who were not for choosing."""
    halves = {label: half(collection, second=True) for label, collection in collections.items()}
    if len(halves) > 1:
        halves["both"] = [person for crowd in halves.values() for person in crowd]
    return {
        "poisoned": {label: poisoned(crowd, network, seeds, end_to_end) for label, crowd in halves.items()},
        "several_faces": several_faces(halves["LFW View 1"], network),
        "second_names": {
            label: second_names(crowd, network) for label, crowd in halves.items() if label != "both"
        },
    }


def poisoned(crowd: Sequence[Person], network: Network, seeds: int, end_to_end: bool) -> dict[str, Any]:
    """Shares with intervals over people: of all folders, and by how many photos and whether any is swapped."""
    groups: dict[str, list[tuple[int, NDArray[np.int64]]]] = defaultdict(list)
    reasons: Counter[str] = Counter()
    for seed in range(seeds):
        folders = poison(crowd, np.random.default_rng(seed))
        if end_to_end:
            verdicts, why = enrol(folders, network)
            reasons.update(why)
        else:
            verdicts = [judge(folder, network) for folder in folders]
        for folder, refused in zip(folders, verdicts, strict=True):
            counts = count(refused, folder.wrong)
            size = "two photos" if len(folder.photos) == 2 else "three and more"
            groups["all"].append((folder.person, counts))
            kind = "with a swap" if folder.wrong.any() else "without a swap"
            groups[f"{size}, {kind}"].append((folder.person, counts))
    result = {label: shares(rows) for label, rows in sorted(groups.items())}
    if end_to_end:
        print(network.name, dict(reasons))
    return result


def shares(rows: Sequence[tuple[int, NDArray[np.int64]]]) -> dict[str, Any]:
    """What was caught and what was lost, of counts by folder: 95 % intervals from drawing people anew."""
    people_, place = np.unique([person for person, _ in rows], return_inverse=True)
    totals = np.zeros((len(people_), 4), dtype=np.int64)
    np.add.at(totals, place.reshape(-1), np.array([counts for _, counts in rows]))
    rng = np.random.default_rng(2026)
    drawn = rng.multinomial(len(people_), np.full(len(people_), 1 / len(people_)), size=REPLICATES) @ totals
    result: dict[str, Any] = {"identities": len(people_)}
    for label, column in (("caught", 0), ("honest_refused", 2)):
        number, total = (int(value) for value in totals.sum(axis=0)[column : column + 2])
        if total:
            interval = share_interval(number, total, drawn[:, column], drawn[:, column + 1])
            result[label] = {"count": number, "of": total, **asdict(interval)}
    return result


def several_faces(crowd: Sequence[Person], network: Network) -> dict[str, dict[str, int]]:
    """How photos with several faces come out, by policy and by whether the person has other photos."""
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for person in crowd:
        company = "with other photos" if len(person.photos) > 1 else "the only photo"
        none_enrolled = person.photos[0][:0]
        verdicts = examine(person.photos, none_enrolled, network.calibration, network.metric)
        for verdict, own, photo in zip(verdicts, person.own, person.photos, strict=True):
            if len(photo) > 1:
                outcomes[f"all, {company}"][outcome_of(verdict.face, own)] += 1
                outcomes[f"all, {company}, why"][verdict.refusal or "taken"] += 1
    return {label: dict(outcome) for label, outcome in sorted(outcomes.items())}


def second_names(crowd: Sequence[Person], network: Network) -> dict[str, Any]:
    """People of four photos and more: half their photos enrolled, the others as a new person; and real newcomers."""
    gallery = {
        person.name: np.stack([photo[own] for photo, own in zip(person.photos, person.own, strict=True)])
        for person in crowd
    }
    twice = {name for name, vectors in gallery.items() if len(vectors) >= 4}
    known = {
        name: vectors[: len(vectors) // 2] if name in twice else vectors for name, vectors in gallery.items()
    }
    means = np.stack([vectors.mean(axis=0) for vectors in known.values()])
    means /= np.sqrt(np.linalg.norm(means, axis=1, keepdims=True))
    names = list(known)
    target = Target(fpir=CONFLICT_FPIR)
    policy = policy_for(target, network.calibration, identities=len(names))

    def warned(vectors: Array, without: str | None) -> str | None:
        similar = vectors @ means.T
        if without is not None:
            similar[:, names.index(without)] = -1.0
        candidates = [
            [
                Candidate(
                    names[place],
                    distance_from_similarity(float(row[place]), network.metric),
                    float(row[place]),
                )
                for place in np.argsort(-row, kind="stable")[:CANDIDATES]
            ]
            for row in similar
        ]
        found = enrolled_as("a new person", vectors, candidates, policy, network.metric)
        return found.name if found else None

    second = [warned(gallery[name][len(gallery[name]) // 2 :], None) == name for name in sorted(twice)]
    single = [warned(gallery[name][len(gallery[name]) // 2 :][:1], None) == name for name in sorted(twice)]
    newcomers = [warned(gallery[name], name) is not None for name in names]
    return {
        "identities": len(names),
        "threshold": policy.threshold,
        "found": asdict(clopper_pearson(sum(second), len(second))) | {"of": len(second)},
        "found_by_one_photo": asdict(clopper_pearson(sum(single), len(single))) | {"of": len(single)},
        "newcomers_warned": asdict(clopper_pearson(sum(newcomers), len(newcomers))) | {"of": len(newcomers)},
    }


if __name__ == "__main__":
    main()
