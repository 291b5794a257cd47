"""What an index leaves on disk, and how single templates are told and erased from it."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from enrollment_db.search.index import VectorIndex
from enrollment_db.search.index import kept as kept_module
from enrollment_db.search.index.choice import hnsw
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.index.kept import CannotErase, Kept, blanked, find
from enrollment_db.search.index.lists import Lists
from enrollment_db.search.index.refined import RefinedIndex

DIM = 20


def units(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def lists(code: str, made_for: int) -> Lists:
    """All lists are looked through, for few candidates: what is found depends on the codes."""
    return Lists(DIM, code, made_for=made_for, lists=16, share=1, candidates=20)


def one_bit() -> VectorIndex:
    return RefinedIndex(DIM, partial(lists, "RaBitQfs"))


def eight_bits() -> VectorIndex:
    return RefinedIndex(DIM, partial(lists, "SQ8"))


def graph() -> VectorIndex:
    return RefinedIndex(DIM, partial(hnsw, DIM))


@pytest.fixture(params=[partial(FlatIndex, DIM), one_bit, eight_bits])
def make(request: pytest.FixtureRequest) -> Callable[[], VectorIndex]:
    return request.param


def dumped(index: VectorIndex) -> Kept:
    kept = index.dump()
    assert kept is not None
    return Kept(
        kept.count,
        {name: array.copy() for name, array in kept.by_row.items()},
        {name: array.copy() for name, array in kept.whole.items()},
    )


def erase(kept: Kept, ids: np.ndarray) -> int:
    """As snapshots do; how much there was to erase."""
    arrays = {**kept.by_row, **kept.whole}
    found = find(kept, ids).traces
    for name, element, others in found:
        arrays[name][element] = 0 if others is None else arrays[name][element] & others
    return len(found)


def codes_by_row(kept: Kept) -> dict[int, bytes]:
    """What the lists say of each row, counted entry by entry."""
    sizes, lanes, blocks = (kept.whole[name] for name in ("list_sizes", "list_lanes", "list_blocks"))
    rows, codes, first = iter(kept.whole["list_rows"].tolist()), {}, 0
    for size in sizes.tolist():
        for place in range(size):
            block = blocks[first + place // len(lanes)]
            codes[next(rows)] = (block & lanes[place % len(lanes)]).tobytes()
        first += -(-size // len(lanes))
    return codes


@pytest.mark.parametrize("ascending", [True, False])
def test_after_erasing_all_others_are_found_exactly_as_before(make, ascending):
    vectors, index = units(1500), make()
    ids = np.arange(1500) if ascending else np.random.default_rng(1).permutation(1500)
    index.add(ids, vectors)
    if not ascending:
        # Rows that hold nothing, and rows that were used again.
        index.remove(np.arange(100, 200))
        index.compact()
        index.add(np.arange(100, 150), vectors[:50])
    kept, gone = dumped(index), np.array([700, 3, 1499, 3000, 42])
    assert erase(kept, gone) > 0
    # Who has it loaded goes on with the log, in which they are removed.
    loaded = make()
    assert loaded.load(kept)
    assert loaded.remove(gone) == index.remove(gone) == 4
    # Until then what a removed one looks like decides which others are looked at.
    loaded.compact()
    index.compact()
    for now, then in zip(loaded.search(vectors[:100], 8), index.search(vectors[:100], 8), strict=True):
        np.testing.assert_array_equal(now, then)
    held = np.sort(index.held())
    np.testing.assert_array_equal(np.sort(loaded.held()), held)
    np.testing.assert_array_equal(loaded.vectors(held), index.vectors(held))


def test_what_was_erased_is_nowhere_any_more(make):
    vectors, index = units(1500), make()
    index.add(np.arange(1500), vectors)
    kept, before = dumped(index), dumped(index)
    gone = [5, 800, 801]
    erase(kept, np.array(gone))
    stay = np.setdiff1d(np.arange(1500), gone)
    for name, array in kept.by_row.items():
        if name == "ids":
            np.testing.assert_array_equal(array, before.by_row[name])
        else:
            assert before.by_row[name][gone].reshape(3, -1).any(axis=1).all()
            assert not array[gone].any()
            np.testing.assert_array_equal(array[stay], before.by_row[name][stay])
    if "list_rows" in kept.whole:
        codes, then = codes_by_row(kept), codes_by_row(before)
        for row in range(1500):
            assert then[row].strip(b"\0")
            assert codes[row] == (bytes(len(then[row])) if row in gone else then[row])
    assert blanked(before).tolist() == []
    assert blanked(kept).tolist() == gone
    assert erase(kept, np.array(gone)) == 0


@pytest.mark.parametrize("left", [999, 960, 500, 1])
def test_lists_leave_nothing_of_who_was_removed_before(left):
    index = one_bit()
    index.add(np.arange(1000), units(1000))
    index.remove(np.arange(left, 1000))
    kept = dumped(index)
    said = sum(np.unpackbits(np.frombuffer(code, np.uint8)).sum() for code in codes_by_row(kept).values())
    assert said == np.unpackbits(kept.whole["list_blocks"]).sum() > 0
    assert sorted(codes_by_row(kept)) == list(range(left))


def test_a_code_is_erased_where_the_row_is_blank_already():
    """So it is in a file by somebody who had it mapped while it was erased from the one before."""
    index, vectors = one_bit(), units(100)
    index.add(np.arange(100), vectors)
    kept = dumped(index)
    kept.by_row["codes"][7] = 0
    assert blanked(kept).tolist() == [7]
    erase(kept, np.array([7]))
    assert not kept.by_row["steps"][7]
    assert not codes_by_row(kept)[7].strip(b"\0")


def test_vectors_that_begin_with_zeros_are_not_blank():
    vectors = units(3)
    vectors[:, :-1] = 0
    for index in (FlatIndex(DIM), one_bit()):
        index.add(np.arange(3), vectors)
        assert blanked(dumped(index)).tolist() == []


def test_nobody_is_held_or_asked_for():
    index = FlatIndex(DIM)
    index.add(np.array([4, 9]), units(2))
    kept = dumped(index)
    assert find(kept, np.empty(0, np.int64)).traces == []
    assert find(kept, np.array([5])).traces == []
    assert find(Kept(0, kept.by_row, {}), np.array([4])).traces == []


def test_what_cannot_be_blanked_in_part_is_refused():
    index = graph()
    index.add(np.arange(50), units(50))
    with pytest.raises(CannotErase, match="graph, graph_rows cannot be blanked"):
        find(dumped(index), np.array([1]))


def test_so_many_that_a_file_is_better_written_anew(monkeypatch):
    monkeypatch.setattr(kept_module, "_MOST_ERASED", 5)
    index = FlatIndex(DIM)
    index.add(np.arange(50), units(50))
    kept = dumped(index)
    # Those that it does not hold do not count.
    assert len(find(kept, np.arange(45, 90)).traces) == 5
    with pytest.raises(CannotErase, match="6 templates are too many"):
        find(kept, np.arange(44, 90))
