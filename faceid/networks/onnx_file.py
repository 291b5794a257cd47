"""Refuses ONNX files that keep tensors in other files.

The hash of a card covers one file. An ONNX file may name others, whose bytes nothing checks and whose path is free
text, and ONNX Runtime reads them without an option to forbid it. So faceid looks before it makes a session, and reads
only the fields that lead to a tensor: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import mmap
from contextlib import closing
from pathlib import Path

from faceid.networks.errors import WeightsFormat
from faceid.networks.protobuf import BYTES, VARINT, Malformed, fields, varint

MESSAGES: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
}
"""The messages that lead to tensors: the number of each field that holds one, and its type."""

EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of TensorProto: where its values are, and whether they are inside the file (0)."""

MOST_FIELDS = 2_000_000
"""The most fields that are read; a network of a hundred layers has some ten thousand."""

DEEPEST = 100
"""The deepest nesting of messages, as in Google's own readers."""


def refuse_external_data(path: Path) -> None:
    """Raise WeightsFormat if the ONNX file at `path` keeps a tensor outside itself, or is no ONNX file.

    Looks at tensors of the graph, of subgraphs, functions and attributes, dense and sparse. Raises OSError.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise _no_graph(path, "it is empty")
        with closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as content:
            try:
                external = _has_external_data(content)
            except Malformed as error:
                raise _no_graph(path, str(error)) from error
    if external:
        raise WeightsFormat(
            f"{path.name} keeps tensors in other files, which no hash covers",
            code="onnx_external_data",
            path=str(path),
        )


def _has_external_data(content: mmap.mmap) -> bool:
    left = MOST_FIELDS
    waiting = [("ModelProto", 0, len(content), 1)]
    while waiting:
        message, start, end, depth = waiting.pop()
        if depth > DEEPEST:
            raise Malformed(f"its messages are nested deeper than {DEEPEST}")
        inner = MESSAGES[message]
        for number, kind, first, last in fields(content, start, end):
            left -= 1
            if left < 0:
                raise Malformed(f"it has more than {MOST_FIELDS:,} fields")
            if message == "TensorProto" and _is_external(content, number, kind, first, last):
                return True
            if kind == BYTES and number in inner:
                waiting.append((inner[number], first, last, depth + 1))
    return False


def _is_external(content: mmap.mmap, number: int, kind: int, first: int, last: int) -> bool:
    if number == DATA_LOCATION and kind == VARINT:
        return varint(content, first, last)[0] != 0
    return number == EXTERNAL_DATA and kind == BYTES


def _no_graph(path: Path, reason: str) -> WeightsFormat:
    return WeightsFormat(
        f"ONNX Runtime cannot run {path.name}: it is not an ONNX graph ({reason})",
        code="onnx",
        path=str(path),
    )
