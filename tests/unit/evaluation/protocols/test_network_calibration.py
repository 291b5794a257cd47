"""The calibration of a network on photos: the same thresholds as in cards, no further than the data carry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceid.errors import InputError
from faceid.evaluation.data.material import Material, of_collection
from faceid.evaluation.data.photos import Collection
from faceid.evaluation.protocols.network_calibration import calibrate_network
from faceid.evaluation.statistics import comparisons
from faceid.evaluation.statistics.margin import gaps
from faceid.evaluation.statistics.measured import measure
from faceid.networks.card_text import read_card
from faceid.networks.registry import card_path, write_calibration
from faceid.types import ModelKey

MODEL = ModelKey("tiny", "0" * 64, "arcface-112-v1", 16, "cosine")


def vectors(people: int, photos: int, spread: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(people), photos)
    centres = rng.standard_normal((people, MODEL.dim))
    found = centres[names] + spread * rng.standard_normal((names.size, MODEL.dim))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), names


def material(found: np.ndarray, names: np.ndarray) -> Material:
    labels = tuple(f"p{name:04d}" for name in names)
    count = len(labels)
    collection = Collection(
        kind="folders",
        source="made up",
        model=MODEL,
        vectors=found,
        names=labels,
        paths=(None,) * count,
        digests=tuple(f"{number:064x}" for number in range(count)),
        photos=count + 2,
        lost={"no_face": 2},
        lost_of={"p0000": 2},
        duplicates=(),
        repeated=0,
    )
    return of_collection(collection, np.random.default_rng(1))


def all_distances(found: np.ndarray, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.triu_indices(len(found), k=1)
    distance = 1.0 - np.einsum("ij,ij->i", found[first], found[second]).astype(np.float64)
    same = names[first] == names[second]
    return distance[same], distance[~same]


def test_the_thresholds_are_those_of_all_pairs() -> None:
    found, names = vectors(60, 4)
    calibration = calibrate_network(material(found, names), np.random.default_rng(0), program="a test")
    mated, non_mated = all_distances(found, names)
    known = measure(mated, non_mated, data="x", ambiguity_margin=0.0)
    assert (calibration.mated, calibration.non_mated) == (60 * 6, non_mated.size)
    assert [point.fmr for point in calibration.points] == [point.fmr for point in known.points]
    for point, expected in zip(calibration.points, known.points, strict=True):
        assert point.distance == pytest.approx(expected.distance, abs=2e-6)
        assert point.fnmr == pytest.approx(expected.fnmr, abs=2e-3)
        assert point.count <= point.fmr * non_mated.size
    # Intervals over people are wider than those of independent comparisons.
    one = next(number for number, point in enumerate(calibration.points) if point.fmr == 0.01)
    mine, independent = calibration.points[one], known.points[one]
    assert mine.high - mine.low > 1.2 * (independent.high - independent.low)
    assert "240 photos of 60 people, all pairs" in calibration.data
    assert calibration.population == "people like the 60 of made up"
    assert calibration.software.endswith(", a test")
    assert len(calibration.evidence) > 1


@pytest.mark.parametrize(("people", "least"), [(10, 0.01), (20, 0.002), (80, 2e-4)])
def test_no_rate_is_lower_than_the_data_carry(people: int, least: float) -> None:
    found, names = vectors(people, 3)
    calibration = calibrate_network(material(found, names), np.random.default_rng(0), program="a test")
    assert calibration.points[0].fmr == least
    assert 3.0 / calibration.non_mated <= least


def test_too_few_people_for_one_in_a_hundred_are_refused() -> None:
    found, names = vectors(8, 3)
    with pytest.raises(InputError, match=r"252 non-mated comparisons are too few.*FMR 0\.01") as caught:
        calibrate_network(material(found, names), np.random.default_rng(0), program="a test")
    assert caught.value.code == "too_few"


def test_the_margin_is_that_of_the_photos() -> None:
    found, names = vectors(60, 4)
    calibration = calibrate_network(material(found, names), np.random.default_rng(0), program="a test")
    within = next(point.distance for point in calibration.points if point.fmr == 1e-3)
    assert calibration.ambiguity_margin == round(gaps(found, names, "cosine", within).margin, 4) > 0.0


def test_one_person_with_many_photos_does_not_decide_the_margin() -> None:
    found, names = vectors(40, 4)
    more, _ = vectors(1, 200, seed=9)
    everything = np.concatenate([more, found]), np.concatenate([np.zeros(200, np.int64), names + 1])
    calibration = calibrate_network(material(*everything), np.random.default_rng(0), program="a test")
    within = next(point.distance for point in calibration.points if point.fmr == 1e-3)
    first = np.r_[0:20, 200:360]
    margin = gaps(everything[0][first], everything[1][first], "cosine", within).margin
    assert calibration.ambiguity_margin == round(margin, 4)
    assert calibration.ambiguity_margin != round(gaps(*everything, "cosine", within).margin, 4)


def test_listed_pairs_keep_the_margin_that_is_known() -> None:
    found, names = vectors(30, 3)
    mated, non_mated = all_distances(found, names)
    listed = comparisons.of_pairs(
        np.concatenate([mated, non_mated]),
        np.repeat([True, False], [mated.size, non_mated.size]),
        np.random.default_rng(0),
    )
    pairs = replace(material(found, names), comparisons=listed, collection=None, pairs=None)
    calibration = calibrate_network(pairs, np.random.default_rng(0), program="a test", margin=0.07)
    assert calibration.ambiguity_margin == 0.07
    assert "listed pairs" in calibration.data


def test_a_card_can_hold_it(tmp_path: Path) -> None:
    found, names = vectors(60, 4)
    calibration = calibrate_network(material(found, names), np.random.default_rng(0), program="a test")
    path = tmp_path / "card.toml"
    path.write_text(card_path("sface").read_text(encoding="utf-8"), encoding="utf-8")
    write_calibration(path, calibration)
    assert read_card(path.read_text(encoding="utf-8"), "card.toml").calibration == calibration


def test_labels_that_cannot_be_right_are_refused() -> None:
    found, names = vectors(20, 2, spread=0.1)
    # The second photo of each person is the opposite of the first.
    swapped = material(np.where((np.arange(names.size) % 2)[:, None], -found, found), names)
    with pytest.raises(InputError) as caught:
        calibrate_network(swapped, np.random.default_rng(0), program="a test")
    assert caught.value.code == "swapped"
