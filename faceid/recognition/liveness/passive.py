"""Liveness from one picture, by networks of `faceid.networks`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from faceid.errors import ModelError
from faceid.networks import loading, registry
from faceid.networks.backbones.minifasnet import LIVE
from faceid.networks.registry import LivenessCard
from faceid.recognition.liveness.regions import region_of
from faceid.types import Face, Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

NETWORKS = ("minifasnet-v2", "minifasnet-v1se")
"""Used together, as their publishers do: one sees more of the face, one more of its surroundings."""


LIVE_THRESHOLD = 0.6
"""From this score on a face counts as live.

Measured: four prints and screens held before a camera score 0.003 to 0.40, 88 photos of live people 0.85 to 1.00; this
is about the middle, and a smoke test (scripts/studies/check_liveness.py).
"""


class MiniFasNetDetector:
    """The mean of what several networks give for a live face; satisfies `faceid.ports.networks.LivenessDetector`.

    Each network takes (n, 3, S, S) float32 RGB 0..255 and gives (n, 3) logits; its card says S and how much of
    the picture it sees. Trained on upright faces of people before a camera: a face that fills the picture leaves
    it nothing to see around it, and the score means less.
    """

    def __init__(self, parts: Sequence[tuple[nn.Module, LivenessCard]], *, device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._parts = [(network.to(self._device), card) for network, card in parts]

    def scores(self, image: Image, faces: Sequence[Face]) -> NDArray[np.float32]:
        """(n,) float32, 0..1, for `faces` of `image`, in their order: higher is likelier a live face.

        Raises ModelError for output that is not finite.
        """
        if not faces:
            return np.empty(0, np.float32)
        shares = [self._shares(image, faces, network, card) for network, card in self._parts]
        mean = np.mean(shares, axis=0, dtype=np.float32)
        if not np.isfinite(mean).all():
            raise ModelError("a network for liveness gave a score that is not finite", code="not_finite")
        return np.asarray(mean, dtype=np.float32)

    def _shares(
        self, image: Image, faces: Sequence[Face], network: nn.Module, card: LivenessCard
    ) -> NDArray[np.float32]:
        crops = np.stack([region_of(image, face.box, card.scale, card.input_size) for face in faces])
        with torch.inference_mode():
            batch = torch.from_numpy(crops).to(self._device).permute(0, 3, 1, 2).float()
            shares: NDArray[np.float32] = network(batch).softmax(1)[:, LIVE].cpu().numpy()
        return shares


def open_detector(*, device: str, weights_dir: Path) -> MiniFasNetDetector:
    """NETWORKS, loaded, on `device`. Raises ModelError where weights are missing, altered or of another form."""
    parts = [(loading.load(card, weights_dir), card) for card in map(registry.liveness_card, NETWORKS)]
    return MiniFasNetDetector(parts, device=device)
