"""`FaceID.index`: the search index. It mirrors the database and can be rebuilt from it at any time."""

from __future__ import annotations

from faceid.app.services import Services
from faceid.gallery import maintenance
from faceid.results import IndexResult, IndexStatus, IndexVerification


class GalleryIndex:
    """The index of one gallery. Methods raise GalleryError, and DeviceError if the index needs a GPU and finds none."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def status(self) -> IndexStatus:
        """The index that a search uses, with the reason, and its snapshot. Reads headers and counters only."""
        with self._services.borrowed_gallery() as gallery:
            return maintenance.index_status(gallery)

    def verify(self) -> IndexVerification:
        """Compare the index with the database, template by template. Writes nothing."""
        with self._services.borrowed_gallery() as gallery:
            return maintenance.verify_index(gallery)

    def rebuild(self) -> IndexResult:
        """Rebuild the index from the database, and ignore any snapshot."""
        with self._services.borrowed_gallery() as gallery:
            return maintenance.rebuild_index(gallery)

    def compact(self) -> IndexResult:
        """Free the memory of removed templates and bring the snapshot up to date."""
        with self._services.borrowed_gallery() as gallery:
            return maintenance.compact_index(gallery)
