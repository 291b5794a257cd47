"""The archives of Omniglot as they are published, and the official runs against a published number."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from places import SHARED_DATA
from scripts.studies.omniglot.data import read_drawings, read_runs

pytestmark = pytest.mark.slow

DATA = SHARED_DATA / "omniglot"


@pytest.fixture(autouse=True)
def _there() -> None:
    if not (DATA / "all_runs.zip").is_file():
        pytest.skip(f"no omniglot in {DATA.parent}; set FACEID_TEST_DATA")


def test_both_small_sets_are_eight_alphabets_of_twenty_drawings_a_character() -> None:
    drawings = read_drawings([DATA / f"images_background_small{number}.zip" for number in (1, 2)])
    assert len(drawings.alphabets) == 8
    assert len(drawings.characters) == 242
    assert (np.bincount(drawings.labels) == 20).all()


def test_the_authors_own_baseline_errs_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    # By the modified Hausdorff distance (Dubuisson and Jain 1994) between places of ink, at full size.
    monkeypatch.setattr("scripts.studies.omniglot.data.SIDE", 105)
    wrong = 0
    for run in read_runs(DATA / "all_runs.zip"):
        assert sorted(run.answers) == list(range(20))
        known = [ink(pixels) for pixels in run.known]
        for pixels, answer in zip(run.asked, run.answers, strict=True):
            between = [cdist(ink(pixels), places) for places in known]
            distances = [max(each.min(axis=0).mean(), each.min(axis=1).mean()) for each in between]
            wrong += int(np.argmin(distances)) != answer
    # The demo that comes with the runs says 38.8 %.
    assert wrong / 400 == pytest.approx(0.388, abs=0.001)


def ink(pixels: np.ndarray) -> np.ndarray:
    """The places of ink, around their mean."""
    places = np.argwhere(pixels > 127).astype(float)
    return places - places.mean(axis=0)
