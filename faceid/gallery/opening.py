"""From the URL of a database to a gallery: the one place that knows which search goes with which database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from enrollment_db.registry import open_database
from faceid.gallery.gallery import Gallery
from faceid.gallery.maintenance import MirrorMaintenance
from faceid.gallery.search import MirrorSearch

if TYPE_CHECKING:
    from enrollment_db.search.index import Kind
    from faceid.ports.storage import Database


def open_gallery(
    url: str | Path,
    *,
    create: bool = False,
    read_only: bool = False,
    index_kind: Kind = "auto",
    device: Callable[[], str] = lambda: "cpu",
) -> Gallery:
    """Open the gallery at `url`, or at a plain path, with an index on this machine.

    `index_kind` is as for `enrollment_db.search.index.open_index`; `device` says where its GPU is, or cpu.

    Raises GalleryError: missing, locked, corrupt, newer, not permitted; UsageError for an unknown scheme.
    """
    database = open_database(url, create=create, read_only=read_only)
    return gallery_of(database, index_kind=index_kind, device=device)


def gallery_of(
    database: Database, *, index_kind: Kind = "auto", device: Callable[[], str] = lambda: "cpu"
) -> Gallery:
    """A gallery on an open database, which it closes; arguments are as for `open_gallery`."""
    search = MirrorSearch(database.templates, database.changes, index_kind=index_kind, device=device)
    return Gallery(database, search, MirrorMaintenance(search))
