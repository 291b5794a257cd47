"""The reader of TensorFlow Lite files on a small one made here."""

from __future__ import annotations

from contextlib import suppress

import flatbuffers
import numpy as np
import pytest
import tflite

from faceid.networks.backbones.tflite_format import ConvolutionOptions, Graph, parse
from faceid.networks.errors import WeightsFormat

WEIGHT = np.arange(1 * 3 * 3 * 2, dtype=np.float32).reshape(1, 3, 3, 2)


def vector(builder: flatbuffers.Builder, start: object, offsets: list[int]) -> int:
    start(builder, len(offsets))  # type: ignore[operator]
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def model(*, version: int = 3, graphs: int = 1) -> bytes:
    """One depthwise convolution, SAME, stride 2."""
    builder = flatbuffers.Builder()
    data = builder.CreateNumpyVector(np.frombuffer(WEIGHT.tobytes(), np.uint8))
    buffers = []
    for content in (None, data):
        tflite.BufferStart(builder)
        if content is not None:
            tflite.BufferAddData(builder, content)
        buffers.append(tflite.BufferEnd(builder))
    tensors = []
    for shape, buffer in (((1, 8, 8, 2), 0), (WEIGHT.shape, 1), ((1, 4, 4, 2), 0)):
        sides = builder.CreateNumpyVector(np.array(shape, np.int32))
        tflite.TensorStart(builder)
        tflite.TensorAddShape(builder, sides)
        tflite.TensorAddBuffer(builder, buffer)
        tflite.TensorAddType(builder, tflite.TensorType.FLOAT32)
        tensors.append(tflite.TensorEnd(builder))
    tflite.DepthwiseConv2DOptionsStart(builder)
    tflite.DepthwiseConv2DOptionsAddPadding(builder, tflite.Padding.SAME)
    tflite.DepthwiseConv2DOptionsAddStrideH(builder, 2)
    tflite.DepthwiseConv2DOptionsAddStrideW(builder, 2)
    tflite.DepthwiseConv2DOptionsAddDepthMultiplier(builder, 1)
    options = tflite.DepthwiseConv2DOptionsEnd(builder)
    inputs, outputs = (builder.CreateNumpyVector(np.array(numbers, np.int32)) for numbers in ([0, 1], [2]))
    tflite.OperatorStart(builder)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    tflite.OperatorAddBuiltinOptionsType(builder, tflite.BuiltinOptions.DepthwiseConv2DOptions)
    tflite.OperatorAddBuiltinOptions(builder, options)
    operators = vector(builder, tflite.SubGraphStartOperatorsVector, [tflite.OperatorEnd(builder)])
    tensor_vector = vector(builder, tflite.SubGraphStartTensorsVector, tensors)
    ends = [builder.CreateNumpyVector(np.array([number], np.int32)) for number in (0, 2)]
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, tensor_vector)
    tflite.SubGraphAddInputs(builder, ends[0])
    tflite.SubGraphAddOutputs(builder, ends[1])
    tflite.SubGraphAddOperators(builder, operators)
    subgraphs = vector(builder, tflite.ModelStartSubgraphsVector, [tflite.SubGraphEnd(builder)] * graphs)
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, tflite.BuiltinOperator.DEPTHWISE_CONV_2D)
    codes = vector(builder, tflite.ModelStartOperatorCodesVector, [tflite.OperatorCodeEnd(builder)])
    buffer_vector = vector(builder, tflite.ModelStartBuffersVector, buffers)
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, version)
    tflite.ModelAddOperatorCodes(builder, codes)
    tflite.ModelAddSubgraphs(builder, subgraphs)
    tflite.ModelAddBuffers(builder, buffer_vector)
    builder.Finish(tflite.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


MODEL = model()


def test_a_graph_is_read() -> None:
    graph = parse(MODEL)
    (operator,) = graph.operators
    assert (operator.kind, operator.inputs, operator.outputs) == ("DEPTHWISE_CONV_2D", (0, 1), (2,))
    assert operator.convolution == ConvolutionOptions(same=True, stride=(2, 2), dilation=(1, 1), activation=0)
    assert (graph.input, graph.output) == (0, 2)
    assert set(graph.constants) == {1}
    np.testing.assert_array_equal(graph.constants[1], WEIGHT)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "identifier TFL3"),
        (b"\x00" * 100, "identifier TFL3"),
        (model(version=4), "version 4"),
        (model(graphs=2), "2 graphs"),
        (MODEL[:40], "malformed"),
    ],
)
def test_what_is_wrong_is_named(content: bytes, complaint: str) -> None:
    with pytest.raises(WeightsFormat, match=complaint):
        parse(content)


def test_damage_is_refused_or_harmless() -> None:
    for place in range(len(MODEL)):
        with suppress(WeightsFormat):
            parse(MODEL[:place])
        for bit in range(8):
            flipped = bytearray(MODEL)
            flipped[place] ^= 1 << bit
            with suppress(WeightsFormat):
                assert isinstance(parse(bytes(flipped)), Graph)
