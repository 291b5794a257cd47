"""Migrations: old galleries open with today's code, and stay what they were."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sqlite_utils

from enrollment_db.records import ModelKey, NewPolicy, NewTemplate
from enrollment_db.registry import open_sqlite
from enrollment_db.sqlite import schema
from places import OWN_DATA

V1 = OWN_DATA / "gallery_v1.sql"
MODEL = ModelKey("net", "a" * 64, "five-points", 4, "cosine")


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def definitions(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "gallery.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(V1.read_text(encoding="utf-8"))
    return path


@pytest.mark.parametrize("options", [{}, {"create": False}, {"read_only": True}])
def test_an_old_gallery_is_brought_up_to_date(old, options):
    assert version(old) == 1
    with open_sqlite(old, **options) as store:
        assert store.check() == []
        assert store.changes.database_id == "0123456789abcdef0123456789abcdef"
        assert store.templates.model() == MODEL
        assert [(one.name, one.templates) for one in store.templates.identities()] == [
            ("Ann", 1),
            ("José", 1),
        ]
        (template,) = store.templates.of("Ann")
        assert (template.id, template.source, template.quality) == (2, "ann-2.jpg", 0.75)
        assert {one.state for who in ("Ann", "José") for one in store.templates.of(who)} == {"confirmed"}
        assert [one.unconfirmed for one in store.templates.identities()] == [0, 0]
        assert store.templates.detectors() == {None: 2}
        np.testing.assert_array_equal(store.templates.vectors_of([2])[2], np.eye(4)[2:3])
        assert store.changes.place()[0].seq == 4
        assert store.policies.all() == []
    assert version(old) == schema.SCHEMA_VERSION


def test_an_old_gallery_can_be_written_to(old):
    with open_sqlite(old) as store:
        new = NewTemplate(np.eye(4, dtype=np.float32)[3], "0" * 64, detector="mtcnn")
        added = store.templates.add("Ann", [new], MODEL)
        assert added[0].template_id == 4
        assert [one.detector for one in store.templates.of("Ann")] == [None, "mtcnn"]
        store.policies.activate(NewPolicy(MODEL, "fmr", 1e-4, 0.5, "LFW", 1, 1, 0.0, 1.0))
        assert store.templates.remove("José") == 1
        assert store.check() == []


def test_policies_of_an_old_gallery_know_what_they_followed(old):
    with closing(sqlite3.connect(old)) as connection:
        # As the version before the fifth migration left them.
        connection.execute("PRAGMA user_version = 2")
        schema.m002_policies(sqlite_utils.Database(connection))
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('enrollment_db', 'm002_policies', '2025-01-02')"
        )
        for kind, active in (("fmr", 0), ("fpir", 1), ("fmr", 1)):
            connection.execute(
                "INSERT INTO policies (model_id, kind, target, threshold, data, mated, non_mated, low, high,"
                " created_at, active) VALUES (1, ?, 0.01, 0.5, 'LFW', 1, 1, 0.0, 1.0, '2025-01-02', ?)",
                (kind, active),
            )
        connection.commit()
    with open_sqlite(old) as store:
        assert [policy.follows for policy in store.policies.all()] == [None, None, 1]
        newest = store.policies.active(MODEL, "fmr")
        assert (newest.id, newest.since, newest.calibration, newest.by_hand) == (3, "2025-01-02", None, False)
        store.policies.withdraw(3)
        assert store.policies.active(MODEL, "fmr").id == 1
        assert store.check() == []


def test_old_and_new_galleries_have_the_same_tables(old, tmp_path):
    new = tmp_path / "new.db"
    open_sqlite(old).close()
    open_sqlite(new).close()
    assert definitions(old) == definitions(new)


def test_migrations_are_recorded_in_order_and_applied_once(old):
    for _ in range(2):
        open_sqlite(old).close()
        with closing(sqlite3.connect(old)) as connection:
            rows = connection.execute(
                "SELECT name, applied_at FROM _sqlite_migrations ORDER BY id"
            ).fetchall()
        assert [name for name, _ in rows] == [migration.__name__ for migration in schema.MIGRATIONS]
        assert all(applied_at for _, applied_at in rows)


def test_migrations_are_numbered():
    assert [migration.__name__[:5] for migration in schema.MIGRATIONS] == [
        f"m{number:03d}_" for number in range(1, schema.SCHEMA_VERSION + 1)
    ]


def test_a_migration_that_fails_leaves_the_gallery_as_it_was(old, monkeypatch):
    def m004_broken(db):
        db.execute("DROP TABLE templates")
        raise RuntimeError

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, m004_broken))
    before = definitions(old)
    with pytest.raises(RuntimeError):
        open_sqlite(old)
    assert version(old) == 1
    assert definitions(old) == before


def test_reading_imports_neither_sqlite_utils_nor_faiss(tmp_path):
    path = tmp_path / "gallery.db"
    open_sqlite(path).close()
    code = (
        "import sys; from enrollment_db.registry import open_sqlite; from enrollment_db.search.mirror import Mirror\n"
        "from enrollment_db.search.index import open_index\n"
        f"store = open_sqlite({str(path)!r}, read_only=True)\n"
        "Mirror(store.changes, open_index(4)).sync(); store.close()\n"
        "print(sorted({'sqlite_utils', 'faiss', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
