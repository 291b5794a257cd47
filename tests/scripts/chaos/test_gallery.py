"""A short run of scripts/chaos/gallery.py, and that it notices what it is there to notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from enrollment_db.records import NewTemplate
from enrollment_db.registry import open_sqlite
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.mirror import Mirror
from enrollment_db.search.snapshot_directory import SnapshotDirectory
from enrollment_db.sqlite.connections import Connections
from places import ROOT
from scripts.chaos.gallery_oracle import (
    MODEL,
    VECTORS,
    Expected,
    Operation,
    Violation,
    compare,
    inspect,
    make_index,
    photo,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes to be killed are forks")


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A process of its own: what forks must have no threads, and pytest's may.
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=120
    )


def test_some_kills(tmp_path):
    report = tmp_path / "chaos.json"
    ran = run(tmp_path, "-m", "scripts.chaos.gallery", "--kills", "20", "--json", str(report))
    assert ran.returncode == 0, ran.stderr
    # Whoever was killed while he erased somebody from a snapshot left it damaged.
    assert all("its content is damaged" in line for line in ran.stderr.splitlines())
    told = json.loads(report.read_text())
    inside = sum(row["killed"] for row in told["operations"].values())
    assert inside + told["between"] == told["kills"] == 20
    assert inside > 0
    assert list(tmp_path.iterdir()) == [report]


def test_a_crowd(tmp_path):
    report = tmp_path / "crowd.json"
    ran = run(tmp_path, "-m", "scripts.chaos.gallery", "--crowd", "--seconds", "3", "--json", str(report))
    assert (ran.returncode, ran.stderr) == (0, "")
    told = json.loads(report.read_text())
    assert told["templates"] > 0
    assert told["removed"] > 0
    assert told["searches_per_second"] > 0


PLANTED = """
import sys
from pathlib import Path
from enrollment_db.sqlite.templates import Templates
from scripts.chaos import gallery, gallery_worker

class Early:
    def __init__(self, report):
        self.report = report
    def send_bytes(self, message):
        if message != b"done":
            self.report.send_bytes(message)
            self.report.send_bytes(b"done")

class Hasty(gallery_worker.Worker):
    "Says that it is done before it is."
    def work(self, report, target, *, writing):
        super().work(Early(report), target, writing=writing)

def piecemeal(self, parts, model, whole=Templates.add_many):
    "Imports in several transactions."
    return sum(whole(self, [part], model) for part in parts)

if sys.argv[2] == "hasty":
    gallery.Worker = Hasty
elif sys.argv[2] == "piecemeal":
    Templates.add_many = piecemeal
gallery.Run(Path(sys.argv[1]), ("numpy",), 1, targets=("import",)).go(60)
"""


@pytest.mark.parametrize(("bug", "found"), [("hasty", "lost"), ("piecemeal", "identities differ")])
def test_planted_bugs_are_found(tmp_path, bug, found):
    ran = run(tmp_path, "-c", PLANTED, str(tmp_path), bug)
    assert "Violation" in ran.stderr
    assert found in ran.stderr.splitlines()[-1]
    (journal,) = tmp_path.glob("gallery*/journal.ndjson")
    assert "killed in" in journal.read_text().splitlines()[-1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gallery.db"
    with open_sqlite(path) as store:
        for number in range(20):
            store.templates.add(f"person {number // 2}", [photo(number)], MODEL)
    return path


@pytest.fixture
def expected() -> Expected:
    return Expected({f"person {name}": {2 * name, 2 * name + 1} for name in range(10)}, 20)


@pytest.mark.parametrize("kind", ["numpy", "faiss", "growing", "rabitq"])
def test_a_sound_gallery_passes(path, expected, kind):
    after = expected.copy()
    after.apply(Operation("remove", "person 3"))
    assert inspect(path, [after, expected], kind, snapshot=True) is expected
    with open_sqlite(path) as store:
        store.templates.remove("person 3")
    assert inspect(path, [after, expected], kind, snapshot=False) is after


def test_what_is_lost_or_came_back_is_found(path, expected):
    more, less = expected.copy(), expected.copy()
    more.apply(Operation("enrol", "person 3", first=20, count=1))
    less.apply(Operation("remove template", "person 3"))
    with pytest.raises(Violation, match=r"person 3: lost \[20\], unexpected \[\]"):
        inspect(path, [more], "numpy", snapshot=False)
    with pytest.raises(Violation, match=r"person 3: lost \[\], unexpected \[6\]"):
        inspect(path, [less], "numpy", snapshot=False)


def test_a_wrong_vector_is_found(path, expected):
    expected.apply(Operation("enrol", "person 3", first=20, count=1))
    with open_sqlite(path) as store:
        store.templates.add("person 3", [NewTemplate(VECTORS[21], photo(20).sha256)], MODEL)
    with pytest.raises(Violation, match="is not the one"):
        inspect(path, [expected], "numpy", snapshot=False)


@pytest.mark.parametrize("kind", ["numpy", "rabitq"])
def test_an_index_that_lags_is_found(path, kind, monkeypatch):
    with open_sqlite(path) as store:
        mirror = Mirror(store.changes, make_index(kind))
        mirror.sync()
        with monkeypatch.context() as patch:
            patch.setattr(mirror, "sync", lambda: 0)
            store.templates.add("person 20", [photo(20)], MODEL)
            with pytest.raises(Violation, match=r"lacks templates \[21\]"):
                compare(store, mirror, kind)
            store.templates.remove("person 20")
            store.templates.remove("person 0")
            with pytest.raises(Violation, match=r"holds \[1, 2\] beyond"):
                compare(store, mirror, kind)
        compare(store, mirror, kind)


def test_a_snapshot_that_brings_somebody_back_is_found(path, expected, monkeypatch):
    with open_sqlite(path) as store:
        assert Mirror(store.changes, FlatIndex(MODEL.dim)).snapshot() is not None
        monkeypatch.setattr(SnapshotDirectory, "erase", lambda *_, **__: None)
        monkeypatch.setattr("enrollment_db.search.snapshot_directory._check", lambda *_: None)
        store.templates.remove("person 3")
    expected.apply(Operation("remove", "person 3"))
    with pytest.raises(Violation, match="still holds the vectors of 2 removed photos"):
        inspect(path, [expected], "numpy", snapshot=False)
    monkeypatch.setattr(FlatIndex, "remove", lambda *_: 0)
    with pytest.raises(Violation, match=r"holds \[7, 8\] beyond"):
        inspect(path, [expected], "numpy", snapshot=False)


def test_what_a_log_keeps_of_the_removed_is_found(path, expected, monkeypatch):
    monkeypatch.setattr(Connections, "_empty_log", lambda _: None)
    with open_sqlite(path) as store, open_sqlite(path) as other:
        store.templates.remove("person 3")
        other.templates.counts()
        expected.apply(Operation("remove", "person 3"))
        with pytest.raises(Violation, match="still holds the vectors of 2 removed photos"):
            inspect(path, [expected], "numpy", snapshot=False)
    inspect(path, [expected], "numpy", snapshot=False)


def test_leftovers_are_found(path, expected):
    directory = SnapshotDirectory(str(path)).path
    directory.mkdir()
    (directory / "litter").touch()
    with pytest.raises(Violation, match="after a snapshot there are"):
        inspect(path, [expected], "numpy", snapshot=True)
