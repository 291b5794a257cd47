"""A database is opened by URL: the scheme chooses the package."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from enrollment_db import registry
from enrollment_db.errors import UsageError
from enrollment_db.memory import MemoryDatabase
from enrollment_db.records import ModelKey, NewTemplate
from enrollment_db.registry import open_database
from faceid import FaceID
from faceid.app.doctor import examine
from faceid.config import Settings
from faceid.errors import GalleryError
from faceid.gallery.opening import open_gallery
from faceid.types import Embedding

MODEL = ModelKey("net", "a" * 64, "dlib-150-v1", 4, "cosine")
VECTOR = np.eye(4, dtype=np.float32)[0]


def opener(url: str, *, create: bool, read_only: bool, timeout_s: float) -> MemoryDatabase:
    database = MemoryDatabase(url)
    database.templates.add("Ann", [NewTemplate(VECTOR, "0" * 64)], MODEL)
    return database


@pytest.fixture
def memory_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an installed package that declares a scheme does."""
    point = EntryPoint("memory", f"{__name__}:opener", registry.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: opener)
    monkeypatch.setattr(
        registry, "entry_points", lambda group, name="memory": [point] if name == "memory" else []
    )


@pytest.mark.parametrize("kind", ["path", "text", "relative", "absolute"])
def test_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    url: str | Path = {
        "path": tmp_path / "gallery.db",
        "text": "gallery.db",
        "relative": "sqlite:///gallery.db",
        "absolute": f"sqlite:///{tmp_path / 'gallery.db'}",
    }[kind]
    database = open_database(url)
    database.templates.add("Ann", [NewTemplate(VECTOR, "0" * 64)], MODEL)
    database.close()
    assert (tmp_path / "gallery.db").is_file()
    again = open_database(url, create=False, read_only=True)
    assert again.templates.counts() == (1, 1)
    again.close()


def test_none_is_made_where_none_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="there is no gallery"):
        open_database(tmp_path / "gallery.db", create=False)


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=re.escape("oracle://")) as caught:
        open_database("oracle://host/gallery")
    assert (caught.value.code, caught.value.facts["scheme"]) == ("unknown_database", "oracle")
    assert "sqlite" in caught.value.facts["schemes"]  # type: ignore[operator]
    assert "sqlite" in str(caught.value)


def test_a_package_adds_a_scheme_and_all_above_works(memory_scheme: None) -> None:
    assert registry.schemes() == ["memory", "sqlite"]
    registry.check_scheme("memory://one")
    gallery = open_gallery("memory://one")
    assert (gallery.location, gallery.identity_count()) == ("memory://one", 1)
    (candidates,) = gallery.search([Embedding(VECTOR, MODEL)], 1)
    assert [candidate.name for candidate in candidates] == ["Ann"]
    gallery.remove("Ann")
    assert gallery.search([Embedding(VECTOR, MODEL)], 1) == [()]
    gallery.close()


def test_our_own_opener_is_declared_as_others_are() -> None:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points."faceid.databases"]\nsqlite = "enrollment_db.registry:open_sqlite"' in text


def test_the_whole_system_opens_the_database_of_a_package(
    memory_scheme: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not a SQLite file that the URL seems to name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEID_DB", "memory://one")
    with FaceID(device="cpu") as system:
        assert [person.name for person in system.people.list()] == ["Ann"]
    checks = {check.check: check.detail for _, check in examine(Settings.load(device="cpu"))}
    assert checks["gallery"] == "memory://one: 1 identities, 1 templates"
    assert list(tmp_path.iterdir()) == []
