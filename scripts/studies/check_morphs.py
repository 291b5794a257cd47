"""How many morphs are accepted as both people in them, and what the guards of enrolment do about it.

    python -m scripts.studies.check_morphs [--model NAME ...] [--data DIR] [--pairs 100]

Pixel morphs of two photos (scripts/datasets/morphs.py) and vector morphs (the mean of two templates), of the nearest
pairs of people and of random pairs, in LFW View 1. Each person's first photo goes into the morph. The morph acceptance
rate is MMPMR of ISO/IEC 20059 with one probe a person: the share of morphs that the person's second photo verifies
with, for both people, at FMR 1e-4.

Three galleries: both people are enrolled with their second photo, among all others; one of them is; neither is. The
morph is offered under the name of the first person, or under a new name where that person is not enrolled. "Entered"
are morphs that become a confirmed template and are accepted as both people.

Honest photos: a further photo of each person, and the photo of each newcomer. Half of the people is for choosing the
bound (`--choose`), the other half for these figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.app import factories
from faceid.config import Settings
from faceid.decision.decide import Target, policy_for
from faceid.decision.scores import distance_from_similarity
from faceid.decision.thresholds import threshold_at_fmr
from faceid.enrolment.checks.confirmation import ConfirmationBounds
from faceid.enrolment.checks.morph import MorphBounds, people_between
from faceid.enrolment.checks.rival_identities import CONFLICT_FPIR, TOP
from faceid.evaluation.statistics.intervals import clopper_pearson
from faceid.imaging import read
from faceid.networks import registry
from faceid.recognition.align import align
from faceid.types import Candidate, Face
from scripts import command
from scripts.datasets import lfw
from scripts.datasets.morphs import morph

Array: TypeAlias = NDArray[np.float32]
VERIFY = 1e-4
CHOICES = (0.01, 0.03, 0.1)


@dataclass(frozen=True, eq=False)
class Person:
    name: str
    vectors: Array
    photos: tuple[tuple[str, Face], ...]


class Crowd:
    """A gallery in memory with the guards of one network."""

    def __init__(self, model: str, enrolled: dict[str, Array]) -> None:
        card = registry.card(model)
        assert card.calibration is not None
        self.calibration, self.metric = card.calibration, card.metric
        self.enrolled = enrolled
        self.names = list(enrolled)
        means = np.stack([vectors.mean(axis=0) for vectors in enrolled.values()])
        self.means = means / np.sqrt(np.linalg.norm(means, axis=1, keepdims=True))
        self.sure = ConfirmationBounds.of(self.calibration, self.metric).enrolled
        policy = policy_for(Target(fpir=CONFLICT_FPIR), self.calibration, identities=max(10, len(self.names)))
        self.conflict = policy.threshold

    def nearest(self, probe: Array, without: Sequence[str] = ()) -> list[Candidate]:
        scores = self.means @ probe
        found = []
        for place in np.argsort(-scores, kind="stable")[: TOP + len(without)]:
            score = float(scores[place])
            if self.names[place] not in without:
                found.append(
                    Candidate(self.names[place], distance_from_similarity(score, self.metric), score)
                )
        return found[:TOP]

    def between(self, found: Sequence[Candidate], bounds: MorphBounds | None = None) -> tuple[str, ...]:
        limits = bounds or MorphBounds.of(self.calibration, len(self.names))
        return people_between(found, self.enrolled.__getitem__, limits, self.metric)

    def outcome(self, probe: Array, name: str, without: Sequence[str] = ()) -> str:
        """What the guards do with one photo under a name."""
        found = self.nearest(probe, without)
        people = self.between(found)
        if people:
            return "morph_suspected" if len(people) == 2 else "atypical"
        own = next((one for one in found if one.name == name), None)
        rival = next((one for one in found if one.name != name and one.distance <= self.conflict), None)
        if rival is not None and (own is None or own.distance > rival.distance):
            return "identity_conflict" if rival.similarity >= self.sure else "unconfirmed"
        if name not in self.enrolled or name in without:
            return "confirmed"
        score = float(self.means[self.names.index(name)] @ probe)
        return "confirmed" if score >= self.sure else "not confirmed"


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/morphs.json")
    command.add_networks(parser)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument(
        "--choose", action="store_true", help="compare bounds on the half that is for choosing"
    )
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    photos = lfw.lfw_photos(data, arguments.cache)
    rows: list[dict[str, Any]] = []
    for model in arguments.model or command.NETWORKS:
        people = people_of(photos, model, arguments)
        if arguments.choose:
            for chance in CHOICES:
                rows += honest(model, people[0::2], chance)
        else:
            rows += honest(model, people[1::2], None)
            rows += morphs(model, people[1::2], arguments.pairs)
    show(rows)
    command.write_report(arguments.json, rows)
    print(f"written to {arguments.json}")


def people_of(photos: lfw.Photos, model: str, arguments: Any) -> list[Person]:
    templates = lfw.labelled(lfw.templates(photos, model, arguments.cache))
    face = dict(zip(photos.paths, photos.faces, strict=True))
    people = []
    for who in np.unique(templates.identity):
        places = np.flatnonzero(templates.identity == who)
        shown = tuple((str(templates.paths[place]), face[templates.paths[place]]) for place in places)
        people.append(
            Person(str(who), templates.vectors[places], tuple((path, one) for path, one in shown if one))
        )
    return people


def honest(model: str, people: Sequence[Person], chance: float | None) -> list[dict[str, Any]]:
    """Photos of enrolled people, and of newcomers, that the rule for morphs refuses."""
    several = [person for person in people if len(person.vectors) > 1]
    crowd = Crowd(model, {one.name: one.vectors[1:] if one in several else one.vectors for one in people})
    bounds = MorphBounds.of(crowd.calibration, len(people))
    if chance is not None:
        near = max(crowd.calibration.points[0].fmr, min(VERIFY, chance / len(people)))
        bounds = MorphBounds(threshold_at_fmr(crowd.calibration, near), bounds.apart)
    known = [bool(crowd.between(crowd.nearest(one.vectors[0]), bounds)) for one in several]
    new = [
        bool(crowd.between(crowd.nearest(one.vectors[0], [one.name]), bounds))
        for one in people
        if one not in several
    ]
    label = "" if chance is None else f", chance {chance:g}"
    return [
        row(model, f"honest, enrolled people{label}", "refused as morph", sum(known), len(known)),
        row(model, f"honest, newcomers{label}", "refused as morph", sum(new), len(new)),
    ]


def morphs(model: str, people: Sequence[Person], count: int) -> list[dict[str, Any]]:
    several = [person for person in people if len(person.photos) > 1]
    first = np.stack([person.vectors[0] for person in several])
    upper = np.triu_indices(len(several), 1)
    order = np.argsort(-(first @ first.T)[upper], kind="stable")[:count]
    rng = np.random.default_rng(2026)
    pairs = {
        "look-alikes": [(int(upper[0][place]), int(upper[1][place])) for place in order],
        "random pairs": [tuple(map(int, rng.choice(len(several), 2, replace=False))) for _ in range(count)],
    }
    rows = []
    for label, chosen in pairs.items():
        made = {
            "vector": [(several[a], several[b], mean(first[a], first[b])) for a, b in chosen],
            "pixel": pixel_morphs(model, [(several[a], several[b]) for a, b in chosen]),
        }
        for kind, triples in made.items():
            rows += accepted(model, f"{kind} morphs, {label}", people, triples)
    return rows


def mean(one: Array, other: Array) -> Array:
    total = one + other
    return np.asarray(total / np.linalg.norm(total), np.float32)


def pixel_morphs(model: str, pairs: Sequence[tuple[Person, Person]]) -> list[tuple[Person, Person, Array]]:
    """The templates of morphs in which the detector finds a face."""
    detector = factories.make_detector(model, "cpu")
    embedder = factories.make_embedder(model, "cpu", Settings.load())
    made = []
    for one, other in pairs:
        (path, face), (second, second_face) = one.photos[0], other.photos[0]
        picture = morph(read(path), face, read(second), second_face, "morph")
        found = detector.detect([picture])[0]
        if found:
            largest = max(found, key=lambda face: face.size)
            made.append((one, other, embedder.embed([align(picture, largest, embedder.model.aligner)])[0]))
    return made


def accepted(
    model: str, label: str, people: Sequence[Person], triples: Sequence[tuple[Person, Person, Array]]
) -> list[dict[str, Any]]:
    """MMPMR without guards, and of the morphs that enter in spite of them."""
    crowd = Crowd(
        model, {one.name: one.vectors[1:] if len(one.vectors) > 1 else one.vectors for one in people}
    )
    threshold = threshold_at_fmr(crowd.calibration, VERIFY)

    def verifies(person: Person, template: Array) -> bool:
        return distance_from_similarity(float(person.vectors[1] @ template), crowd.metric) <= threshold

    both = [verifies(one, template) and verifies(other, template) for one, other, template in triples]
    galleries = {
        "both enrolled": (False, False),
        "one enrolled": (False, True),
        "neither enrolled": (True, True),
    }
    rows = [row(model, label, "MMPMR without guards", sum(both), len(both))]
    for gallery, (first_out, second_out) in galleries.items():
        entered = suspected = 0
        for (one, other, template), passes in zip(triples, both, strict=True):
            without = [one.name] * first_out + [other.name] * second_out
            outcome = crowd.outcome(template, one.name, without)
            entered += passes and outcome == "confirmed"
            suspected += passes and outcome in ("morph_suspected", "atypical")
        rows.append(row(model, label, f"entered, {gallery}", entered, len(both)))
        rows.append(row(model, label, f"suspected, {gallery}", suspected, len(both)))
    return rows


def row(model: str, what: str, kind: str, count: int, total: int) -> dict[str, Any]:
    return {
        "model": model,
        "what": what,
        "kind": kind,
        **asdict(clopper_pearson(count, total)),
        "count": count,
        "of": total,
    }


def show(rows: Sequence[dict[str, Any]]) -> None:
    table = Table("network", "what", "kind", "count", "of", "share")
    for one in rows:
        share = f"{one['count'] / max(1, one['of']):.1%} ({one['low']:.1%} .. {one['high']:.1%})"
        table.add_row(one["model"], one["what"], one["kind"], str(one["count"]), str(one["of"]), share)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
