"""The start of a training: a network from scratch, or a trained network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from faceid.networks import loading
from faceid.networks.backbones import dlib_resnet, facenet, light, mobilefacenet
from faceid.networks.card import Card
from faceid.networks.errors import BadSettings
from faceid.networks.training.norms import with_norms
from faceid.networks.training.settings import NetworkSettings


@dataclass(frozen=True, slots=True)
class Form:
    """The crops that a network from scratch takes: `size` pixels a side, made by `aligner`."""

    size: int
    aligner: str


FORMS: dict[str, Form] = {
    "light": Form(light.SIZE, "arcface-112-v1"),
    "mobilefacenet": Form(112, "arcface-112-v1"),
    "dlib-resnet": Form(dlib_resnet.SIZE, "dlib-150-v1"),
    "inception-resnet-v1": Form(160, "facenet-160-v1"),
}
"""The networks that can be trained."""


def trainable(name: str) -> str:
    """The network of that name. Raises BadSettings for an unknown network, or one that cannot be trained."""
    for backbone in FORMS:
        if backbone == name:
            return backbone
    raise BadSettings(
        f"there is no network {name!r} to train from scratch", remedy="one_of", known=", ".join(FORMS)
    )


@dataclass(frozen=True, slots=True)
class Scratch:
    """A network from scratch, with random weights from `seed`."""

    backbone: str
    settings: NetworkSettings
    seed: int

    def make(self) -> nn.Module:
        """The network in the form for training, on the CPU. Raises BadSettings."""
        torch.manual_seed(self.seed)
        dim, side = self.settings.dim, self.settings.side
        if self.backbone == "light":
            if side not in light.SIDES:
                sides = ", ".join(map(str, light.SIDES))
                raise BadSettings(
                    f"the light network has no side of {side} pixels", remedy="one_of", known=sides
                )
            network: nn.Module = with_norms(light.LightNet(dim, side))
        elif self.backbone == "mobilefacenet":
            network = with_norms(mobilefacenet.MobileFaceNet(dim))
        elif self.backbone == "dlib-resnet":
            network = with_norms(dlib_resnet.DlibResnet(dim))
        else:
            network = facenet.FaceNet(facenet.skeleton(dim))
        return network.to(memory_format=torch.channels_last)


@dataclass(frozen=True, slots=True)
class Trained:
    """The network of a card. Its normalisations stay folded, since few photos would make them worse."""

    card: Card
    weights_dir: Path

    def make(self) -> nn.Module:
        """The network, on the CPU, ready to learn. Raises as `loading.load` does."""
        if self.card.backbone not in FORMS:
            raise BadSettings(
                f"{self.card.name} cannot be trained",
                remedy="trainable_backbones",
                choices=", ".join(FORMS),
            )
        return loading.load(self.card, self.weights_dir).requires_grad_(True)


Start = Scratch | Trained
