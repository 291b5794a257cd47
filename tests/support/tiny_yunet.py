"""An ONNX file with the inputs and outputs of YuNet, for tests without its weights.

Where a place is green, it sees a face of six strides: what is a face, the O-Net decides. So a green dot on the nose of
a photo stands for what YuNet finds.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

GREEN = 12.0
"""How much greener than red and blue a place is, in the mean, to be taken for a face."""

SIDE = 6
"""The side of its boxes, in strides."""


def with_dot(pixels: np.ndarray, x: float, y: float, side: int) -> np.ndarray:
    """A copy of (H, W, 3) RGB pixels with a green square about x, y."""
    dotted = pixels.copy()
    left, top = round(x) - side // 2, round(y) - side // 2
    dotted[max(0, top) : top + side, max(0, left) : left + side] = (0, 255, 0)
    return dotted


def write_tiny_yunet(path: Path, sides: int = 4) -> Path:
    """Write the file, and return its path. YuNet's boxes have 4 `sides`."""
    nodes, outputs, values = [], [], {}

    def constant(name: str, value: np.ndarray) -> str:
        values[name] = numpy_helper.from_array(value, name)
        return name

    green = constant("green", np.array([-0.5, 1.0, -0.5], np.float32).reshape(1, 3, 1, 1))
    offset = constant("offset", np.array(-GREEN, np.float32))
    # Half a place, and for the width and height of a box the logarithm of SIDE: centres are those of the places.
    box = constant("box", np.array([0.5, 0.5, math.log(SIDE), math.log(SIDE)][:sides], np.float32))
    nothing = constant("nothing", np.zeros((1, 1, 1), np.float32))
    column = constant("column", np.array([0, -1, 1], np.int64))
    marks = constant("marks", np.zeros(10, np.float32))
    nodes.append(helper.make_node("Conv", ["input", green], ["mean"]))
    for stride in (8, 16, 32):
        pooled, raised, listed = (f"{name}{stride}" for name in ("pooled", "raised", "listed"))
        nodes += [
            helper.make_node(
                "AveragePool", ["mean"], [pooled], kernel_shape=[stride] * 2, strides=[stride] * 2
            ),
            helper.make_node("Add", [pooled, offset], [raised]),
            helper.make_node("Reshape", [raised, column], [listed]),
            helper.make_node("Sigmoid", [listed], [f"cls_{stride}"]),
            helper.make_node("Sigmoid", [listed], [f"obj_{stride}"]),
            helper.make_node("Mul", [listed, nothing], [f"zero{stride}"]),
            helper.make_node("Add", [f"zero{stride}", box], [f"bbox_{stride}"]),
            helper.make_node("Add", [f"zero{stride}", marks], [f"kps_{stride}"]),
        ]
        outputs += [
            helper.make_tensor_value_info(f"{kind}_{stride}", onnx.TensorProto.FLOAT, ["n", "places", width])
            for kind, width in (("cls", 1), ("obj", 1), ("bbox", sides), ("kps", 10))
        ]
    pixels = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["n", 3, "height", "width"])
    graph = helper.make_graph(nodes, "tiny", [pixels], outputs, [*values.values()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path
