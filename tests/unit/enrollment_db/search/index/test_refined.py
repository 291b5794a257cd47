"""Tombstones, rows used again, rebuilding and the switch: when they happen, and that nothing is lost by them."""

import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial

import faiss
import numpy as np
import pytest

from enrollment_db.search.index import open_index
from enrollment_db.search.index.choice import rabitq
from enrollment_db.search.index.gpu import _codes
from enrollment_db.search.index.growing import GrowingIndex
from enrollment_db.search.index.lists import Lists
from enrollment_db.search.index.refined import RefinedIndex
from enrollment_db.search.index.rows import Rows


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


def test_rows_stay_where_they_are_and_the_freed_are_used_again():
    vectors = units(6, 4)
    rows = Rows(4, capacity=1)
    assert rows.append(np.array([10, 11, 12]), vectors[:3]).tolist() == [0, 1, 2]
    assert rows.kill(np.array([11, 99, 11])).tolist() == [1]
    assert (rows.live, rows.dead, len(rows)) == (2, 1, 3)
    assert not rows.vectors(np.array([1])).any()
    assert rows.append(np.array([13]), vectors[3:4]).tolist() == [3]
    rows.free(np.array([1]))
    assert sorted(rows.append(np.array([14, 11]), vectors[4:]).tolist()) == [1, 4]
    assert (rows.live, rows.dead, len(rows)) == (5, 0, 5)
    held = rows.rows_of(np.array([10, 11, 12, 13, 14]))
    np.testing.assert_allclose(rows.vectors(held), vectors[[0, 5, 2, 3, 4]], atol=rows.step)
    with pytest.raises(KeyError):
        rows.rows_of(np.array([99]))


def test_comparing_takes_no_more_memory_for_equal_vectors(monkeypatch):
    monkeypatch.setattr("enrollment_db.search.index.rows._ROWS_AT_ONCE", 7)
    rows, vectors = Rows(8), np.repeat(units(1, 8), 50, axis=0)
    rows.append(np.arange(50)[::-1], vectors)
    cosines, ids, farther = rows.nearest(vectors[0], np.arange(50), 9)
    assert (ids.tolist(), farther) == (list(range(9)), False)
    assert (cosines == cosines[0]).all()


class Plain:
    """A selector that compares with everything, cannot forget where that is said, and notes what it is told."""

    def __init__(self, made_for: int, *, forgets: bool) -> None:
        self.name = "plain"
        self.made_for = made_for
        self.forgets = forgets
        self.trained: list[int] = []
        self.content: dict[int, np.ndarray] = {}

    def candidates(self, k: int) -> int:
        return k

    def train(self, sample: np.ndarray) -> None:
        self.trained.append(len(sample))

    def add(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        assert not self.content.keys() & set(rows.tolist()), "a row that it knows was given out again"
        self.content.update(zip(rows.tolist(), vectors, strict=True))

    def remove(self, rows: np.ndarray) -> bool:
        for row in rows.tolist() if self.forgets else ():
            self.content.pop(row, None)
        return self.forgets or not len(rows)

    def fetch(self, probes: np.ndarray, count: int) -> np.ndarray:
        scores = probes @ np.stack(list(self.content.values())).T
        rows = self.known()[np.argsort(-scores, axis=1)[:, :count]]
        return np.pad(rows, ((0, 0), (0, count - rows.shape[1])), constant_values=-1)

    def known(self) -> np.ndarray:
        return np.array(list(self.content), np.int64)

    def dump(self) -> None:
        return None

    def load(self, parts: object) -> bool:
        return False


class Gated:
    """Makes selectors; those after the first wait, when they are trained, until they are told to go on."""

    def __init__(self, *, forgets: bool) -> None:
        self.forgets = forgets
        self.made: list[Plain] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.fails_with: BaseException | None = None

    def __call__(self, made_for: int) -> Plain:
        selector = Plain(made_for, forgets=self.forgets)
        if self.made:
            train = selector.train
            selector.train = lambda sample: (train(sample), self.wait())
        self.made.append(selector)
        return selector

    def wait(self) -> None:
        self.begun.set()
        assert self.go_on.wait(60)
        if self.fails_with is not None:
            raise self.fails_with


def assert_holds(index: RefinedIndex, held: dict[int, np.ndarray]) -> None:
    ids = np.array(sorted(held), np.int64)
    np.testing.assert_array_equal(np.sort(index.held()), ids)
    vectors = np.stack([held[id_] for id_ in ids.tolist()])
    np.testing.assert_allclose(index.vectors(ids), vectors, atol=index.precision)
    assert len(index.unreachable()) == 0
    cosines, found = index.search(vectors[:200], 1)
    np.testing.assert_array_equal(found[:, 0], ids[:200])
    np.testing.assert_allclose(cosines, 1, atol=3e-5)


@pytest.fixture
def quickly_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enrollment_db.search.index.refined._DEAD_ROWS", 1)


def test_the_dead_stay_until_they_are_a_quarter_and_many():
    vectors = units(20_000, 8)
    index = RefinedIndex(8, partial(Plain, forgets=True))
    index.add(np.arange(20_000), vectors)
    index.remove(np.arange(4999))
    assert (index.dead, len(index)) == (4999, 15_001)
    index.remove(np.array([4999]))
    assert (index.dead, len(index)) == (0, 15_000)
    assert "15,000 templates" in index.reason


@pytest.mark.parametrize("forgets", [True, False])
def test_replaced_rows_are_dead_too(forgets):
    vectors = units(6000, 8)
    make = Gated(forgets=forgets)
    make.go_on.set()
    index = RefinedIndex(8, make)
    index.add(np.arange(6000), vectors)
    index.add(np.arange(1000), vectors[:1000])
    assert (index.dead, len(index)) == (1000, 6000)
    index.add(np.arange(6000), vectors[::-1])
    index.compact()
    assert (index.dead, len(index)) == (0, 6000)
    assert_holds(index, dict(enumerate(vectors[::-1])))
    assert len(make.made) == (1 if forgets else 2)


@pytest.mark.usefixtures("quickly_due")
@pytest.mark.parametrize("forgets", [True, False])
def test_a_rebuild_goes_on_while_the_rows_change(forgets):
    vectors = units(3000, 8)
    make = Gated(forgets=forgets)
    index = RefinedIndex(8, make)
    index.add(np.arange(100), vectors[:100])
    held = dict(enumerate(vectors[:100]))

    def add(ids: np.ndarray, some: np.ndarray) -> None:
        index.add(ids, some)
        held.update(zip(ids.tolist(), some, strict=True))

    def remove(ids: np.ndarray) -> None:
        assert index.remove(ids) == len(ids)
        for id_ in ids.tolist():
            del held[id_]

    if forgets:
        # Some rows are free, and used again while the other selector is made.
        remove(np.arange(40))
        assert index.dead == 0
        add(np.arange(100, 461), vectors[100:461])
    else:
        remove(np.arange(40))
    assert make.begun.wait(60)
    new = make.made[1]
    # Known to both selectors, to the old one alone, and to neither; replaced, twice, removed and back again.
    remove(np.arange(40, 50))
    add(np.arange(50, 60), vectors[500:510])
    add(np.arange(50, 55), vectors[510:515])
    add(np.arange(600, 1600), vectors[600:1600])
    add(np.arange(600, 610), vectors[700:710] * -1)
    remove(np.arange(1500, 1600))
    add(np.arange(40, 45), vectors[520:525])
    assert_holds(index, held)
    assert set(new.content) == set()
    make.go_on.set()
    index.compact()
    assert_holds(index, held)
    assert index.dead == 0
    assert set(make.made[-1].content) == set(index._rows.live_rows().tolist())
    for row, vector in make.made[-1].content.items():
        np.testing.assert_allclose(vector, index._rows.vectors(np.array([row]))[0], atol=index.precision)
    # All rows are used again before there are more of them.
    size, free = len(index._rows), len(index._rows) - len(index)
    add(np.arange(2000, 2000 + free), vectors[2000 : 2000 + free])
    assert len(index._rows) == size
    assert_holds(index, held)


@pytest.mark.usefixtures("quickly_due")
def test_the_next_call_after_a_rebuild_exchanges_the_selectors():
    vectors = units(500, 8)
    make = Gated(forgets=False)
    index = RefinedIndex(8, make)
    index.add(np.arange(100), vectors[:100])
    index.remove(np.arange(30))
    assert make.begun.wait(60)
    assert index.dead == 30
    make.go_on.set()
    index._rebuild.result()
    assert_holds(index, {i: vectors[i] for i in range(30, 100)})
    assert index.dead == 0


@pytest.mark.usefixtures("quickly_due")
@pytest.mark.parametrize("error", [MemoryError("full"), RuntimeError("CUDA out of memory")])
def test_a_rebuild_that_fails_leaves_the_old_selector_serving(error, caplog):
    vectors = units(500, 8)
    make = Gated(forgets=False)
    make.fails_with = error
    index = RefinedIndex(8, make)
    index.add(np.arange(100), vectors[:100])
    index.remove(np.arange(30))
    assert make.begun.wait(60)
    index.add(np.arange(100, 110), vectors[100:110])
    index.remove(np.arange(30, 35))
    make.go_on.set()
    # It would say what the removed ones were, which it cannot forget.
    assert index.dump() is None
    assert str(error) in caplog.text
    held = {i: vectors[i] for i in range(35, 110)}
    assert_holds(index, held)
    assert index.dead == 35
    make.fails_with = None
    index.compact()
    assert index.dead == 0
    assert_holds(index, held)


@pytest.mark.usefixtures("quickly_due")
def test_a_selector_that_cannot_take_up_what_changed_meanwhile_is_not_used(caplog):
    vectors = units(500, 8)
    make = Gated(forgets=False)
    index = RefinedIndex(8, make)
    index.add(np.arange(100), vectors[:100])
    index.remove(np.arange(30))
    assert make.begun.wait(60)
    index.add(np.arange(100, 110), vectors[100:110])
    new, add = make.made[1], make.made[1].add

    def full(rows: np.ndarray, some: np.ndarray) -> None:
        if new.content:
            raise RuntimeError("CUDA out of memory")
        add(rows, some)

    new.add = full
    make.go_on.set()
    index._rebuild.result()
    assert_holds(index, {i: vectors[i] for i in range(30, 110)})
    assert "out of memory" in caplog.text
    assert index.dead == 30


def test_an_index_that_has_outgrown_its_selector_gets_another():
    vectors = units(2000, 8)
    make = Gated(forgets=True)
    make.go_on.set()
    index = RefinedIndex(8, make, expected=100)
    index.add(np.arange(50), vectors[:50])
    for end in range(100, 401, 50):
        index.add(np.arange(end - 50, end), vectors[end - 50 : end])
    assert [one.made_for for one in make.made] == [100]
    index.add(np.arange(400, 401), vectors[400:401])
    index.compact()
    assert [one.made_for for one in make.made] == [100, 401]
    assert_holds(index, dict(enumerate(vectors[:401])))


def test_everything_removed_while_another_selector_is_made(monkeypatch):
    monkeypatch.setattr("enrollment_db.search.index.refined._DEAD_ROWS", 1)
    vectors = units(100, 8)
    make = Gated(forgets=False)
    index = RefinedIndex(8, make)
    index.add(np.arange(100), vectors)
    index.remove(np.arange(50))
    assert make.begun.wait(60)
    index.remove(np.arange(50, 100))
    make.go_on.set()
    index.compact()
    assert (len(index), index.dead) == (0, 0)
    assert (index.search(vectors[:1], 2)[1] == -1).all()
    index.add(np.arange(3), vectors[:3])
    assert_holds(index, dict(enumerate(vectors[:3])))


@pytest.mark.parametrize("code", ["RaBitQfs", "SQ8", "PQx4fsr"])
def test_compaction_does_not_round_again(code):
    vectors = units(500, 16)
    index = RefinedIndex(16, lists_of(code))
    index.add(np.arange(500), vectors)
    index.remove(np.arange(100))
    before = index.search(vectors[100:120], 5)
    index.compact()
    assert index.dead == 0
    for old, new in zip(before, index.search(vectors[100:120], 5), strict=True):
        np.testing.assert_array_equal(new, old)


def lists_of(code: str) -> Callable[[int], Lists]:
    return lambda made_for: Lists(16, code, made_for=made_for, lists=16, share=1, candidates=500)


def test_a_loaded_index_keeps_the_selector_until_it_is_outgrown():
    made: list[int] = []

    def make(made_for: int) -> Lists:
        made.append(made_for)
        return Lists(16, "RaBitQfs", made_for=made_for, lists=2 * made_for // 25, share=1, candidates=10)

    vectors = units(900, 16)
    index = RefinedIndex(16, make, expected=200)
    index.add(np.arange(200), vectors[:200])
    index.add(np.arange(200, 700), vectors[200:700])
    for expected, asked_for in ((0, [200]), (800, [200]), (801, [801, 801])):
        kept = index.dump()
        assert kept is not None
        made.clear()
        loaded = RefinedIndex(16, make, expected=expected)
        assert loaded.load(kept)
        assert made == asked_for
        assert f"of {2 * made[-1] // 25} lists" in loaded.reason
        assert_holds(loaded, dict(enumerate(vectors[:700])))


def test_lists_are_loaded_with_the_rotation_that_they_were_trained_with(monkeypatch):
    vectors = units(500, 16)
    lists = lists_of("RaBitQfs")(500)
    lists.train(vectors)
    lists.add(np.arange(500), vectors)
    monkeypatch.setattr(
        "enrollment_db.search.index.lists._rotation", lambda dim: np.eye(dim, dtype=np.float32)
    )
    other = lists_of("RaBitQfs")(500)
    assert other.load(lists.dump())
    np.testing.assert_array_equal(other.fetch(vectors[:20], 10), lists.fetch(vectors[:20], 10))


@pytest.mark.parametrize(("count", "values"), [(600, 6), (200, 16)])
def test_directions_in_which_nothing_differs_are_left_out_where_the_sample_can_tell(count, values):
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(rng.standard_normal((16, 16)))[0]
    flat = rng.standard_normal((count, 5)) @ basis[:5] + 2 * basis[7]
    vectors = (flat / np.linalg.norm(flat, axis=1, keepdims=True)).astype(np.float32)
    lists = lists_of("PQx4fsr")(count)
    lists.train(vectors)
    lists.add(np.arange(count), vectors)
    assert f"codes of {values} values" in lists.name
    found = lists.fetch(vectors[:100], 10)
    assert np.mean([row in own for row, own in enumerate(found)]) > 0.98
    other = lists_of("PQx4fsr")(count)
    assert other.load(lists.dump())
    np.testing.assert_array_equal(other.fetch(vectors[:20], 10), lists.fetch(vectors[:20], 10))
    assert not Lists(24, "PQx4fsr", made_for=count, lists=16, share=1, candidates=9).load(lists.dump())


@pytest.mark.parametrize(
    ("dim", "codes"), [(1, 1), (2, 1), (7, 1), (128, 64), (192, 96), (512, 64), (384, 96), (100, 20)]
)
def test_product_codes_are_as_many_as_gpus_know(dim, codes):
    assert _codes(dim) == codes


@pytest.mark.parametrize("batch", [1, 7, 30, 100])
def test_the_switch_comes_with_the_vector_that_reaches_it(batch):
    vectors = units(100, 16)
    index = GrowingIndex(16, partial(rabitq, 16), switch_at=30)
    for start in range(0, 100, batch):
        index.add(np.arange(start, min(start + batch, 100)), vectors[start : start + batch])
        assert index.compressed == (len(index) >= 30)
    assert index.reason.startswith("compressed (RaBitQfs")
    np.testing.assert_array_equal(index.search(vectors, 1)[1][:, 0], np.arange(100))


def test_known_ids_do_not_bring_the_switch_nearer():
    vectors = units(100, 16)
    index = GrowingIndex(16, partial(rabitq, 16), switch_at=30)
    index.add(np.arange(100) % 29, vectors)
    assert not index.compressed
    assert index.reason.endswith("compressed from 30 on")
    index.add(np.array([3, 29, 3]), vectors[:3])
    assert index.compressed
    assert len(index) == 30
    assert index.search(vectors[2:3], 1)[1][0, 0] == 3


def test_what_was_removed_before_the_switch_stays_removed():
    vectors = units(60, 16)
    index = GrowingIndex(16, partial(rabitq, 16), switch_at=40)
    index.add(np.arange(30), vectors[:30])
    index.remove(np.arange(10))
    index.add(np.arange(30, 60), vectors[30:])
    assert index.compressed
    assert sorted(index.search(vectors[:1], 60)[1][0].tolist()) == [-1] * 10 + list(range(10, 60))


def test_a_switch_at_nothing():
    with pytest.raises(ValueError):
        GrowingIndex(8, partial(rabitq, 8), switch_at=0)


def test_a_small_gallery_never_imports_faiss():
    code = (
        "import sys, numpy as np\n"
        "from enrollment_db.search.index import open_index\n"
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


def test_lists_for_many_are_not_trained_on_the_first_few():
    vectors = units(3000, 16)
    index = open_index(16, "ivf", expected=3000)
    index.add(np.arange(2999), vectors[:2999])
    assert index.reason.startswith("exact")
    index.add(np.array([2999]), vectors[2999:])
    assert index.reason.startswith("compressed")
    # A centroid that is a template would say what it was after its removal, too.
    index.remove(np.arange(2999))
    kept = index.dump()
    assert kept is not None
    trained = faiss.deserialize_index(np.array(kept.whole["trained"]))
    centroids = trained.quantizer.reconstruct_n(0, trained.nlist) @ kept.whole["rotation"].T
    assert (centroids @ vectors.T).max() < 0.999
