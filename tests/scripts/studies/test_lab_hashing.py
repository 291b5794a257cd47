"""The study of binary codes, on people that are no faces: that training helps those it never saw."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.benchmarks.gallery.data import synthetic_people
from scripts.studies import lab_hashing

PEOPLE = synthetic_people(32)


def test_training_helps_people_never_seen(tmp_path: Path) -> None:
    splits = [lab_hashing.measure(PEOPLE, bits, seed, epochs=10) for seed in (0, 1) for bits in (0, 32)]
    assert all((one.epoch > 0) == (one.bits > 0) == (one.learning_rate is not None) for one in splits)
    rows = lab_hashing.summed_up(splits, 32, {0: 90.0, 32: 9.0})
    names = [row.name for row in rows]
    assert names == ["floats, L2", "32 bits, random", "32 bits, centred", "32 bits, trained"]
    assert [row.size for row in rows] == [128, 4, 4, 4]
    assert [row.search_us for row in rows] == [90.0, 9.0, 9.0, 9.0]
    floats, _, worse, better = (np.mean(row.tmr["0.001"]) for row in rows)
    assert floats > better > worse + 0.05
    picture = tmp_path / "codes.svg"
    lab_hashing.draw(rows, "0.001", picture)
    drawn = picture.read_text(encoding="utf-8")
    assert "floats, 128 bytes" in drawn
    assert "codes, trained" in drawn


def test_nobody_is_in_two_parts() -> None:
    parts = lab_hashing._parts(PEOPLE, 3)
    assert (np.sum(parts, axis=0) == 1).all()
    people = [set(PEOPLE.identity[part]) for part in parts]
    assert not people[0] & people[1]
    assert not (people[0] | people[1]) & people[2]
    assert [len(part) / 800 for part in people] == pytest.approx([0.375, 0.125, 0.5], abs=0.05)


def test_who_is_tested_chooses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []
    pairs = lab_hashing._pairs

    def noted(distances: np.ndarray, identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        judged.append(set(identity.tolist()))
        return pairs(distances, identity)

    monkeypatch.setattr(lab_hashing, "_pairs", noted)
    lab_hashing.measure(PEOPLE, 16, 4, epochs=5)
    _, choosing, testing = (set(PEOPLE.identity[part]) for part in lab_hashing._parts(PEOPLE, 4))
    looks = 1 + len(lab_hashing.LEARNING_RATES)
    # Untrained codes are compared between those tested before, trained ones after all looks at those who choose.
    assert judged == [testing] * 2 + [choosing] * looks + [testing]


def test_training_that_helps_nobody_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_hashing, "LEARNING_RATES", (1e-9,))
    found = lab_hashing.measure(PEOPLE, 16, 4, epochs=5)
    assert (found.learning_rate, found.epoch) == (None, 0)
    assert found.tmr["trained"] == found.tmr["centred"] != found.tmr["random"]


def test_finished_splits_are_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.json"
    arguments = ["lab", "--synthetic", "--bits", "16", "--seeds", "1", "--epochs", "5", "--gallery", "300"]
    arguments += ["--json", str(kept), "--figure", str(tmp_path / "codes.svg")]
    monkeypatch.setattr(sys, "argv", arguments)
    lab_hashing.main()
    assert "16 bits, trained" in capsys.readouterr().out
    written = kept.read_bytes()
    monkeypatch.delattr(lab_hashing, "measure")
    lab_hashing.main()
    assert "16 bits, trained" in capsys.readouterr().out
    assert kept.read_bytes() == written
