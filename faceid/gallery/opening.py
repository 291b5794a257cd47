"""From the URL of a database to a gallery: the only module that chooses the search for a database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from enrollment_db.address import DatabaseAddress
from enrollment_db.registry import open_database
from faceid.errors import GalleryError
from faceid.gallery.gallery import Gallery
from faceid.gallery.maintenance import MirrorMaintenance
from faceid.gallery.search import MirrorSearch

if TYPE_CHECKING:
    from enrollment_db.search.index import Kind
    from faceid.ports.storage import Database


def open_gallery(
    location: str | Path | DatabaseAddress,
    *,
    create: bool = False,
    read_only: bool = False,
    index_kind: Kind = "auto",
    device: Callable[[], str] = lambda: "cpu",
) -> Gallery:
    """Open the gallery at a URL, or at a plain path, with an index on this machine.

    `index_kind` is as for `enrollment_db.search.index.open_index`; `device` is the GPU of the index, or cpu.

    Raises GalleryError: missing, locked, corrupt, newer, not permitted; UsageError for an unknown scheme.
    """
    database = open_database(location, create=create, read_only=read_only)
    return gallery_of(database, index_kind=index_kind, device=device)


def is_absent(error: GalleryError) -> bool:
    """Whether `open_gallery` raised this because there is no database yet.

    An empty file is none either, but it may be what is left of one. So it is not taken for a place to begin at.
    """
    return error.code == "database_missing" and not error.facts.get("empty_file")


def gallery_of(
    database: Database, *, index_kind: Kind = "auto", device: Callable[[], str] = lambda: "cpu"
) -> Gallery:
    """A gallery on an open database, which it closes; arguments are as for `open_gallery`."""
    search = MirrorSearch(database.templates, database.changes, index_kind=index_kind, device=device)
    return Gallery(database, search, MirrorMaintenance(search))
