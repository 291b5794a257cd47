"""What every embedder does before and after its network: plain arrays in, plain arrays out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from faceid.errors import ModelError
from faceid.networks.card import Card
from faceid.types import Crop, ModelKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.types import Pixels


def key_of(card: Card) -> ModelKey:
    """What vectors of this card's network belong to."""
    return ModelKey(card.name, card.weights.sha256, card.aligner, card.dim, card.metric)


def check_crops(crops: Sequence[Crop], model: ModelKey, input_size: int) -> None:
    """Raise ModelError for a crop of another aligner or size than the network was trained on."""
    for crop in crops:
        if crop.aligner != model.aligner:
            raise ModelError(
                f"{model.name} takes faces aligned by {model.aligner}, not by {crop.aligner}",
                code="wrong_crop",
            )
        if crop.pixels.shape != (input_size, input_size, 3) or crop.pixels.dtype != np.uint8:
            raise ModelError(
                f"{model.name} takes crops of {input_size}x{input_size} uint8 RGB,"
                f" not {crop.pixels.dtype} of shape {crop.pixels.shape}",
                code="wrong_crop",
            )


def batches(crops: Sequence[Crop], size: int) -> Iterator[Pixels]:
    """The pixels of up to `size` crops at a time, (n, S, S, 3) uint8."""
    for start in range(0, len(crops), size):
        yield np.stack([crop.pixels for crop in crops[start : start + size]])


def mirrored(pixels: Pixels) -> Pixels:
    """(n, S, S, 3) with left and right exchanged."""
    return np.ascontiguousarray(pixels[:, :, ::-1])


def unit(raw: NDArray[np.float32], model: ModelKey) -> NDArray[np.float32]:
    """Raw embeddings (n, d) brought to unit length.

    Raises ModelError where a network of `model` gave another length, or numbers that are not finite or all
    zero: no distance to such a vector means anything.
    """
    if raw.ndim != 2 or raw.shape[1] != model.dim:
        raise ModelError(
            f"{model.name} gives {raw.shape[1:]} numbers a face, its card says {model.dim}", code="wrong_dim"
        )
    lengths = np.linalg.norm(raw.astype(np.float64), axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0.0).any():
        raise ModelError(f"{model.name} gave an embedding that is not finite, or zero", code="not_finite")
    vectors: NDArray[np.float32] = (raw / lengths).astype(np.float32)
    return vectors
