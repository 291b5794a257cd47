"""The study of fine-tuning for worse cameras, on people that are no faces, and what it does to crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from faceid.evaluation.statistics.bootstrap import resample
from scripts.studies import lab_degraded
from scripts.studies.degraded.data import CLEAN, DOMAINS, FAR, JPEG, MASK, MIXED, Parts, degraded, part_of

SIDE = 150
RNG = np.random.default_rng(0)
CROP = RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


class Small(nn.Module):
    """Sees colours of a few places only."""

    def __init__(self) -> None:
        super().__init__()
        self.shrink = nn.AvgPool2d(25)
        self.hidden = nn.Linear(3 * 36, 32)
        self.head = nn.Linear(32, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.hidden(self.shrink(x).flatten(1) / 255 - 0.5)))


class Start:
    def make(self) -> nn.Module:
        torch.manual_seed(0)
        return Small()


@pytest.mark.parametrize("domain", DOMAINS)
def test_how_a_crop_is_degraded_hangs_on_its_name_alone(domain: str) -> None:
    before = CROP.copy()
    once, again, other = (degraded(CROP, domain, name) for name in ("a.jpg", "a.jpg", "b.jpg"))
    assert np.array_equal(once, again)
    assert np.array_equal(once, other) == (domain in (CLEAN, FAR, JPEG))
    assert (once.shape, once.dtype) == (CROP.shape, np.uint8)
    assert np.array_equal(CROP, before)
    assert np.array_equal(once, CROP) == (domain == CLEAN)


def test_a_crop_seen_from_far_knows_nothing_of_what_is_inside_blocks_of_five_pixels() -> None:
    blocks = CROP.reshape(30, 5, 30, 5, 3)
    turned = blocks.transpose(0, 3, 2, 1, 4).reshape(CROP.shape)
    assert not np.array_equal(turned, CROP)
    assert np.array_equal(degraded(turned, FAR, "a.jpg"), degraded(CROP, FAR, "a.jpg"))
    blocks = CROP[::5, ::5].repeat(5, 0).repeat(5, 1)
    assert not np.array_equal(degraded(blocks, FAR, "a.jpg"), degraded(CROP, FAR, "a.jpg"))


def test_mixed_crops_suffer_each_of_the_three_in_about_four_of_seven() -> None:
    flat = np.full((SIDE, SIDE, 3), 128, np.uint8)
    masked = [(degraded(flat, MIXED, f"{number}.jpg") != 128).any() for number in range(150)]
    assert 60 < sum(masked) < 110
    assert (degraded(flat, MASK, "a.jpg") != 128).any()


def test_rates_count_every_pair_both_ways() -> None:
    labels = np.repeat(np.arange(30), 3)
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(30, 8))[labels] + rng.normal(size=(90, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = lab_degraded.rate(vectors, vectors, labels, resample(30, rng))
    mated, non_mated = lab_degraded.distances(vectors, vectors, labels)
    assert (len(mated), len(non_mated)) == (30 * 3 * 2, 90 * 87)
    allowed = np.sort(non_mated)[int(lab_degraded.FMR * len(non_mated))]
    assert found.tmr == pytest.approx((mated < allowed).mean())
    assert np.quantile(found.drawn, 0.025) < found.tmr < np.quantile(found.drawn, 0.975)


def test_a_study_goes_from_crops_to_table_and_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"batch": {"people": 4}, "optimiser": {"rate": 3e-3}, "network": {"frozen": 0}}
    monkeypatch.setattr(
        lab_degraded, "WAYS", {way: chosen.changed(small) for way, chosen in lab_degraded.WAYS.items()}
    )
    parts = Parts(*(people(tmp_path / str(seed), seed) for seed in range(3)))
    copies = parts.training.for_training()
    assert len(copies) == len(parts.training.labels) + 1
    assert min(np.bincount(copies.labels)) == 2
    (first, *rest) = lab_degraded.WAYS
    found = lab_degraded.study(parts, Start(), [first, *rest], 4, range(2), tmp_path)
    assert len(found) == 9 * (1 + 2 * len(lab_degraded.WAYS))
    assert all(one.low <= one.high and one.gain_low <= one.gain_high for one in found)
    assert {one.gain for one in found if one.way == lab_degraded.BEFORE} == {0.0}
    assert lab_degraded.study(parts, Start(), [first], 4, range(1), tmp_path) == found[:18]
    lab_degraded.show(found, "made up")
    assert "95 % over people" in capsys.readouterr().out
    lab_degraded.draw(found, tmp_path / "drawn.svg")
    drawn = (tmp_path / "drawn.svg").read_text(encoding="utf-8")
    assert first in drawn
    assert all(domain in drawn for domain in DOMAINS)


def people(folder: Path, seed: int) -> object:
    """Twelve who are blocks of colour, with three photos each, and one with one."""
    rng = np.random.default_rng(seed)
    labels = [*np.repeat(np.arange(12), 3).tolist(), 12]
    patterns = rng.integers(40, 216, (13, 6, 6, 3))[labels] + rng.normal(0, 20, (len(labels), 6, 6, 3))
    crops = np.clip(np.kron(patterns, np.ones((1, 25, 25, 1))), 0, 255).astype(np.uint8)
    return part_of(list(crops), labels, [f"{number}.jpg" for number in range(len(labels))], folder, DOMAINS)
