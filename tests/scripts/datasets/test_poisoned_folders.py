"""The experiment of scripts/studies/check_guards.py swaps what it says it swaps."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from faceid.networks import registry
from scripts.datasets.poisoned_folders import SWAPPED, Network, Person, count, half, judge, poison


def person(number: int, photos: int) -> Person:
    rng = np.random.default_rng(number)
    vectors = np.eye(64, dtype=np.float32)[number] + 0.01 * rng.normal(size=(photos, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Person(
        f"person {number}",
        tuple(Path(f"{number}_{photo}.jpg") for photo in range(photos)),
        tuple(vector[None, :] for vector in vectors),
        (0,) * photos,
    )


CROWD = [person(number, 1 + number % 8) for number in range(64)]


@pytest.mark.parametrize("seed", range(5))
def test_every_photo_stays_and_the_marked_ones_are_somebody_elses(seed: int) -> None:
    folders = poison(CROWD, np.random.default_rng(seed))
    shown = Counter((owner.name, photo) for folder in folders for owner, photo in folder.photos)
    assert shown == Counter(
        (own.name, photo) for own in CROWD if len(own.photos) > 1 for photo in range(len(own.photos))
    )
    for folder in folders:
        owners = [owner.name != CROWD[folder.person].name for owner, _ in folder.photos]
        assert owners == folder.wrong.tolist()
    swapped = sum(int(folder.wrong.sum()) for folder in folders)
    assert swapped in (round(SWAPPED * shown.total()), round(SWAPPED * shown.total()) - 1)


def test_swaps_are_judged_and_counted() -> None:
    calibration = registry.card("dlib-resnet").calibration
    assert calibration is not None
    network = Network("dlib-resnet", calibration, "cosine")
    folders = poison(CROWD, np.random.default_rng(1))
    caught, planted, _, honest = sum(count(judge(folder, network), folder.wrong) for folder in folders)
    assert caught == planted > 0
    assert planted + honest == sum(len(folder.photos) for folder in folders)


def test_the_halves_share_nobody() -> None:
    first, second = half(CROWD, second=False), half(CROWD, second=True)
    assert len(first) + len(second) == len(CROWD)
    assert not {own.name for own in first} & {own.name for own in second}
