"""A database of another scheme, which an installed package adds: everything works with it, and nothing else changes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli_runs import ALICE, BOB, Photo, Ran
from enrollment_db.address import DatabaseAddress
from faceid import FaceID, cli
from faceid.errors import UsageError

OPENER = """
from enrollment_db.errors import Missing
from enrollment_db.memory import MemoryDatabase

made = {}


def open_memory(url, *, create, read_only, timeout_s):
    if url not in made:
        if not create:
            raise Missing(f"there is no gallery at {url}")
        made[url] = MemoryDatabase(url)
    return made[url]
"""

Run = Callable[..., Ran]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a database that is not there yet; the package that opens it is installed."""
    site = tmp_path / "site"
    info = site / "memorytest-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "memorytest.py").write_text(OPENER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: memorytest\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[faceid.databases]\nmemorytest = memorytest:open_memory\n")
    monkeypatch.syspath_prepend(str(site))
    yield "memorytest://x"
    sys.modules.pop("memorytest", None)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run one command line in this process, without --db."""

    def ran(*arguments: object) -> Ran:
        code = cli.run(["--device", "cpu", "--model", "fake", *map(str, arguments)])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return ran


def test_a_gallery_from_the_first_enrolment_to_the_last_removal(url: str, photo: Photo) -> None:
    with FaceID(db=url, model="fake", device="cpu") as system:
        with system.services.existing_gallery() as gallery:
            assert gallery is None
        assert [one.status for one in system.enroll("alice", [photo(ALICE), photo(ALICE)])] == 2 * [
            "enrolled"
        ]
        system.enroll("bob", photo(BOB))
        assert system.identify(photo(BOB)).faces[0].name == "bob"
        assert system.verify("alice", photo(ALICE)).verified
        assert [(one.name, one.templates) for one in system.people.list()] == [("alice", 2), ("bob", 1)]
        assert system.services.gallery().location == url
        assert system.index.verify().status == "equal"
        assert system.index.status().snapshot is None
        assert system.remove("bob").templates == 1
        assert system.identify(photo(BOB)).faces[0].name is None
    with FaceID(db=url, model="fake", device="cpu") as again:
        assert [one.name for one in again.people.list()] == ["alice"]


def test_the_command_line(url: str, run: Run, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run("--db", url, "--json", "list")
    assert (ran.code, ran.object["error"]["code"]) == (4, "database_missing")
    assert run("--db", url, "compare", photo(ALICE), photo(ALICE)).code == 0
    assert run("--db", url, "enroll", "--name", "alice", photo(ALICE)).code == 0
    assert [one["name"] for one in run("--db", url, "--json", "list").objects] == ["alice"]

    monkeypatch.setenv("FACEID_DB", url)
    assert [one["name"] for one in run("--json", "list").objects] == ["alice"]
    assert run("--json", "gallery-health").code == 0
    assert run("remove", "--yes", "alice").code == 0
    assert run("--json", "list").objects == []


def test_doctor(url: str, run: Run, photo: Photo, tmp_path: Path) -> None:
    def checks() -> dict[str, dict[str, object]]:
        return {one["check"]: one for one in run("--db", url, "--json", "doctor").objects}

    assert str(checks()["gallery"]["detail"]).startswith(f"{url}: not there yet")
    run("--db", url, "enroll", "--name", "alice", photo(ALICE))
    found = checks()
    assert found["gallery"]["detail"] == f"{url}: 1 identities, 1 templates"
    assert found["index"]["ok"]
    assert found["gallery model"]["ok"]
    # There is no file of the gallery: the disk that counts is the one for weights.
    assert found["disk"]["ok"]
    assert str(tmp_path) in str(found["disk"]["detail"])


@pytest.mark.usefixtures("url")
def test_an_unknown_scheme_is_a_usage_error_that_names_the_known_ones(run: Run) -> None:
    ran = run("--db", "oracle://host/gallery", "--json", "list")
    assert (ran.code, ran.object["error"]["code"]) == (2, "unknown_database")
    message = ran.object["error"]["message"]
    assert "oracle://" in message
    assert "memorytest, sqlite" in message
    with pytest.raises(UsageError, match="memorytest, sqlite"):
        FaceID(db="oracle://host/gallery")


@pytest.mark.parametrize(
    ("location", "shown", "file"),
    [
        ("gallery.db", "gallery.db", Path("gallery.db")),
        (Path("a://b"), "a:/b", Path("a://b")),
        ("sqlite:///gallery.db", "gallery.db", Path("gallery.db")),
        ("postgresql://ann:secret@[::1]:5432/faces", "postgresql://ann@[::1]:5432/faces", None),
        ("postgresql://host/faces?user=ann&password=secret", "postgresql://host/faces", None),
        ("memorytest://x", "memorytest://x", None),
    ],
)
def test_an_address_shows_no_secret(location: str | Path, shown: str, file: Path | None) -> None:
    address = DatabaseAddress.of(location)
    assert (str(address), address.file, address.url) == (shown, file, str(location))
    assert "secret" not in repr(address)
    assert DatabaseAddress.of(address) is address


def test_an_empty_file_is_no_place_to_begin_at(run: Run, tmp_path: Path) -> None:
    """It may be what is left of a gallery."""
    file = tmp_path / "gallery.db"
    file.touch()
    found = {one["check"]: one for one in run("--db", file, "--json", "doctor").objects}
    assert not found["gallery"]["ok"]
    file.unlink()
    found = {one["check"]: one for one in run("--db", file, "--json", "doctor").objects}
    assert found["gallery"]["ok"]
    assert found["gallery"]["detail"].startswith(f"{file}: not there yet")
