"""Precision at k and mAP against naive loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid.explore.retrieval import RANKS, draw_queries, nearest, quality_of, rank
from faces_data import made_up

faces = st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=30)


@given(faces)
def test_ranking_is_what_a_loop_finds(rows: list[tuple[int, int, int]]) -> None:
    identity, photo, angle = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    # Few angles make many ties.
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    ranking = rank(vectors, identity, photo)
    wanted = []
    for query in range(len(rows)):
        others = [row for row in range(len(rows)) if photo[row] != photo[query] and identity[row] >= 0]
        # Among equal cosines the right ones come last.
        others.sort(key=lambda row: (-float(vectors[row] @ vectors[query]), identity[row] == identity[query]))
        right = [identity[row] == identity[query] for row in others]
        if identity[query] < 0 or not any(right):
            continue
        precisions = [sum(right[: place + 1]) / (place + 1) for place, hit in enumerate(right) if hit]
        wanted.append((query, [sum(right[:k]) / k for k in RANKS], float(np.mean(precisions))))
    assert ranking.row.tolist() == [query for query, _, _ in wanted]
    for place, (_, precision, average) in enumerate(wanted):
        assert ranking.precision[place].tolist() == pytest.approx(precision)
        assert ranking.average_precision[place] == pytest.approx(average)
        assert (ranking.precision[place] <= ranking.possible[place] + 1e-12).all()


def test_people_who_are_far_apart_are_all_found() -> None:
    data = made_up(["a"] * 12 + ["b"] * 3 + ["c"] + [""] * 5, spread=0.01)
    ranking = rank(data.vectors, data.identities(), data.photos())
    quality = quality_of(ranking, data.identities(), np.random.default_rng(0))
    assert quality is not None
    assert (quality.queries, quality.identities, quality.candidates) == (15, 2, 15)
    assert quality.mean_average_precision == 1.0
    assert quality.precision == quality.possible
    assert quality.precision[10] == pytest.approx((12 * 1.0 + 3 * 0.2) / 15)
    low, high = quality.precision_interval[10] or (1, 0)
    assert low <= quality.precision[10] <= high


def test_a_network_that_sees_nothing_earns_nothing() -> None:
    vectors = np.tile(np.array([[1.0, 0.0]], np.float32), (20, 1))
    identity = np.repeat(np.arange(10), 2)
    ranking = rank(vectors, identity, np.arange(20))
    assert ranking.precision[:, 0].max() == 0.0
    assert ranking.average_precision.max() == pytest.approx(1 / 19)


def test_the_neighbours_that_are_shown_are_those_that_are_measured() -> None:
    data = made_up(["a", "b", "c", "d"] * 6 + [""] * 4, spread=0.6)
    ranking = rank(data.vectors, data.identities(), data.photos())
    for query in nearest(data, ranking.row.tolist(), 10):
        place = ranking.row.tolist().index(query.row)
        right = [neighbour.right for neighbour in query.neighbours]
        gaps = [neighbour.distance for neighbour in query.neighbours]
        assert gaps == sorted(gaps)
        assert [sum(map(bool, right[:k])) / k for k in RANKS] == pytest.approx(
            ranking.precision[place].tolist()
        )
        assert query.right_there == 5
        assert all(data.names[neighbour.row] for neighbour in query.neighbours)


def test_without_names_there_are_neighbours_and_no_verdicts() -> None:
    data = made_up([""] * 6)
    ranking = rank(data.vectors, data.identities(), data.photos())
    assert quality_of(ranking, data.identities(), np.random.default_rng(0)) is None
    (query,) = nearest(data, draw_queries(data, ranking, 1, np.random.default_rng(0)).tolist(), 10)
    assert len(query.neighbours) == 5
    assert {neighbour.right for neighbour in query.neighbours} == {None}
    assert query.right_there is None


def test_queries_are_of_different_people_first() -> None:
    data = made_up(["a"] * 20 + ["b"] * 2 + ["c"] * 2)
    ranking = rank(data.vectors, data.identities(), data.photos())
    drawn = draw_queries(data, ranking, 4, np.random.default_rng(0))
    assert sorted(data.names[row] for row in drawn)[1:] != ["a", "a", "a"]
    assert {data.names[row] for row in drawn[:4]} == {"a", "b", "c"}
    assert drawn.tolist() == sorted(drawn.tolist())
    assert len(draw_queries(data, ranking, 99, np.random.default_rng(0))) == 24
