"""Binary codes: a head that learns them, and how they are packed and compared.

Two codes of b signs, a and c, differ in (b - a . c) / 2 = ||a - c||^2 / 4 places: their Hamming distance.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.losses.contrastive import balanced, pairs
from models.losses.loss import EmbeddingLoss, LossValue

_ONES = np.array([number.bit_count() for number in range(256)], dtype=np.uint8)


class HashingHead(nn.Module):
    """(n, d) raw embeddings -> (n, bits) in -1..1, of which the signs are the code: tanh(W x), x of unit length.

    It begins as random hyperplanes (Charikar 2002, STOC), whose codes differ in about b angle / pi places.
    """

    def __init__(self, *, embedding_size: int, bits: int) -> None:
        super().__init__()
        self.planes = nn.Parameter(torch.randn(bits, embedding_size))

    def forward(self, embeddings: Tensor) -> Tensor:
        """The relaxed codes, to be trained."""
        unit = functional.normalize(embeddings, dim=1)
        return torch.tanh(functional.linear(unit, self.planes.to(unit.dtype)))

    @torch.no_grad()
    def codes(self, embeddings: Tensor) -> NDArray[np.uint8]:
        """(n, bits / 8) packed codes of (n, d) raw embeddings: what faiss.IndexBinaryFlat(bits) adds and searches."""
        return pack((self(embeddings) > 0).cpu().numpy())


class HashingLoss(EmbeddingLoss):
    """Deep supervised hashing (Liu, Wang, Shan and Chen 2016, CVPR), with `head` from embeddings to codes h.

    ||h - h'||^2 / 2 for a pair of one class, max(0, 2 bits - ||h - h'||^2) / 2 for one of two, and
    weight * || |h| - 1 ||_1 for each member of a pair, which takes codes to their signs. Pairs are averaged as by
    ContrastiveLoss; the paper's codes are not bounded by tanh.
    """

    def __init__(self, *, embedding_size: int, bits: int, weight: float) -> None:
        super().__init__()
        self.bits, self.weight = bits, weight
        self.head = HashingHead(embedding_size=embedding_size, bits=bits)

    def over(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """The loss of a batch; see EmbeddingLoss."""
        codes = self.head(embeddings)
        squares = codes.square().sum(dim=1)
        products = squares.unsqueeze(1) + squares.unsqueeze(0) - 2 * codes @ codes.T
        squared, alike = pairs(products.clamp(min=0), labels)
        over_pairs = balanced(
            torch.where(alike, squared, functional.relu(2 * self.bits - squared)) / 2, alike
        )
        if not len(squared):
            return over_pairs
        quantisation = 2 * (codes.abs() - 1).abs().sum(dim=1).mean()
        return LossValue(over_pairs.value + self.weight * quantisation, over_pairs.active)


def pack(bits: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(n, b) bool to (n, b / 8) bytes, the first bit highest. Raises ValueError unless b is a multiple of 8."""
    if bits.ndim != 2 or bits.shape[1] % 8:
        raise ValueError(f"codes must be (n, a multiple of 8), not {bits.shape}")
    return np.packbits(bits, axis=1)


def hamming(queries: NDArray[np.uint8], codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(m, n) Hamming distances between (m, bytes) and (n, bytes) packed codes, m n bytes large while it works."""
    differing: NDArray[np.int64] = _ONES[queries[:, None] ^ codes[None]].sum(axis=2, dtype=np.int64)
    return differing
