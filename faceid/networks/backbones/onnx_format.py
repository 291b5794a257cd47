"""Reader of ONNX graphs that keep all of their float32 tensors inside the file; runs nothing.

Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from faceid.networks.errors import WeightsFormat
from faceid.networks.protobuf import BYTES, FOUR_BYTES, VARINT, Malformed, fields, varint

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOAT32 = 1
"""TensorProto.DataType.FLOAT."""

_Message: TypeAlias = dict[int, list[tuple[int, int, int]]]
"""Field number -> wire type, first and last byte of each of its values."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operator; `inputs` and `outputs` are names of tensors. `numbers` are its attributes that are numbers."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: dict[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A graph with one output, and its constant float32 tensors by name.

    `input` is the only one that is no constant. Nodes are in the order of computation.
    """

    nodes: tuple[Node, ...]
    constants: dict[str, NDArray[np.float32]]
    input: str
    output: str


def parse(content: bytes) -> Graph:
    """The graph of an ONNX file. Raises WeightsFormat."""
    try:
        return _read_graph(content)
    except (Malformed, UnicodeDecodeError, ValueError, OverflowError, struct.error) as error:
        raise WeightsFormat(f"a malformed ONNX file: {error}") from error


def _read_graph(content: bytes) -> Graph:
    graphs = _message(content, 0, len(content)).get(7, [])
    if len(graphs) != 1:
        raise Malformed(f"{len(graphs)} graphs")
    graph = _message(content, *graphs[0][1:])
    nodes = tuple(_node(content, first, last) for _, first, last in graph.get(1, []))
    constants = {}
    for _, first, last in graph.get(5, []):
        name, values = _tensor(content, first, last)
        if values is not None:
            constants[name] = values
    inputs, outputs = (
        [_text(content, _message(content, first, last), 1) for _, first, last in graph.get(number, [])]
        for number in (11, 12)
    )
    # Old files list their constants among the inputs.
    inputs = [name for name in inputs if name not in constants]
    if len(inputs) != 1 or len(outputs) != 1:
        raise Malformed(f"{len(inputs)} inputs and {len(outputs)} outputs")
    return Graph(nodes, constants, inputs[0], outputs[0])


def _node(content: bytes, first: int, last: int) -> Node:
    message = _message(content, first, last)
    numbers = {}
    for _, start, end in message.get(5, []):
        attribute = _message(content, start, end)
        values: list[float] = [*_integers(content, attribute, 3), *_integers(content, attribute, 8)]
        for kind, place, _end in attribute.get(2, []):
            if kind == FOUR_BYTES:
                values += struct.unpack_from("<f", content, place)
        numbers[_text(content, attribute, 1)] = tuple(values)
    return Node(
        _text(content, message, 4),
        tuple(content[a:b].decode() for _, a, b in message.get(1, [])),
        tuple(content[a:b].decode() for _, a, b in message.get(2, [])),
        numbers,
    )


def _tensor(content: bytes, first: int, last: int) -> tuple[str, NDArray[np.float32] | None]:
    """The name of a tensor, and its values if they are float32 and written as raw bytes."""
    message = _message(content, first, last)
    raw = message.get(9, [])
    if _integers(content, message, 2) != [_FLOAT32] or len(raw) != 1:
        return _text(content, message, 8), None
    values = np.frombuffer(content[raw[0][1] : raw[0][2]], dtype="<f4")
    return _text(content, message, 8), values.reshape(_integers(content, message, 1))


def _message(content: bytes, first: int, last: int) -> _Message:
    message: _Message = {}
    for number, kind, start, end in fields(content, first, last):
        message.setdefault(number, []).append((kind, start, end))
    return message


def _integers(content: bytes, message: _Message, number: int) -> list[int]:
    """The values of a repeated int64 field, packed or not."""
    values = []
    for kind, place, end in message.get(number, []):
        while place < end and kind in (VARINT, BYTES):
            value, place = varint(content, place, end)
            values.append(value)
    return values


def _text(content: bytes, message: _Message, number: int) -> str:
    found = message.get(number, [])
    if len(found) != 1 or found[0][0] != BYTES:
        raise Malformed(f"a message without its name in field {number}")
    return content[found[0][1] : found[0][2]].decode()
