"""The reader of dlib's networks on small networks written here, byte by byte."""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest

from faceid.networks.backbones.dlib_format import (
    Affine,
    Convolution,
    Dense,
    Mark,
    MeanPool,
    Network,
    Relu,
    parse,
)
from faceid.networks.errors import WeightsFormat

RNG = np.random.default_rng(1)
WEIGHT = RNG.standard_normal((2, 3, 1, 1), dtype=np.float32)
BIAS = RNG.standard_normal(2, dtype=np.float32)
GAMMA, BETA = RNG.standard_normal((2, 2), dtype=np.float32)
DENSE = RNG.standard_normal((2, 4), dtype=np.float32)


def integer(value: int) -> bytes:
    magnitude = abs(value)
    length = max(1, (magnitude.bit_length() + 7) // 8)
    return bytes([length | (0x80 if value < 0 else 0)]) + magnitude.to_bytes(length, "little")


def real(value: float) -> bytes:
    mantissa, exponent = np.frexp(value)
    return integer(int(mantissa * 2**24)) + integer(int(exponent) - 24)


def string(value: str) -> bytes:
    return integer(len(value)) + value.encode()


def integers(*values: int) -> bytes:
    return b"".join(integer(value) for value in values)


def alias(*shape: int) -> bytes:
    return integers(1, *shape)


def tensor(values: np.ndarray, *shape: int) -> bytes:
    return integers(2, *shape) + struct.pack(f"<{values.size}f", *values.ravel())


EMPTY = tensor(np.empty(0), 0, 0, 0, 0)
MULTIPLIERS = real(1) + real(1) + real(1) + real(0)
TAIL = b"110" + EMPTY * 3
FIRST_TAIL = TAIL + integer(1)

CONVOLUTION = (
    string("con_4")
    + tensor(np.concatenate([WEIGHT.ravel(), BIAS]), 8, 1, 1, 1)
    + integers(2, 1, 1, 2, 2, 0, 0)
    + alias(2, 3, 1, 1)
    + alias(1, 2, 1, 1)
    + MULTIPLIERS
)
AFFINE = (
    string("affine_") + tensor(np.concatenate([GAMMA, BETA]), 4, 1, 1, 1) + alias(1, 2, 1, 1) * 2 + integer(0)
)
POOL = string("avg_pool_2") + integers(0, 0, 1, 1, 0, 0)
FULL = string("fc_2") + integers(4, 2) + tensor(DENSE, 2, 4, 1, 1) + alias(2, 4, 1, 1) + alias(0, 0, 0, 0)
HEAD = integer(1) + string("loss_metric_2") + real(0.04) + real(0.6)
INPUT = string("input_rgb_image_sized") + real(122.5) + real(117.0) + real(104.25) + integers(6, 5)
LAYERS = (CONVOLUTION + FIRST_TAIL, AFFINE + TAIL, string("relu_") + TAIL, POOL + TAIL,
          FULL + integer(1) + MULTIPLIERS + TAIL)  # fmt: skip
NETWORK = HEAD + integers(2, 2, 1, 2, 2, 3) + INPUT + b"".join(LAYERS)


def test_a_network_is_read_layer_by_layer() -> None:
    network = parse(NETWORK)
    assert network.mean == (122.5, 117.0, 104.25)
    assert network.size == (6, 5)
    convolution, affine, relu, mark, pool, dense = network.layers
    assert isinstance(convolution, Convolution)
    np.testing.assert_array_equal(convolution.weight, WEIGHT)
    np.testing.assert_array_equal(convolution.bias, BIAS)
    assert (convolution.stride, convolution.padding) == ((2, 2), (0, 0))
    assert isinstance(affine, Affine)
    np.testing.assert_array_equal(affine.gamma, GAMMA)
    np.testing.assert_array_equal(affine.beta, BETA)
    assert (relu, mark, pool) == (Relu(), Mark(), MeanPool((0, 0), (1, 1), (0, 0)))
    assert isinstance(dense, Dense)
    np.testing.assert_array_equal(dense.weight, DENSE)


def test_every_truncation_is_refused() -> None:
    for length in range(len(NETWORK)):
        with pytest.raises(WeightsFormat):
            parse(NETWORK[:length])


def test_every_flipped_bit_is_refused_or_harmless() -> None:
    for place in range(len(NETWORK)):
        for bit in range(8):
            flipped = bytearray(NETWORK)
            flipped[place] ^= 1 << bit
            with suppress(WeightsFormat):
                assert isinstance(parse(bytes(flipped)), Network)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "ends too early"),
        (NETWORK + b"\x01", "1 bytes too many"),
        (NETWORK.replace(b"loss_metric_2", b"loss_metric_3"), "loss_metric_3"),
        (NETWORK.replace(b"relu_", b"sig__"), "'sig__' is a layer that faceid does not know"),
        (integer(2) + NETWORK[2:], "version of the loss layer is 2"),
        (HEAD + integers(2, 4), "version 4"),
        (HEAD + integers(*[2] * 5000), "version 2"),
        (HEAD + integer(3) + INPUT + CONVOLUTION + FIRST_TAIL[:-1] + b"\x02", "sample expansion"),
        (HEAD + integer(3) + INPUT + CONVOLUTION + b"112", "no boolean"),
        (HEAD + integer(3) + INPUT + CONVOLUTION + b"111" + tensor(BIAS, 2, 1, 1, 1), "gradient of a layer"),
        (HEAD.replace(string("loss_metric_2"), integer(-3)), "a name cannot be -3 bytes"),
        (HEAD[:-4] + integer(1) + integer(32000), "exponent 32000"),
        (b"\x71\x01", "control byte 0x71"),
        (b"\x09" + bytes(9), "control byte 0x09"),
    ],
)
def test_what_is_wrong_is_named(content: bytes, complaint: str) -> None:
    with pytest.raises(WeightsFormat, match=complaint):
        parse(content)


@pytest.mark.parametrize(
    "layer",
    [
        CONVOLUTION.replace(alias(2, 3, 1, 1), alias(2, 4, 1, 1)),
        CONVOLUTION.replace(alias(2, 3, 1, 1), alias(2, 2, 1, 1)),
        CONVOLUTION.replace(alias(1, 2, 1, 1), alias(1, 3, 1, 1)),
        AFFINE.replace(alias(1, 2, 1, 1), alias(1, 3, 1, 1)),
        AFFINE.replace(alias(1, 2, 1, 1), alias(1, 1, 1, 1)),
        AFFINE[:-2] + integer(1),
        FULL.replace(alias(2, 4, 1, 1), alias(4, 2, 1, 1)) + integer(1) + MULTIPLIERS,
        FULL + integer(0) + MULTIPLIERS,
        string("con_4") + integers(2, 1 << 60, 1 << 60, 1 << 60, 1 << 60),
        string("con_4") + integers(2, -1, 1, 1, 1),
    ],
)
def test_weights_that_do_not_fit_their_layer_are_refused(layer: bytes) -> None:
    with pytest.raises(WeightsFormat):
        parse(HEAD + integer(3) + INPUT + layer + FIRST_TAIL)
