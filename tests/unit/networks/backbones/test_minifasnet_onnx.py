"""MiniFASNetV2SE out of a graph with random weights, made here in the form of the published one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from faceid.networks import registry
from faceid.networks.backbones import minifasnet_onnx
from faceid.networks.backbones.minifasnet import BLOCKS, V2SE
from faceid.networks.backbones.onnx_format import parse
from faceid.networks.errors import WeightsFormat
from faceid.networks.kinds import find_kind

onnx = pytest.importorskip("onnx")

ATTENTIVE = {"conv_3.model.3": 16, "conv_4.model.5": 32, "conv_5.model.1": 32}


class Writer:
    """Writes random weights and the nodes that use them; `value` is the tensor computed last."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(3)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.value = "input"

    def constant(self, *shape: int, low: float = -1.0, high: float = 1.0) -> str:
        name = f"constant {len(self.constants)}"
        scale = (np.prod(shape[1:]) / 6) ** -0.5 if len(shape) == 4 else 1.0
        values = (scale * self.rng.uniform(low, high, shape)).astype(np.float32)
        self.constants.append(onnx.numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        self.value = f"value {len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, inputs, [self.value], **attributes))
        return self.value

    def convolution(
        self, shape: tuple[int, ...], *, stride: int = 1, padding: int = 0, group: int = 1
    ) -> None:
        self.node(
            "Conv",
            *(self.value, self.constant(*shape), self.constant(shape[0])),
            dilations=[1, 1],
            group=group,
            kernel_shape=shape[2:],
            pads=[padding] * 4,
            strides=[stride] * 2,
        )

    def unit(self, shape: tuple[int, ...], *, prelu: bool = True, **rest: int) -> None:
        self.convolution(shape, **rest)
        if prelu:
            self.node("PRelu", self.value, self.constant(shape[0], 1, 1, low=0.1))

    def model(self) -> Any:
        self.unit((32, 3, 3, 3), stride=2, padding=1)
        self.unit((32, 1, 3, 3), padding=1, group=32)
        for (name, inputs, outputs, stride), hidden in zip(BLOCKS, V2SE.hidden, strict=True):
            entrance = self.value
            self.unit((hidden, inputs, 1, 1))
            self.unit((hidden, 1, 3, 3), stride=stride, padding=1, group=hidden)
            self.unit((outputs, hidden, 1, 1), prelu=False)
            if name in ATTENTIVE:
                squeezed = self.value
                self.node("GlobalAveragePool", squeezed)
                self.convolution((ATTENTIVE[name], outputs, 1, 1))
                self.node("Relu", self.value)
                self.convolution((outputs, ATTENTIVE[name], 1, 1))
                self.node("Sigmoid", self.value)
                self.node("Mul", squeezed, self.value)
            if stride == 1:
                self.node("Add", entrance, self.value)
        self.unit((512, 128, 1, 1))
        self.unit((512, 1, 8, 8), prelu=False, group=512)
        self.flatten()
        self.node("MatMul", self.value, self.constant(512, 128))
        self.node(
            "BatchNormalization",
            *(self.value, self.constant(128, low=0.5), self.constant(128), self.constant(128)),
            self.constant(128, low=0.5),
            epsilon=1e-3,
        )
        self.nodes.append(
            onnx.helper.make_node(
                "MatMul", [self.value, self.constant(128, 2, low=-0.1, high=0.1)], ["output"]
            )
        )
        graph = onnx.helper.make_graph(
            self.nodes,
            "network",
            [onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["n", 3, 128, 128])],
            [onnx.helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, ["n", 2])],
            self.constants,
        )
        opset = [onnx.helper.make_opsetid("", 11)]
        return onnx.helper.make_model(graph, ir_version=8, opset_imports=opset)

    def flatten(self) -> None:
        before = self.value
        for name, values in (("place", 0), ("axis", [0]), ("rest", [-1])):
            self.constants.append(onnx.numpy_helper.from_array(np.array(values, np.int64), name))
        self.node("Shape", before)
        self.node("Gather", self.value, "place", axis=0)
        self.node("Unsqueeze", self.value, axes=[0])
        self.node("Concat", self.value, "rest", axis=0)
        self.node("Reshape", before, self.value)


@pytest.fixture(scope="module")
def published() -> Any:
    return Writer().model()


def converted(model: Any, folder: Path) -> torch.nn.Module:
    (folder / "network.onnx").write_bytes(model.SerializeToString())
    return minifasnet_onnx.build(minifasnet_onnx.convert(folder / "network.onnx"))


def test_the_network_computes_what_the_graph_computes(published: Any, tmp_path: Path) -> None:
    network = converted(published, tmp_path)
    assert not network.training
    pixels = np.random.default_rng(1).integers(0, 256, (3, 3, 128, 128)).astype(np.float32)
    runner = cv2.dnn.readNetFromONNX(str(tmp_path / "network.onnx"))
    expected = []
    for one in pixels:
        runner.setInput(one[None] / 255)
        expected.append(runner.forward()[0].copy())
    with torch.inference_mode():
        # The graph has the live class first.
        found = network(torch.from_numpy(pixels)).numpy()[:, ::-1]
    assert np.std(expected, axis=0).min() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def changed(model: Any, kind: str, change: Any) -> Any:
    other = onnx.ModelProto()
    other.CopyFrom(model)
    change(next(node for node in other.graph.node if node.op_type == kind))
    return other


def strided(node: Any) -> None:
    next(one for one in node.attribute if one.name == "strides").ints[:] = [1, 1]


@pytest.mark.parametrize(
    ("kind", "change", "complaint"),
    [
        ("Conv", strided, "a convolution has"),
        ("PRelu", lambda node: setattr(node, "op_type", "LeakyRelu"), "LeakyRelu instead of PRelu"),
        ("Add", lambda node: node.input.__setitem__(0, "input"), "Add takes"),
        ("MatMul", lambda node: node.input.__setitem__(1, "nothing"), "input 1 of MatMul is no constant"),
    ],
)
def test_another_graph_is_refused(
    kind: str, change: Any, complaint: str, published: Any, tmp_path: Path
) -> None:
    with pytest.raises(WeightsFormat, match=complaint):
        converted(changed(published, kind, change), tmp_path)


def test_weights_of_another_shape_are_refused(published: Any, tmp_path: Path) -> None:
    other = onnx.ModelProto()
    other.CopyFrom(published)
    wide = np.zeros((40, 3, 3, 3), np.float32)
    other.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(wide, other.graph.initializer[0].name))
    with pytest.raises(WeightsFormat, match=r"stem\.0\.convolution\.weight has the shape"):
        converted(other, tmp_path)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_are_refused_or_read(seed: int, published: Any) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(published.SerializeToString())
    for place in rng.integers(0, min(len(content), 20_000), 6):
        content[place] = rng.integers(0, 256)
    with suppress(WeightsFormat):
        minifasnet_onnx.state_of(parse(bytes(content[: rng.integers(1, len(content))])))


def test_empty_and_foreign_files_are_refused() -> None:
    for content in (b"", b"\x00", b"not a graph", bytes(64)):
        with pytest.raises(WeightsFormat):
            parse(content)


def test_the_card_names_this_kind() -> None:
    kind = find_kind(registry.liveness_card("antispoof-98").backbone)
    assert kind is not None
    assert kind.makes == "liveness"
