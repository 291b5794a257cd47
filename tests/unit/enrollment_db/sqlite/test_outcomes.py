"""What an unfinished enrolment leaves behind, and what is known of a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from enrollment_db.errors import BadName, UnknownIdentity
from enrollment_db.records import ModelKey, NewTemplate
from enrollment_db.registry import open_sqlite
from enrollment_db.sqlite.database import SqliteDatabase

MODEL = ModelKey("net", "ab" * 32, "aligner", 4, "cosine")
FIRST, SECOND = "11" * 32, "22" * 32


@pytest.fixture
def store(tmp_path: Path):
    with open_sqlite(tmp_path / "gallery.db", create=True) as opened:
        yield opened


def enrol(store: SqliteDatabase, name: str, digest: str) -> None:
    vector = np.array([1, 0, 0, 0], np.float32)
    store.templates.add(name, [NewTemplate(vector, digest, "photo.jpg", None, None, 0.5)], MODEL)


def test_outcomes_are_kept_by_run_name_and_photo(store: SqliteDatabase) -> None:
    store.journal.keep("a", "ann", [(FIRST, "one"), (SECOND, "two")])
    store.journal.keep("a", "ben", [(FIRST, "three")])
    store.journal.keep("b", "ann", [(FIRST, "four")])
    store.journal.keep("a", "ann", [(FIRST, "five")])
    assert store.journal.outcomes("a") == {
        ("ann", FIRST): "five",
        ("ann", SECOND): "two",
        ("ben", FIRST): "three",
    }
    assert store.journal.outcomes("b") == {("ann", FIRST): "four"}
    assert store.journal.outcomes("c") == {}
    store.journal.forget("a", ["ann", "cid"])
    assert store.journal.outcomes("a") == {("ben", FIRST): "three"}
    assert store.journal.outcomes("b") == {("ann", FIRST): "four"}


def test_outcomes_of_runs_that_nobody_goes_on_with_are_removed(store: SqliteDatabase) -> None:
    store.journal.keep("a", "ann", [(FIRST, "one")])
    store.journal.keep("b", "ben", [(FIRST, "two")])
    with store.templates.transaction(), store._connections.write() as connection:
        connection.execute("UPDATE outcomes SET created_at = '2020-01-01T00:00:00.000Z' WHERE run = 'a'")
    store.journal.forget("c", [])
    assert store.journal.outcomes("a") == {}
    assert store.journal.outcomes("b") == {("ben", FIRST): "two"}


def test_outcomes_and_templates_are_stored_together_or_not_at_all(store: SqliteDatabase) -> None:
    def group() -> None:
        with store.templates.transaction():
            enrol(store, "ann", FIRST)
            store.journal.keep("a", "ann", [(SECOND, "refused")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        group()
    assert store.journal.outcomes("a") == {}
    assert store.templates.counts() == (0, 0)


def test_who_is_removed_leaves_no_outcome(store: SqliteDatabase) -> None:
    enrol(store, "ann", FIRST)
    store.journal.keep("a", "ann", [(SECOND, "refused")])
    store.journal.keep("a", "ben", [(SECOND, "refused")])
    store.templates.remove("ann")
    assert store.journal.outcomes("a") == {("ben", SECOND): "refused"}


def test_outcomes_are_not_changes_of_the_gallery(store: SqliteDatabase) -> None:
    enrol(store, "ann", FIRST)
    place = store.changes.place()
    store.journal.keep("a", "ann", [(SECOND, "refused")])
    store.journal.forget("a", ["ann"])
    assert store.changes.place() == place


def test_attributes_are_of_a_person(store: SqliteDatabase) -> None:
    enrol(store, "ann", FIRST)
    assert store.templates.identity("ann").attributes == {}
    store.templates.set_attributes("ann", {"born": "1970", "département": "Zürich"})
    assert store.templates.identity("ann").attributes == {"born": "1970", "département": "Zürich"}
    store.templates.set_attributes("ann", {})
    assert store.templates.identity("ann").attributes == {}
    with pytest.raises(UnknownIdentity):
        store.templates.set_attributes("ben", {})
    with pytest.raises(BadName):
        store.templates.set_attributes("", {})
