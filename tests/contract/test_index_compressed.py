"""What every compressed index promises: what it returns is held and right; what it misses is little.

The oracle is FlatIndex. Sizes, candidates and the switch are small, so that few vectors go the whole way.
"""

from collections.abc import Callable

import numpy as np
import pytest
from enrollment_db.index.rabitq import RaBitQIndex
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment_db.index import VectorIndex
from enrollment_db.index.flat import FlatIndex
from enrollment_db.index.growing import GrowingIndex

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


def trained(dim: int) -> VectorIndex:
    return RaBitQIndex(faces(50, 1, dim, seed=9), candidates=300)


def growing(dim: int) -> VectorIndex:
    return GrowingIndex(dim, switch_at=500)


@pytest.fixture(params=[trained, growing])
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
    assert np.mean(shared) / 10 >= 0.95


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
    cosines, found = index.search(same, 7)
    np.testing.assert_array_equal(found, [np.arange(7)])
    assert (cosines == cosines[0, 0]).all()


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


_VECTORS = faces(40, 2, 6)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.integers(0, 60), max_size=30), st.integers(0, 79)),
        st.tuples(st.just("remove"), st.lists(st.integers(0, 60), max_size=30), st.just(0)),
        st.tuples(st.just("search"), st.just([]), st.integers(1, 70)),
    ),
    max_size=25,
)


@pytest.mark.parametrize(
    "open_",
    [
        lambda: RaBitQIndex(_VECTORS[:4], candidates=1),
        lambda: GrowingIndex(6, switch_at=1, capacity=1),
        lambda: GrowingIndex(6, switch_at=20),
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
        else:
            assert_sound(index, held, _VECTORS[:10], number)
        assert len(index) == len(held)
    assert_sound(index, held, _VECTORS, 61)
