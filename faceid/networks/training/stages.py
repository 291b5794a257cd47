"""The stages of a network, from pixels to embeddings: freezing, and learning rates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from faceid.networks.errors import BadSettings
from faceid.networks.training.settings import OptimiserSettings

LEAST_SCALE = 1e-3
"""The least scale of a tensor for relative rates: a tensor of zeros, such as a new bias, must learn too."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a network that is frozen or learns as a whole."""

    name: str
    module: nn.Module

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters that can be trained."""
        return list(self.module.parameters())


def stages(network: nn.Module) -> list[Stage]:
    """The stages in the order of computation, with one stage for each block."""
    return [stage for stage in _walk(network, "") if stage.parameters]


def freeze(network: nn.Module, count: int) -> None:
    """Keep the first `count` stages as they are. Raises BadSettings if no stage is left to learn."""
    found = stages(network)
    if count >= len(found):
        raise BadSettings(
            f"{count} stages frozen leave none to learn", remedy="fewer_stages", stages=len(found)
        )
    for stage in found[:count]:
        stage.module.requires_grad_(False)


def set_training(network: nn.Module) -> None:
    """Set training mode, but evaluation mode for frozen stages, whose normalisation must not change."""
    network.train()
    for stage in stages(network):
        if not any(parameter.requires_grad for parameter in stage.parameters):
            stage.module.eval()


def parameter_groups(network: nn.Module, settings: OptimiserSettings) -> list[dict[str, Any]]:
    """One group for each stage that learns, or with relative rates one for each tensor.

    The `peak` rate of a stage is `layer_decay` times that of the stage after it; a relative one is multiplied by the
    tensor's root mean square, at least LEAST_SCALE, as in Adafactor (Shazeer and Stern 2018, arXiv:1804.04235).
    """
    learning = [
        stage for stage in stages(network) if any(parameter.requires_grad for parameter in stage.parameters)
    ]
    groups: list[dict[str, Any]] = []
    for number, stage in enumerate(learning):
        peak = settings.rate * settings.layer_decay ** (len(learning) - 1 - number)
        groups += rated(
            [parameter for parameter in stage.parameters if parameter.requires_grad], peak, settings
        )
    return groups


def rated(tensors: list[nn.Parameter], peak: float, settings: OptimiserSettings) -> list[dict[str, Any]]:
    """The groups of tensors that learn at `peak`, or at that share of the scale of each."""
    if not settings.relative:
        return [{"params": tensors, "peak": peak}]
    return [{"params": [tensor], "peak": peak * _scale(tensor)} for tensor in tensors]


def _scale(tensor: nn.Parameter) -> float:
    return max(float(tensor.detach().float().square().mean().sqrt()), LEAST_SCALE)


def _walk(module: nn.Module, prefix: str) -> Iterator[Stage]:
    for name, child in module.named_children():
        if isinstance(child, nn.Sequential) or name == "network":
            yield from _walk(child, f"{prefix}{name}.")
        else:
            yield Stage(f"{prefix}{name}", child)
