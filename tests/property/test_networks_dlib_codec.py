"""dlib's codec: what is written is read, and no bytes raise anything but WeightsFormat."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faceid.networks.backbones.dlib_codec import DlibReader
from faceid.networks.backbones.dlib_format import parse
from faceid.networks.errors import WeightsFormat


def integer(value: int) -> bytes:
    magnitude = abs(value)
    length = max(1, (magnitude.bit_length() + 7) // 8)
    return bytes([length | (0x80 if value < 0 else 0)]) + magnitude.to_bytes(length, "little")


@given(st.lists(st.integers(-(2**64) + 1, 2**64 - 1), max_size=5))
def test_integers(values: list[int]) -> None:
    reader = DlibReader(b"".join(integer(value) for value in values))
    assert [reader.integer() for _ in values] == values
    reader.expect_end()


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e280, max_value=1e280))
def test_reals(value: float) -> None:
    mantissa, exponent = math.frexp(value)
    content = integer(int(mantissa * 2**53)) + integer(exponent - 53)
    assert DlibReader(content).real() == value


@given(st.booleans())
def test_booleans(value: bool) -> None:
    assert DlibReader(b"1" if value else b"0").boolean() is value


@given(st.text(st.characters(max_codepoint=127), max_size=200))
def test_strings(value: str) -> None:
    assert DlibReader(integer(len(value)) + value.encode("ascii")).string() == value


@given(arrays(np.float32, st.tuples(*[st.integers(0, 3)] * 4), elements=st.floats(width=32)))
def test_tensors(values: np.ndarray) -> None:
    header = b"".join(integer(number) for number in (2, *values.shape))
    reader = DlibReader(header + values.astype("<f4").tobytes())
    np.testing.assert_array_equal(reader.tensor(), values)
    reader.expect_end()


@given(st.integers(-(2**64) + 1, 2**64 - 1), st.data())
def test_truncated_integers(value: int, data: st.DataObject) -> None:
    content = integer(value)
    with pytest.raises(WeightsFormat):
        DlibReader(content[: data.draw(st.integers(0, len(content) - 1))]).integer()


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_network(content: bytes) -> None:
    with pytest.raises(WeightsFormat):
        parse(content)
