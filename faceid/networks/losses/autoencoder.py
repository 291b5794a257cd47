"""An autoencoder: embeddings learnt without labels, the baseline for metric learning."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

_WIDTH = 32


class Autoencoder(nn.Module):
    """An encoder, and a decoder that reconstructs the picture (Hinton and Salakhutdinov 2006, Science).

    Pictures are (n, `channels`, `side`, `side`) float32, 0..1, `side` a multiple of 4. `encoder` returns (n,
    `embedding_size`) raw embeddings of them. The decoder is convolutional (Masci et al. 2011, ICANN) and is not needed
    after training. Raises ValueError for another side.
    """

    def __init__(self, encoder: nn.Module, *, channels: int, side: int, embedding_size: int) -> None:
        super().__init__()
        if side % 4:
            raise ValueError(f"side must be a multiple of 4, not {side}")
        small = side // 4
        self.encoder = encoder
        self.decoder = nn.Sequential(
            nn.Linear(embedding_size, _WIDTH * small * small),
            nn.Unflatten(1, (_WIDTH, small, small)),
            nn.ReLU(),
            nn.ConvTranspose2d(_WIDTH, _WIDTH, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(_WIDTH, channels, 4, stride=2, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """The mean squared error of the reconstruction, mean (x - decoder(encoder(x)))^2: a scalar to differentiate."""
        return functional.mse_loss(self.decoder(self.encoder(pictures)), pictures)
