"""`FaceID.people`: the enrolled people."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import TYPE_CHECKING

from faceid.app.services import Services
from faceid.enrolment.checks.levels import QUALITY_LEVELS
from faceid.enrolment.totals import EnrolmentTotals
from faceid.errors import Refused
from faceid.gallery.gallery import clean_name
from faceid.results import (
    ConfirmResult,
    EnrollResult,
    EnrollSummary,
    IdentityInfo,
    RemoveResult,
    RenameResult,
    TemplateInfo,
)
from faceid.sources import Photos

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

    def confirm(self, name: str, template_id: int | None = None) -> ConfirmResult:
        """Confirm the unconfirmed templates of a person, or one of them: searches find them from now on.

        The photos show the person; who calls this answers for that. Raises Refused for an unknown name or a template
        that is not the person's, GalleryError.
        """
        with self._services.editing() as gallery, gallery.transaction():
            held = gallery.templates(name)
            wanted = [one.template_id for one in held if template_id in (None, one.template_id)]
            if not wanted:
                raise Refused(f"{name} has no template {template_id}", code="unknown_template")
            confirmed = tuple(gallery.confirm(wanted))
            return ConfirmResult(
                "confirmed" if confirmed else "unchanged",
                clean_name(name),
                confirmed,
                gallery.template_count(name),
            )

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

    def enrolment_summary(
        self, results: Iterable[EnrollResult], photos: Photos | None = None, *, name: str | None = None
    ) -> EnrollSummary:
        """The totals of an enrolment from all its `results`: photos, and people who end up without a template.

        `photos` are those that were enrolled, where `faceid.sources` found them: only they tell of photos that lie in
        no person's folder. `name` is the person where only one was enrolled. Raises GalleryError, and what `results`
        raises.
        """
        totals = EnrolmentTotals()
        for result in results:
            totals.add(result)
        return self.summary_of(totals, photos, name=name)

    def summary_of(
        self, totals: EnrolmentTotals, photos: Photos | None = None, *, name: str | None = None
    ) -> EnrollSummary:
        """`enrolment_summary` of results that are counted already. Raises GalleryError."""
        loose = None if photos is None or photos.loose is None else len(photos.loose)
        with self._services.borrowed_gallery() as gallery:
            return totals.summary(gallery.template_count, name=name, loose=loose)

    def examination(self, *, stale_days: float | None = None) -> Examination:
        """A search for outliers, look-alikes and old, poor or single templates.

        See `faceid.evaluation.protocols.health`. A template is old after `stale_days` days. The examination reads the
        gallery while it runs: run it before `close`. Raises GalleryError.
        """
        from faceid.evaluation.protocols.health import STALE_DAYS, Examination

        with self._services.request() as request:
            return Examination(
                request.gallery,
                request.calibration,
                least_quality=QUALITY_LEVELS["standard"],
                stale_days=STALE_DAYS if stale_days is None else stale_days,
                population=request.policies.population(),
            )
