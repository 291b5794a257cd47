"""Where ids are: after any sequence of changes the same as in a dict."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment_db.search.index import places
from enrollment_db.search.index.places import NOWHERE, Places

_IDS = st.lists(st.integers(0, 40), max_size=12, unique=True)
_STEPS = st.lists(st.tuples(st.sampled_from(["put", "drop"]), _IDS), max_size=40)


@pytest.mark.parametrize("loose", [0, 3, 4096])
@settings(max_examples=80)
@given(first=_IDS, steps=_STEPS)
def test_any_sequence_of_changes(loose, first, steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "_LOOSE", loose)
        rows = iter(range(10_000))
        expected = {id_: next(rows) for id_ in first}
        index = Places.of(np.array(first, np.int64), np.array(list(expected.values()), np.int64))
        for step, ids in steps:
            if step == "put":
                fresh = {id_: next(rows) for id_ in ids}
                index.put(np.array(ids, np.int64), np.array(list(fresh.values()), np.int64))
                expected |= fresh
            else:
                held = [id_ for id_ in ids if id_ in expected]
                index.drop(np.array(held, np.int64))
                for id_ in held:
                    del expected[id_]
            assert len(index) == len(expected)
            assert index.rows(np.arange(41)).tolist() == [expected.get(id_, NOWHERE) for id_ in range(41)]


def test_ids_that_are_asked_for_more_than_once_and_in_any_order():
    index = Places.of(np.array([7, 3, 2**62]), np.array([0, 1, 2]))
    assert index.rows(np.array([2**62, 3, 3, 4, 7])).tolist() == [2, 1, 1, NOWHERE, 0]
    assert index.held(np.array([3, 7, 3])).tolist() == [1, 0, 1]
    with pytest.raises(KeyError, match="4"):
        index.held(np.array([3, 4, 5]))
    assert index.rows(np.empty(0, np.int64)).tolist() == []


def test_the_arrays_that_it_is_made_of_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(places, "_LOOSE", 0)
    ids, rows = np.arange(5), np.arange(5)
    index = Places.of(ids, rows)
    index.put(np.array([2, 9]), np.array([7, 8]))
    index.drop(np.array([3]))
    assert ids.tolist() == rows.tolist() == list(range(5))


@pytest.mark.parametrize("ids", [[1, 1], [2, 1, 2], [-1], [3, -2]])
def test_ids_that_no_index_has(ids):
    with pytest.raises(ValueError):
        Places.of(np.array(ids), np.arange(len(ids)))
