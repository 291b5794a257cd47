"""Grouping against naive loops and scipy; no group holds a pair that must be kept apart, whatever the input."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from faceid.evaluation.statistics.bootstrap import mean_over_people
from faceid.explore.cluster_quality import b_cubed, pair_counts, quality_of
from faceid.explore.clustering import NEIGHBOURS, cluster, graph_of, numbered, same_photo
from faceid.explore.embedding import share_outside
from faceid.explore.groups import asides_of, groups_of
from faceid.explore.set_aside import cluster_others, each_alone, set_aside
from faceid.types import Box, Image
from faces_data import made_up

NOTHING = np.empty((0, 2), np.int64)


def unit_vectors(seed: int, count: int, dim: int, people: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, dim))
    vectors = centres[rng.integers(people, size=count)] + 0.5 * rng.normal(size=(count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(2, 8), st.floats(-0.5, 0.99))
def test_without_constraints_it_is_average_linkage(seed: int, count: int, dim: int, least: float) -> None:
    vectors = unit_vectors(seed, count, dim)
    found = cluster(vectors, graph_of(vectors, least), least, NOTHING)
    tree = linkage(pdist(vectors.astype(np.float64), "cosine"), "average")
    # Where a height is at the bound, rounding decides.
    if np.abs(tree[:, 2] - (1 - least)).min() > 1e-5:
        assert partition(found) == partition(fcluster(tree, 1 - least, "distance"))


@given(st.data(), st.integers(0, 2**32 - 1), st.integers(2, 40), st.floats(-1.0, 0.99))
def test_no_group_holds_a_pair_that_must_be_kept_apart(
    data: st.DataObject, seed: int, count: int, least: float
) -> None:
    vectors = unit_vectors(seed, count, 3, people=2)
    pair = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(
        lambda two: two[0] != two[1]
    )
    apart = np.array(data.draw(st.lists(pair, max_size=60)), np.int64).reshape(-1, 2)
    found = cluster(vectors, graph_of(vectors, least), least, apart)
    assert found.shape == (count,)
    for one, other in apart.tolist():
        assert found[one] != found[other]
    for rows in partition(found):
        for one, other in combinations(sorted(rows), 2):
            assert [one, other] not in apart.tolist()
            assert [other, one] not in apart.tolist()


@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.floats(0.0, 0.9))
def test_joined_faces_reach_the_bound_on_average_and_more_could_not_be_joined(
    seed: int, count: int, least: float
) -> None:
    vectors = unit_vectors(seed, count, 4)
    apart = same_photo(np.arange(count) // 3)
    found = cluster(vectors, graph_of(vectors, least), least, apart)
    forbidden = {frozenset(pair) for pair in apart.tolist()}
    cosine = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    groups = [np.flatnonzero(found == label) for label in np.unique(found)]
    for one, other in combinations(groups, 2):
        mean = np.mean([cosine[a, b] for a in one for b in other])
        hindered = any(frozenset((int(a), int(b))) in forbidden for a in one for b in other)
        assert hindered or mean < least + 1e-6


def test_two_who_are_one_photo_split_those_who_are_like_both() -> None:
    near = np.array([[1, 0.02, 0], [1, 0, 0], [1, 0, 0.03], [0, 1, 0]], np.float64)
    vectors = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    graph = graph_of(vectors, 0.9)
    assert cluster(vectors, graph, 0.9, NOTHING).tolist() == [0, 0, 0, 1]
    assert cluster(vectors, graph, 0.9, np.array([[0, 1]])).tolist() in ([0, 1, 0, 2], [1, 0, 0, 2])
    with pytest.raises(ValueError, match="apart from itself"):
        cluster(vectors, graph, 0.9, np.array([[1, 1]]))


def test_the_order_of_faces_does_not_matter() -> None:
    vectors = unit_vectors(3, 200, 8, people=20)
    order = np.random.default_rng(1).permutation(200)
    found = cluster(vectors, graph_of(vectors, 0.6), 0.6, NOTHING)
    shuffled = cluster(vectors[order], graph_of(vectors[order], 0.6), 0.6, NOTHING)
    assert partition(found[order]) == partition(shuffled)


def test_a_person_with_more_faces_than_neighbours_stays_one_group() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(6)[:2], 5 * NEIGHBOURS, axis=0)
    noisy = centres + 0.1 * rng.normal(size=centres.shape)
    vectors = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
    graph = graph_of(vectors, 0.6)
    assert len(graph.first) < len(vectors) * NEIGHBOURS
    assert np.bincount(cluster(vectors, graph, 0.6, NOTHING)).tolist() == [5 * NEIGHBOURS] * 2


def test_the_graph_is_what_a_loop_finds() -> None:
    vectors = unit_vectors(5, 60, 5)
    graph = graph_of(vectors, 0.4)
    cosine = vectors @ vectors.T
    wanted = {(a, b) for a, b in combinations(range(60), 2) if cosine[a, b] >= 0.4}
    assert set(zip(graph.first.tolist(), graph.second.tolist(), strict=True)) == wanted
    np.testing.assert_allclose(graph.cosine, cosine[graph.first, graph.second], atol=1e-6)


def test_labels_are_numbered_by_size_and_then_by_place() -> None:
    assert numbered(np.array([7, 3, 7, 9, 3, 7, 1])).tolist() == [0, 1, 0, 2, 1, 0, 3]


def test_all_faces_of_one_photo_are_kept_apart() -> None:
    assert same_photo(np.array([4, 2, 4, 4, 1])).tolist() == [[0, 2], [0, 3], [2, 3]]
    assert same_photo(np.arange(3)).shape == (0, 2)


labelling = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40)


@given(labelling)
def test_the_measures_are_those_of_naive_loops(rows: list[tuple[int, int]]) -> None:
    group, identity = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    pairs = list(combinations(range(len(rows)), 2))
    together = [(a, b) for a, b in pairs if group[a] == group[b]]
    mated = [(a, b) for a, b in pairs if identity[a] == identity[b]]
    assert pair_counts(group, identity) == (len(together), len({*together} & {*mated}), len(mated))
    precision, recall = b_cubed(group, identity)
    for row in range(len(rows)):
        own, person = np.flatnonzero(group == group[row]), np.flatnonzero(identity == identity[row])
        both = len({*own.tolist()} & {*person.tolist()})
        assert precision[row] == pytest.approx(both / len(own))
        assert recall[row] == pytest.approx(both / len(person))


@given(labelling)
def test_the_right_groups_are_perfect(rows: list[tuple[int, int]]) -> None:
    identity = np.array([row[1] for row in rows], np.int64)
    quality = quality_of(identity + 7, identity, np.random.default_rng(0))
    assert quality is not None
    assert (quality.b_cubed_precision, quality.b_cubed_recall, quality.b_cubed_f) == (1.0, 1.0, 1.0)
    assert quality.pair_precision in (None, 1.0)
    assert quality.pair_recall == quality.pair_precision


def test_faces_of_unknown_people_do_not_count() -> None:
    rng = np.random.default_rng(0)
    quality = quality_of(np.array([0, 0, 0, 1]), np.array([0, 0, -1, 1]), rng)
    assert quality is not None
    assert (quality.faces, quality.identities, quality.pair_precision) == (3, 2, 1.0)
    assert quality_of(np.array([0, 1]), np.array([-1, -1]), rng) is None


def test_an_interval_over_people_holds_the_mean_and_needs_two() -> None:
    rng = np.random.default_rng(0)
    values = np.array([1.0, 1.0, 0.0, 0.5, 0.5])
    found = mean_over_people(values, np.array([0, 0, 1, 2, 2]), rng)
    assert found is not None
    assert found.low <= found.rate == 0.6 <= found.high
    assert mean_over_people(values, np.zeros(5, np.int64), rng) is None


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((0.0, 0.0, 40.0, 30.0), 0.0),
        ((-10.0, 0.0, 10.0, 10.0), 0.5),
        ((30.0, 20.0, 50.0, 40.0), 0.75),
        ((-20.0, -20.0, 60.0, 50.0), 1.0 - 40 * 30 / (80 * 70)),
        ((60.0, 5.0, 70.0, 15.0), 1.0),
        ((5.0, 5.0, 5.0, 15.0), np.nan),
    ],
)
def test_how_much_of_a_face_is_beyond_the_border(box: Box, share: float) -> None:
    image = Image(np.zeros((30, 40, 3), np.uint8), "array", "")
    assert share_outside(box, image) == pytest.approx(share, nan_ok=True)


def test_what_is_cut_off_or_poor_is_set_aside_and_what_is_unknown_is_not() -> None:
    faces = made_up(
        [""] * 8,
        # One photo shows the first five, one the next two, which are both cut off, and one the last.
        digests=("a",) * 5 + ("b",) * 2 + ("c",),
        outside=np.array([0.5, 0.05, 0.0, np.nan, 0.5, 0.3, 0.3, 0.3], np.float32),
        quality=np.array([0.1, 0.1, 0.9, np.nan, 0.9, 0.9, 0.9, 0.3], np.float32),
    )
    assert {reason: rows.tolist() for reason, rows in set_aside(faces).items()} == {
        "cut_off": [0, 4],
        "low_quality": [],
    }
    assert set_aside(faces, 0.4)["low_quality"].tolist() == [1, 7]


@given(st.data(), st.integers(2, 30))
def test_the_others_are_grouped_as_if_they_were_alone(data: st.DataObject, count: int) -> None:
    names = [f"p{row % 4}" for row in range(count)]
    poor = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    faces = made_up(names, spread=0.3, quality=np.where(poor, 0.3, 0.9).astype(np.float32))
    aside = set_aside(faces, 0.5)
    pair = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(
        lambda two: two[0] != two[1]
    )
    apart = np.array(data.draw(st.lists(pair, max_size=30)), np.int64).reshape(-1, 2)
    found = cluster_others(faces, aside, 0.5, apart)
    np.testing.assert_array_equal(found < 0, poor)
    whole = cluster_others(faces, {"cut_off": np.empty(0, np.int64)}, 0.5, apart)
    if not poor.any():
        np.testing.assert_array_equal(found, whole)
    kept = np.flatnonzero(~poor)
    for one, other in apart.tolist():
        assert found[one] != found[other] or found[one] == -1
    if kept.size:
        new = {row: place for place, row in enumerate(kept.tolist())}
        inside = [(new[one], new[other]) for one, other in apart.tolist() if one in new and other in new]
        vectors = faces.vectors[kept]
        alone = cluster(vectors, graph_of(vectors, 0.5), 0.5, np.array(inside, np.int64).reshape(-1, 2))
        np.testing.assert_array_equal(found[kept], alone)
    groups = list(groups_of(faces, found))
    assert sum(group.size for group in groups) == kept.size
    assert sum(aside.size for aside in asides_of(faces, aside)) == count - kept.size
    assert len(np.unique(each_alone(found))) == len(groups) + count - kept.size
