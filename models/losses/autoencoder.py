"""An autoencoder: embeddings that nobody labelled, the baseline that metric learning has to beat."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

_WIDTHS = (32, 64, 128)


class Autoencoder(nn.Module):
    """Pictures to embeddings and back (Hinton and Salakhutdinov 2006; convolutional: Masci et al. 2011, ICANN).

    Pictures are (n, `channels`, `side`, `side`) float32, 0..255, `side` a multiple of 8; embeddings (n, d), raw.
    """

    def __init__(self, *, channels: int, side: int, embedding_size: int) -> None:
        super().__init__()
        if side % 2 ** len(_WIDTHS):
            raise ValueError(f"side must be a multiple of {2 ** len(_WIDTHS)}, not {side}")
        widths = (channels, *_WIDTHS)
        small = side // 2 ** len(_WIDTHS)
        shape = (_WIDTHS[-1], small, small)
        down = [
            part
            for inputs, outputs in pairwise(widths)
            for part in (nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU())
        ]
        up = [
            part
            for inputs, outputs in pairwise(reversed(widths))
            for part in (nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1))
        ]
        numbers = _WIDTHS[-1] * small * small
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(numbers, embedding_size))
        self.decoder = nn.Sequential(
            nn.Linear(embedding_size, numbers), nn.Unflatten(1, shape), *up, nn.Sigmoid()
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """The embeddings of a batch."""
        embeddings: Tensor = self.encoder(pictures / 255)
        return embeddings

    def loss(self, pictures: Tensor) -> Tensor:
        """The mean squared error of what comes back, on a scale of 0..1: mean (x - decoder(encoder(x)))^2."""
        return functional.mse_loss(self.decoder(self(pictures)), pictures / 255)
