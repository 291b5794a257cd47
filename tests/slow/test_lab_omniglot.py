"""The archives of Omniglot as they are published, and the official runs against a published number."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lab_omniglot_data import read_drawings, read_runs

pytestmark = pytest.mark.slow

DATA = Path(os.environ.get("FACEID_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "omniglot"


@pytest.fixture(autouse=True)
def _there() -> None:
    if not (DATA / "all_runs.zip").is_file():
        pytest.skip(f"no omniglot in {DATA.parent}; set FACEID_TEST_DATA")


def test_both_small_sets_are_eight_alphabets_of_twenty_drawings_a_character() -> None:
    drawings = read_drawings([DATA / f"images_background_small{number}.zip" for number in (1, 2)])
    assert len(drawings.alphabets) == 8
    assert len(drawings.characters) == 242
    assert (np.bincount(drawings.labels) == 20).all()


def test_pixels_alone_do_as_published_in_the_official_runs() -> None:
    runs = read_runs(DATA / "all_runs.zip")
    right = []
    for run in runs:
        assert sorted(run.answers) == list(range(20))
        known, asked = (
            pixels.reshape(20, -1) / np.linalg.norm(pixels.reshape(20, -1), axis=1, keepdims=True)
            for pixels in (run.known.astype(float), run.asked.astype(float))
        )
        right += ((asked @ known.T).argmax(axis=1) == run.answers).tolist()
    assert len(right) == 400
    # Koch, Zemel and Salakhutdinov (2015) have 21.7 % for the nearest neighbour.
    assert np.mean(right) == pytest.approx(0.217, abs=0.02)
