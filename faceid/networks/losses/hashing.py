"""Binary codes: a head that learns them, and functions that pack and compare them.

Two codes of b signs, a and c, differ in (b - a . c) / 2 = ||a - c||^2 / 4 places: their Hamming distance.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from faceid.networks.losses.loss import EmbeddingLoss, LossValue
from faceid.networks.losses.triplet import TripletLoss

_ONES = np.array([number.bit_count() for number in range(256)], dtype=np.uint8)


class HashingHead(nn.Module):
    """(n, d) raw embeddings -> (n, bits) in -1..1, of which the signs are the code: tanh(W x).

    x is the embedding at unit length, less `centre`, scaled to unit length again. W starts as random hyperplanes, whose
    codes differ in about bits * angle / pi places (Charikar 2002, STOC). Embeddings of faces are not distributed evenly
    around the origin: with short codes, planes around their mean distinguish more of them.
    """

    centre: Tensor

    def __init__(self, *, embedding_size: int, bits: int) -> None:
        super().__init__()
        self.planes = nn.Parameter(torch.randn(bits, embedding_size))
        self.register_buffer("centre", torch.zeros(embedding_size))

    @torch.no_grad()
    def centre_on(self, embeddings: Tensor) -> None:
        """Set `centre` to the mean of (n, d) raw embeddings at unit length: once, before training."""
        self.centre.copy_(functional.normalize(embeddings, dim=1).mean(dim=0))

    def forward(self, embeddings: Tensor) -> Tensor:
        """The relaxed codes, to be trained."""
        centred = functional.normalize(embeddings, dim=1) - self.centre
        directions = functional.normalize(centred, dim=1)
        return torch.tanh(functional.linear(directions, self.planes.to(directions.dtype)))

    @torch.no_grad()
    def codes(self, embeddings: Tensor) -> NDArray[np.uint8]:
        """(n, bits / 8) packed codes of (n, d) raw embeddings: the format of faiss.IndexBinaryFlat(bits)."""
        return pack((self(embeddings) > 0).cpu().numpy())


class HashingLoss(EmbeddingLoss):
    """A triplet loss on binary codes (Norouzi, Fleet and Salakhutdinov 2012, NIPS); `head` makes the codes h.

    max(0, D(a, p) - D(a, n) + margin) + weight * mean | |h| - 1 |, with D = 1 - cos(h, h'), which between signs is
    twice the share of places that differ. The paper's distance is between signs, its margin is one place, and it bounds
    the loss from above; the relaxation by tanh and the second term, which moves codes towards their signs, are those of
    deep hashing (Liu, Wang, Shan and Chen 2016, CVPR).
    """

    def __init__(self, *, embedding_size: int, bits: int, margin: float, mining: str, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self.head = HashingHead(embedding_size=embedding_size, bits=bits)
        self._apart = TripletLoss(distance="cosine", margin=margin, form="hinge", mining=mining)

    def over(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """The loss of a batch; see EmbeddingLoss."""
        codes = self.head(embeddings)
        apart = self._apart.over(codes, labels)
        to_signs = (codes.abs() - 1).abs().mean()
        return LossValue(apart.value + self.weight * to_signs, apart.active)


def pack(bits: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(n, b) bool to (n, b / 8) bytes, the first bit highest. Raises ValueError unless b is a multiple of 8."""
    if bits.ndim != 2 or bits.shape[1] % 8:
        raise ValueError(f"codes must be (n, a multiple of 8), not {bits.shape}")
    return np.packbits(bits, axis=1)


def hamming(queries: NDArray[np.uint8], codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(m, n) Hamming distances between (m, bytes) and (n, bytes) packed codes; needs m n bytes of memory."""
    differing: NDArray[np.int64] = _ONES[queries[:, None] ^ codes[None]].sum(axis=2, dtype=np.int64)
    return differing
