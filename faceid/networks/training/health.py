"""The health of a training: whether it has collapsed or is idle, by the last steps of its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 20
"""The number of last steps that are checked."""

COLLAPSED = 0.01
"""The spread of embeddings (`embedding.spread`) below which they count as a single point."""

IDLE = 0.01
"""The share of active tuples below which a batch teaches almost nothing."""

IDLE_ADVICE = (
    "fewer than 1 % of the tuples teach anything: choose harder mining (loss.mining) or a larger loss.margin,"
    " or be content"
)


@dataclass(frozen=True, slots=True)
class Record:
    """One step: its total loss, the part of distillation, and measures of its batch.

    `active` is the share of tuples that contribute (`faceid.networks.losses.loss.LossValue`), `spread` that of
    `embedding.spread`, `rate` the learning rate of the last stage.
    """

    step: int
    loss: float
    distillation: float
    active: float
    spread: float
    rate: float


def collapsed(records: Sequence[Record]) -> bool:
    """Whether the embeddings of the last steps were all equal: no loss separates them again."""
    last = records[-WINDOW:]
    return len(last) == WINDOW and all(record.spread < COLLAPSED for record in last)


def idle(records: Sequence[Record]) -> bool:
    """Whether the last steps had almost nothing to learn."""
    last = records[-WINDOW:]
    return len(last) == WINDOW and all(record.active < IDLE for record in last)
