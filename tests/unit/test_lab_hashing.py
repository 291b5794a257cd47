"""The study of binary codes, on people that are no faces: that training helps those it never saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lab_hashing
from bench_gallery_data import synthetic_people


def test_training_helps_people_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_hashing, "LEARNING_RATE", 0.01)
    floats, random, centred, trained = lab_hashing.measure(
        synthetic_people(32), [32], range(2), epochs=10, gallery=300
    )
    names = [row.name for row in (floats, random, centred, trained)]
    assert names == ["floats, L2", "32 bits, random", "32 bits, centred", "32 bits, trained"]
    assert (floats.size, random.size, trained.size) == (128, 4, 4)
    better, worse = (np.mean(row.tmr["0.001"]) for row in (trained, centred))
    assert np.mean(floats.tmr["0.001"]) > better > worse + 0.05
    picture = tmp_path / "codes.svg"
    lab_hashing.draw([floats, random, centred, trained], picture)
    drawn = picture.read_text(encoding="utf-8")
    assert "floats, 128 bytes" in drawn
    assert "codes, trained" in drawn
