"""`FaceID.transfer`: import, export and re-embedding of templates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from faceid.app.services import Services
from faceid.results import ReembedFailure, ReembedResult, TransferResult


class Transfer:
    """Moves the templates of one gallery. Methods raise the errors of `faceid.errors`.

    `progress` is called with the number of finished templates and the number of all.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def import_templates(
        self,
        path: str | Path,
        progress: Callable[[int, int], None] | None = None,
        *,
        on_conflict: Literal["refuse", "accept"] = "refuse",
    ) -> TransferResult:
        """Import the templates of an .npz archive in one transaction (see `faceid.gallery.archive`).

        They pass the guards of enrolment: `refused` of the result lists those that are not stored, and `unconfirmed`
        counts those that wait. With `accept` all are stored and confirmed.

        Creates the gallery if there is none. Raises InputError, GalleryError, ModelError.
        """
        from faceid.enrolment.imported import ImportGuard
        from faceid.gallery.archive import import_templates

        with self._services.request(create=True) as request:
            gallery, model = request.gallery, request.model.embedder.model
            guard = None
            if on_conflict == "refuse":
                guard = ImportGuard(gallery, model, request.calibration)
            result = import_templates(gallery, model, Path(path), progress, guard)
            if gallery.maintenance is not None:
                gallery.maintenance.leave(result.templates)
            return result if guard is None else replace(result, refused=tuple(guard.refused))

    def export_templates(
        self, path: str | Path, progress: Callable[[int, int], None] | None = None
    ) -> TransferResult:
        """Write all templates to an .npz archive (see `faceid.gallery.archive`). Raises GalleryError."""
        from faceid.gallery.archive import export_templates

        with self._services.borrowed_gallery() as gallery:
            return export_templates(gallery, Path(path), progress)

    def reembed(
        self,
        to: str,
        *,
        allow_missing: bool = False,
        drop_old: bool = False,
        report: Callable[[ReembedFailure], None] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> ReembedResult:
        """Compute all templates again with the model `to`, then make it the gallery's (see `faceid.app.reembedding`).

        The gallery stays in use. Requests of this object that run during the change finish with the new model. A
        running `enroll_each` or `watch` does not: it raises GalleryError (`model_mismatch`) and must be started again.
        Concurrent calls run one after the other.

        `report` is called with each template that cannot be computed. With `allow_missing` such templates do not
        prevent the change. `drop_old` removes the templates that the new ones replace. Raises GalleryError, ModelError.
        """
        from faceid.app.reembedding import Reembedding
        from faceid.recognition.turning import detect_upright

        with self._services.moving_to(to) as (gallery, coming):
            result = Reembedding(
                gallery,
                coming.embedder,
                detect=lambda image: detect_upright(coming.detector, [image])[0],
                detector=lambda: coming.detector_name,
                allow_missing=allow_missing,
                drop_old=drop_old,
            ).run(report, progress)
            if result.status == "switched" and gallery.maintenance is not None:
                gallery.maintenance.leave(result.re_embedded + result.already)
            return result
