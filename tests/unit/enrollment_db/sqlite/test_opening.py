"""Files that are no gallery, may not be touched, or are in use: each told apart, none changed."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.errors import (
    Corrupt,
    DatabaseError,
    DiskFull,
    Locked,
    Missing,
    NewerSchema,
    NotAGallery,
    ReadOnly,
    Unusable,
)
from enrollment_db.records import ModelKey, NewTemplate
from enrollment_db.registry import open_sqlite
from enrollment_db.sqlite.translate import translated
from faceid.cli.messages import hint_for

MODEL = ModelKey("net", "a" * 64, "five-points", 4, "cosine")
PHOTO = NewTemplate(np.eye(4, dtype=np.float32)[0], "0" * 64)


def raises(kind: type[DatabaseError], code: str, path: Path, **options: object) -> DatabaseError:
    """The error of opening `path`: of this very kind and code, one line, with a hint and the path."""
    with pytest.raises(DatabaseError) as caught:
        open_sqlite(path, **options).close()
    error = caught.value
    assert type(error) is kind
    assert error.code == code
    assert hint_for(error)
    assert error.path == str(path)
    assert "\n" not in str(error)
    return error


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "gallery.db"
    with open_sqlite(path) as store:
        store.templates.add("Ann", [PHOTO], MODEL)
    return path


@contextmanager
def as_nobody():
    """Run without the rights of root, which no permission stops."""
    if sys.platform == "win32":
        pytest.skip("permissions are not POSIX here")
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def locked_away(gallery: Path):
    """A gallery in a directory where everybody may read and nobody write."""
    # Not under tmp_path, which is for its owner's eyes only.
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "gallery.db"
        shutil.copy(gallery, path)
        path.chmod(0o444)
        path.parent.chmod(0o555)
        yield path
        path.parent.chmod(0o755)


def test_a_new_gallery_and_its_directory_are_made_for_the_owner_alone(tmp_path):
    path = tmp_path / "new" / "home" / "gallery.db"
    with open_sqlite(path) as store:
        assert store.templates.counts() == (0, 0)
        assert len(store.changes.database_id) == 32
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_gallery_keeps_its_id(gallery):
    with open_sqlite(gallery) as one:
        first = one.changes.database_id
    with open_sqlite(gallery, create=False) as again, open_sqlite(gallery, read_only=True) as reader:
        assert again.changes.database_id == reader.changes.database_id == first
        assert reader.templates.counts() == (1, 1)


def test_odd_characters_in_the_path(tmp_path):
    path = tmp_path / "a b?c#d%20é.db"
    with open_sqlite(path) as store:
        store.templates.add("Ann", [PHOTO], MODEL)
    assert path.exists()


@pytest.mark.parametrize("options", [{"create": False}, {"read_only": True}])
def test_a_gallery_that_is_not_there_is_not_made(tmp_path, options):
    for path in (tmp_path / "gallery.db", tmp_path / "nowhere" / "gallery.db"):
        error = raises(Missing, "database_missing", path, **options)
        assert "faceid enroll" in hint_for(error)
        assert not path.exists()
    empty = tmp_path / "empty.db"
    empty.touch()
    raises(Missing, "database_missing", empty, **options)
    assert empty.stat().st_size == 0


def test_an_empty_file_becomes_a_gallery(tmp_path):
    path = tmp_path / "empty.db"
    path.touch()
    with open_sqlite(path) as store:
        assert store.templates.counts() == (0, 0)


def test_a_directory(tmp_path):
    raises(Unusable, "database", tmp_path)


def test_a_directory_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    raises(Unusable, "database", tmp_path / "file" / "gallery.db")
    raises(Missing, "database_missing", tmp_path / "file" / "gallery.db", create=False)


def test_a_name_too_long_for_the_file_system(tmp_path):
    raises(Unusable, "database", tmp_path / ("x" * 300))


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("content", [b"\x89PNG\r\n" * 1000, b"x", b"SQLite format 3\x00" + b"\xff" * 5000])
def test_garbage(tmp_path, content, read_only):
    path = tmp_path / "gallery.db"
    path.write_bytes(content)
    raises(Corrupt, "database_corrupt", path, read_only=read_only)
    assert path.read_bytes() == content


@pytest.mark.parametrize("kept", [50, 4096, 20_000])
def test_a_truncated_gallery(gallery, kept):
    content = gallery.read_bytes()
    assert len(content) > kept
    gallery.write_bytes(content[:kept])
    raises(Corrupt, "database_corrupt", gallery, create=False)


def test_a_gallery_with_a_damaged_page_is_found_out(gallery):
    content = bytearray(gallery.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    gallery.write_bytes(content)
    with pytest.raises(Corrupt), open_sqlite(gallery) as store:
        store.templates.identities()


def test_a_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "bookmarks.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    content = path.read_bytes()
    raises(NotAGallery, "database_corrupt", path)
    assert path.read_bytes() == content


def test_a_newer_schema(gallery):
    with closing(sqlite3.connect(gallery)) as connection:
        connection.execute("PRAGMA user_version = 99")
    for options in ({}, {"read_only": True}):
        assert "upgrade" in hint_for(raises(NewerSchema, "database_newer", gallery, **options))


def test_a_gallery_without_a_table(gallery):
    with closing(sqlite3.connect(gallery)) as connection:
        connection.execute("DROP TABLE settings")
    with open_sqlite(gallery) as store, pytest.raises(Corrupt, match="settings"):
        store.templates.model()


@pytest.fixture
def held(gallery: Path):
    """A gallery that another process is writing to."""
    with closing(sqlite3.connect(gallery, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield gallery


def test_a_locked_gallery_can_be_read_but_not_written(held):
    with open_sqlite(held, timeout_s=0.05) as store:
        assert store.templates.counts() == (1, 1)
        with pytest.raises(Locked) as caught:
            store.templates.remove("Ann")
        assert caught.value.code == "database_locked"
        assert store.templates.counts() == (1, 1)


def test_a_gallery_that_is_being_made_by_somebody_else(tmp_path):
    path = tmp_path / "gallery.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        raises(Locked, "database_locked", path, timeout_s=0.05)
        connection.execute("ROLLBACK")
    open_sqlite(path).close()


def test_a_reader_refuses_to_write(gallery):
    with open_sqlite(gallery, read_only=True) as store:
        with pytest.raises(ReadOnly) as caught:
            store.templates.remove("Ann")
        assert caught.value.code == "database_read_only"
        assert store.templates.counts() == (1, 1)


def test_a_gallery_in_a_read_only_place_can_be_read(locked_away):
    with as_nobody():
        with open_sqlite(locked_away, read_only=True) as store:
            assert store.templates.counts() == (1, 1)
            assert [len(part.batch) for part in store.changes.load_all()] == [1]
            with pytest.raises(ReadOnly):
                store.templates.remove("Ann")
        raises(ReadOnly, "database_read_only", locked_away)


def test_a_gallery_in_a_read_only_place_with_commits_in_its_log_is_not_half_read(gallery, locked_away):
    log = locked_away.with_name("gallery.db-wal")
    locked_away.parent.chmod(0o755)
    with open_sqlite(gallery) as writer:
        writer.templates.add("Bob", [PHOTO], MODEL)
        shutil.copy(gallery.with_name("gallery.db-wal"), log)
    log.chmod(0o444)
    locked_away.parent.chmod(0o555)
    with as_nobody():
        raises(ReadOnly, "database_read_only", locked_away, read_only=True)


def test_an_old_gallery_in_a_read_only_place_cannot_be_brought_up_to_date(locked_away):
    with closing(sqlite3.connect(locked_away)) as connection:
        connection.execute("PRAGMA user_version = 1")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    with as_nobody():
        raises(ReadOnly, "database_read_only", locked_away, read_only=True)


def test_a_second_opening_keeps_the_locks_of_the_first(gallery):
    with open_sqlite(gallery) as first:
        first.templates.add("Bob", [PHOTO], MODEL)
        open_sqlite(gallery).close()
        # Were the first's locks gone, this one would take itself for the last, and delete the log at its end.
        other = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM models'); c.close()"
        subprocess.run([sys.executable, "-c", other, str(gallery)], check=True)
        assert gallery.with_name("gallery.db-wal").exists()


def test_a_gallery_that_may_not_be_read(gallery):
    gallery.chmod(0o000)
    with as_nobody():
        raises(ReadOnly, "database_read_only", gallery)
        raises(ReadOnly, "database_read_only", gallery, read_only=True)


def test_a_place_where_no_gallery_can_be_made(locked_away):
    with as_nobody():
        raises(ReadOnly, "database_read_only", locked_away.parent / "other.db")


def test_a_full_disk_changes_nothing(gallery):
    photos = [
        NewTemplate(PHOTO.vector, f"{number:064x}", source="a long name " * 50) for number in range(1, 500)
    ]
    with open_sqlite(gallery) as store:
        (pages,) = store._connections._writer.execute("PRAGMA page_count").fetchone()
        store._connections._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(DiskFull) as caught:
            store.templates.add("Bob", photos, MODEL)
        assert caught.value.code == "disk_full"
        with pytest.raises(DiskFull), store.templates.transaction():
            store.templates.add("Bob", photos, MODEL)
        assert store.templates.counts() == (1, 1)
        assert store.check() == []
        store._connections._writer.execute("PRAGMA max_page_count = 100000")
        assert len(store.templates.add("Bob", photos, MODEL)) == len(photos)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("database is locked", Locked),
        ("attempt to write a readonly database", ReadOnly),
        ("unable to open database file", ReadOnly),
        ("database disk image is malformed", Corrupt),
        ("file is not a database", Corrupt),
        ("database or disk is full", DiskFull),
        ("no such table: templates", Corrupt),
        ("disk I/O error", Unusable),
    ],
)
def test_errors_are_told_apart_by_their_text_where_python_gives_no_code(text, kind):
    with pytest.raises(DatabaseError) as caught, translated("gallery.db"):
        raise sqlite3.OperationalError(text)
    assert type(caught.value) is kind


def test_our_own_mistakes_are_not_blamed_on_the_file(gallery):
    store = open_sqlite(gallery)
    store.close()
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.templates.counts()
