"""How the answers of several networks for liveness become one score, and what was measured with it.

Each network gives log-odds: the logarithm of the odds of a live face, by its softmax. Networks of one publisher learnt
from the same pictures and err alike, so they share a vote: the mean of their log-odds. The score of a face is
1 / (1 + exp(offset - mean of the votes)). There are no weights to fit; `offset` alone is chosen on pictures, so that
`LIVE_THRESHOLD` is the operating point of every rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Annotated

from msgspec import Meta

from faceid.documents import BadDocument, Count, Finite, Positive, Text, as_type, parse_toml
from faceid.networks.errors import BadCard

LIVE_THRESHOLD = 0.5
"""From this score on a face counts as live. `LivenessRule.offset` says which odds of the networks that are."""

_Vote = Annotated[tuple[Text, ...], Meta(min_length=1, description="an array of names that is not empty")]


@dataclass(frozen=True, slots=True)
class Tried:
    """Presentations of one kind: `errors` of `count`, by `people`, were decided wrongly."""

    kind: Text
    people: Positive
    count: Positive
    errors: Count


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What was measured at the threshold: `live` gives BPCER, `attacks` APCER by kind.

    Each person was judged with the offset that the other people give. `not_tried` names attacks that were not.
    """

    data: Text
    date: Text
    software: Text
    live: Tried
    attacks: Annotated[
        tuple[Tried, ...], Meta(min_length=1, description="an array of tables that is not empty")
    ]
    not_tried: Text


@dataclass(frozen=True, slots=True)
class LivenessRule:
    """`votes` are names of networks, those of one publisher together. See the head of this module."""

    votes: Annotated[tuple[_Vote, ...], Meta(min_length=1, description="an array that is not empty")]
    offset: Finite
    measured: OperatingPoint

    @property
    def networks(self) -> tuple[str, ...]:
        """The names of all networks of the rule."""
        return tuple(chain.from_iterable(self.votes))


def read_rule(text: str, where: str) -> LivenessRule:
    """The rule that `text` holds, TOML; `where` names it in messages. Raises BadCard, which names the key."""
    try:
        rule = as_type(parse_toml(text, where), LivenessRule, where)
        if len(set(rule.networks)) != len(rule.networks):
            raise BadDocument(f"{where}: votes name a network twice")
        tried = (rule.measured.live, *rule.measured.attacks)
        if any(one.errors > one.count or one.people > one.count for one in tried):
            raise BadDocument(f"{where}: measured has more errors or people than presentations")
    except BadDocument as error:
        raise BadCard(str(error), remedy="correct_card") from error
    return rule
