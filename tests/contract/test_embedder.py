"""What every embedder promises in faceid/ports/networks.py, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceid.errors import ModelError
from faceid.networks import registry
from faceid.ports.networks import Embedder
from faceid.recognition.embed.fake import FakeEmbedder
from faceid.types import Crop

ONNX_CARD = """
name = "tiny"
backbone = "onnx"
dim = 3
metric = "cosine"
input_size = 8
aligner = "arcface-112-v1"
description = "means"
licence = "none"
source_url = "https://example.org"
[tensor]
mean = [0, 0, 0]
std = [1, 1, 1]
colour = "rgb"
layout = "nchw"
"""


def fake(directory: Path) -> Embedder:
    return FakeEmbedder()


def dlib(directory: Path) -> Embedder:
    from faceid.recognition.embed.torch import open_embedder

    return open_embedder(registry.card("dlib-resnet"), device="cpu", weights_dir=directory)


def onnx(directory: Path) -> Embedder:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from faceid.recognition.embed.onnx import open_embedder

    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["m"]), helper.make_node("Flatten", ["m"], ["y"])]
    ends = (
        [helper.make_tensor_value_info("x", number, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", number, ["n", 3])],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(
        helper.make_model(helper.make_graph(nodes, "tiny", *ends), opset_imports=opset, ir_version=9),
        directory / "t.onnx",
    )
    (directory / "t.toml").write_text(ONNX_CARD)
    return open_embedder(registry.card(f"onnx:{directory / 't.onnx'}"), device="cpu", weights_dir=directory)


@pytest.fixture(scope="module", params=[fake, dlib, onnx], ids=lambda make: str(make.__name__))
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    make: Callable[[Path], Embedder] = request.param
    return make(tmp_path_factory.mktemp("weights"))


def crops(embedder: Embedder, count: int) -> list[Crop]:
    side = embedder.input_size
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return [Crop(picture, embedder.model.aligner, 1.0) for picture in pixels]


def test_rows_are_unit_vectors_of_the_model_s_dimension(embedder: Embedder) -> None:
    vectors = embedder.embed(crops(embedder, 3))
    assert vectors.shape == (3, embedder.model.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


def test_no_crops_no_rows(embedder: Embedder) -> None:
    vectors = embedder.embed([])
    assert vectors.shape == (0, embedder.model.dim)
    assert vectors.dtype == np.float32


def test_a_crop_s_vector_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    faces = crops(embedder, 9)
    together = embedder.embed(faces)
    alone = np.concatenate([embedder.embed([face]) for face in faces])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(embedder.embed(faces[::-1]), together[::-1], atol=1e-5)


def test_the_same_crop_gives_the_same_vector(embedder: Embedder) -> None:
    faces = crops(embedder, 2)
    np.testing.assert_array_equal(embedder.embed(faces), embedder.embed(faces))


def test_a_crop_is_not_changed(embedder: Embedder) -> None:
    (face,) = crops(embedder, 1)
    before = face.pixels.copy()
    embedder.embed([face])
    np.testing.assert_array_equal(face.pixels, before)


def test_a_crop_of_another_aligner_is_refused(embedder: Embedder) -> None:
    (face,) = crops(embedder, 1)
    with pytest.raises(ModelError, match="other-v1"):
        embedder.embed([replace(face, aligner="other-v1")])


def test_the_key_is_complete(embedder: Embedder) -> None:
    key = embedder.model
    assert key.name
    assert len(key.weights_sha256) == 64
    assert key.metric in ("cosine", "euclidean")
