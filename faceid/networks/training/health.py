"""Is a training still worth its electricity? Read off the last steps of its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 20
"""Steps that are looked at."""

COLLAPSED = 0.01
"""The spread of embeddings (`embedding.spread`) under which they are a single point for all purposes."""

IDLE = 0.01
"""The share of active tuples under which a batch teaches nothing."""

IDLE_ADVICE = (
    "fewer than 1 % of the tuples teach anything: choose harder mining (loss.mining) or a larger loss.margin,"
    " or be content"
)


@dataclass(frozen=True, slots=True)
class Record:
    """One step: its loss in all, the part of it that is distillation, and what became of the batch.

    `active` is the share of tuples that pull (`faceid.networks.losses.loss.LossValue`), `spread` that of
    `embedding.spread`, `rate` the learning rate of the last stage.
    """

    step: int
    loss: float
    distillation: float
    active: float
    spread: float
    rate: float


def collapsed(records: Sequence[Record]) -> bool:
    """Whether the embeddings of the last steps were all one: then no loss moves them apart again."""
    last = records[-WINDOW:]
    return len(last) == WINDOW and all(record.spread < COLLAPSED for record in last)


def idle(records: Sequence[Record]) -> bool:
    """Whether the last steps had next to nothing to learn."""
    last = records[-WINDOW:]
    return len(last) == WINDOW and all(record.active < IDLE for record in last)
