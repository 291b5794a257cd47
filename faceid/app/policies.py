"""`FaceID.policies`: which thresholds the gallery keeps, and which of them decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from faceid.app.services import Services
from faceid.decision.decide import Target
from faceid.policies import stored
from faceid.policies.active import Policies
from faceid.results import PolicyReport, PolicyRow, PolicyTransfer

if TYPE_CHECKING:
    from faceid.networks.registry import Calibration


class GalleryPolicies:
    """The policies of one gallery. Methods raise the errors of `faceid.errors`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def current(self) -> tuple[PolicyReport, PolicyReport]:
        """What decides now for verify (and compare) and for identify, and which error rates that gives.

        Raises GalleryError.
        """
        with self._services.request() as request:
            return request.policies.reports()

    def set(self, target: Target) -> list[int]:
        """Make `target` the gallery's policy and return the ids of the new policies, one or two.

        An FMR decides for verify and compare, an FPIR for identify, a threshold for both. Rates are read from the
        calibration of the gallery's present policy, else from the model's. Creates the gallery where there is none.

        Raises UsageError for a rate that the calibration does not reach, GalleryError.
        """
        with self._services.editing(create=True), self._services.request() as request:
            return request.policies.activate(target)

    def history(self) -> list[PolicyRow]:
        """All policies that the gallery ever had, oldest first. Raises GalleryError."""
        with self._services.borrowed_gallery() as gallery:
            return stored.history(gallery)

    def rollback(self, policy_id: int | None = None) -> None:
        """Make a stored policy decide again, or take back the one that was set last.

        Raises Refused where there is no such policy, GalleryError (`model_mismatch`) for a policy of another model.
        """
        with self._services.editing(), self._services.request() as request:
            stored.rollback(request.gallery, request.key, policy_id)

    def export_to(self, path: str | Path) -> PolicyTransfer:
        """Write the policies that decide now to a JSON file (see `faceid.policies.file_format`).

        Raises Refused where no policy was set, GalleryError where the file cannot be written.
        """
        from faceid.policies.file_format import export_policies

        with self._services.request() as request:
            return export_policies(request.gallery, request.key, Path(path))

    def import_from(self, path: str | Path) -> PolicyTransfer:
        """Make the policies of a JSON file decide, all of them or none. Creates the gallery where there is none.

        Raises GalleryError (`model_mismatch`) for policies of another model, InputError for a file that holds none.
        """
        from faceid.policies.file_format import import_policies

        with self._services.editing(create=True), self._services.request() as request:
            return import_policies(request.gallery, request.key, Path(path))

    def own_calibration(self, model: str) -> Calibration | None:
        """The calibration that a policy of the gallery was made with, where the gallery has one and is of `model`.

        That for comparisons comes before that for searches. No network is loaded. Raises GalleryError.
        """
        with self._services.existing_gallery() as gallery:
            pinned = None if gallery is None else gallery.model
            if pinned is None or pinned.name != model:
                return None
            return Policies(gallery, pinned, None).own_calibration()
