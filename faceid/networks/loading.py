"""Opens the network of a card. All other code uses this module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from faceid.networks.card import AnyCard
from faceid.networks.errors import WeightsFormat
from faceid.networks.kinds import find_kind
from faceid.networks.weights import verified

if TYPE_CHECKING:
    from torch import Tensor, nn


def open_network(card: AnyCard, weights_dir: Path) -> Callable[[Tensor], Tensor]:
    """The network of `card` on the CPU, as the opener of its kind returns it.

    It takes (n, 3, S, S) float32 RGB, 0..255, and returns (n, d) raw embeddings, or (n, classes) logits for liveness.
    Each call checks the weights against the card. Openers cache converted weights in `weights_dir`. Nothing is
    downloaded.

    Raises WeightsMissing, WeightsAltered, and WeightsFormat for files that the kind of the card cannot read and for
    kinds that torch does not run.
    """
    kind = find_kind(card.backbone)
    if kind is None or kind.open is None:
        raise WeightsFormat(f"{card.name} is not a torch network", remedy="not_torch", model=card.name)
    return kind.open(card, verified(card, weights_dir), weights_dir)


def load(card: AnyCard, weights_dir: Path) -> nn.Module:
    """The network of `card` as a module in evaluation mode, channels last; a built-in kind has no gradients.

    Raises as `open_network` does, and WeightsFormat for a network of another package that is not a module.
    """
    from torch import nn

    network = open_network(card, weights_dir)
    if not isinstance(network, nn.Module):
        raise WeightsFormat(f"{card.name} is not a torch module", remedy="not_torch", model=card.name)
    return network
