"""Tombstones, compaction and the switch: when they happen, and that nothing is lost by them."""

import subprocess
import sys

import numpy as np
import pytest
from enrollment_db.index.rabitq import RaBitQIndex

from enrollment_db.index import open_index
from enrollment_db.index.growing import GrowingIndex
from enrollment_db.index.rows import Rows


def units(count: int, dim: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_rows_are_as_precise_as_they_say():
    vectors, probe = units(5000, 128), units(1, 128, seed=1)[0]
    rows = Rows(128, capacity=1)
    rows.append(np.arange(5000), vectors)
    cosines, ids, _ = rows.nearest(probe, np.arange(5000), 5000)
    error = cosines - vectors[ids].astype(np.float64) @ probe
    assert error.std() < 5e-6
    assert np.abs(error).max() < 3e-5


def test_rows_tell_whether_others_may_be_as_near():
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    rows = Rows(2)
    rows.append(np.array([7, 5, 3]), vectors)
    cosines, ids, farther = rows.nearest(vectors[0], np.arange(3), 1)
    assert (cosines.tolist(), ids.tolist(), farther) == ([1], [5], True)
    assert rows.nearest(vectors[0], np.arange(2), 1)[2] is False


def test_rows_of_zeros_and_tiny_values():
    vectors = np.array([[0, 0], [1e-40, -1e-40], [1, 0]], np.float32)
    rows = Rows(2)
    rows.append(np.arange(3), vectors)
    np.testing.assert_allclose(rows.vectors(np.arange(3)), vectors, atol=1e-30)


def test_the_dead_stay_until_they_are_a_quarter_and_many():
    vectors = units(20_000, 8)
    index = RaBitQIndex(vectors[:100])
    index.add(np.arange(20_000), vectors)
    index.remove(np.arange(4999))
    assert (index.dead, len(index)) == (4999, 15_001)
    index.remove(np.array([4999]))
    assert (index.dead, len(index)) == (0, 15_000)
    assert "15000 templates, 0 removed" in index.reason
    cosines, ids = index.search(vectors[5000::500], 1)
    np.testing.assert_array_equal(ids[:, 0], np.arange(5000, 20_000, 500))
    np.testing.assert_allclose(cosines, 1, atol=3e-5)


def test_replaced_rows_are_dead_too():
    vectors = units(6000, 8)
    index = RaBitQIndex(vectors[:100])
    index.add(np.arange(6000), vectors)
    index.add(np.arange(1000), vectors[:1000])
    assert (index.dead, len(index)) == (1000, 6000)
    index.add(np.arange(6000), vectors[::-1])
    assert (index.dead, len(index)) == (0, 6000)
    np.testing.assert_array_equal(index.search(vectors[:50], 1)[1][:, 0], 5999 - np.arange(50))


def test_compaction_does_not_round_again():
    vectors = units(500, 16)
    index = RaBitQIndex(vectors)
    index.add(np.arange(500), vectors)
    index.remove(np.arange(100))
    before = index.search(vectors[:20], 5)
    index.compact()
    assert index.dead == 0
    for old, new in zip(before, index.search(vectors[:20], 5), strict=True):
        np.testing.assert_array_equal(new, old)


def test_a_compaction_that_fails_changes_nothing(monkeypatch):
    vectors = units(500, 16)
    index = RaBitQIndex(vectors)
    index.add(np.arange(500), vectors)
    index.remove(np.arange(100))
    before = index.search(vectors[:20], 5)

    def no_room(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(RaBitQIndex, "_encode", no_room)
        with pytest.raises(MemoryError):
            index.compact()
    assert (index.dead, len(index)) == (100, 400)
    for old, new in zip(before, index.search(vectors[:20], 5), strict=True):
        np.testing.assert_array_equal(new, old)


def test_a_sample_that_is_none():
    for sample in (np.empty((0, 8), np.float32), np.zeros(8, np.float32), np.full((1, 8), np.nan)):
        with pytest.raises(ValueError):
            RaBitQIndex(sample)


def test_vectors_that_are_all_the_same():
    index = RaBitQIndex(np.repeat(units(1, 32), 3, axis=0), candidates=10)
    index.add(np.arange(5000), np.repeat(units(1, 32), 5000, axis=0))
    np.testing.assert_array_equal(index.search(units(2, 32), 4)[1], [np.arange(4)] * 2)


@pytest.mark.parametrize("batch", [1, 7, 30, 100])
def test_the_switch_comes_with_the_vector_that_reaches_it(batch):
    vectors = units(100, 16)
    index = GrowingIndex(16, switch_at=30)
    for start in range(0, 100, batch):
        index.add(np.arange(start, min(start + batch, 100)), vectors[start : start + batch])
        assert index.compressed == (len(index) >= 30)
    assert "compressed from 30 on, reached" in index.reason
    np.testing.assert_array_equal(index.search(vectors, 1)[1][:, 0], np.arange(100))


def test_known_ids_do_not_bring_the_switch_nearer():
    vectors = units(100, 16)
    index = GrowingIndex(16, switch_at=30)
    index.add(np.arange(100) % 29, vectors)
    assert not index.compressed
    assert "not reached yet" in index.reason
    index.add(np.array([3, 29, 3]), vectors[:3])
    assert index.compressed
    assert len(index) == 30
    assert index.search(vectors[2:3], 1)[1][0, 0] == 3


def test_what_was_removed_before_the_switch_stays_removed():
    vectors = units(60, 16)
    index = GrowingIndex(16, switch_at=40)
    index.add(np.arange(30), vectors[:30])
    index.remove(np.arange(10))
    index.add(np.arange(30, 60), vectors[30:])
    assert index.compressed
    assert sorted(index.search(vectors[:1], 60)[1][0].tolist()) == [-1] * 10 + list(range(10, 60))


def test_a_switch_at_nothing():
    with pytest.raises(ValueError):
        GrowingIndex(8, switch_at=0)


def test_a_small_gallery_never_imports_faiss():
    code = (
        "import sys, numpy as np\n"
        "from enrollment_db.index import open_index\n"
        "index = open_index(4)\n"
        "index.add(np.arange(4), np.eye(4, dtype=np.float32))\n"
        "assert index.search(np.eye(4, dtype=np.float32), 1)[1][:, 0].tolist() == [0, 1, 2, 3]\n"
        "assert 'faiss' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rabitq_by_name_compresses_at_a_thousand():
    vectors = units(1024, 16)
    index = open_index(16, "rabitq")
    index.add(np.arange(1023), vectors[:1023])
    assert index.reason.startswith("exact")
    index.add(np.array([1023]), vectors[1023:])
    assert index.reason.startswith("compressed")
