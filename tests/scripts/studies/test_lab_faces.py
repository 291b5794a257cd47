"""The study of faces from scratch, on people who are patterns: its runs, its label errors, its table and picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceid.networks.training.settings import FROM_SCRATCH, BatchSettings
from faceid.training.crops import Place, Portraits
from faceid.training.people import People
from scripts.studies import lab_faces
from tiny_training import samples

QUICK = replace(
    FROM_SCRATCH.changed({"schedule": {"steps": 2, "validate": 1}}), batch=BatchSettings(people=4, photos=2)
)


@pytest.fixture
def people(tmp_path: Path) -> People:
    """Each part has people of its own."""
    parts = [samples(tmp_path, count, seed) for seed, count in enumerate((6, 5, 8))]
    return People(*parts, alone=0)


@pytest.mark.parametrize("way", ["triplet, random", "centre", "arcface"])
def test_a_run_is_judged_on_those_it_never_saw(
    people: People, way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = lab_faces.told(way, QUICK, seed=1)
    found = lab_faces.trained(people, way, settings, tmp_path, "cpu")
    assert (found.way, found.seed) == (way, 1)
    assert 0 <= found.best_step <= 2
    assert 0 <= found.low <= found.tmr <= found.high <= 1
    assert "step 2, TMR" in capsys.readouterr().err
    assert lab_faces.trained(people, way, settings, tmp_path, "cpu") == found
    assert not capsys.readouterr().err


def test_untrained_networks_hang_on_the_seed_alone(people: People) -> None:
    first, again, other = (lab_faces.untrained(people, seed, "cpu") for seed in (1, 1, 2))
    assert first == again
    assert (first.way, first.best_step) == ("untrained", 0)
    assert first.tmr != other.tmr


def test_ways_differ_in_what_they_say_only() -> None:
    assert {lab_faces.told(way, QUICK, seed=3).loss.name for way in lab_faces.WAYS} == {
        "triplet",
        "centre",
        "arcface",
    }
    for way in lab_faces.WAYS:
        told = lab_faces.told(way, QUICK, seed=3)
        assert replace(told, loss=QUICK.loss, optimiser=QUICK.optimiser, seed=QUICK.seed) == QUICK


def test_one_person_under_two_names_becomes_one() -> None:
    names = ("Joseph_Blatter", "Sepp_Blatter", "Joseph_Blatterer")
    parts = [
        Portraits((name,), (name,), (Place(Path(name), row),), photos=1, lost={}, duplicates=0)
        for row, name in enumerate(names)
    ]
    together = lab_faces._together(parts)
    assert together.names == ("Sepp_Blatter", "Sepp_Blatter", "Joseph_Blatterer")
    assert together.digests == names
    assert [place.row for place in together.places] == [0, 1, 2]
    assert together.photos == 3


def test_the_table_and_the_picture_have_the_best_on_top(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        lab_faces.Measured(way, seed, 100, tmr + seed / 100, tmr - 0.05, tmr + 0.05)
        for way, tmr in (("untrained", 0.06), ("arcface", 0.3), ("centre", 0.2))
        for seed in range(3)
    ]
    lab_faces.show(found, "who was asked")
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if any(name in line for name in ("untrained", "arcface", "centre"))]
    assert all(name in row for name, row in zip(("arcface", "centre", "untrained"), rows, strict=True))
    assert "0.310" in rows[0]
    assert "0.300 .. 0.320" in rows[0]
    # Of the middle seed.
    assert "0.250 .. 0.350" in rows[0]
    picture = tmp_path / "faces.svg"
    lab_faces.draw(found, picture)
    assert picture.read_text(encoding="utf-8").startswith("<?xml")


def test_judged_by_false_matches_at_one_in_a_hundred() -> None:
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(40), 3)
    apart = rng.normal(size=(40, 16))[identity] + 0.1 * rng.normal(size=(120, 16))
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    assert lab_faces.judge(apart.astype(np.float32), identity) == pytest.approx(1.0)
    anything = rng.normal(size=(120, 16))
    anything /= np.linalg.norm(anything, axis=1, keepdims=True)
    assert lab_faces.judge(anything.astype(np.float32), identity) < 0.1
