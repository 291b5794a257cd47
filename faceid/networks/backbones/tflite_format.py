"""Reader of TensorFlow Lite graphs (`.tflite`, schema version 3) through the schema package `tflite`.

Returns the operators in the order of computation, and their constants; runs nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from faceid.networks.errors import WeightsFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

_IDENTIFIER = b"TFL3"
_VERSION = 3


@dataclass(frozen=True, slots=True)
class ConvolutionOptions:
    """The options of CONV_2D and DEPTHWISE_CONV_2D; pairs are y, x. `same`: padding SAME, else VALID."""

    same: bool
    stride: tuple[int, int]
    dilation: tuple[int, int]
    activation: int
    multiplier: int = 1


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator; `inputs` and `outputs` are numbers of tensors."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    convolution: ConvolutionOptions | None


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A graph with one input and one output tensor, and its constant float32 tensors by number."""

    operators: tuple[Operator, ...]
    constants: dict[int, NDArray[np.float32]]
    input: int
    output: int


def parse(content: bytes) -> Graph:
    """The only graph of a model. Raises WeightsFormat."""
    if content[4:8] != _IDENTIFIER:
        raise WeightsFormat("not a TensorFlow Lite model: the identifier TFL3 is missing")
    with _malformed():
        return _read_graph(content)


def _read_graph(content: bytes) -> Graph:
    import tflite

    kinds = {number: kind for kind, number in vars(tflite.BuiltinOperator).items() if kind.isupper()}
    model = tflite.Model.GetRootAsModel(content, 0)
    if model.Version() != _VERSION or model.SubgraphsLength() != 1:
        raise WeightsFormat(
            f"a TensorFlow Lite model of version {model.Version()} with {model.SubgraphsLength()} graphs,"
            f" not of version {_VERSION} with one"
        )
    graph = model.Subgraphs(0)
    if graph.InputsLength() != 1 or graph.OutputsLength() != 1:
        raise WeightsFormat("a TensorFlow Lite graph that has not one input and one output")
    operators = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        # Codes above 127 did not fit the old field; the field in use has the larger value.
        kind = kinds[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        operators.append(
            Operator(
                kind,
                tuple(int(operator.Inputs(place)) for place in range(operator.InputsLength())),
                tuple(int(operator.Outputs(place)) for place in range(operator.OutputsLength())),
                _read_convolution(kind, operator.BuiltinOptions()),
            )
        )
    constants = {}
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        buffer = model.Buffers(tensor.Buffer())
        if tensor.Type() == tflite.TensorType.FLOAT32 and buffer.DataLength():
            data = np.frombuffer(buffer.DataAsNumpy().tobytes(), dtype="<f4")
            constants[number] = data.reshape(tuple(int(side) for side in tensor.ShapeAsNumpy()))
    return Graph(tuple(operators), constants, int(graph.Inputs(0)), int(graph.Outputs(0)))


def _read_convolution(kind: str, table: Any) -> ConvolutionOptions | None:
    import tflite

    if kind == "CONV_2D":
        options = tflite.Conv2DOptions()
        multiplier = 1
    elif kind == "DEPTHWISE_CONV_2D":
        options = tflite.DepthwiseConv2DOptions()
    else:
        return None
    options.Init(table.Bytes, table.Pos)
    if kind == "DEPTHWISE_CONV_2D":
        multiplier = options.DepthMultiplier()
    return ConvolutionOptions(
        same=options.Padding() == tflite.Padding.SAME,
        stride=(options.StrideH(), options.StrideW()),
        dilation=(options.DilationHFactor(), options.DilationWFactor()),
        activation=options.FusedActivationFunction(),
        multiplier=multiplier,
    )


@contextmanager
def _malformed() -> Iterator[None]:
    # FlatBuffers are not checked before they are read: a wrong offset causes any error, or None for a missing table.
    try:
        yield
    except (
        struct.error,
        IndexError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise WeightsFormat(f"a malformed TensorFlow Lite model: {error or type(error).__name__}") from error
