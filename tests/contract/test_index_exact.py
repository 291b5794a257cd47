"""What every exact index promises: it finds the same as a naive comparison, whatever was added and removed."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment_db.search.index import VectorIndex, open_index
from enrollment_db.search.index.choice import kind_for_machine
from enrollment_db.search.index.faiss import FaissFlatIndex
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.index.gpu import GpuFlatIndex
from enrollment_db.search.index.growing import GrowingIndex
from enrollment_db.search.index.kept import Kept

MakeIndex = Callable[[int], VectorIndex]


def auto(dim: int) -> VectorIndex:
    """What is opened by default, which is exact at all sizes here."""
    return open_index(dim)


def matmul(probes: torch.Tensor, vectors: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What faiss does on a GPU, by torch wherever the tensors are: products of what is stored, summed in float32."""
    scores, rows = torch.topk(probes.float() @ vectors.float().T, k)
    return scores, rows


def copied(dim: int, capacity: int = 1024) -> VectorIndex:
    """The index for GPUs, whose copy of the vectors is in ordinary memory here."""
    return GpuFlatIndex(dim, capacity=capacity, device="cpu", knn=matmul)


def copied_half(dim: int, capacity: int = 1024) -> VectorIndex:
    return GpuFlatIndex(dim, capacity=capacity, half=True, device="cpu", knn=matmul)


def on_gpu(dim: int) -> VectorIndex:
    return open_index(dim, "gpu", device="cuda:0")


def on_gpu_half(dim: int) -> VectorIndex:
    return open_index(dim, "gpu-half", device="cuda:0")


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")


@pytest.fixture(
    params=[
        FlatIndex,
        FaissFlatIndex,
        auto,
        copied,
        copied_half,
        pytest.param(on_gpu, marks=needs_gpu),
        pytest.param(on_gpu_half, marks=needs_gpu),
    ]
)
def make(request: pytest.FixtureRequest) -> MakeIndex:
    return request.param


def units(count: int, dim: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def naive(held: dict[int, np.ndarray], probes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair compared in float64, sorted in Python."""
    cosines = np.full((len(probes), k), -np.inf, np.float32)
    ids = np.full((len(probes), k), -1, np.int64)
    for i, probe in enumerate(probes.astype(np.float64)):
        pairs = [
            (np.float32(np.clip((v.astype(np.float64) * probe).sum(), -1, 1)), id_) for id_, v in held.items()
        ]
        for j, (cosine, id_) in enumerate(sorted(pairs, key=lambda pair: (-pair[0], pair[1]))[:k]):
            cosines[i, j], ids[i, j] = cosine, id_
    return cosines, ids


def assert_finds(index: VectorIndex, held: dict[int, np.ndarray], probes: np.ndarray, k: int) -> None:
    cosines, ids = index.search(probes, k)
    expected_cosines, expected_ids = naive(held, probes, k)
    assert cosines.dtype == np.float32
    assert ids.dtype == np.int64
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_array_equal(cosines, expected_cosines)


def filled(make: MakeIndex, vectors: np.ndarray, ids: np.ndarray | None = None) -> VectorIndex:
    index = make(vectors.shape[1])
    index.add(np.arange(len(vectors)) if ids is None else ids, vectors)
    return index


def test_an_empty_index_finds_nothing(make):
    cosines, ids = make(8).search(units(3, 8), 2)
    assert (cosines == -np.inf).all()
    assert (ids == -1).all()
    assert cosines.shape == ids.shape == (3, 2)


def test_no_probes(make):
    cosines, ids = filled(make, units(5, 8)).search(np.empty((0, 8), np.float32), 3)
    assert cosines.shape == ids.shape == (0, 3)


@pytest.mark.parametrize(("count", "dim", "k"), [(1, 1, 1), (7, 3, 10), (300, 128, 5), (2000, 512, 1)])
def test_the_nearest_are_those_of_a_naive_comparison(make, count, dim, k):
    vectors = units(count, dim)
    assert_finds(filled(make, vectors), dict(enumerate(vectors)), units(20, dim, seed=1), k)


def test_more_probes_and_rows_than_one_block(make):
    vectors = units(20_000, 4)
    index = filled(make, vectors)
    probes = units(300, 4, seed=1)
    cosines, ids = index.search(probes, 3)
    exact = probes.astype(np.float64) @ vectors.T.astype(np.float64)
    np.testing.assert_allclose(cosines, -np.sort(-exact, axis=1)[:, :3], atol=1e-7)
    np.testing.assert_array_equal(ids[:, 0], exact.argmax(axis=1))


def test_a_vector_finds_itself(make):
    vectors = units(100, 16)
    cosines, ids = filled(make, vectors).search(vectors, 1)
    np.testing.assert_array_equal(ids[:, 0], np.arange(100))
    np.testing.assert_allclose(cosines, 1, atol=1e-6)
    assert (cosines <= 1).all()


@pytest.mark.parametrize("count", [3, 50, 5000])
def test_equal_cosines_are_ordered_by_id(make, count):
    vectors = np.repeat(units(1, 24), count, axis=0)
    ids = np.random.default_rng(2).permutation(count)
    cosines, found = filled(make, vectors, ids).search(units(2, 24, seed=3), 7)
    assert (found[:, : min(count, 7)] == np.arange(min(count, 7))).all()
    assert (cosines[:, : min(count, 7)] == cosines[:, :1]).all()


def test_results_do_not_depend_on_order_or_company(make):
    vectors, probes = units(3000, 128), units(40, 128, seed=1)
    order = np.random.default_rng(2).permutation(3000)
    together = filled(make, vectors).search(probes, 5)
    shuffled = filled(make, vectors[order], order).search(probes, 5)
    alone = [filled(make, vectors).search(probe[None], 5) for probe in probes]
    for part in (0, 1):
        np.testing.assert_array_equal(shuffled[part], together[part])
        np.testing.assert_array_equal(np.concatenate([one[part] for one in alone]), together[part])


def test_a_known_id_is_replaced(make):
    vectors = units(4, 8)
    index = filled(make, vectors[:2])
    index.add(np.array([1, 5, 5]), vectors[1:])
    assert len(index) == 3
    assert_finds(index, {0: vectors[0], 1: vectors[1], 5: vectors[3]}, units(5, 8, seed=1), 4)


def test_remove(make):
    vectors = units(10, 8)
    index = filled(make, vectors)
    assert index.remove(np.array([3, 9, 77, 3])) == 2
    assert index.remove(np.array([], np.int64)) == 0
    assert len(index) == 8
    held = {id_: vector for id_, vector in enumerate(vectors) if id_ not in (3, 9)}
    assert_finds(index, held, vectors, 10)
    assert index.remove(np.arange(10)) == 8
    assert len(index) == 0
    assert_finds(index, {}, vectors, 2)


def test_large_ids(make):
    ids = np.array([2**62, 2**33, 0])
    vectors = units(3, 8)
    assert_finds(filled(make, vectors, ids), dict(zip(ids.tolist(), vectors, strict=True)), vectors, 3)


@pytest.mark.parametrize(
    ("ids", "vectors"),
    [
        ([1], np.zeros((1, 7))),
        ([1], np.zeros(8)),
        ([1, 2], np.zeros((1, 8))),
        ([[1]], np.zeros((1, 8))),
        ([-1], np.zeros((1, 8))),
        ([1], np.full((1, 8), np.nan)),
        ([1], np.full((1, 8), np.inf)),
    ],
)
def test_what_is_refused_changes_nothing(make, ids, vectors):
    index = filled(make, units(2, 8))
    with pytest.raises(ValueError):
        index.add(np.array(ids), vectors.astype(np.float32))
    assert_finds(index, dict(enumerate(units(2, 8))), units(1, 8), 3)


def test_searches_that_make_no_sense(make):
    index = filled(make, units(2, 8))
    for probes, k in ((units(1, 7), 1), (units(1, 8)[0], 1), (np.full((1, 8), np.nan), 1), (units(1, 8), 0)):
        with pytest.raises(ValueError):
            index.search(probes, k)


def test_a_vector_needs_a_dimension(make):
    with pytest.raises(ValueError):
        make(0)


def test_what_is_held_can_be_had_again(make):
    vectors = units(10, 8)
    index = filled(make, vectors, np.arange(10) + 5)
    index.remove(np.array([6, 14]))
    held = np.array([5, *range(7, 14)])
    np.testing.assert_array_equal(np.sort(index.held()), held)
    np.testing.assert_array_equal(index.vectors(held[::-1]), vectors[held[::-1] - 5])
    assert index.vectors(held[:0]).shape == (0, 8)
    with pytest.raises(KeyError, match="14"):
        index.vectors(np.array([5, 14]))
    assert (index.precision, index.dead, len(index.unreachable())) == (0, 0, 0)


def test_compacting_changes_nothing(make):
    vectors = units(30, 8)
    index = filled(make, vectors)
    index.remove(np.arange(0, 30, 3))
    index.compact()
    assert_finds(index, {i: vectors[i] for i in range(30) if i % 3}, vectors, 5)


def test_cleared_and_begun_again(make):
    vectors = units(3000, 8)
    index = filled(make, vectors)
    index.search(vectors[:2], 1)
    index.clear()
    assert len(index) == len(index.held()) == 0
    assert index.dump() is None
    assert_finds(index, {}, vectors[:2], 3)
    index.add(np.array([7]), vectors[:1])
    assert_finds(index, {7: vectors[0]}, vectors[:2], 3)


@pytest.mark.parametrize("count", [1, 50, 3000])
def test_what_was_dumped_is_loaded_by_every_exact_index(make, count):
    vectors = units(count, 8)
    index = filled(make, vectors, np.random.default_rng(2).permutation(count))
    index.remove(np.arange(0, count - 1, 7))
    expected = index.search(vectors[:20], 5)
    for other in (make, FlatIndex, FaissFlatIndex, auto, copied):
        kept = index.dump()
        assert kept is not None
        copies = {name: array.copy() for name, array in kept.by_row.items()}
        loaded = other(8)
        assert loaded.load(Kept(kept.count, copies, kept.whole))
        for now, then in zip(loaded.search(vectors[:20], 5), expected, strict=True):
            np.testing.assert_array_equal(now, then)
        # There is no room in these arrays: they are left behind.
        loaded.add(np.array([count]), vectors[:1])
        assert loaded.search(vectors[:1], 2)[1].tolist()[0].count(count) == 1
        assert loaded.remove(np.arange(count + 1)) == len(index) + 1


def test_only_what_can_be_an_index_is_loaded(make):
    index, vectors = make(8), units(3, 8)
    assert not index.load(Kept(3, {"ids": np.arange(3), "vectors": vectors[:, :7]}, {}))
    assert not index.load(Kept(3, {"ids": np.arange(3), "numbers": vectors}, {}))
    for ids, count in (([2, 2, 3], 3), ([-1, 2, 3], 3), ([1, 2], 2), ([1, 2, 3], 4)):
        with pytest.raises(ValueError):
            index.load(Kept(count, {"ids": np.array(ids), "vectors": vectors}, {}))
    assert len(index) == 0
    assert_finds(index, {}, vectors, 1)


def test_probes_that_cannot_be_written(make):
    vectors = units(5, 8)
    probes = np.frombuffer(vectors.tobytes(), np.float32).reshape(5, 8)
    assert_finds(filled(make, vectors), dict(enumerate(vectors)), probes, 2)


def test_more_than_a_gpu_finds_at_once():
    vectors = units(2500, 4)
    for make in (copied, copied_half):
        assert_finds(filled(make, vectors), dict(enumerate(vectors)), vectors[:2], 2100)


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("auto", GrowingIndex),
        ("numpy", FlatIndex),
        ("faiss", FaissFlatIndex),
        ("pq4", GrowingIndex),
        ("rabitq", GrowingIndex),
        ("ivf", GrowingIndex),
        ("hnsw", GrowingIndex),
    ],
)
def test_indexes_by_name(kind, type_):
    index = open_index(8, kind, expected=100)
    assert type(index) is type_
    assert index.dim == 8
    assert len(index) == 0
    assert index.reason.startswith("exact")


def test_an_index_of_no_known_kind():
    with pytest.raises(ValueError, match="not 'annoy'"):
        open_index(8, "annoy")


@pytest.mark.parametrize("kind", ["gpu", "gpu-half", "gpu-ivfpq"])
def test_an_index_for_a_gpu_on_a_cpu(kind):
    with pytest.raises(ValueError, match="needs a CUDA device"):
        open_index(8, kind)


@pytest.mark.parametrize(
    ("free", "expected", "kind"),
    [
        (10**9, 19_999, "auto"),
        (10**9, 20_000, "gpu"),
        (10**9, 1_500_000, "gpu"),
        (10**9, 1_700_000, "gpu-half"),
        (10**9, 4_000_000, "gpu-ivfpq"),
    ],
)
def test_the_most_exact_that_a_gpu_has_memory_for(monkeypatch, free, expected, kind):
    monkeypatch.setattr("enrollment_db.search.index.gpu.usable_memory", lambda device: free)
    assert kind_for_machine(128, expected, "cuda:0") == kind
    assert kind_for_machine(128, expected, "cpu") == "auto"


# Few ids and a coarse grid of directions: so that replacements, gaps and equal cosines happen all the time.
_DIRECTIONS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [0.6, 0.8], [0.8, 0.6]], np.float32)
_IDS = st.lists(st.integers(0, 12), max_size=6)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), _IDS, st.integers(0, 5)),
        st.tuples(st.just("remove"), _IDS, st.just(0)),
        st.tuples(st.just("search"), st.just([]), st.integers(1, 15)),
    ),
    max_size=25,
)


@pytest.mark.parametrize("type_", [FlatIndex, FaissFlatIndex, copied, copied_half])
@settings(max_examples=60)
@given(steps=_STEPS)
def test_any_sequence_of_changes(type_, steps):
    index, held = type_(2, capacity=1), {}
    for step, ids, number in steps:
        if step == "add":
            vectors = _DIRECTIONS[(np.arange(len(ids)) + number) % len(_DIRECTIONS)]
            index.add(np.array(ids, np.int64), vectors)
            held.update(zip(ids, vectors, strict=True))
        elif step == "remove":
            assert index.remove(np.array(ids, np.int64)) == len(held.keys() & set(ids))
            for id_ in ids:
                held.pop(id_, None)
        else:
            assert_finds(index, held, _DIRECTIONS, number)
        assert len(index) == len(held)
    assert_finds(index, held, _DIRECTIONS, 13)
