"""The default network on real faces: against dlib itself, and exported to ONNX."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from faceid.networks import loading, registry
from faceid.networks.weights import verified
from faceid.recognition.embed import onnx as onnx_embedder
from faceid.recognition.embed import torch as torch_embedder
from faceid.types import Crop
from places import SHARED_DATA

pytestmark = pytest.mark.slow

CARD = registry.card("dlib-resnet")


@pytest.fixture(scope="module")
def chips() -> np.ndarray:
    """(60, 150, 150, 3) uint8 RGB: the middle of photographs of 60 people."""
    cv2 = pytest.importorskip("cv2")
    data = SHARED_DATA
    people = sorted((data / "lfw" / "images").glob("*/"))[:60]
    if len(people) < 60:
        pytest.skip(f"needs 60 people of LFW in {data}/lfw/images: set FACEID_TEST_DATA")
    photos = [cv2.imread(str(sorted(person.glob("*.jpg"))[0])) for person in people]
    return np.stack([photo[50:200, 50:200, ::-1] for photo in photos])


def test_the_converted_network_is_dlib_s(chips: np.ndarray, tmp_path: Path) -> None:
    dlib = pytest.importorskip("dlib", reason="needs dlib-bin, of the extra dev")
    original = dlib.face_recognition_model_v1(str(verified(CARD, tmp_path)))
    expected = np.array([original.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in chips])
    batch = torch.from_numpy(np.ascontiguousarray(chips)).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        found = loading.load(CARD, tmp_path)(batch).numpy()
    assert abs(found - expected).max() <= 1e-5


def test_exported_to_onnx_it_gives_the_same_embeddings(chips: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    path = tmp_path / "exported.onnx"
    export(loading.load(CARD, tmp_path), path)
    path.with_suffix(".toml").write_text(
        f"""
        name = "exported"
        backbone = "onnx"
        dim = {CARD.dim}
        metric = "{CARD.metric}"
        input_size = {CARD.input_size}
        aligner = "{CARD.aligner}"
        description = "the default network, exported"
        licence = "{CARD.licence}"
        source_url = "{CARD.source_url}"
        [tensor]
        mean = [0, 0, 0]
        std = [1, 1, 1]
        colour = "rgb"
        layout = "nchw"
        """
    )
    crops = [Crop(np.ascontiguousarray(chip), CARD.aligner, 1.0) for chip in chips]
    expected = torch_embedder.open_embedder(CARD, device="cpu", weights_dir=tmp_path).embed(crops)
    card = registry.card(f"onnx:{path}")
    found = onnx_embedder.open_embedder(card, device="cpu", weights_dir=tmp_path).embed(crops)
    assert abs(found - expected).max() <= 1e-5


def export(network: torch.nn.Module, path: Path) -> None:
    crops = torch.zeros(1, 3, CARD.input_size, CARD.input_size)
    with warnings.catch_warnings():
        # The exporter that comes after this one needs onnxscript; this one says so, and that it fixes shapes.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (crops,),
            path,
            input_names=["crops"],
            output_names=["embeddings"],
            dynamic_axes={"crops": {0: "n"}, "embeddings": {0: "n"}},
            dynamo=False,
        )
