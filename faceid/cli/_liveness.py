"""Words about passive liveness for several commands: which networks judge, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceid.networks.liveness_rule import LivenessRule, Tried


def listed(names: Sequence[str]) -> str:
    """One name or more, such as `a, b and c`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def measured(rule: LivenessRule) -> str:
    """The operating point of `rule`, one sentence without a full stop."""
    point = rule.measured
    attacks = ", ".join(f"APCER of {one.kind} {_rate(one)}" for one in point.attacks)
    return (
        f"BPCER {_rate(point.live)}, {attacks}; {point.data}; {point.date}, {point.software};"
        f" not tried: {point.not_tried}"
    )


def _rate(tried: Tried) -> str:
    return f"{tried.errors / tried.count:.1%} ({tried.errors:,} of {tried.count:,}, {tried.people:,} people)"
