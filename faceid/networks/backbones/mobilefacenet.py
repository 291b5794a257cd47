"""MobileFaceNet (Chen et al., 2018, arXiv:1804.07573), 192-D, read from a TensorFlow Lite graph.

The graph's batch normalisation is folded already. Its PReLUs are written as relu(x) + a * (x - |x|) in five operators;
here each is one PReLU of slope 2 a.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from faceid.networks.backbones.tflite_format import ConvolutionOptions, Graph, Operator, parse
from faceid.networks.errors import WeightsFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

VERSION = 1

_MEAN, _SCALE = 127.5, 128.0


@dataclass(frozen=True, slots=True)
class _Shape:
    """A convolution of `kernel` x `kernel` from `inputs` to `outputs` channels.

    `same` pads as TensorFlow does; a depthwise convolution has a separate filter for each channel.
    """

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    depthwise: bool = False
    prelu: bool = False
    same: bool = True


class Unit(nn.Module):
    """A convolution with an optional PReLU."""

    def __init__(self, shape: _Shape) -> None:
        super().__init__()
        self.shape = shape
        # TensorFlow's SAME puts an odd pixel of padding at the end. All sides are even at stride 2.
        before = (shape.kernel - shape.stride) // 2 if shape.same else 0
        after = shape.kernel - shape.stride - before if shape.same else 0
        self.margin = (before, after, before, after) if before != after else None
        self.convolution = nn.Conv2d(
            shape.inputs,
            shape.outputs,
            shape.kernel,
            stride=shape.stride,
            padding=0 if self.margin else before,
            groups=shape.inputs if shape.depthwise else 1,
        )
        self.activation = nn.PReLU(shape.outputs) if shape.prelu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h / stride, w / stride)."""
        if self.margin:
            x = functional.pad(x, self.margin)
        y: Tensor = self.activation(self.convolution(x))
        return y


class Block(nn.Module):
    """Units one after the other, added to their input where `residual`."""

    def __init__(self, *shapes: _Shape, residual: bool = False) -> None:
        super().__init__()
        self.units = nn.Sequential(*(Unit(shape) for shape in shapes))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> the shape of the last unit's output."""
        y: Tensor = self.units(x)
        return x + y if self.residual else y


def _bottleneck(inputs: int, hidden: int, outputs: int, *, stride: int = 1) -> Block:
    """MobileNetV2's inverted residual with PReLUs: wide, depthwise, narrow and linear."""
    return Block(
        _Shape(inputs, hidden, 1, prelu=True),
        _Shape(hidden, hidden, 3, stride=stride, depthwise=True, prelu=True),
        _Shape(hidden, outputs, 1),
        residual=stride == 1,
    )


class MobileFaceNet(nn.Module):
    """(n, 3, 112, 112) RGB 0..255 -> (n, dim); the published one's 192 are of norm about 70 for faces."""

    def __init__(self, dim: int = 192) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            Block(
                _Shape(3, 64, 3, stride=2, prelu=True),
                _Shape(64, 64, 3, depthwise=True, prelu=True),
                _Shape(64, 64, 1),
            ),
            _bottleneck(64, 128, 64, stride=2),
            *(_bottleneck(64, 128, 64) for _ in range(4)),
            _bottleneck(64, 256, 128, stride=2),
            *(_bottleneck(128, 256, 128) for _ in range(6)),
            _bottleneck(128, 512, 128, stride=2),
            *(_bottleneck(128, 256, 128) for _ in range(2)),
            Block(
                _Shape(128, 512, 1, prelu=True),
                # Covers the whole 7x7 picture, with separate weights for each channel: the paper's global depthwise
                # convolution.
                _Shape(512, 512, 7, depthwise=True, same=False),
                _Shape(512, 512, 1, same=False),
                _Shape(512, dim, 1),
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The raw embeddings of a batch of crops."""
        embeddings: Tensor = self.blocks((x - _MEAN) / _SCALE)
        return embeddings.flatten(1)


def convert(path: Path) -> dict[str, Tensor]:
    """The state of a MobileFaceNet from a `.tflite` file. Raises WeightsFormat, and OSError."""
    return state_of(parse(path.read_bytes()))


def state_of(graph: Graph) -> dict[str, Tensor]:
    """The weights of MobileFaceNet's graph, operator by operator. Raises WeightsFormat for another graph."""
    with torch.device("meta"):
        network = MobileFaceNet()
    walk = _Walk(graph)
    state: dict[str, Tensor] = {}
    for block_name, block in network.named_modules():
        if not isinstance(block, Block):
            continue
        entrance = walk.value
        for name, unit in block.units.named_children():
            assert isinstance(unit, Unit)
            state |= {
                f"{block_name}.units.{name}.{key}": value for key, value in walk.unit(unit.shape).items()
            }
        if block.residual:
            walk.add(entrance)
    walk.finish()
    return state


def build(state: Mapping[str, Tensor]) -> nn.Module:
    """The network with the weights of `state`, in evaluation mode.

    Raises RuntimeError, or KeyError, for another state.
    """
    with torch.device("meta"):
        network = MobileFaceNet(len(state["blocks.16.units.3.convolution.weight"]))
    network.load_state_dict(state, assign=True)
    return network.eval()


class _Walk:
    """A walk along the operators of a graph; `value` is the tensor that was computed last.

    Every method raises WeightsFormat if the graph is not MobileFaceNet's.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._next = 0
        self.value = graph.input

    def unit(self, shape: _Shape) -> dict[str, Tensor]:
        """The weights of a convolution and its PReLU."""
        weight, bias = self._convolution(shape)
        state = {"convolution.weight": torch.tensor(weight), "convolution.bias": torch.tensor(bias)}
        if shape.prelu:
            state["activation.weight"] = torch.tensor(self._slope(shape.outputs))
        return state

    def add(self, entrance: int) -> None:
        """The sum of the last value and `entrance`."""
        self.value = self._take("ADD", self.value, entrance)

    def finish(self) -> None:
        """The last value, flattened, is the output, and nothing follows."""
        reshape = self._operator("RESHAPE")
        if reshape.inputs[:1] != (self.value,) or reshape.outputs != (self._graph.output,):
            raise self._bad("the output is not the last value")
        if self._next != len(self._graph.operators):
            raise self._bad("operators follow the last")

    def _convolution(self, shape: _Shape) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        operator = self._operator("DEPTHWISE_CONV_2D" if shape.depthwise else "CONV_2D")
        expected = ConvolutionOptions(
            same=shape.same, stride=(shape.stride, shape.stride), dilation=(1, 1), activation=0
        )
        if operator.convolution != expected:
            raise self._bad(f"a convolution has {operator.convolution}")
        if len(operator.inputs) != 3 or operator.inputs[0] != self.value:
            raise self._bad("a convolution does not take the last value")
        weight, bias = (self._constant(number) for number in operator.inputs[1:])
        side = (shape.kernel, shape.kernel)
        expected_shape = (
            (1, *side, shape.outputs) if shape.depthwise else (shape.outputs, *side, shape.inputs)
        )
        if weight.shape != expected_shape or bias.shape != (shape.outputs,):
            raise self._bad(f"a convolution has weights of shape {weight.shape} and biases of {bias.shape}")
        self.value = self._output(operator)
        # TensorFlow keeps OHWI, depthwise 1HWC; torch OIHW, depthwise C1HW.
        axes = (3, 0, 1, 2) if shape.depthwise else (0, 3, 1, 2)
        return np.ascontiguousarray(weight.transpose(axes)), bias

    def _slope(self, channels: int) -> NDArray[np.float32]:
        """The slopes of a PReLU, from relu(x) + a * (x - |x|) = x for x > 0, and 2 a x below."""
        x = self.value
        positive = self._take("RELU", x)
        magnitude = self._take("ABS", x)
        difference = self._take("SUB", x, magnitude)
        multiplication = self._operator("MUL")
        factors = [number for number in multiplication.inputs if number != difference]
        if len(multiplication.inputs) != 2 or len(factors) != 1:
            raise self._bad("a PReLU does not scale x - |x|")
        half = self._constant(factors[0])
        if half.shape != (channels,):
            raise self._bad(f"a PReLU of {channels} channels has slopes of shape {half.shape}")
        self.value = self._take("ADD", positive, self._output(multiplication))
        return 2.0 * half

    def _take(self, kind: str, *inputs: int) -> int:
        """The output of the next operator, which must be of `kind` and take `inputs`, in any order for ADD."""
        operator = self._operator(kind)
        found = operator.inputs
        if found != inputs and not (kind == "ADD" and found == inputs[::-1]):
            raise self._bad(f"{kind} takes {found} instead of {inputs}")
        return self._output(operator)

    def _operator(self, kind: str) -> Operator:
        operators = self._graph.operators
        found = operators[self._next] if self._next < len(operators) else None
        if found is None or found.kind != kind:
            raise self._bad(f"{found.kind if found else 'nothing'} instead of {kind}")
        self._next += 1
        return found

    def _output(self, operator: Operator) -> int:
        if len(operator.outputs) != 1:
            raise self._bad(f"{operator.kind} has {len(operator.outputs)} outputs")
        return operator.outputs[0]

    def _constant(self, number: int) -> NDArray[np.float32]:
        constant = self._graph.constants.get(number)
        if constant is None or not np.isfinite(constant).all():
            raise self._bad(f"tensor {number} is not a finite constant")
        return constant

    def _bad(self, complaint: str) -> WeightsFormat:
        return WeightsFormat(
            f"not the MobileFaceNet that faceid knows: at operator {self._next}, {complaint}"
        )
