"""`FaceID.people`: the enrolled people."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from faceid.app.services import Services
from faceid.enrolment.checks.levels import QUALITY_LEVELS
from faceid.results import IdentityInfo, RemoveResult, RenameResult, TemplateInfo

if TYPE_CHECKING:
    from faceid.evaluation.protocols.health import Examination


class People:
    """The enrolled people and their templates. Methods raise the errors of `faceid.errors`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def list(self) -> builtins.list[IdentityInfo]:
        """The enrolled people, by name. Raises GalleryError."""
        with self._services.borrowed_gallery() as gallery:
            return gallery.identities()

    def count(self) -> int:
        """The number of enrolled people that a search can find. Takes one short query. Raises GalleryError."""
        with self._services.borrowed_gallery() as gallery:
            return gallery.identity_count()

    def templates(self, name: str) -> builtins.list[TemplateInfo]:
        """The templates of one person, oldest first. Raises Refused for an unknown name, GalleryError."""
        with self._services.borrowed_gallery() as gallery:
            return gallery.templates(name)

    def rename(self, old: str, new: str) -> RenameResult:
        """Give a person another name. Raises Refused for an unknown name or a new name that is taken, GalleryError."""
        with self._services.editing() as gallery:
            return gallery.rename(old, new)

    def remove(self, name: str) -> RemoveResult:
        """Delete a person with all templates. This cannot be undone. Raises Refused for an unknown name, GalleryError.

        After this returns, no result of this object names the person, except results of requests that began before.
        """
        with self._services.editing() as gallery:
            return gallery.remove(name)

    def remove_template(self, template_id: int) -> RemoveResult:
        """Delete one template, and the person if it was the last one. This cannot be undone.

        Raises Refused for an unknown id, GalleryError.
        """
        with self._services.editing() as gallery:
            return gallery.remove_template(template_id)

    def examination(self, *, stale_days: float | None = None) -> Examination:
        """A search for outliers, look-alikes and old, poor or single templates.

        See `faceid.evaluation.protocols.health`. A template is old after `stale_days` days. The examination reads the
        gallery while it runs: run it before `close`. Raises GalleryError.
        """
        from faceid.evaluation.protocols.health import STALE_DAYS, Examination

        with self._services.request() as request:
            return Examination(
                request.gallery,
                request.model.calibration,
                least_quality=QUALITY_LEVELS["standard"],
                stale_days=STALE_DAYS if stale_days is None else stale_days,
                population=request.policies.population(),
            )
