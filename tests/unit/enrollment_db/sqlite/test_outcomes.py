"""What an unfinished enrolment leaves behind, and what is known of a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from enrollment_db.errors import BadName, UnknownIdentity
from enrollment_db.records import Model, NewTemplate
from enrollment_db.sqlite.store import Store

MODEL = Model("net", "ab" * 32, "aligner", 4, "cosine")
FIRST, SECOND = "11" * 32, "22" * 32


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "gallery.db", create=True) as opened:
        yield opened


def enrol(store: Store, name: str, digest: str) -> None:
    vector = np.array([1, 0, 0, 0], np.float32)
    store.add(name, [NewTemplate(vector, digest, "photo.jpg", None, None, 0.5)], MODEL)


def test_outcomes_are_kept_by_run_name_and_photo(store: Store) -> None:
    store.keep_outcomes("a", "ann", [(FIRST, "one"), (SECOND, "two")])
    store.keep_outcomes("a", "ben", [(FIRST, "three")])
    store.keep_outcomes("b", "ann", [(FIRST, "four")])
    store.keep_outcomes("a", "ann", [(FIRST, "five")])
    assert store.outcomes("a") == {("ann", FIRST): "five", ("ann", SECOND): "two", ("ben", FIRST): "three"}
    assert store.outcomes("b") == {("ann", FIRST): "four"}
    assert store.outcomes("c") == {}
    store.forget_outcomes("a", ["ann", "cid"])
    assert store.outcomes("a") == {("ben", FIRST): "three"}
    assert store.outcomes("b") == {("ann", FIRST): "four"}


def test_outcomes_of_runs_that_nobody_goes_on_with_are_removed(store: Store) -> None:
    store.keep_outcomes("a", "ann", [(FIRST, "one")])
    store.keep_outcomes("b", "ben", [(FIRST, "two")])
    with store.transaction(), store._session.write() as connection:
        connection.execute("UPDATE outcomes SET created_at = '2020-01-01T00:00:00.000Z' WHERE run = 'a'")
    store.forget_outcomes("c", [])
    assert store.outcomes("a") == {}
    assert store.outcomes("b") == {("ben", FIRST): "two"}


def test_outcomes_and_templates_are_stored_together_or_not_at_all(store: Store) -> None:
    def group() -> None:
        with store.transaction():
            enrol(store, "ann", FIRST)
            store.keep_outcomes("a", "ann", [(SECOND, "refused")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        group()
    assert store.outcomes("a") == {}
    assert store.counts() == (0, 0)


def test_who_is_removed_leaves_no_outcome(store: Store) -> None:
    enrol(store, "ann", FIRST)
    store.keep_outcomes("a", "ann", [(SECOND, "refused")])
    store.keep_outcomes("a", "ben", [(SECOND, "refused")])
    store.remove("ann")
    assert store.outcomes("a") == {("ben", SECOND): "refused"}


def test_outcomes_are_not_changes_of_the_gallery(store: Store) -> None:
    enrol(store, "ann", FIRST)
    place = store.place()
    store.keep_outcomes("a", "ann", [(SECOND, "refused")])
    store.forget_outcomes("a", ["ann"])
    assert store.place() == place


def test_attributes_are_of_a_person(store: Store) -> None:
    enrol(store, "ann", FIRST)
    assert store.identity("ann").attributes == {}
    store.set_attributes("ann", {"born": "1970", "département": "Zürich"})
    assert store.identity("ann").attributes == {"born": "1970", "département": "Zürich"}
    store.set_attributes("ann", {})
    assert store.identity("ann").attributes == {}
    with pytest.raises(UnknownIdentity):
        store.set_attributes("ben", {})
    with pytest.raises(BadName):
        store.set_attributes("", {})
