"""The training of the last block and head: who is parted, what learns, and that what is written is what was learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from faceid.networks.backbones.dlib_resnet import DlibResnet, build
from faceid.networks.losses.settings import LossSettings
from faceid.networks.state import read_tensors, write_tensors
from scripts.studies import lab_default
from scripts.studies.default import training
from scripts.studies.default.training import FROZEN, Collection, Top, Way, learn, templates, weights


@pytest.fixture
def network() -> DlibResnet:
    torch.manual_seed(0)
    return DlibResnet().eval().requires_grad_(False)


def collection(people: int, photos: int, noise: float = 2.0) -> Collection:
    """People who differ from each other, and whose photos differ more."""
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(people), photos)
    middle = rng.normal(size=(people, 1, 256, 4, 4))[identity]
    below = np.abs(middle + noise * rng.normal(size=(len(identity), 2, 256, 4, 4))).astype(np.float16)
    return Collection("made up", identity, below)


def test_nobody_is_in_two_parts() -> None:
    identity = np.repeat(np.arange(50), 3)
    part = lab_default.parted(identity, 3)
    assert all(len(set(part[identity == person])) == 1 for person in range(50))
    assert set(part) == {0, 1, 2}


def test_learns_from_the_people_kept_and_leaves_the_start(
    network: DlibResnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "STEPS", 30)
    monkeypatch.setattr(training, "WARMUP", 2)
    one = collection(24, 4)
    kept = one.identity < 16
    # What nobody may look at.
    one.below[~kept] = np.nan
    start = Top(network)
    before = {key: value.clone() for key, value in start.state_dict().items()}
    way = Way("", LossSettings("partial_auc"), rate=1e-2, people=(16,), shares=(1.0,))
    learnt = learn(start, way, [one], [kept], seed=0)
    assert all(torch.equal(value, before[key]) for key, value in start.state_dict().items())
    assert not torch.equal(learnt.head.weight, start.head.weight)

    def gap(top: Top) -> float:
        vectors = templates(top, one.below[kept])
        cosines = vectors @ vectors.T
        alike = one.identity[kept][:, None] == one.identity[kept][None]
        return float(cosines[alike].mean() - cosines[~alike].mean())

    assert gap(learnt) > 2 * gap(start) > 0


def test_what_is_written_is_the_network_with_the_new_top(network: DlibResnet, tmp_path: Path) -> None:
    top = Top(network)
    with torch.no_grad():
        for tensor in top.parameters():
            tensor.mul_(1.5)
    write_tensors(tmp_path / "whole.safetensors", weights(network, top))
    written = read_tensors(tmp_path / "whole.safetensors")
    assert all(tensor.dtype == torch.float32 for tensor in written.values())
    crops = 255 * torch.rand(2, 3, 150, 150)
    with torch.inference_mode():
        whole = build(written)(crops)
        inner = torch.nn.functional.max_pool2d(torch.relu(network.stem(crops)), 3, stride=2)
        expected = top(network.blocks[:FROZEN](inner))
    # Half precision: three digits.
    apart = torch.linalg.vector_norm(whole - expected, dim=1) / torch.linalg.vector_norm(expected, dim=1)
    assert float(apart.max()) < 5e-3


def test_templates_are_of_unit_length_with_the_mirror_image(network: DlibResnet) -> None:
    one = collection(3, 2)
    vectors = templates(Top(network), one.below)
    assert vectors.shape == (6, 128)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert np.allclose(vectors, templates(Top(network), one.below[:, ::-1].copy()), atol=1e-5)
