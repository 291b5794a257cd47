"""Rules that make one score of several networks for liveness, and their errors with people apart.

`check_liveness` gives the log-odds of each network for each look; this module chooses and judges, without pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from faceid.live.liveness.passive import clip_score
from faceid.networks.liveness_rule import LIVE_THRESHOLD

if TYPE_CHECKING:
    from numpy.typing import NDArray

Odds: TypeAlias = Mapping[str, float]
"""The log-odds of each network for one look."""

V2, V1SE, ANTISPOOF, TREE = "minifasnet-v2", "minifasnet-v1se", "antispoof-98", "FaceAntiSpoofing"
SQUEEZED = " squeezed"
"""Added to the names of networks that saw the face as published, with squeezed sides."""


@dataclass(frozen=True)
class Shown:
    """One presentation of `person`: a live face if `kind` is None. A photo has one look, a clip those of a track."""

    person: str
    kind: str | None
    clip: bool
    looks: Sequence[Odds]


Rule: TypeAlias = Callable[[Odds], float]
"""The fused log-odds of one look."""

Fit: TypeAlias = Callable[[Sequence[Shown]], Rule]
"""Makes a rule from the presentations of some people; one without parameters ignores them."""


@dataclass
class Errors:
    """`wrong` of `count` presentations of one kind."""

    people: set[str] = field(default_factory=set)
    count: int = 0
    wrong: int = 0


def fixed(rule: Rule) -> Fit:
    return lambda _: rule


def votes(*groups: Sequence[str]) -> Fit:
    """The mean of the groups' means, as `LivenessRule` has it."""
    return fixed(lambda odds: float(np.mean([np.mean([odds[name] for name in names]) for names in groups])))


def end(choose: Callable[..., float], *groups: Sequence[str]) -> Fit:
    """The lower or the higher vote."""
    return fixed(lambda odds: choose(float(np.mean([odds[name] for name in names])) for names in groups))


def mean_share(*names: str) -> Fit:
    """The log-odds of the mean of the networks' probabilities: the rule of faceid 0.1.0."""

    def rule(odds: Odds) -> float:
        share = np.mean([1 / (1 + np.exp(-odds[name])) for name in names])
        return float(np.log(share / (1 - share))) if share < 1 else 40.0

    return fixed(rule)


def standardised(*names: str) -> Fit:
    """The mean of the networks, each in standard deviations from the mean of live faces: z-scores."""

    def fit(known: Sequence[Shown]) -> Rule:
        live = {
            name: [odds[name] for one in known if one.kind is None for odds in one.looks] for name in names
        }
        scale = {name: (np.mean(values), np.std(values)) for name, values in live.items()}
        return lambda odds: float(np.mean([(odds[name] - scale[name][0]) / scale[name][1] for name in names]))

    return fit


def regression(*names: str) -> Fit:
    """A logistic regression: one weight a network, fitted to looks; live faces and attacks count alike."""

    def fit(known: Sequence[Shown]) -> Rule:
        from sklearn.linear_model import LogisticRegression

        rows = [[odds[name] for name in names] for one in known for odds in one.looks]
        live = [one.kind is None for one in known for _ in one.looks]
        fitted = LogisticRegression(class_weight="balanced", C=0.1).fit(rows, live)
        return lambda odds: float(fitted.decision_function([[odds[name] for name in names]])[0])

    return fit


CANDIDATES: dict[str, Fit] = {
    "MiniFASNet x 2, squeezed, mean probability (0.1.0)": mean_share(V2 + SQUEEZED, V1SE + SQUEEZED),
    "MiniFASNet x 2, squeezed": votes((V2 + SQUEEZED, V1SE + SQUEEZED)),
    "MiniFASNet x 2": votes((V2, V1SE)),
    "antispoof-98": votes((ANTISPOOF,)),
    "two publishers": votes((V2, V1SE), (ANTISPOOF,)),
    "three networks, one vote each": votes((V2,), (V1SE,), (ANTISPOOF,)),
    "the lower of two publishers": end(min, (V2, V1SE), (ANTISPOOF,)),
    "the higher of two publishers": end(max, (V2, V1SE), (ANTISPOOF,)),
    "z-scores of three": standardised(V2, V1SE, ANTISPOOF),
    "logistic regression of three": regression(V2, V1SE, ANTISPOOF),
    "FaceAntiSpoofing": votes((TREE,)),
    "three publishers": votes((V2, V1SE), (ANTISPOOF,), (TREE,)),
}


def apart(fit: Fit, shown: Sequence[Shown]) -> tuple[dict[str, Errors], NDArray[np.float64]]:
    """Errors by kind, each person judged by what the others teach; and the offsets that they gave."""
    errors: dict[str, Errors] = {}
    offsets = []
    for person in sorted({one.person for one in shown}):
        others = [one for one in shown if one.person != person]
        rule = fit(others)
        offset = halfway(rule, others)
        offsets.append(offset)
        for one in shown:
            if one.person == person:
                count(errors, one, rule, offset)
    return errors, np.array(offsets)


def count(
    errors: dict[str, Errors], one: Shown, rule: Rule, offset: float, threshold: float = LIVE_THRESHOLD
) -> None:
    """Add the decision of one presentation; a clip too short for one counts as refused."""
    entry = errors.setdefault(one.kind or "live", Errors())
    entry.people.add(one.person)
    entry.count += 1
    entry.wrong += is_live(one, rule, offset, threshold) is not (one.kind is None)


def halfway(rule: Rule, shown: Sequence[Shown]) -> float:
    """The middle between the lowest live face and the highest attack.

    A clip of an attack counts with the odds that a tenth of all looks at such clips exceed: the live loop fuses five
    looks, which outvote single high ones, but an attacker may begin a recording anywhere.
    """
    live = [level for one in shown if one.kind is None for level in _levels(one, rule)]
    attacks = [one for one in shown if one.kind is not None]
    photos = [level for one in attacks if not one.clip for level in _levels(one, rule)]
    replays = [level for one in attacks if one.clip for level in _levels(one, rule)]
    return (min(live) + max(max(photos), float(np.quantile(replays, 0.9)))) / 2


def _levels(one: Shown, rule: Rule) -> list[float]:
    return [rule(odds) for odds in one.looks]


def is_live(one: Shown, rule: Rule, offset: float, threshold: float) -> bool:
    """As the live loop decides: the scores of a clip's looks are fused, not their log-odds."""
    scores = [score(rule(odds), offset) for odds in one.looks]
    found = clip_score(scores) if one.clip else scores[0]
    return found is not None and found >= threshold


def score(odds: float, offset: float) -> float:
    return 1 / (1 + float(np.exp(np.clip(offset - odds, -60, 60))))
