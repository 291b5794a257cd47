"""ONNX graphs of the user's own, made here, a matrix large."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pytest

from faceid.cli.messages import hint_for
from faceid.errors import DeviceError, ModelError
from faceid.networks import registry, weights
from faceid.networks.errors import WeightsAltered
from faceid.networks.files import sha256_of
from faceid.recognition.embed.onnx import OnnxEmbedder, open_embedder
from faceid.types import Crop

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SIDE, DIM = 4, 5
MATRIX = np.random.default_rng(0).standard_normal((3 * SIDE * SIDE, DIM)).astype(np.float32)

CARD = """
name = "mine"
backbone = "onnx"
dim = {dim}
metric = "cosine"
input_size = {side}
aligner = "arcface-112-v1"
description = "a matrix"
licence = "none"
source_url = "https://example.org"
[tensor]
mean = [100.0, 110.0, 120.0]
std = [50, 60, 70]
colour = "{colour}"
layout = "{layout}"
"""


def write_graph(
    path: Path,
    *,
    batch: object = "n",
    layout: str = "nchw",
    inputs: int = 1,
    kind: str = "FLOAT",
    gives: str = "FLOAT",
) -> None:
    shape = [batch, 3, SIDE, SIDE] if layout == "nchw" else [batch, SIDE, SIDE, 3]
    helper, element = onnx.helper, getattr(onnx.TensorProto, kind)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["f"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Flatten", ["f"], ["flat"]),
            helper.make_node("MatMul", ["flat", "matrix"], ["raw"]),
            helper.make_node("Cast", ["raw"], ["y"], to=getattr(onnx.TensorProto, gives)),
        ],
        "tiny",
        [helper.make_tensor_value_info(name, element, shape) for name in ("x", "z")[:inputs]],
        [helper.make_tensor_value_info("y", getattr(onnx.TensorProto, gives), [batch, DIM])],
        [onnx.numpy_helper.from_array(MATRIX, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)


def write_card(
    path: Path, *, dim: int = DIM, side: int = SIDE, colour: str = "rgb", layout: str = "nchw"
) -> None:
    path.with_suffix(".toml").write_text(CARD.format(dim=dim, side=side, colour=colour, layout=layout))


def opened(path: Path, *, mirror: bool = False, device: str = "cpu") -> OnnxEmbedder:
    return open_embedder(registry.card(f"onnx:{path}"), device=device, weights_dir=path.parent, mirror=mirror)


def crops(count: int = 3) -> list[Crop]:
    pixels = np.random.default_rng(1).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    return [Crop(picture, "arcface-112-v1", 1.0) for picture in pixels]


def expected(faces: list[Crop], *, colour: str, layout: str, mirror: bool) -> np.ndarray:
    total = np.zeros((len(faces), DIM))
    for flip in (1, -1)[: 2 if mirror else 1]:
        for row, face in enumerate(faces):
            pixels = face.pixels[:, ::flip].astype(float)
            pixels = pixels if colour == "rgb" else pixels[:, :, ::-1]
            scaled = (pixels - [100, 110, 120]) / [50, 60, 70]
            total[row] += (scaled.transpose(2, 0, 1) if layout == "nchw" else scaled).ravel() @ MATRIX
    return total / np.linalg.norm(total, axis=1, keepdims=True)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize("batch", ["n", 1])
def test_the_card_says_how_pixels_become_a_tensor(
    tmp_path: Path, batch: object, colour: str, layout: str, mirror: bool
) -> None:
    path = tmp_path / "net.onnx"
    write_graph(path, batch=batch, layout=layout)
    write_card(path, colour=colour, layout=layout)
    faces = crops(4)
    vectors = opened(path, mirror=mirror).embed(faces)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(
        vectors, expected(faces, colour=colour, layout=layout, mirror=mirror), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["url", "file"])
def test_a_card_of_the_user_opens_its_file(tmp_path: Path, kind: str) -> None:
    own, kept = tmp_path / "models", tmp_path / "weights"
    own.mkdir()
    path = own / "net.onnx"
    write_graph(path)
    write_card(own / "mine.toml")
    source = 'source = "https://example.org/elsewhere/net.onnx"\n' if kind == "url" else ""
    with (own / "mine.toml").open("a") as card_file:
        card_file.write(
            f'[weights]\nkind = "{kind}"\n{source}file = "net.onnx"\n'
            f'sha256 = "{sha256_of(path)}"\nsize = {path.stat().st_size}\n'
        )
    card = registry.card("mine", own)
    if kind == "url":
        weights.pull(card, kept, from_file=path)
        path.unlink()
    embedder = open_embedder(card, device="cpu", weights_dir=kept, mirror=False)
    faces = crops(2)
    np.testing.assert_allclose(
        embedder.embed(faces),
        expected(faces, colour="rgb", layout="nchw", mirror=False),
        rtol=1e-4,
        atol=1e-6,
    )
    (kept if kind == "url" else own).joinpath("net.onnx").write_bytes(b"x" * card.weights.size)
    with pytest.raises(WeightsAltered):
        open_embedder(card, device="cpu", weights_dir=kept)


def test_the_file_is_read_as_onnx_whatever_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / "net.ort"
    write_graph(path)
    write_card(path)
    assert opened(path).embed(crops(1)).shape == (1, DIM)


def test_the_key_names_the_file_and_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    write_graph(path)
    write_card(path)
    embedder = opened(path)
    assert embedder.model.name == f"onnx:{path.resolve()}"
    assert len(embedder.model.weights_sha256) == 64
    assert (embedder.model.dim, embedder.model.metric, embedder.input_size) == (DIM, "cosine", SIDE)


@pytest.mark.parametrize(
    ("graph", "card", "complaint"),
    [
        ({}, {"dim": 7}, r"gives \['n', 5\], the card says \(n, 7\)"),
        ({}, {"side": 8}, r"the card says \(n, 3, 8, 8\)"),
        ({}, {"layout": "nhwc"}, r"the card says \(n, 4, 4, 3\)"),
        ({"inputs": 2}, {}, "2 inputs"),
        ({"batch": 2}, {}, r"takes \[2, 3, 4, 4\], the card says \(n"),
        ({"kind": "DOUBLE"}, {}, r"tensor\(double\), not float32"),
        ({"gives": "INT64"}, {}, r"tensor\(int64\), not numbers of a vector"),
    ],
)
def test_a_graph_that_its_card_does_not_describe(
    tmp_path: Path, graph: dict[str, object], card: dict[str, object], complaint: str
) -> None:
    path = tmp_path / "net.onnx"
    write_graph(path, **graph)  # type: ignore[arg-type]
    write_card(path, **card)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=complaint) as caught:
        opened(path)
    assert hint_for(caught.value) == "correct net.toml"


def test_what_is_no_graph(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"not a graph")
    write_card(path)
    with pytest.raises(ModelError, match=r"ONNX Runtime cannot run net\.onnx") as caught:
        opened(path)
    assert caught.value.path == str(path)


def test_a_gpu_that_this_onnxruntime_cannot_use(tmp_path: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime can use a GPU")
    path = tmp_path / "net.onnx"
    write_graph(path)
    write_card(path)
    with pytest.raises(DeviceError, match="cannot use cuda:0"):
        opened(path, device="cuda:0")


def test_without_onnxruntime_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.onnx"
    write_graph(path)
    write_card(path)
    real_import = builtins.__import__

    def no_onnxruntime(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("onnxruntime"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", no_onnxruntime)
    with pytest.raises(ModelError, match="onnxruntime") as caught:
        opened(path)
    assert hint_for(caught.value) == 'pip install "faceid-verify[onnx]"'
