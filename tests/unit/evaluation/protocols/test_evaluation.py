"""What findings say of searches and of pairs, against loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faceid.decision.decide import Target
from faceid.errors import InputError
from faceid.evaluation.data import material as data
from faceid.evaluation.data.pair_files import Pair, people_of, read_pairs
from faceid.evaluation.data.photos import Collection
from faceid.evaluation.findings import GalleryPoint
from faceid.evaluation.protocols import evaluation, experiments, goals
from faceid.evaluation.protocols.cohorts import Attributes, by_group
from faceid.evaluation.protocols.identification import Searches
from faceid.evaluation.statistics.bootstrap import Resample
from faceid.evaluation.statistics.intervals import wilson
from faceid.evaluation.statistics.scores import compare_all
from faceid.types import ModelKey

MODEL = ModelKey("fake", "0" * 64, "dlib-150-v1", 8, "cosine")


def collection(people: int = 40, seed: int = 0) -> Collection:
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(people), rng.integers(1, 4, people))
    vectors = rng.normal(size=(people, 8))[owner] + 0.5 * rng.normal(size=(owner.size, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = tuple(f"p{number:02d}" for number in owner)
    paths = tuple(f"{name}/{number}.jpg" for number, name in enumerate(names))
    return Collection(
        "folders",
        "somewhere",
        MODEL,
        vectors.astype(np.float32),
        names,
        paths,
        paths,
        len(names),
        {},
        {},
        (),
        0,
    )


@pytest.fixture(scope="module")
def material() -> data.Material:
    return data.of_collection(collection(), np.random.default_rng(0))


def test_observed_rates_count_people_as_often_as_they_were_drawn() -> None:
    rng = np.random.default_rng(0)
    owners = np.repeat(np.arange(6), 5)
    searches = Searches(np.ones(30, np.int64), rng.random(30), rng.random(30))
    draws = rng.multinomial(6, np.full(6, 1 / 6), size=50)
    point = evaluation.observe(searches, (owners, owners), Resample(draws), 0.4, 6)
    assert point.fpir.rate == sum(distance <= 0.4 for distance in searches.nearest) / 30
    rates = []
    for draw in draws:
        written = [searches.nearest[k] <= 0.4 for k in range(30) for _ in range(int(draw[owners[k]]))]
        rates.append(sum(written) / len(written))
    plain = wilson(round(point.fpir.rate * 30), 30)
    low, high = np.quantile(rates, [0.025, 0.975])
    assert point.fpir.low == pytest.approx(min(plain.low, low))
    assert point.fpir.high == pytest.approx(max(plain.high, high))
    assert point.fnir is not None
    assert point.fnir.rate == sum(distance > 0.4 for distance in searches.distance) / 30


def test_findings_hold_what_the_parts_say(material: data.Material) -> None:
    found = evaluation.calibrate(
        material, goals.Goal(fpir=0.5), np.random.default_rng(0), command="faceid", identities=20
    )
    assert found.proposed is not None
    assert found.proposed.asked == "FPIR 0.5 among 20"
    assert found.proposed.fmr.rate <= 0.025
    assert material.collection is not None
    assert found.nearest[0].distance == material.comparisons.non_mated.distance[0]
    assert found.nearest[0].names[0] != found.nearest[0].names[1]
    assert found.farthest[0].distance == material.comparisons.mated.distance[-1]
    assert found.farthest[0].names[0] == found.farthest[0].names[1]
    assert [pair.distance for pair in found.farthest] == sorted(
        (pair.distance for pair in found.farthest), reverse=True
    )
    observed = [point for point in found.by_size if point.observed]
    assert [point.identities for point in observed] == [39]
    assert {20, 39} <= {point.identities for point in found.by_size if not point.observed}


def test_strangers_are_found_as_often_as_predicted(material: data.Material) -> None:
    found = experiments.identification(
        material,
        Target(fpir=0.5),
        np.random.default_rng(0),
        photos=1,
        strangers=0.5,
        draws=30,
        command="faceid",
    )
    points: dict[int, list[GalleryPoint]] = {}
    for point in found.by_size:
        points.setdefault(point.identities, []).append(point)
    assert min(points) == 10
    for predicted, observed in points.values():
        assert predicted.threshold == observed.threshold
        assert predicted.fpir.low <= observed.fpir.rate <= predicted.fpir.high


def test_more_pairs_than_are_held_have_no_groups() -> None:
    photos = collection()
    pairs = compare_all(photos.vectors, np.array(photos.names), "cosine", keep=20)
    people = Resample(np.ones((3, 40), np.int64))
    names = sorted(set(photos.names))
    nothing = Attributes({"age": dict.fromkeys(names, "1")})
    with pytest.raises(InputError, match="non-mated pairs match"):
        by_group(pairs, people, names, nothing, 1.0)
    with pytest.raises(InputError, match="mated pairs do not match"):
        by_group(pairs, people, names, nothing, 0.0)


def test_photos_that_mated_pairs_join_are_one_person() -> None:
    pairs = [
        Pair("a", "b", True, None),
        Pair("c", "d", True, None),
        Pair("e", "a", False, None),
        Pair("d", "b", True, None),
        Pair("f", "f", True, None),
    ]
    people = people_of(pairs)
    assert people["a"] == people["b"] == people["c"] == people["d"]
    assert len({people["a"], people["e"], people["f"]}) == 3
    assert sorted(set(people.values())) == [0, 1, 2]


def test_lfws_format(tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text("2\t1\nA_B\t1\t4\nA_B\t1\tC\t12\nC\t1\t2\nC\t3\tA_B\t1\n")
    root = tmp_path / "images"
    pairs = read_pairs(file, root)
    assert [pair.mated for pair in pairs] == [True, False, True, False]
    assert [pair.first for pair in pairs] == [
        str(root / name) for name in ("A_B/A_B_0001.jpg", "A_B/A_B_0001.jpg", "C/C_0001.jpg", "C/C_0003.jpg")
    ]
    assert pairs[1].second == str(root / "C" / "C_0012.jpg")
    assert pairs[0].fold == pairs[1].fold != pairs[2].fold == pairs[3].fold
