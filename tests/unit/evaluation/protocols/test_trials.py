"""Protocols and cohorts against loops over tiny data."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from faceid.decision.scores import distance_from_similarity, identity_similarity
from faceid.errors import InputError, UsageError
from faceid.evaluation.protocols import trials
from faceid.evaluation.protocols.cohorts import by_group, read_attributes, with_crossing
from faceid.evaluation.statistics.bootstrap import resample
from faceid.evaluation.statistics.scores import compare_all


def people_and_photos(people: int = 12, seed: int = 0, spread: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(people), rng.integers(1, 5, people))
    vectors = rng.normal(size=(people, 8))[owner] + spread * rng.normal(size=(owner.size, 8))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), owner


def distance_to(probe: np.ndarray, templates: np.ndarray) -> float:
    return distance_from_similarity(identity_similarity(probe, templates), "cosine")


def test_k_folds_judge_each_fold_at_the_threshold_of_the_others() -> None:
    rng = np.random.default_rng(0)
    mated = np.arange(60) % 2 == 0
    distance = np.where(mated, rng.normal(0.4, 0.2, 60), rng.normal(0.8, 0.2, 60))
    folds = np.repeat([0, 1, 2], 20)
    found = trials.verification(distance, mated, folds)
    for fold in range(3):
        threshold = found.threshold[fold]

        def right(chosen: list[int], at: float) -> int:
            return sum((distance[k] <= at) == mated[k] for k in chosen)

        rest = [k for k in range(60) if folds[k] != fold]
        own = [k for k in range(60) if folds[k] == fold]
        assert right(rest, threshold) == max(right(rest, at) for at in distance)
        assert found.accuracy[fold] == pytest.approx(right(own, threshold) / 20)
    mean = sum(found.accuracy) / 3
    deviation = (sum((value - mean) ** 2 for value in found.accuracy) / 2) ** 0.5
    assert found.mean == pytest.approx(mean)
    assert found.standard_error == pytest.approx(deviation / 3**0.5)


def test_a_lost_pair_is_an_error_of_its_fold() -> None:
    distance = np.array([0.1, 0.9, 0.1, 0.9])
    mated = np.array([True, False, True, False])
    folds = np.array([0, 0, 1, 1])
    whole = trials.verification(distance, mated, folds)
    assert (whole.accuracy, whole.pairs, whole.lost) == ((1.0, 1.0), 4, 0)
    found = trials.verification(distance, mated, folds, np.array([1, 1]))
    assert (found.accuracy, found.pairs, found.lost) == ((1.0, 0.5), 6, 2)
    assert (found.threshold, found.mean) == (whole.threshold, 0.75)


def test_folds_are_dealt_evenly_and_refused_where_that_cannot_be() -> None:
    mated = np.arange(50) < 20
    folds = trials.k_folds(mated, 5, np.random.default_rng(0))
    for fold in range(5):
        assert (mated[folds == fold].sum(), (~mated[folds == fold]).sum()) == (4, 6)
    with pytest.raises(InputError, match="20 mated comparisons cannot fill 21 folds"):
        trials.k_folds(mated, 21, np.random.default_rng(0))
    with pytest.raises(UsageError):
        trials.k_folds(mated, 1, np.random.default_rng(0))
    with pytest.raises(InputError, match="one kind only"):
        trials.verification(np.linspace(0, 1, 50), mated, (~mated).astype(int))


@pytest.mark.parametrize("photos", [1, 2])
def test_an_open_set_keeps_strangers_out_and_searches_everything_else(photos: int) -> None:
    vectors, owner = people_and_photos(20, seed=1)
    templates = np.bincount(owner)
    searches, enrolled = trials.open_set(
        vectors, owner, "cosine", np.random.default_rng(0), photos=photos, strangers=0.3
    )
    assert 0 < enrolled <= 14
    assert searches.mated + searches.non_mated == len(owner) - photos * enrolled
    assert enrolled <= np.count_nonzero(templates > photos)
    # With nobody kept outside, whoever has a photo to spare is enrolled.
    whole, everybody = trials.open_set(
        vectors, owner, "cosine", np.random.default_rng(0), photos=photos, strangers=0.0
    )
    assert everybody == np.count_nonzero(templates > photos)
    assert whole.mated == sum(count - photos for count in templates if count > photos)
    assert whole.non_mated == sum(count for count in templates if count <= photos)


def test_a_gallery_of_a_size_is_filled_up_or_refused() -> None:
    vectors, owner = people_and_photos(20, seed=1)
    rng = np.random.default_rng(0)
    _, enrolled = trials.open_set(vectors, owner, "cosine", rng, photos=1, strangers=0.1, identities=17)
    assert enrolled == 17
    with pytest.raises(InputError, match="where 19 are wanted"):
        trials.open_set(vectors, owner, "cosine", rng, photos=1, strangers=0.1, identities=19)
    with pytest.raises(InputError, match="stranger"):
        trials.open_set(*people_with(4, photos=3), "cosine", rng, photos=1, strangers=0.0)
    with pytest.raises(InputError, match="0 of 4 people"):
        trials.open_set(*people_with(4, photos=3), "cosine", rng, photos=3, strangers=0.0)


def people_with(people: int, photos: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    owner = np.repeat(np.arange(people), photos)
    vectors = rng.normal(size=(owner.size, 8))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), owner


def test_leaving_one_out_searches_as_the_product_scores() -> None:
    vectors, owner = people_and_photos(15, seed=2)
    searches = trials.leave_one_out(vectors, owner, "cosine")
    ranks, own_distances, nearest = [], [], []
    for probe in range(len(owner)):
        to_others = [
            distance_to(vectors[probe], vectors[owner == who]) for who in range(15) if who != owner[probe]
        ]
        nearest.append(min(to_others))
        own = [k for k in range(len(owner)) if owner[k] == owner[probe] and k != probe]
        if own:
            distance = distance_to(vectors[probe], vectors[own])
            own_distances.append(distance)
            ranks.append(1 + sum(other <= distance for other in to_others))
    np.testing.assert_allclose(searches.nearest, nearest, atol=1e-6)
    np.testing.assert_allclose(searches.distance, own_distances, atol=1e-6)
    assert searches.rank.tolist() == ranks


def test_one_shot_of_two_people_is_a_loop_over_all_episodes() -> None:
    vectors, owner = people_with(2, photos=2)
    outcomes = [
        float(vectors[own] @ vectors[query]) > float(vectors[other] @ vectors[query])
        for query, own, other in itertools.permutations(range(4), 3)
        if owner[own] == owner[query] != owner[other]
    ]
    found = trials.one_shot(vectors, owner, np.random.default_rng(0), ways=2, episodes=4000)
    assert found.accuracy.rate == pytest.approx(sum(outcomes) / len(outcomes), abs=0.03)
    assert found.people == 2


def test_one_shot_knows_the_right_answer_and_its_limits() -> None:
    vectors = np.eye(6, dtype=np.float32)[[0, 0, 1, 1, 2, 3]]
    owner = np.array([0, 0, 1, 1, 2, 3])
    rng = np.random.default_rng(0)
    found = trials.one_shot(vectors, owner, rng, ways=4, episodes=200)
    assert (found.accuracy.rate, found.people) == (1.0, 2)
    # Everybody alike: a constant score earns nothing.
    assert trials.one_shot(np.ones_like(vectors), owner, rng, ways=4, episodes=50).accuracy.rate == 0.0
    with pytest.raises(InputError, match="too few for 5 ways"):
        trials.one_shot(vectors, owner, rng, ways=5, episodes=1)


def test_groups_against_a_loop(tmp_path: Path) -> None:
    vectors, owner = people_and_photos(16, seed=4, spread=0.5)
    names = [f"p{who:02d}" for who in range(16)]
    group = {name: "old" if k % 3 == 0 else "young" for k, name in enumerate(names[:-1])}
    file = tmp_path / "attributes.csv"
    file.write_text(
        "identity,age\n" + "".join(f"{name},{value}\n" for name, value in group.items()) + "p15,\n"
    )
    pairs = compare_all(vectors, np.array(names)[owner], "cosine")
    people = resample(16, np.random.default_rng(0), 200)
    rows, (differential,), (caveat,) = by_group(pairs, people, names, read_attributes(file), 0.7)
    assert caveat.message == "1 of 16 people have no age: left out"

    counts: dict[tuple[str, str | None], list[int]] = {}
    missed: dict[str, list[int]] = {}
    for i, j in itertools.combinations(range(len(owner)), 2):
        one, two = (group.get(names[owner[k]]) for k in (i, j))
        if one is None or two is None:
            continue
        match = 1.0 - float(np.float32(vectors[i] @ vectors[j])) <= 0.7
        if owner[i] == owner[j]:
            missed.setdefault(one, []).append(not match)
        else:
            first, second = sorted((one, two))
            counts.setdefault((first, None if first == second else second), []).append(match)
    assert {(row.group, row.against) for row in rows} == set(counts)
    for row in rows:
        errors = counts[row.group, row.against]
        assert row.non_mated == len(errors)
        assert row.fmr.rate == pytest.approx(sum(errors) / len(errors))
        assert row.fmr.low <= row.fmr.rate <= row.fmr.high
        if row.against is None:
            assert row.fnmr is not None
            assert row.mated == len(missed[row.group])
            assert row.fnmr.rate == pytest.approx(sum(missed[row.group]) / row.mated)
    within = {name: sum(counts[name, None]) / len(counts[name, None]) for name in ("old", "young")}
    assert differential.fmr_ratio is not None
    assert differential.fmr_ratio.value == pytest.approx(max(within.values()) / min(within.values()))
    assert differential.fmr_ratio.low < differential.fmr_ratio.value
    assert differential.fmr_ratio.high is None or differential.fmr_ratio.high > differential.fmr_ratio.value
    intervals = [row.fmr for row in rows if row.against is None]
    equal = max(one.low for one in intervals) <= min(one.high for one in intervals)
    assert differential.fmr_worst == ("" if equal else max(within, key=lambda name: within[name]))
    assert [row.against is None for row in rows] == [True, True, False]


def groups_at(tmp_path: Path, table: str, count: int = 24, threshold: float = 0.7, *, across: bool = False):
    """The rates of `count` people with four photos each by the CSV lines in `table`."""
    vectors, owner = people_and_photos(count, seed=4, spread=0.5)
    names = [f"p{who:02d}" for who in range(count)]
    file = tmp_path / "attributes.csv"
    file.write_text(table, encoding="utf-8")
    pairs = compare_all(vectors, np.array(names)[owner], "cosine")
    people = resample(count, np.random.default_rng(0), 200)
    return by_group(pairs, people, names, with_crossing(read_attributes(file)), threshold, across=across)


def test_attributes_are_crossed_and_one_that_divides_nobody_further_is_not(tmp_path: Path) -> None:
    sex, group = ("female", "male"), ("a", "b", "c", "d")
    lines = [
        f"p{who:02d},{sex[who % 2]},{group[who // 6]},{sex[who % 2]}-{group[who // 6]}" for who in range(24)
    ]
    rows, differentials, _ = groups_at(tmp_path, "\n".join(["identity,sex,group,both", *lines]))
    assert [row.against for row in rows] == [None] * (2 + 4 + 8 + 8)
    crossed = [row for row in rows if row.attribute == "sex x group"]
    assert [row.group for row in crossed] == [f"{one} x {two}" for one in sex for two in group]
    assert [one.attribute for one in differentials] == ["sex", "group", "both", "sex x group"]
    whole, _, _ = groups_at(tmp_path, "\n".join(["identity,sex,group,both", *lines]), across=True)
    assert whole[: len(rows)] == rows
    assert len(whole) == (2 + 1) + (4 + 6) + 2 * (8 + 28)


def test_people_without_one_of_the_attributes_are_in_no_crossed_group(tmp_path: Path) -> None:
    lines = [f"p{who:02d},{who % 2},{who % 3 if who else ''}" for who in range(24)]
    rows, _, caveats = groups_at(tmp_path, "\n".join(["identity,one,two", *lines]))
    assert sum(row.identities for row in rows if row.attribute == "one x two") == 23
    assert "1 of 24 people have no one x two: left out" in [caveat.message for caveat in caveats]


def test_no_group_is_called_the_worst_where_all_are_equal_within_their_intervals(tmp_path: Path) -> None:
    lines = [f"p{who:02d},{'xy'[who % 2]}" for who in range(24)]
    rows, (differential,), _ = groups_at(tmp_path, "\n".join(["identity,kind", *lines]))
    assert rows[0].fmr.low < rows[1].fmr.high
    assert rows[1].fmr.low < rows[0].fmr.high
    assert differential.fmr_worst == ""


def test_a_group_that_is_worse_beyond_the_intervals_is_named(tmp_path: Path) -> None:
    # The people of x are nearly one person; those of y are at right angles.
    vectors = np.concatenate([np.tile(np.eye(40)[0], (20, 1)), np.eye(40)[1:21]]).astype(np.float32)
    vectors[:20] += 0.01 * np.random.default_rng(0).normal(size=(20, 40))
    vectors = np.repeat(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), 2, axis=0).astype(
        np.float32
    )
    names = [f"p{who:02d}" for who in range(40)]
    file = tmp_path / "attributes.csv"
    file.write_text("identity,kind\n" + "".join(f"{name},{'xy'[k >= 20]}\n" for k, name in enumerate(names)))
    pairs = compare_all(vectors, np.repeat(names, 2), "cosine")
    people = resample(40, np.random.default_rng(0), 200)
    _, (differential,), _ = by_group(pairs, people, names, read_attributes(file), 0.1)
    assert (differential.fmr_worst, differential.fmr_ratio, differential.fnmr_worst) == ("x", None, "")


def test_a_differential_without_errors_in_the_best_group_has_no_ratio(tmp_path: Path) -> None:
    vectors = np.eye(8, dtype=np.float32)[[0, 0, 1, 1, 2, 3]]
    vectors[2] = vectors[0]
    file = tmp_path / "attributes.csv"
    file.write_text("identity,kind\na,x\nb,x\nc,y\nd,y\n")
    pairs = compare_all(vectors, np.array(list("aabbcd")), "cosine")
    people = resample(4, np.random.default_rng(0), 50)
    rows, (differential,), _ = by_group(pairs, people, list("abcd"), read_attributes(file), 0.1)
    # One false match of four in x, none of one in y: too few to call x the worst.
    assert (differential.fmr_ratio, differential.fmr_worst) == (None, "")
    assert [row.fnmr is None for row in rows if row.against is None] == [False, True]


def test_one_group_is_no_worse_than_itself(tmp_path: Path) -> None:
    vectors, owner = people_and_photos(6)
    names = list("abcdef")
    file = tmp_path / "attributes.csv"
    file.write_text("identity,kind\n" + "".join(f"{name},x\n" for name in names))
    pairs = compare_all(vectors, np.array(names)[owner], "cosine")
    people = resample(6, np.random.default_rng(0), 50)
    rows, differentials, _ = by_group(pairs, people, names, read_attributes(file), 0.5)
    assert (len(rows), differentials) == (1, ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name,age\na,1\n", "no table of attributes"),
        ("identity\na\n", "no table of attributes"),
        ("", "no table of attributes"),
        ("identity,age\na,1\na,2\n", "line 3: a has a second age, 2"),
    ],
)
def test_tables_of_attributes_that_are_none(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "attributes.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_attributes(file)
