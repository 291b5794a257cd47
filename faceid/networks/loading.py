"""The one way from a card to a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from faceid.networks.cache import converted
from faceid.networks.card import AnyCard
from faceid.networks.errors import WeightsFormat
from faceid.networks.state import SAFETENSORS, read_tensors
from faceid.networks.weights import verified

if TYPE_CHECKING:
    from torch import Tensor, nn


class _Backbone(Protocol):
    """What each module of models/backbones that is a network offers."""

    VERSION: int

    def convert(self, path: Path) -> dict[str, Tensor]: ...

    def build(self, state: Mapping[str, Tensor]) -> nn.Module: ...


def load(card: AnyCard, weights_dir: Path) -> nn.Module:
    """The network of `card` on the CPU, in evaluation mode, without gradients, channels last.

    It takes (n, 3, S, S) float32 RGB, 0..255, and gives (n, d) raw embeddings, or (n, classes) logits where it is for
    liveness. The weights are checked against the card each time; converted ones are kept in `weights_dir`, and a
    `.safetensors` file holds a network's own state, as training leaves it. Nothing is downloaded.

    Raises WeightsMissing, WeightsAltered, and WeightsFormat for files that the card's backbone cannot read.
    """
    backbone = _backbone(card)
    path = verified(card, weights_dir)
    if path.suffix == SAFETENSORS:
        return _built(backbone, read_tensors(path), path).requires_grad_(False)
    state = converted(weights_dir, card.weights.sha256, backbone.VERSION, lambda: backbone.convert(path))
    return backbone.build(state).requires_grad_(False)


def _built(backbone: _Backbone, state: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The network of a state that is its own already. Raises WeightsFormat for another's."""
    try:
        return backbone.build(state)
    except (RuntimeError, LookupError) as error:
        raise WeightsFormat(f"{path.name} holds another network: {error}", path=str(path)) from error


def _backbone(card: AnyCard) -> _Backbone:
    # Imported one by one: each may bring along what the others do without.
    if card.backbone == "dlib-resnet":
        from faceid.networks.backbones import dlib_resnet

        return dlib_resnet
    if card.backbone == "mobilefacenet":
        from faceid.networks.backbones import mobilefacenet

        return mobilefacenet
    if card.backbone == "inception-resnet-v1":
        from faceid.networks.backbones import facenet

        return facenet
    if card.backbone == "light":
        from faceid.networks.backbones import light

        return light
    if card.backbone == "minifasnet":
        from faceid.networks.backbones import minifasnet

        return minifasnet
    raise WeightsFormat(f"{card.name} is not a torch network", remedy="onnx_by_its_runtime")
