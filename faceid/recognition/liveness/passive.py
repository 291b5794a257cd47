"""Liveness from one picture, by networks of `faceid.networks`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from faceid.errors import ModelError
from faceid.networks import loading, registry
from faceid.networks.backbones.minifasnet import LIVE
from faceid.networks.registry import LivenessCard, LivenessRule
from faceid.recognition.liveness.regions import region_of
from faceid.runtime.devices import moved
from faceid.types import Face, Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CPU = torch.device("cpu")


class PassiveDetector:
    """The score of several networks by a `LivenessRule`; satisfies `faceid.ports.networks.LivenessDetector`.

    Each network takes (n, 3, S, S) float32 RGB 0..255 and gives (n, classes) logits; its card says S and how much of
    the picture it sees. Trained on upright faces of people before a camera: a face that fills the picture leaves
    nothing to see around it, and the score means less.
    """

    def __init__(
        self,
        networks: Mapping[str, tuple[nn.Module, LivenessCard]],
        rule: LivenessRule,
        *,
        device: str = "cpu",
    ) -> None:
        """`networks` by name, those of `rule`."""
        self.rule = rule
        self._device = torch.device(device)
        self._networks = {
            name: (network.to(self._device), card) for name, (network, card) in networks.items()
        }

    def scores(self, image: Image, faces: Sequence[Face]) -> NDArray[np.float32]:
        """(n,) float32, 0..1, for `faces` of `image`, in their order: higher is likelier a live face.

        Raises ModelError for output that is not finite.
        """
        return fused(self.rule, self.log_odds(image, faces))

    def log_odds(self, image: Image, faces: Sequence[Face]) -> dict[str, NDArray[np.float32]]:
        """(n,) float32 of each network, for `faces` of `image`, in their order: above 0 for a live face.

        Raises ModelError for output that is not finite.
        """
        found = {}
        for name, (network, card) in self._networks.items():
            crops = [region_of(image, face.box, card) for face in faces]
            found[name] = (
                log_odds_of(network, np.stack(crops), self._device) if crops else np.empty(0, np.float32)
            )
            if not np.isfinite(found[name]).all():
                raise ModelError(f"{name} gave a score that is not finite", code="not_finite")
        return found


def log_odds_of(
    network: Callable[[Tensor], Tensor], crops: NDArray[np.uint8], device: torch.device = _CPU
) -> NDArray[np.float32]:
    """(n,) float32: the log-odds of a live face by one network on `device`, for (n, S, S, 3) uint8 RGB crops."""
    with torch.inference_mode():
        logits = network(moved(torch.from_numpy(crops), device).permute(0, 3, 1, 2).float())
        others = torch.cat([logits[:, :LIVE], logits[:, LIVE + 1 :]], 1)
        odds: NDArray[np.float32] = (logits[:, LIVE] - others.logsumexp(1)).cpu().numpy()
    return odds


def fused(rule: LivenessRule, log_odds: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """(n,) float32, 0..1: the scores by `rule`, from the (n,) log-odds of its networks by name."""
    votes = [np.mean([log_odds[name] for name in names], axis=0, dtype=np.float64) for names in rule.votes]
    # Beyond 60 the score is 0 or 1 anyway, and exp would overflow.
    against = np.clip(rule.offset - np.mean(votes, axis=0), -60.0, 60.0)
    return np.asarray(1.0 / (1.0 + np.exp(against)), dtype=np.float32)


def open_detector(*, device: str, weights_dir: Path) -> PassiveDetector:
    """The networks of `registry.installed_rule`, loaded, on `device`.

    Raises ModelError where weights are missing, altered or of another form.
    """
    # Without a rule, the weights that the smallest one lacks are missing.
    rule = registry.installed_rule(weights_dir) or registry.liveness_rules()[-1]
    cards = [registry.liveness_card(name) for name in rule.networks]
    return PassiveDetector(
        {card.name: (loading.load(card, weights_dir), card) for card in cards}, rule, device=device
    )
