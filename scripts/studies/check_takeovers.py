"""Whether a stranger who looks like an enrolled person can enter that identity, and what preventing it costs.

    python -m scripts.studies.check_takeovers [--model NAME ...] [--data DIR] [--choose]

Takeovers: people are enrolled with their first 1, 2 or 4 photos. Of all pairs of an enrolled person and another one,
the 200 nearest are attacked: the nearest photo of the other person, or the nearest two to four of them together, or
these one after the other, are offered under the enrolled person's name. A takeover is a stranger's template that is
confirmed. "Helped" are attacks after which the person's own further photos are offered too: these must not confirm the
stranger's. Honest photos: the person's further photos, one by one and up to four together, and whole folders as new
people. LFW View 1 (labels corrected), CelebA in the wild, ORL and `demographics`, where they are there.

`--choose` compares bounds on every other person; all else is measured on the other half.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.decision.scores import distance_from_similarity, similarity_from_distance
from faceid.decision.thresholds import threshold_at_fmr
from faceid.enrolment.checks.confirmation import DECADES, ConfirmationBounds, confirmation_distance, confirmed
from faceid.enrolment.checks.group import BOUNDS, Bounds, examine
from faceid.evaluation.statistics.intervals import clopper_pearson
from faceid.networks import registry
from faceid.networks.registry import Calibration
from faceid.types import Metric
from scripts import command
from scripts.datasets import lfw

Array: TypeAlias = NDArray[np.float32]
Outcome: TypeAlias = str
PAIRS = 200
TEMPLATES = (1, 2, 4)
TOGETHER = 4
QUALITY = 0.5
ATTACKS: Mapping[str, Mapping[str, Any]] = {
    "one photo": {"photos": 1},
    "a group": {},
    "one by one": {"apart": True},
    "helped": {"helped": True},
}
FOLDERS = {"celeba_wild": "celeba_wild/dev", "ORL": "orl_faces", "demographics": "demographics/photos"}
DECADES_COMPARED = (0.0, 0.5, 1.0, 1.5, 2.0)
STRANGERS_COMPARED = (1e-2, 2e-2, 5e-2, 0.1, 0.15, 0.2, 0.3)


@dataclass(frozen=True, eq=False)
class Guard:
    """The rule in question."""

    calibration: Calibration
    metric: Metric
    bounds: Bounds
    confirmation: ConfirmationBounds

    @classmethod
    def of(cls, name: str, *, decades: float = DECADES, stranger: float = BOUNDS.stranger) -> Guard:
        card = registry.card(name)
        assert card.calibration is not None
        return cls(
            card.calibration,
            card.metric,
            replace(BOUNDS, stranger=stranger),
            ConfirmationBounds.of(card.calibration, card.metric, decades=decades),
        )

    def confirming_at(self, fmr: float) -> Guard:
        """The same rule, where every photo within an FMR is confirmed."""
        similarity = similarity_from_distance(threshold_at_fmr(self.calibration, fmr), self.metric)
        return replace(self, confirmation=replace(self.confirmation, enrolled=similarity))


@dataclass(eq=False)
class Identity:
    """The templates of a person, and whose photos they are: 1 for a stranger's."""

    templates: Array
    waiting: Array
    strange: NDArray[np.bool_]
    strange_waiting: NDArray[np.bool_]

    @classmethod
    def of(cls, templates: Array) -> Identity:
        return cls(templates, templates[:0], np.zeros(len(templates), bool), np.zeros(0, bool))

    def offer(self, photos: Array, guard: Guard, *, strange: bool) -> list[Outcome]:
        """What becomes of photos that are offered together."""
        known = self.templates if len(self.templates) else self.waiting
        verdicts = examine(
            [photo[None] for photo in photos], known, guard.calibration, guard.metric, guard.bounds
        )
        kept = np.array([verdict.refusal in (None, "undecided") for verdict in verdicts], bool)
        doubtful = np.array([verdict.doubtful or verdict.refusal is not None for verdict in verdicts], bool)
        taken, later = confirmed(
            photos[kept],
            [QUALITY] * int(kept.sum()),
            doubtful[kept],
            self.templates,
            self.waiting,
            guard.confirmation,
        )
        outcome = np.full(len(photos), "refused", dtype=object)
        outcome[kept] = np.where(taken, "confirmed", "unconfirmed")
        own = np.full(len(photos), strange)
        fresh, held = outcome == "confirmed", outcome == "unconfirmed"
        self.templates = np.concatenate([self.templates, self.waiting[later], photos[fresh]])
        self.strange = np.concatenate([self.strange, self.strange_waiting[later], own[fresh]])
        self.waiting = np.concatenate([self.waiting[~later], photos[held]])
        self.strange_waiting = np.concatenate([self.strange_waiting[~later], own[held]])
        return [str(one) for one in outcome]


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/takeovers.json")
    command.add_networks(parser)
    parser.add_argument(
        "--choose", action="store_true", help="compare bounds on the half that is for choosing"
    )
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    rows: list[dict[str, Any]] = []
    for name in arguments.model or command.NETWORKS:
        for label, people in collections(data, name, arguments.cache).items():
            if arguments.choose:
                rows += choose(name, label, people[0::2])
            else:
                rows += measure(name, label, people[1::2])
    show(rows)
    command.write_report(arguments.json, rows)
    print(f"written to {arguments.json}")


def collections(data: Path, model: str, cache: Path) -> dict[str, list[Array]]:
    """The templates (n, d) of each person, by collection."""
    photos = {"LFW View 1": lfw.lfw_photos(data, cache)}
    for label, folder in FOLDERS.items():
        if (data / folder).is_dir():
            photos[label] = lfw.folder_photos(data / folder, cache)
    result = {}
    for label, own in photos.items():
        templates = lfw.labelled(lfw.templates(own, model, cache))
        result[label] = [
            templates.vectors[templates.identity == who] for who in np.unique(templates.identity)
        ]
    return result


def choose(name: str, label: str, people: Sequence[Array]) -> list[dict[str, Any]]:
    """Bounds compared, for photos offered one by one to people with so many templates."""
    calibration = Guard.of(name).calibration
    metric = Guard.of(name).metric
    confirming = {
        "verification": threshold_at_fmr(calibration, 1e-4),
        **{f"{one:g} decades": confirmation_distance(calibration, one) for one in DECADES_COMPARED},
    }
    refusing = {f"stranger {one:g}": threshold_at_fmr(calibration, one) for one in STRANGERS_COMPARED}
    far = threshold_at_fmr(calibration, BOUNDS.stranger)
    rows = []
    for count in TEMPLATES:
        own = [mean_of(photos[:count]) @ photos[count:].T for photos in people if len(photos) > count]
        mated = distances(np.concatenate(own) if own else np.empty(0), metric)
        victims = [photos for photos in people if len(photos) >= count]
        stranger = distances(
            np.array(
                [mean_of(photos[:count]) @ people[place - 1][0] for place, photos in enumerate(victims)]
            ),
            metric,
        )
        attacks = distances(np.array([score for *_, score in nearest_pairs(people, count)]), metric)
        for rule, bound in confirming.items():
            waiting = int(((mated > bound) & (mated <= far)).sum())
            taken = int((attacks <= bound).sum())
            rows.append(
                {"rule": rule}
                | row(name, label, "takeover, one photo", count, len(attacks), {"taken": taken})
            )
            rows.append(
                {"rule": rule}
                | row(name, label, "honest, one photo", count, len(mated), {"unconfirmed": waiting})
            )
        for rule, bound in refusing.items():
            for kind, found in (("honest, one photo", mated), ("a random stranger", stranger)):
                refused = {"refused": int((found > bound).sum())}
                rows.append({"rule": rule} | row(name, label, kind, count, len(found), refused))
    several = [photos for photos in people if len(photos) > 1]
    for rate in STRANGERS_COMPARED:
        guard = Guard.of(name, stranger=rate)
        counts = tally(Identity.of(photos[:0]).offer(photos, guard, strange=False) for photos in several)
        rows.append(
            {"rule": f"stranger {rate:g}"}
            | row(name, label, "honest, a new folder", 0, sum(map(len, several)), counts)
        )
    return rows


def mean_of(templates: Array) -> Array:
    """The vector whose product with a probe is the score of an identity."""
    mean = templates.mean(axis=0)
    return np.asarray(mean / np.sqrt(np.linalg.norm(mean)))


def distances(similarities: NDArray[np.floating], metric: Metric) -> NDArray[np.float64]:
    return np.array([distance_from_similarity(float(one), metric) for one in similarities])


def measure(name: str, label: str, people: Sequence[Array]) -> list[dict[str, Any]]:
    """The rule as it is, and what it was: everything within an FMR of 1 % enters."""
    guard = Guard.of(name)
    before = Guard.of(name, stranger=BOUNDS.near).confirming_at(BOUNDS.near)
    rows = [{"rule": "now"} | one for one in honest(name, label, people, guard)]
    rows += [{"rule": "now"} | one for one in strangers(name, label, people, guard)]
    for rule, attacked in (("before", before), ("verification", guard.confirming_at(1e-4)), ("now", guard)):
        rows += [{"rule": rule} | one for one in takeovers(name, label, people, attacked)]
    return rows


def takeovers(name: str, label: str, people: Sequence[Array], guard: Guard) -> list[dict[str, Any]]:
    """Of the nearest pairs of different people, those whose attack succeeds."""
    rows = []
    for count in TEMPLATES:
        pairs = nearest_pairs(people, count)
        if not pairs:
            continue
        for kind, options in ATTACKS.items():
            taken = sum(attack(people, victim, other, count, guard, **options) for victim, other, _ in pairs)
            rows.append(row(name, label, f"takeover, {kind}", count, len(pairs), {"taken": taken}))
    return rows


def nearest_pairs(people: Sequence[Array], count: int) -> list[tuple[int, int, float]]:
    """Enrolled person, other person and the similarity of the other's nearest photo, the nearest first."""
    victims = [place for place, photos in enumerate(people) if len(photos) >= count]
    if not victims:
        return []
    means = np.stack([people[place][:count].mean(axis=0) for place in victims])
    means /= np.sqrt(np.linalg.norm(means, axis=1, keepdims=True))
    starts = np.cumsum([0, *map(len, people)])[:-1]
    best = np.maximum.reduceat(means @ np.concatenate(people).T, starts, axis=1)
    best[np.arange(len(victims)), victims] = -np.inf
    order = np.argsort(-best, axis=None, kind="stable")[:PAIRS]
    places = [divmod(int(place), len(people)) for place in order]
    return [
        (victims[victim], other, float(best[victim, other]))
        for victim, other in places
        if np.isfinite(best[victim, other])
    ]


def attack(
    people: Sequence[Array],
    victim: int,
    other: int,
    count: int,
    guard: Guard,
    *,
    photos: int = TOGETHER,
    apart: bool = False,
    helped: bool = False,
) -> bool:
    """Whether a template of the other person is confirmed as one of the victim."""
    identity = Identity.of(people[victim][:count])
    order = np.argsort(-(people[other] @ identity.templates.mean(axis=0)), kind="stable")[:photos]
    offered = people[other][order]
    for part in np.split(offered, len(offered)) if apart else [offered]:
        identity.offer(part, guard, strange=True)
    if helped:
        for photo in people[victim][count:]:
            identity.offer(photo[None], guard, strange=False)
    return bool(identity.strange.any())


def honest(name: str, label: str, people: Sequence[Array], guard: Guard) -> list[dict[str, Any]]:
    """What becomes of a person's own photos."""
    several = [photos for photos in people if len(photos) > 1]
    rows = [
        row(
            name,
            label,
            "honest, a new folder",
            0,
            sum(map(len, several)),
            tally(Identity.of(photos[:0]).offer(photos, guard, strange=False) for photos in several),
        )
    ]
    for count in TEMPLATES:
        more = [photos for photos in people if len(photos) > count]
        if not more:
            continue
        alone = tally(
            Identity.of(photos[:count]).offer(photo[None], guard, strange=False)
            for photos in more
            for photo in photos[count:]
        )
        group = tally(
            Identity.of(photos[:count]).offer(photos[count:][:TOGETHER], guard, strange=False)
            for photos in more
        )
        rows.append(row(name, label, "honest, one photo", count, sum(alone.values()), alone))
        rows.append(row(name, label, "honest, a group", count, sum(group.values()), group))
        waiting = total = 0
        for photos in more:
            identity = Identity.of(photos[:count])
            for photo in photos[count:]:
                identity.offer(photo[None], guard, strange=False)
            waiting += len(identity.waiting)
            total += len(photos) - count
        rows.append(
            row(name, label, "honest, one by one: at the end", count, total, {"unconfirmed": waiting})
        )
    return rows


def strangers(name: str, label: str, people: Sequence[Array], guard: Guard) -> list[dict[str, Any]]:
    """What becomes of a random other person's photo, at one template and at two."""
    rng = np.random.default_rng(2026)
    rows = []
    for count in TEMPLATES[:2]:
        enrolled = [place for place, photos in enumerate(people) if len(photos) >= count]
        outcomes = []
        for place in enrolled:
            other = int((place + 1 + rng.integers(len(people) - 1)) % len(people))
            outcomes.append(Identity.of(people[place][:count]).offer(people[other][:1], guard, strange=True))
        if outcomes:
            rows.append(row(name, label, "a random stranger", count, len(outcomes), tally(outcomes)))
    return rows


def tally(outcomes: Iterable[Sequence[Outcome]]) -> dict[str, int]:
    return dict(Counter(one for group in outcomes for one in group))


def row(
    name: str, label: str, kind: str, templates: int, total: int, counts: Mapping[str, int]
) -> dict[str, Any]:
    """Counts with Clopper-Pearson intervals."""
    return {
        "model": name,
        "collection": label,
        "kind": kind,
        "templates": templates,
        "of": total,
        **{
            what: {"count": number, **asdict(clopper_pearson(number, total))}
            for what, number in counts.items()
        },
    }


def show(rows: Sequence[dict[str, Any]]) -> None:
    table = Table(
        "network", "collection", "rule", "kind", "templates", "of", "takeovers", "refused", "unconfirmed"
    )
    for one in rows:
        table.add_row(
            one["model"],
            one["collection"],
            one["rule"],
            one["kind"],
            str(one["templates"]),
            str(one["of"]),
            *(text(one.get(what), one["of"]) for what in ("taken", "refused", "unconfirmed")),
        )
    Console(width=190).print(table)


def text(share: Mapping[str, Any] | None, total: int) -> str:
    if share is None:
        return "0" if total else "-"
    return f"{share['count']} ({share['low']:.1%} .. {share['high']:.1%})"


if __name__ == "__main__":
    main()
