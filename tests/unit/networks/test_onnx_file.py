"""ONNX files that keep tensors in other files are refused, wherever in the file a tensor is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceid.cli.messages import hint_for
from faceid.networks import onnx_file
from faceid.networks.errors import WeightsFormat
from faceid.networks.onnx_file import DATA_LOCATION, EXTERNAL_DATA, MESSAGES, refuse_external_data

onnx = pytest.importorskip("onnx")
helper = onnx.helper


def test_the_table_holds_every_way_to_a_tensor() -> None:
    found: dict[str, dict[int, str]] = {}

    def follow(kind: Any) -> None:
        if kind.name in found:
            return
        found[kind.name] = {
            field.number: field.message_type.name for field in kind.fields if field.message_type is not None
        }
        for field in kind.fields:
            if field.message_type is not None:
                follow(field.message_type)

    follow(onnx.ModelProto.DESCRIPTOR)
    leads = {"TensorProto"}
    while more := {kind for kind, inner in found.items() if leads & {*inner.values()}} - leads:
        leads |= more
    expected = {
        kind: {number: inner for number, inner in found[kind].items() if inner in leads} for kind in leads
    }
    assert expected == MESSAGES
    tensor = onnx.TensorProto.DESCRIPTOR.fields_by_name
    assert tensor["external_data"].number == EXTERNAL_DATA
    assert tensor["data_location"].number == DATA_LOCATION


def tensor(external: bool, name: str = "t") -> Any:
    made = onnx.numpy_helper.from_array(np.arange(6, dtype=np.float32), name)
    if external:
        made.ClearField("raw_data")
        made.data_location = onnx.TensorProto.EXTERNAL
        made.external_data.add(key="location", value="../elsewhere.bin")
    return made


def model(*nodes: Any, **parts: Any) -> Any:
    graph = helper.make_graph(nodes, "g", [], [], **parts)
    return helper.make_model(graph, ir_version=9)


def attribute(**values: Any) -> Any:
    node = helper.make_node("Any", [], ["y"])
    for name, value in values.items():
        node.attribute.append(helper.make_attribute(name, value))
    return node


def subgraph(external: bool) -> Any:
    return helper.make_graph([], "inner", [], [], initializer=[tensor(external)])


def sparse(external: bool, part: str) -> Any:
    made = onnx.SparseTensorProto()
    made.values.CopyFrom(tensor(external and part == "values", "v"))
    made.indices.CopyFrom(tensor(external and part == "indices", "i"))
    return made


def function(external: bool, part: str) -> Any:
    made = helper.make_function("d", "f", [], [], [], [])
    if part == "node":
        made.node.append(attribute(value=tensor(external)))
    else:
        made.attribute_proto.append(helper.make_attribute("value", tensor(external)))
    whole = model()
    whole.functions.append(made)
    return whole


def training(external: bool, part: str) -> Any:
    whole = model()
    getattr(whole.training_info.add(), part).CopyFrom(subgraph(external))
    return whole


PLACES: dict[str, Callable[[bool], Any]] = {
    "an initializer": lambda external: model(initializer=[tensor(False), tensor(external)]),
    "an attribute": lambda external: model(attribute(value=tensor(external))),
    "a list of tensors": lambda external: model(attribute(values=[tensor(False), tensor(external)])),
    "a subgraph": lambda external: model(attribute(then_branch=subgraph(external))),
    "a list of subgraphs": lambda external: model(attribute(bodies=[subgraph(external)])),
    "a subgraph of a subgraph": lambda external: model(
        attribute(body=helper.make_graph([attribute(body=subgraph(external))], "middle", [], []))
    ),
    "sparse values": lambda external: model(sparse_initializer=[sparse(external, "values")]),
    "sparse indices": lambda external: model(sparse_initializer=[sparse(external, "indices")]),
    "a sparse attribute": lambda external: model(attribute(value=sparse(external, "values"))),
    "a list of sparse tensors": lambda external: model(attribute(values=[sparse(external, "values")])),
    "a node of a function": lambda external: function(external, "node"),
    "an attribute of a function": lambda external: function(external, "attribute"),
    "the initialization of a training": lambda external: training(external, "initialization"),
    "the algorithm of a training": lambda external: training(external, "algorithm"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_tensor_in_another_file_is_refused(tmp_path: Path, place: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(PLACES[place](False).SerializeToString())
    refuse_external_data(path)
    path.write_bytes(PLACES[place](True).SerializeToString())
    with pytest.raises(WeightsFormat, match=r"net\.onnx keeps tensors in other files") as caught:
        refuse_external_data(path)
    assert (caught.value.code, caught.value.path) == ("onnx_external_data", str(path))
    assert "one file" in str(hint_for(caught.value))


@pytest.mark.parametrize("only", ["data_location", "external_data"])
def test_either_sign_is_enough(tmp_path: Path, only: str) -> None:
    whole = model(initializer=[tensor(True)])
    whole.graph.initializer[0].ClearField("external_data" if only == "data_location" else "data_location")
    path = tmp_path / "net.onnx"
    path.write_bytes(whole.SerializeToString())
    with pytest.raises(WeightsFormat, match="other files"):
        refuse_external_data(path)


def test_what_onnx_writes_beside_a_file_is_refused(tmp_path: Path) -> None:
    whole = model(initializer=[onnx.numpy_helper.from_array(np.zeros(4096, np.float32), "t")])
    path = tmp_path / "net.onnx"
    onnx.save(whole, path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert (tmp_path / "net.data").exists()
    with pytest.raises(WeightsFormat, match="other files"):
        refuse_external_data(path)
    onnx.save(onnx.load(path), tmp_path / "one.onnx")
    refuse_external_data(tmp_path / "one.onnx")


def nested(depth: int) -> bytes:
    """A graph inside an attribute inside a graph ..., `depth` messages deep."""
    content = b""
    for level in range(depth):
        number = (6, 5, 1)[level % 3]
        size, length = b"", len(content)
        while length > 0x7F:
            size, length = size + bytes([length & 0x7F | 0x80]), length >> 7
        content = bytes([number << 3 | 2]) + size + bytes([length]) + content
    return content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"not a graph", "wire type 6"),
        (b"\x3a\x05\x01", "a broken field"),
        (b"\x00\x00", "a broken field"),
        (b"\x08" + b"\xff" * 11, "a broken number"),
        (b"\x08\x80", "a broken number"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x0d\x00", "a broken field"),
    ],
)
def test_what_is_no_graph_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsFormat, match=f"it is not an ONNX graph .{reason}"):
        refuse_external_data(path)


def test_work_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    graphs = nested(3 * 40)
    # As the graph of a model.
    path.write_bytes(b"\x3a" + bytes([len(graphs) & 0x7F | 0x80, len(graphs) >> 7]) + graphs)
    with pytest.raises(WeightsFormat, match="deeper than 100"):
        refuse_external_data(path)
    monkeypatch.setattr(onnx_file, "MOST_FIELDS", 50)
    path.write_bytes(b"\x08\x01" * 51)
    with pytest.raises(WeightsFormat, match="more than 50 fields"):
        refuse_external_data(path)


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    whole = PLACES["a subgraph"](False).SerializeToString()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged[: rng.integers(1, len(whole) + 1)])
        try:
            refuse_external_data(path)
        except WeightsFormat:
            refused += 1
    assert 0 < refused < 300
