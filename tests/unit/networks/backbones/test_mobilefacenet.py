"""MobileFaceNet out of a graph that is made here, in the form that TensorFlow's converter gives."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from faceid.networks.backbones.mobilefacenet import Block, MobileFaceNet, Unit, build, state_of
from faceid.networks.backbones.tflite_format import ConvolutionOptions, Graph, Operator
from faceid.networks.errors import WeightsFormat


@dataclass
class Writer:
    """Writes random weights and the operators that use them; `value` is the tensor computed last."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    operators: list[Operator] = field(default_factory=list)
    constants: dict[int, np.ndarray] = field(default_factory=dict)
    tensors: int = 1
    value: int = 0

    def tensor(self) -> int:
        self.tensors += 1
        return self.tensors - 1

    def constant(self, *shape: int) -> int:
        number = self.tensor()
        scale = np.prod(shape[1:] or (4,)) ** -0.5
        self.constants[number] = (scale * self.rng.standard_normal(shape)).astype(np.float32)
        return number

    def operator(self, kind: str, *inputs: int, convolution: ConvolutionOptions | None = None) -> int:
        output = self.tensor()
        self.operators.append(Operator(kind, inputs, (output,), convolution))
        return output

    def unit(self, unit: Unit) -> None:
        shape = unit.shape
        side = (shape.kernel, shape.kernel)
        weight = self.constant(1, *side, shape.outputs) if shape.depthwise else self.constant(
            shape.outputs, *side, shape.inputs
        )  # fmt: skip
        x = self.value = self.operator(
            "DEPTHWISE_CONV_2D" if shape.depthwise else "CONV_2D",
            self.value,
            weight,
            self.constant(shape.outputs),
            convolution=ConvolutionOptions(shape.same, (shape.stride,) * 2, (1, 1), 0),
        )
        if shape.prelu:
            positive = self.operator("RELU", x)
            difference = self.operator("SUB", x, self.operator("ABS", x))
            negative = self.operator("MUL", self.constant(shape.outputs), difference)
            self.value = self.operator("ADD", positive, negative)

    def graph(self, network: MobileFaceNet) -> Graph:
        for block in network.modules():
            if isinstance(block, Block):
                entrance = self.value
                for unit in block.units:
                    assert isinstance(unit, Unit)
                    self.unit(unit)
                if block.residual:
                    self.value = self.operator("ADD", self.value, entrance)
        output = self.operator("RESHAPE", self.value, self.tensor())
        return Graph(tuple(self.operators), self.constants, 0, output)


def run(graph: Graph, x: torch.Tensor) -> torch.Tensor:
    """The graph, operator by operator, as TensorFlow defines them; x is NHWC."""
    values = {graph.input: x} | {number: torch.tensor(value) for number, value in graph.constants.items()}
    for operator in graph.operators:
        inputs = [values[number] for number in operator.inputs if number in values]
        (output,) = operator.outputs
        values[output] = step(operator, inputs)
    return values[graph.output]


def step(operator: Operator, inputs: list[torch.Tensor]) -> torch.Tensor:
    match operator.kind:
        case "RELU":
            return inputs[0].relu()
        case "ABS":
            return inputs[0].abs()
        case "SUB":
            return inputs[0] - inputs[1]
        case "MUL":
            return inputs[0] * inputs[1]
        case "ADD":
            return inputs[0] + inputs[1]
        case "RESHAPE":
            return inputs[0].flatten(1)
    x, weight, bias = inputs
    options = operator.convolution
    assert options is not None
    x = x.permute(0, 3, 1, 2)
    kernel, stride, side = weight.shape[1], options.stride[0], x.shape[2]
    if options.same:  # as TensorFlow's documentation computes it
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        x = functional.pad(x, (total // 2, total - total // 2) * 2)
    depthwise = operator.kind == "DEPTHWISE_CONV_2D"
    weight = weight.permute(3, 0, 1, 2) if depthwise else weight.permute(0, 3, 1, 2)
    groups = weight.shape[0] if depthwise else 1
    return functional.conv2d(x, weight, bias, stride=stride, groups=groups).permute(0, 2, 3, 1)


@pytest.fixture(scope="module")
def graph() -> Graph:
    with torch.device("meta"):
        return Writer().graph(MobileFaceNet())


def test_the_network_computes_what_the_graph_computes(graph: Graph) -> None:
    network = build(state_of(graph))
    pixels = torch.randint(0, 256, (2, 112, 112, 3), generator=torch.Generator().manual_seed(0)).float()
    with torch.inference_mode():
        expected = run(graph, (pixels - 127.5) / 128.0)
        found = network(pixels.permute(0, 3, 1, 2))
    assert found.shape == (2, 192)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_the_graph_has_the_operators_of_the_published_one(graph: Graph) -> None:
    kinds = [operator.kind for operator in graph.operators]
    counts = {kind: kinds.count(kind) for kind in set(kinds)}
    assert counts == {
        "CONV_2D": 35, "DEPTHWISE_CONV_2D": 17, "RELU": 33, "ABS": 33, "SUB": 33, "MUL": 33, "ADD": 45, "RESHAPE": 1,
    }  # fmt: skip


def changed(graph: Graph, place: int, **changes: object) -> Graph:
    operators = list(graph.operators)
    operators[place] = replace(operators[place], **changes)  # type: ignore[arg-type]
    return replace(graph, operators=tuple(operators))


def test_any_other_graph_is_refused(graph: Graph) -> None:
    first = graph.operators[0]
    valid = ConvolutionOptions(same=False, stride=(2, 2), dilation=(1, 1), activation=0)
    others = {
        "RELU6 instead of RELU": changed(graph, 1, kind="RELU6"),
        "RELU takes": changed(graph, 1, inputs=(0,)),
        "outputs": changed(graph, 1, outputs=()),
        "a convolution has Conv": changed(graph, 0, convolution=valid),
        "does not take the last": changed(graph, 0, inputs=(5, *first.inputs[1:])),
        "not a finite constant": changed(graph, 0, inputs=(0, 0, 0)),
        "weights of shape": changed(graph, 0, inputs=(0, first.inputs[2], first.inputs[2])),
        "does not scale": changed(graph, 4, inputs=(0, 1)),
        "operators follow": replace(graph, operators=(*graph.operators, first)),
        "the output is not": replace(graph, output=0),
        "nothing instead of": replace(graph, operators=graph.operators[:-1]),
        "ADD takes": changed(graph, 39, inputs=(0, 1)),
    }
    for complaint, other in others.items():
        with pytest.raises(WeightsFormat, match=re.escape(complaint)):
            state_of(other)


def test_slopes_that_are_not_finite_are_refused(graph: Graph) -> None:
    slopes = graph.operators[4].inputs[0]
    spoilt = graph.constants | {slopes: np.full_like(graph.constants[slopes], np.nan)}
    with pytest.raises(WeightsFormat, match="finite"):
        state_of(replace(graph, constants=spoilt))
