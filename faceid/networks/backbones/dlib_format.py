"""Reader of dlib's serialized networks (`.dat`), in pure Python.

dlib writes a network as its layers' versions, outermost first, then the input layer, then every layer with its
parameters, innermost first. There is no index: one wrong byte shifts everything after it, so every known value is
checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, TypeAlias

from faceid.networks.backbones.dlib_codec import DlibReader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_LAYERS = 4096
_LAYER, _MARK, _FIRST_LAYER = 2, 1, 3
"""Versions in the chain: add_layer, add_tag_layer or add_skip_layer, and add_layer on the input."""


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """`weight` (k, n, h, w) and `bias` (k,), float32; `stride` and `padding` are y, x."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """y = gamma * x + beta, a channel: batch normalisation after training; both (k,) float32."""

    gamma: NDArray[np.float32]
    beta: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Relu:
    """max(0, x)."""


@dataclass(frozen=True, slots=True)
class MaxPool:
    """Maximum over windows; all pairs are y, x."""

    window: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True, slots=True)
class MeanPool:
    """Mean over windows; a window of (0, 0) is the whole picture."""

    window: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True, slots=True)
class AddMarked:
    """Adds the output of a marked layer; if shapes differ, the smaller one is padded with zeros."""


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """x @ weight without bias; `weight` is (inputs, outputs) float32."""

    weight: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Mark:
    """A tag on the layer below, or a skip back to one; the file does not say which."""


Layer: TypeAlias = Convolution | Affine | Relu | MaxPool | MeanPool | AddMarked | Dense | Mark


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A metric-learned network: `mean` is subtracted from RGB pixels 0..255, `size` is height, width.

    `layers` are in the order of computation.
    """

    mean: tuple[float, float, float]
    size: tuple[int, int]
    layers: tuple[Layer, ...]


def parse(content: bytes) -> Network:
    """The network in `content`. Raises WeightsFormat for any unexpected byte, also after the end."""
    reader = DlibReader(content)
    reader.expect_integer(1, "the version of the loss layer")
    reader.expect_string("loss_metric_2")
    reader.real()  # margin of the loss
    reader.real()  # its distance threshold
    versions = _read_versions(reader)
    reader.expect_string("input_rgb_image_sized")
    mean = (reader.real(), reader.real(), reader.real())
    size = (reader.integer(), reader.integer())
    layers = tuple(
        Mark() if version == _MARK else _read_layer(reader, first=version == _FIRST_LAYER)
        for version in reversed(versions)
    )
    reader.expect_end()
    return Network(mean, size, layers)


def _read_versions(reader: DlibReader) -> list[int]:
    """The chain of versions, outermost first, down to the layer on the input."""
    versions: list[int] = []
    while not versions or versions[-1] != _FIRST_LAYER:
        versions.append(reader.integer())
        if versions[-1] not in (_LAYER, _MARK, _FIRST_LAYER) or len(versions) > _MOST_LAYERS:
            raise reader.bad(f"a layer cannot have the version {versions[-1]}")
    return versions


def _read_layer(reader: DlibReader, *, first: bool) -> Layer:
    layer = _read_details(reader)
    # Flags for training only: the layer is set up, its gradient is stale, its outputs are kept.
    for _ in range(3):
        reader.boolean()
    for meaning in ("input gradient", "output", "parameter gradient"):
        if reader.tensor().size:
            raise reader.bad(f"the {meaning} of a layer was saved")
    if first:
        reader.expect_integer(1, "the sample expansion factor")
    return layer


def _read_details(reader: DlibReader) -> Layer:
    match kind := reader.string():
        case "con_4":
            return _read_convolution(reader)
        case "affine_":
            return _read_affine(reader)
        case "relu_":
            return Relu()
        case "max_pool_2":
            return MaxPool(_pair(reader), _pair(reader), _pair(reader))
        case "avg_pool_2":
            return MeanPool(_pair(reader), _pair(reader), _pair(reader))
        case "add_prev_":
            return AddMarked()
        case "fc_2":
            return _read_dense(reader)
        case _:
            raise reader.bad(f"{kind!r} is a layer that faceid does not know")


def _read_convolution(reader: DlibReader) -> Convolution:
    params = reader.tensor()
    filters, height, width = reader.integer(), reader.integer(), reader.integer()
    stride, padding = _pair(reader), _pair(reader)
    shape, bias_shape = reader.alias(), reader.alias()
    _skip_multipliers(reader)
    if shape[0] != filters or shape[2:] != (height, width) or bias_shape != (1, filters, 1, 1):
        raise reader.bad(f"a convolution of {filters} filters {height}x{width} has weights of shape {shape}")
    weight, bias = _split(reader, params, prod(shape))
    if bias.size != filters:
        raise reader.bad(f"{filters} filters have {bias.size} biases")
    return Convolution(weight.reshape(shape), bias, stride, padding)


def _read_affine(reader: DlibReader) -> Affine:
    params = reader.tensor()
    gamma_shape, beta_shape = reader.alias(), reader.alias()
    reader.expect_integer(0, "the mode of an affine layer")
    channels = gamma_shape[1]
    if gamma_shape != (1, channels, 1, 1) or beta_shape != gamma_shape:
        raise reader.bad(f"an affine layer has gamma of shape {gamma_shape} and beta of shape {beta_shape}")
    gamma, beta = _split(reader, params, channels)
    if beta.size != channels:
        raise reader.bad(f"an affine layer has {channels} gammas and {beta.size} betas")
    return Affine(gamma, beta)


def _read_dense(reader: DlibReader) -> Dense:
    outputs, inputs = reader.integer(), reader.integer()
    params = reader.tensor()
    shape, bias_shape = reader.alias(), reader.alias()
    reader.expect_integer(1, "the bias mode of a fully connected layer")
    _skip_multipliers(reader)
    if params.shape != shape or shape != (inputs, outputs, 1, 1) or 0 not in bias_shape:
        raise reader.bad(f"a fully connected layer of {inputs} x {outputs} has weights of shape {shape}")
    return Dense(params.reshape(inputs, outputs))


def _split(
    reader: DlibReader, params: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The first `count` numbers, and the rest."""
    flat = params.reshape(-1)
    if flat.size < count:
        raise reader.bad(f"a layer needs {count} weights and has {flat.size}")
    return flat[:count], flat[count:]


def _skip_multipliers(reader: DlibReader) -> None:
    """Skip the learning rates and weight decays of weights and biases, which matter for training only."""
    for _ in range(4):
        reader.real()


def _pair(reader: DlibReader) -> tuple[int, int]:
    return reader.integer(), reader.integer()
