"""`FaceID.policies`: the thresholds that the gallery stores, and the active ones among them."""

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
        """The policies that decide now for verify (and compare) and for identify, with their error rates.

        Raises GalleryError.
        """
        with self._services.request() as request:
            return request.policies.reports()

    def set(self, target: Target) -> list[int]:
        """Make `target` the gallery's active policy; returns the ids of the new policies, one or two.

        An FMR, among all or among alike, decides for verify and compare, an FPIR for identify, a threshold for both.
        Rates are read from the calibration of the gallery's present policy, else from the model's. Creates the gallery
        if there is none.

        Raises UsageError for a rate that the calibration does not reach, GalleryError.
        """
        with self._services.editing(create=True), self._services.request() as request:
            return request.policies.activate(target)

    def history(self) -> list[PolicyRow]:
        """All policies that the gallery ever stored, oldest first. Raises GalleryError."""
        with self._services.borrowed_gallery() as gallery:
            return stored.history(gallery)

    def rollback(self, policy_id: int | None = None) -> None:
        """Activate a stored policy again; without an id, deactivate the latest one.

        Raises Refused if there is no such policy, GalleryError (`model_mismatch`) for a policy of another model.
        """
        with self._services.editing(), self._services.request() as request:
            stored.rollback(request.gallery, request.key, policy_id)

    def export_to(self, path: str | Path) -> PolicyTransfer:
        """Write the active policies to a JSON file (see `faceid.policies.file_format`).

        Raises Refused if no policy is active, GalleryError if the file cannot be written.
        """
        from faceid.policies.file_format import export_policies

        with self._services.request() as request:
            return export_policies(request.gallery, request.key, Path(path))

    def import_from(self, path: str | Path) -> PolicyTransfer:
        """Activate the policies of a JSON file, all of them or none. Creates the gallery if there is none.

        Raises GalleryError (`model_mismatch`) for policies of another model, InputError for a file without policies.
        """
        from faceid.policies.file_format import import_policies

        with self._services.editing(create=True), self._services.request() as request:
            return import_policies(request.gallery, request.key, Path(path))

    def own_calibration(self, model: str) -> Calibration | None:
        """The gallery's own calibration, from a policy; None without one, or if the gallery is not of `model`.

        The policy for comparisons comes before the one for searches. No network is loaded. Raises GalleryError.
        """
        with self._services.existing_gallery() as gallery:
            pinned = None if gallery is None else gallery.model
            if pinned is None or pinned.name != model:
                return None
            return Policies(gallery, pinned, None).own_calibration()
