"""MiniFASNetV2SE for pictures of 128 pixels, from the ONNX graph of face-antispoof-onnx: liveness detection of faces.

github.com/johnraivenolazo/face-antispoof-onnx. It is MiniFASNet with the widths of V2, squeeze and excitation, and two
classes. The graph takes RGB 0..1 and has the live class first; here it takes 0..255 and LIVE is the second class, as in
the other variants.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from faceid.networks.backbones.minifasnet import ATTENTIVE, BLOCKS, V2SE, build, checked
from faceid.networks.backbones.onnx_format import Graph, Node, parse
from faceid.networks.errors import WeightsFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["VERSION", "build", "convert"]

VERSION = 1

_FLATTEN = ("Shape", "Gather", "Unsqueeze", "Concat")
"""The nodes that compute the shape for the Reshape before the linear layers."""


def convert(path: Path) -> dict[str, Tensor]:
    """The state of V2SE from the published `.onnx`. Raises WeightsFormat, and OSError."""
    return state_of(parse(path.read_bytes()))


def state_of(graph: Graph) -> dict[str, Tensor]:
    """The weights of V2SE's graph, node by node. Raises WeightsFormat for another graph."""
    walk = _Walk(graph)
    state = walk.unit("stem.0", stride=2) | walk.unit("stem.1")
    state["stem.0.convolution.weight"] /= 255.0
    for number, (name, _, _, stride) in enumerate(BLOCKS):
        key, entrance = f"blocks.{number}", walk.value
        state |= walk.unit(f"{key}.units.0") | walk.unit(f"{key}.units.1", stride=stride)
        state |= walk.unit(f"{key}.units.2", prelu=False)
        if name in ATTENTIVE:
            state |= walk.attention(f"{key}.attention")
        if stride == 1:
            walk.step("Add", entrance, walk.value)
    state |= walk.unit("top.0") | walk.unit("top.1", prelu=False, same=False)
    state |= walk.head()
    walk.finish()
    return checked(state, V2SE)


class _Walk:
    """A walk along the nodes of a graph; `value` is the tensor that was computed last.

    Every method raises WeightsFormat if the graph is not that of V2SE.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._next = 0
        self.value = graph.input

    def unit(self, key: str, *, stride: int = 1, prelu: bool = True, same: bool = True) -> dict[str, Tensor]:
        """A convolution, and the slopes of its PReLU if it has one."""
        state = self._convolution(f"{key}.convolution", stride=stride, same=same)
        if prelu:
            node = self.step("PRelu", self.value)
            state[f"{key}.activation.weight"] = self._tensor(node, 1).flatten()
        return state

    def attention(self, key: str) -> dict[str, Tensor]:
        """Squeeze and excitation."""
        entrance = self.value
        self.step("GlobalAveragePool", entrance)
        state = self._convolution(f"{key}.squeeze")
        self.step("Relu", self.value)
        state |= self._convolution(f"{key}.excite")
        self.step("Sigmoid", self.value)
        self.step("Mul", entrance, self.value)
        return state

    def head(self) -> dict[str, Tensor]:
        """Two linear layers without biases and the normalisation between them, as one layer."""
        flat = self.value
        for kind in _FLATTEN:
            self._node(kind)
        self.step("Reshape", flat)
        first = self._tensor(self.step("MatMul", self.value), 1).double()
        normalisation = self.step("BatchNormalization", self.value)
        gain, bias, mean, variance = (self._tensor(normalisation, place).double() for place in (1, 2, 3, 4))
        last = self._tensor(self.step("MatMul", self.value), 1).double()
        slope = gain / (variance + normalisation.numbers.get("epsilon", (1e-5,))[0]).sqrt()
        try:
            weight, shift = (first * slope) @ last, (bias - mean * slope) @ last
        except RuntimeError as error:
            raise self._bad("linear layers that do not fit each other") from error
        # The live class is the second one.
        return {"head.weight": weight.T.flip(0).float(), "head.bias": shift.flip(0).float()}

    def finish(self) -> None:
        """The last value is the output, and nothing follows."""
        if self.value != self._graph.output or self._next != len(self._graph.nodes):
            raise self._bad("the output is not the last value")

    def step(self, kind: str, *inputs: str) -> Node:
        """The next node, which must be of `kind` and take `inputs`, in any order for Add, and constants."""
        node = self._node(kind)
        found = node.inputs[: len(inputs)]
        if found != inputs and not (kind == "Add" and found == inputs[::-1]):
            raise self._bad(f"{kind} takes {found} instead of {inputs}")
        if len(node.outputs) != 1:
            raise self._bad(f"{kind} has {len(node.outputs)} outputs")
        self.value = node.outputs[0]
        return node

    def _convolution(self, key: str, *, stride: int = 1, same: bool = True) -> dict[str, Tensor]:
        node = self.step("Conv", self.value)
        weight, bias = self._tensor(node, 1), self._tensor(node, 2)
        if weight.dim() != 4:
            raise self._bad(f"a convolution has weights of shape {tuple(weight.shape)}")
        depthwise = weight.shape[1] == 1
        padding = weight.shape[2] // 2 if same else 0
        expected = {
            "strides": (stride,) * 2,
            "pads": (padding,) * 4,
            "dilations": (1, 1),
            "group": (len(weight) if depthwise else 1,),
        }
        if any(node.numbers.get(name) != numbers for name, numbers in expected.items()):
            raise self._bad(f"a convolution has {node.numbers}")
        return {f"{key}.weight": weight, f"{key}.bias": bias}

    def _tensor(self, node: Node, place: int) -> Tensor:
        name = node.inputs[place] if place < len(node.inputs) else None
        values: NDArray[np.float32] | None = self._graph.constants.get(name) if name is not None else None
        if values is None:
            raise self._bad(f"input {place} of {node.kind} is no constant")
        return torch.tensor(values)

    def _node(self, kind: str) -> Node:
        nodes = self._graph.nodes
        found = nodes[self._next] if self._next < len(nodes) else None
        if found is None or found.kind != kind:
            raise self._bad(f"{found.kind if found else 'nothing'} instead of {kind}")
        self._next += 1
        return found

    def _bad(self, complaint: str) -> WeightsFormat:
        return WeightsFormat(f"not the MiniFASNetV2SE that faceid knows: at node {self._next}, {complaint}")
