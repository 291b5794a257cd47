"""What every compressed index promises: what it returns is held and right; what it misses is little.

The oracle is FlatIndex. Sizes and the switch are small, so that few vectors go the whole way.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment_db.search.index import VectorIndex
from enrollment_db.search.index.choice import gpu_ivfpq, hnsw, ivf, pq4, rabitq
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.index.growing import GrowingIndex
from enrollment_db.search.index.kept import Kept
from enrollment_db.search.index.lists import Lists
from enrollment_db.search.index.refined import RefinedIndex
from enrollment_db.search.index.selector import Selector

# What 16 bits a value can move a cosine.
PRECISION = 3e-5


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def faces(people: int, photos: int, dim: int, seed: int = 0) -> np.ndarray:
    """Vectors (people * photos, dim) as networks give them: around a common mean, in clusters, unevenly wide."""
    rng = np.random.default_rng(seed)
    common = np.random.default_rng(dim).standard_normal(dim)
    widths = np.geomspace(1, 0.1, dim)
    persons = rng.standard_normal((people, 1, dim)) * widths
    vectors = common + persons + 0.3 * rng.standard_normal((people, photos, dim)) * widths
    return unit(vectors.reshape(-1, dim))


def one_bit(dim: int) -> VectorIndex:
    return RefinedIndex(dim, partial(rabitq, dim), expected=2000)


def four_bits(dim: int) -> VectorIndex:
    return RefinedIndex(dim, partial(pq4, dim), expected=2000)


def eight_bits(dim: int) -> VectorIndex:
    return RefinedIndex(dim, partial(ivf, dim), expected=2000)


def graph(dim: int) -> VectorIndex:
    return RefinedIndex(dim, partial(hnsw, dim))


def growing(dim: int) -> VectorIndex:
    return GrowingIndex(dim, partial(pq4, dim), switch_at=500)


def on_gpu(dim: int) -> VectorIndex:
    return RefinedIndex(dim, partial(gpu_ivfpq, "cuda:0", dim), expected=2000)


@pytest.fixture(
    params=[
        one_bit,
        four_bits,
        eight_bits,
        graph,
        growing,
        pytest.param(
            on_gpu, marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
        ),
    ]
)
def make(request: pytest.FixtureRequest) -> Callable[[int], VectorIndex]:
    return request.param


def assert_sound(index: VectorIndex, held: dict[int, np.ndarray], probes: np.ndarray, k: int) -> np.ndarray:
    """Everything but which of the held ones were found; returns the ids."""
    cosines, ids = index.search(probes, k)
    assert (cosines.dtype, ids.dtype) == (np.float32, np.int64)
    assert cosines.shape == ids.shape == (len(probes), k)
    full = min(k, len(held))
    assert (ids[:, full:] == -1).all()
    assert (cosines[:, full:] == -np.inf).all()
    for probe, row_cosines, row_ids in zip(probes, cosines[:, :full], ids[:, :full], strict=True):
        assert set(row_ids.tolist()) <= held.keys()
        assert len(set(row_ids.tolist())) == full
        pairs = list(zip((-row_cosines).tolist(), row_ids.tolist(), strict=True))
        assert pairs == sorted(pairs)
        exact = [float(held[id_].astype(np.float64) @ probe) for id_ in row_ids.tolist()]
        np.testing.assert_allclose(row_cosines, exact, atol=PRECISION)
    return ids


@pytest.mark.parametrize("dim", [128, 192])
def test_nearly_all_probes_find_the_exact_nearest(make, dim):
    vectors = faces(1500, 3, dim)
    probes = unit(vectors[::9] + 0.01 * np.random.default_rng(1).standard_normal((500, dim)))
    oracle, index = FlatIndex(dim), make(dim)
    for one in (oracle, index):
        one.add(np.arange(len(vectors)), vectors)
    _, expected = oracle.search(probes, 10)
    found = assert_sound(index, dict(enumerate(vectors)), probes, 10)
    assert (found[:, 0] == expected[:, 0]).mean() >= 0.98
    shared = [len(set(a) & set(b)) for a, b in zip(found.tolist(), expected.tolist(), strict=True)]
    # The third to tenth are strangers, anywhere among the lists.
    assert np.mean(shared) / 10 >= 0.85


@pytest.mark.parametrize("left", [2000, 1000, 300, 7])
def test_k_live_ones_come_back_whatever_share_is_dead(make, left):
    vectors = faces(1000, 3, 32)
    index = make(32)
    index.add(np.arange(3000), vectors)
    # All that are near the first probe, not a random share.
    order = np.argsort(-(vectors @ vectors[0]))
    assert index.remove(order[: 3000 - left]) == 3000 - left
    held = {int(id_): vectors[id_] for id_ in order[3000 - left :]}
    found = assert_sound(index, held, vectors[:1], 10)
    assert found[0, 0] == order[3000 - left]
    assert_sound(index, held, vectors[:20], 10)


def test_all_can_be_asked_for(make):
    vectors = faces(400, 2, 16)
    index = make(16)
    index.add(np.arange(800), vectors)
    found = assert_sound(index, dict(enumerate(vectors)), vectors[:3], 1000)
    assert (np.sort(found[:, :800], axis=1) == np.arange(800)).all()


def test_equal_cosines_are_ordered_by_id(make):
    index = make(24)
    others = faces(1000, 1, 24)
    index.add(np.arange(10_000, 11_000), others)
    ids = np.random.default_rng(2).permutation(3000)
    same = faces(1, 1, 24, seed=3)
    index.add(ids, np.repeat(same, 3000, axis=0))
    found = assert_sound(index, dict(enumerate(np.repeat(same, 3000, axis=0))), same, 7)
    # Not all of so many equal ones are neighbours in a graph.
    if make is not graph:
        np.testing.assert_array_equal(found, [np.arange(7)])


def test_everything_removed_and_begun_again(make):
    vectors = faces(300, 2, 16)
    index = make(16)
    for _ in range(3):
        index.add(np.arange(600), vectors)
        assert index.remove(np.arange(700)) == 600
        assert_sound(index, {}, vectors[:2], 3)
        assert len(index) == 0
    index.add(np.array([5]), vectors[:1])
    assert_sound(index, {5: vectors[0]}, vectors[:2], 3)


@pytest.mark.parametrize(
    ("ids", "vectors"),
    [
        ([1], np.zeros((1, 7))),
        ([1], np.zeros(8)),
        ([1, 2], np.zeros((1, 8))),
        ([-1], np.zeros((1, 8))),
        ([1], np.full((1, 8), np.nan)),
    ],
)
def test_what_is_refused_changes_nothing(make, ids, vectors):
    index, held = make(8), faces(300, 2, 8)
    index.add(np.arange(600), held)
    with pytest.raises(ValueError):
        index.add(np.array(ids), vectors.astype(np.float32))
    assert len(index) == 600
    assert_sound(index, dict(enumerate(held)), held[:2], 3)


def test_searches_that_make_no_sense(make):
    index, held = make(8), faces(300, 2, 8)
    index.add(np.arange(600), held)
    for probes, k in ((held[:, :7], 1), (held[0], 1), (np.full((1, 8), np.nan), 1), (held, 0)):
        with pytest.raises(ValueError):
            index.search(probes, k)
    assert index.search(held[:0], 3)[1].shape == (0, 3)


@pytest.mark.parametrize("dim", [1, 2, 6, 20, 33])
def test_any_dimension(make, dim):
    index, vectors = make(dim), faces(700, 1, dim)
    index.add(np.arange(700), vectors)
    assert_sound(index, dict(enumerate(vectors)), vectors[:10], 5)
    assert_sound(index, dict(enumerate(vectors)), -vectors[:3], 700)


@pytest.mark.parametrize("count", [1, 3, 15])
def test_fewer_vectors_than_lists(make, count):
    index, vectors = make(16), faces(count, 1, 16)
    index.add(np.arange(count), vectors)
    found = assert_sound(index, dict(enumerate(vectors)), vectors, 2)
    np.testing.assert_array_equal(found[:, 0], np.arange(count))


def test_many_that_are_all_the_same(make):
    index, same = make(32), np.repeat(faces(1, 1, 32), 3000, axis=0)
    ids = np.random.default_rng(2).permutation(3000)
    index.add(ids, same)
    np.testing.assert_array_equal(assert_sound(index, dict(enumerate(same)), same[:2], 4), [np.arange(4)] * 2)


def test_an_empty_index(make):
    index = make(8)
    assert_sound(index, {}, faces(2, 1, 8), 3)
    assert (len(index), index.dead, len(index.held()), len(index.unreachable())) == (0, 0, 0, 0)
    assert index.remove(np.array([3])) == 0
    index.add(np.empty(0, np.int64), np.empty((0, 8), np.float32))
    index.compact()
    assert index.dump() is None


def test_what_is_held_can_be_had_again(make):
    index, vectors = make(24), faces(700, 1, 24)
    index.add(np.arange(700), vectors)
    index.remove(np.arange(0, 700, 2))
    index.add(np.array([1]), vectors[:1])
    held = np.arange(1, 700, 2)
    np.testing.assert_array_equal(np.sort(index.held()), held)
    expected = np.concatenate((vectors[:1], vectors[3::2]))
    far = np.abs(index.vectors(held) - expected).max()
    assert 0 < far <= index.precision < PRECISION
    with pytest.raises(KeyError, match="4"):
        index.vectors(np.array([1, 4]))


def test_compacting_loses_nothing(make):
    index, vectors = make(24), faces(1000, 2, 24)
    index.add(np.arange(2000), vectors)
    index.remove(np.arange(0, 2000, 3))
    held = {i: vectors[i] for i in range(2000) if i % 3}
    before = index.search(vectors[:30], 3)
    assert index.dead == 667
    index.compact()
    assert (index.dead, len(index)) == (0, len(held))
    assert len(index.unreachable()) == 0
    assert_sound(index, held, vectors[:30], 3)
    assert (index.search(vectors[:30], 3)[1] == before[1]).mean() > 0.95
    index.add(np.arange(0, 2000, 3), vectors[::3])
    assert_sound(index, dict(enumerate(vectors)), vectors[:30], 3)


def test_cleared_and_begun_again(make):
    index, vectors = make(8), faces(300, 2, 8)
    index.add(np.arange(600), vectors)
    index.clear()
    assert_sound(index, {}, vectors[:2], 3)
    assert index.dump() is None
    index.add(np.arange(600), vectors[::-1])
    assert_sound(index, dict(enumerate(vectors[::-1])), vectors[:2], 3)


def dumped(index: VectorIndex) -> Kept:
    """What the index dumps, in arrays that are nobody else's."""
    kept = index.dump()
    assert kept is not None
    return Kept(
        kept.count,
        {name: array.copy() for name, array in kept.by_row.items()},
        {name: array.copy() for name, array in kept.whole.items()},
    )


def test_what_was_dumped_is_found_as_before(make):
    index, vectors = make(24), faces(1000, 2, 24)
    index.add(np.arange(2000), vectors)
    index.remove(np.arange(0, 2000, 5))
    index.add(np.arange(5000, 5100), vectors[:100])
    kept = dumped(index)
    expected = index.search(vectors[:50], 10)
    loaded = make(24)
    assert loaded.load(kept)
    for now, then in zip(loaded.search(vectors[:50], 10), expected, strict=True):
        np.testing.assert_array_equal(now, then)
    assert len(loaded) == len(index)
    assert len(loaded.unreachable()) == 0
    held = {i: vectors[i] for i in range(2000) if i % 5} | {5000 + i: vectors[i] for i in range(100)}
    for changing in (loaded, index):
        changing.add(np.arange(0, 2000, 5), vectors[::5])
        changing.remove(np.arange(5000, 5100))
        assert_sound(changing, dict(enumerate(vectors)), vectors[:10], 5)
    assert held.keys() != set(loaded.held().tolist())


@pytest.mark.parametrize("other", [one_bit, eight_bits, graph, growing])
def test_what_another_kind_dumped_is_taken_up(make, other):
    index, vectors = other(24), faces(700, 1, 24)
    index.add(np.arange(700), vectors)
    index.remove(np.arange(100))
    loaded = make(24)
    assert loaded.load(dumped(index))
    assert loaded.dead == len(loaded.unreachable()) == 0
    found = assert_sound(loaded, {i: vectors[i] for i in range(100, 700)}, vectors[100:], 3)
    assert (found[:, 0] == np.arange(100, 700)).mean() > 0.99


@pytest.mark.parametrize("count", [30, 700])
def test_what_was_dumped_uncompressed_is_taken_up_by_one_that_grows(count):
    vectors = faces(count, 1, 24)
    flat, loaded = FlatIndex(24), growing(24)
    flat.add(np.arange(count), vectors)
    assert loaded.load(dumped(flat))
    assert loaded.reason.startswith("exact" if count == 30 else "compressed")
    found = assert_sound(loaded, dict(enumerate(vectors)), vectors[:20], 3)
    np.testing.assert_array_equal(found[:, 0], np.arange(20))
    assert not RefinedIndex(24, partial(rabitq, 24)).load(dumped(flat))


def test_only_what_can_be_an_index_is_loaded(make):
    index = make(24)
    index.add(np.arange(700), faces(700, 1, 24))
    kept = dumped(index)
    assert not make(25).load(kept)
    assert not FlatIndex(24).load(kept)
    for by_row in (
        {**kept.by_row, "ids": np.zeros_like(kept.by_row["ids"])},
        {**kept.by_row, "steps": kept.by_row["steps"][:-1]},
    ):
        with pytest.raises(ValueError):
            make(24).load(Kept(kept.count, by_row, kept.whole))


def few(made_for: int) -> Selector:
    """Lists that are made to miss: one of four looked through, for two candidates."""
    return Lists(6, "RaBitQfs", made_for=made_for, lists=4, share=0.25, candidates=2)


_VECTORS = faces(40, 2, 6)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.integers(0, 60), max_size=30), st.integers(0, 79)),
        st.tuples(st.just("remove"), st.lists(st.integers(0, 60), max_size=30), st.just(0)),
        st.tuples(st.just("search"), st.just([]), st.integers(1, 70)),
        st.tuples(st.just("compact"), st.just([]), st.just(0)),
    ),
    max_size=25,
)


@pytest.mark.parametrize(
    "open_",
    [
        lambda: RefinedIndex(6, few),
        lambda: RefinedIndex(6, partial(ivf, 6)),
        lambda: RefinedIndex(6, partial(hnsw, 6)),
        lambda: GrowingIndex(6, few, switch_at=1),
        lambda: GrowingIndex(6, partial(rabitq, 6), switch_at=20),
        lambda: GrowingIndex(6, partial(pq4, 6), switch_at=20),
    ],
)
@settings(max_examples=30)
@given(steps=_STEPS)
def test_any_sequence_of_changes(open_, steps):
    index, held = open_(), {}
    for step, ids, number in steps:
        if step == "add":
            vectors = _VECTORS[(np.arange(len(ids)) + number) % len(_VECTORS)]
            index.add(np.array(ids, np.int64), vectors)
            held.update(zip(ids, vectors, strict=True))
        elif step == "remove":
            assert index.remove(np.array(ids, np.int64)) == len(held.keys() & set(ids))
            for id_ in ids:
                held.pop(id_, None)
        elif step == "compact":
            index.compact()
            assert index.dead == len(index.unreachable()) == 0
        else:
            assert_sound(index, held, _VECTORS[:10], number)
        assert len(index) == len(held)
    assert_sound(index, held, _VECTORS, 61)
