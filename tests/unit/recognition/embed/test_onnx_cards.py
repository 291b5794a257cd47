"""The ONNX networks with a card, from the download to the vector, with small graphs in place of theirs.

The graphs take the sine of their input times a large number, so that every mistake on the way gives another vector.
What is expected is computed here from the photo, by other means and by settings written down here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from faceid.errors import ModelError
from faceid.networks import registry, weights
from faceid.networks.card import Card, WeightsSource
from faceid.networks.errors import WeightsAltered, WeightsFormat
from faceid.networks.files import sha256_of
from faceid.recognition.align import align
from faceid.recognition.embed.onnx import OnnxEmbedder, open_embedder
from faceid.types import Crop, Face, Image

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SIDE, CELL = 112, 16
CELLS = 3 * (SIDE // CELL) ** 2


@dataclass(frozen=True)
class Published:
    """What the publisher of a network says about its input, and the form of its graph."""

    colour: str = "rgb"
    mean: float = 127.5
    std: float = 127.5
    dim: int = 512
    batch: object = "n"
    outputs: int = 1
    declared: object = "n"


NETWORKS = {
    "adaface-ir101": Published(colour="bgr"),
    # The graphs of InsightFace take any number of faces, yet declare one vector.
    "arcface-w600k-r50": Published(declared=1),
    "auraface-v1": Published(declared=1),
    "lvface-b": Published(),
    "sface": Published(mean=0.0, std=1.0, dim=128, batch=1, declared=1),
}
TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)

SAME, DIFFERENT = 1e-6, 1e-2
"""Cosine distances: at most SAME between this file's vector and faceid's, at least DIFFERENT after a mistake."""


def matrix(dim: int) -> np.ndarray:
    return np.random.default_rng(dim).standard_normal((CELLS, dim)).astype(np.float32)


def frequency(published: Published) -> np.float32:
    """So large that a two-hundredth of the input's scale turns the sine."""
    return np.float32(60.0 if published.std > 1 else 60.0 / 127.5)


def write_graph(path: Path, published: Published) -> None:
    """vector = matrix . mean over cells of sin(frequency x)."""
    helper = onnx.helper
    constants = {
        "often": np.array(frequency(published)),
        "matrix": matrix(published.dim),
    }
    outputs = ["y", "norm"][: published.outputs]
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "often"], ["fast"]),
            helper.make_node("Sin", ["fast"], ["wave"]),
            helper.make_node("AveragePool", ["wave"], ["cells"], kernel_shape=[CELL] * 2, strides=[CELL] * 2),
            helper.make_node("Flatten", ["cells"], ["flat"]),
            helper.make_node("MatMul", ["flat", "matrix"], ["y"]),
            helper.make_node("ReduceSum", ["y"], ["norm"]),
        ],
        "stand-in",
        [
            helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [published.batch, 3, SIDE, SIDE]),
            # Old exporters list the weights as inputs too.
            helper.make_tensor_value_info("matrix", onnx.TensorProto.FLOAT, [CELLS, published.dim]),
        ],
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            for name, shape in zip(outputs, ([published.declared, published.dim], [1, 1]), strict=False)
        ],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    """A folder whose files a server on this machine gives; its address is in the file `address`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as http:
        (folder / "address").write_text(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder
        http.shutdown()
        thread.join()


def stand_in(name: str, served: Path, published: Published | None = None) -> Card:
    """The card as it ships, but for the address, hash and size of its file."""
    card = registry.card(name)
    path = served / "model.onnx"
    write_graph(path, published or NETWORKS[name])
    address = f"{(served / 'address').read_text()}/{path.name}"
    sources = (WeightsSource("url", address),)
    known = replace(card.weights, sources=sources, sha256=sha256_of(path), size=path.stat().st_size)
    return replace(card, weights=known)


def photo() -> tuple[Image, Face]:
    """Waves of another length in each channel, and a face that is tilted in it."""
    y, x = np.mgrid[0:300, 0:340] / 40.0
    channels = [np.sin(x + 0.3 * y), np.cos(0.7 * y - 0.2 * x + 1.0), np.sin(0.5 * (x + y) + 2.0)]
    pixels = np.stack([100 + 60 * wave for wave in channels], axis=-1).round().astype(np.uint8)
    turn = 1.3 * np.exp(0.2j)
    noise = np.random.default_rng(3).normal(0.0, 1.5, (5, 2))
    rotation = np.array([[turn.real, turn.imag], [-turn.imag, turn.real]])
    places = (TEMPLATE - 56) @ rotation + (170, 150) + noise
    x1, y1, x2, y2 = *places.min(axis=0) - 30, *places.max(axis=0) + 30
    face = Face((x1, y1, x2, y2), places.astype(np.float32), 1.0)
    return Image(pixels, "made up", "0" * 64), face


def expected(published: Published) -> np.ndarray:
    """(d,) the vector of `photo`, without faceid."""
    image, face = photo()
    # a, b, c, d of x' = a x - b y + c, y' = b x + a y + d, by least squares.
    rows, targets = [], []
    for (x, y), (u, v) in zip(face.landmarks, TEMPLATE, strict=True):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        targets += [u, v]
    a, b, c, d = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
    crop = cv2.warpAffine(image.pixels, np.array([[a, -b, c], [b, a, d]]), (SIDE, SIDE)).astype(np.float64)
    total = np.zeros(published.dim)
    for pixels in (crop, crop[:, ::-1]):
        ordered = pixels[:, :, ::-1] if published.colour == "bgr" else pixels
        scaled = (ordered - published.mean) / published.std
        wave = np.sin(scaled * frequency(published))
        cells = wave.reshape(SIDE // CELL, CELL, SIDE // CELL, CELL, 3).mean(axis=(1, 3))
        total += cells.transpose(2, 0, 1).ravel() @ matrix(published.dim)
    return total / np.linalg.norm(total)


def embed(card: Card, folder: Path, *, aligner: str | None = None, mirror: bool = True) -> np.ndarray:
    image, face = photo()
    crop = align(image, face, aligner or card.aligner)
    if aligner is not None:
        side = cv2.resize(crop.pixels, (SIDE, SIDE))
        crop = Crop(side, card.aligner, crop.scale)
    return opened(card, folder, mirror=mirror).embed([crop])[0]


def opened(card: Card, folder: Path, *, mirror: bool = True) -> OnnxEmbedder:
    return open_embedder(card, device="cpu", weights_dir=folder, mirror=mirror)


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(1.0 - first @ second / np.linalg.norm(first) / np.linalg.norm(second))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pulled_network_sees_the_face_as_its_publisher_means_it(
    name: str, server: Path, tmp_path: Path
) -> None:
    card = stand_in(name, server)
    path = weights.pull(card, tmp_path / "weights", accept_terms=True)
    # Neither the address nor the served file is needed any more.
    (server / "model.onnx").unlink()
    vector = embed(card, path.parent)
    assert vector.shape == (card.dim,) == (NETWORKS[name].dim,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-6)
    assert distance(vector, expected(NETWORKS[name])) < SAME


def other_colour(card: Card) -> Card:
    assert card.tensor is not None
    colour: Any = "bgr" if card.tensor.colour == "rgb" else "rgb"
    return replace(card, tensor=replace(card.tensor, colour=colour))


def other_std(card: Card) -> Card:
    assert card.tensor is not None
    std = 128.0 if card.tensor.std[0] > 1 else 128.0 / 127.5
    return replace(card, tensor=replace(card.tensor, std=(std,) * 3))


def other_mean(card: Card) -> Card:
    assert card.tensor is not None
    mean = 0.0 if card.tensor.mean[0] else 127.5
    return replace(card, tensor=replace(card.tensor, mean=(mean,) * 3))


def half_a_level(card: Card) -> Card:
    assert card.tensor is not None
    return replace(card, tensor=replace(card.tensor, mean=(card.tensor.mean[0] + 0.5,) * 3))


@pytest.mark.parametrize("mistake", [other_colour, other_std, other_mean, half_a_level])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_mistake_in_the_card_gives_another_vector(
    name: str, mistake: Any, server: Path, tmp_path: Path
) -> None:
    card = stand_in(name, server)
    folder = weights.pull(card, tmp_path / "weights", accept_terms=True).parent
    assert distance(embed(mistake(card), folder), expected(NETWORKS[name])) > DIFFERENT


@pytest.mark.parametrize("name", NETWORKS)
def test_another_template_or_no_mirrored_crop_gives_another_vector(
    name: str, server: Path, tmp_path: Path
) -> None:
    card = stand_in(name, server)
    folder = weights.pull(card, tmp_path / "weights", accept_terms=True).parent
    for aligner in ("dlib-150-v1", "facenet-160-v1"):
        assert distance(embed(card, folder, aligner=aligner), expected(NETWORKS[name])) > DIFFERENT
    assert distance(embed(card, folder, mirror=False), expected(NETWORKS[name])) > DIFFERENT


@pytest.mark.parametrize("name", NETWORKS)
def test_another_layout_is_refused(name: str, server: Path, tmp_path: Path) -> None:
    card = stand_in(name, server)
    assert card.tensor is not None
    folder = weights.pull(card, tmp_path / "weights", accept_terms=True).parent
    other = replace(card, tensor=replace(card.tensor, layout="nhwc"))
    with pytest.raises(ModelError, match=r"the card says \(n, 112, 112, 3\)"):
        opened(other, folder)


@pytest.mark.parametrize("name", NETWORKS)
def test_many_crops_give_the_vectors_of_each(name: str, server: Path, tmp_path: Path) -> None:
    card = stand_in(name, server)
    folder = weights.pull(card, tmp_path / "weights", accept_terms=True).parent
    pixels = np.random.default_rng(5).integers(0, 256, (11, SIDE, SIDE, 3), dtype=np.uint8)
    crops = [Crop(one, card.aligner, 1.0) for one in pixels]
    embedder = opened(card, folder)
    together = embedder.embed(crops)
    assert together.shape == (11, card.dim)
    np.testing.assert_allclose(
        together, np.concatenate([embedder.embed([crop]) for crop in crops]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_that_was_changed_after_the_download_is_not_opened(
    name: str, server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = stand_in(name, server)
    path = weights.pull(card, tmp_path / "weights", accept_terms=True)
    content = bytearray(path.read_bytes())
    # One bit of the matrix: still a graph, of the same size.
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(onnxruntime, "InferenceSession", no_session)
    with pytest.raises(WeightsAltered, match=r"SHA-256 .*, not"):
        opened(card, path.parent)


def no_session(*arguments: object, **options: object) -> None:
    raise AssertionError("a session was made")


def test_a_pulled_file_with_external_data_is_not_opened(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = stand_in("auraface-v1", server)
    path = server / "model.onnx"
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="matrix.bin", size_threshold=0)
    known = replace(card.weights, sha256=sha256_of(path), size=path.stat().st_size)
    card = replace(card, weights=known)
    folder = weights.pull(card, tmp_path / "weights").parent
    # Even where the other file lies ready.
    (folder / "matrix.bin").write_bytes((server / "matrix.bin").read_bytes())
    monkeypatch.setattr(onnxruntime, "InferenceSession", no_session)
    with pytest.raises(WeightsFormat, match="keeps tensors in other files"):
        opened(card, folder)


def test_the_first_of_several_outputs_is_the_vector(server: Path, tmp_path: Path) -> None:
    published = replace(NETWORKS["adaface-ir101"], outputs=2)
    card = stand_in("adaface-ir101", server, published)
    folder = weights.pull(card, tmp_path / "weights", accept_terms=True).parent
    assert distance(embed(card, folder), expected(published)) < SAME


def test_a_graph_of_another_length_is_refused(server: Path, tmp_path: Path) -> None:
    card = stand_in("sface", server, replace(NETWORKS["sface"], dim=256))
    folder = weights.pull(card, tmp_path / "weights").parent
    with pytest.raises(ModelError, match=r"gives \[1, 256\], the card says \(n, 128\)"):
        opened(card, folder)
