"""What an operator does with a gallery beside enrolling and asking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from faceid.app import factories
from faceid.app.services import Parts
from faceid.decision.decide import Target
from faceid.enrolment.checks.levels import QUALITY_LEVELS
from faceid.gallery import maintenance
from faceid.policies.stored import history, rollback
from faceid.results import (
    IdentityInfo,
    IndexResult,
    IndexStatus,
    IndexVerification,
    PolicyReport,
    PolicyRow,
    PolicyTransfer,
    ReembedFailure,
    ReembedResult,
    RemoveResult,
    RenameResult,
    TemplateInfo,
    TransferResult,
)

if TYPE_CHECKING:
    from faceid.evaluation.protocols.health import Examination


class Administration(Parts):
    """People, templates, policies and the index of one gallery. Methods raise the errors of `faceid.errors`."""

    def identities(self) -> list[IdentityInfo]:
        """The enrolled identities by name."""
        return self.gallery().identities()

    def templates(self, name: str) -> list[TemplateInfo]:
        """The templates of one identity, oldest first."""
        return self.gallery().templates(name)

    def rename(self, old: str, new: str) -> RenameResult:
        """Give an identity another name."""
        return self.gallery().rename(old, new)

    def remove(self, name: str) -> RemoveResult:
        """Forget an identity with all its templates. There is no way back."""
        return self.gallery().remove(name)

    def remove_template(self, template_id: int) -> RemoveResult:
        """Forget one template; its identity too, where it was the last."""
        return self.gallery().remove_template(template_id)

    def import_templates(
        self, path: str | Path, progress: Callable[[int, int], None] | None = None
    ) -> TransferResult:
        """Bring in templates from an .npz archive, all of them or none (see `faceid.gallery.archive`).

        `progress` is called with the templates that are done, and of how many.
        """
        from faceid.gallery.archive import import_templates

        gallery = self.gallery(create=True)
        self._check_model_name(gallery)
        return import_templates(gallery, self.embedder.model, Path(path), progress)

    def export_templates(
        self, path: str | Path, progress: Callable[[int, int], None] | None = None
    ) -> TransferResult:
        """Write all templates to an .npz archive (see `faceid.gallery.archive`); `progress` as in an import."""
        from faceid.gallery.archive import export_templates

        return export_templates(self.gallery(), Path(path), progress)

    def policy(self) -> tuple[PolicyReport, PolicyReport]:
        """What decides for verify (and compare) and for identify at present, and what it gives."""
        self._check_model_name(self.gallery())
        return self.policies.reports()

    def set_policy(self, target: Target) -> list[int]:
        """Put `target` in force in the gallery; the ids of the new policies (see `faceid.policies.stored.put`).

        Rates are read from the calibration of the policy in force, else from the model's. A gallery is created
        where there is none.
        """
        self._check_model_name(self.gallery(create=True))
        return self.policies.put(target)

    def policy_history(self) -> list[PolicyRow]:
        """All policies that were ever put, oldest first."""
        return history(self.gallery())

    def rollback_policy(self, policy_id: int | None = None) -> None:
        """Put a stored policy in force again, or take back the one that was put in force last."""
        self._check_model_name(self.gallery())
        rollback(self.gallery(), self._model_key, policy_id)

    def export_policies(self, path: str | Path) -> PolicyTransfer:
        """Write the policies in force to a JSON file (see `faceid.policies.file_format`)."""
        from faceid.policies.file_format import export_policies

        self._check_model_name(self.gallery())
        return export_policies(self.gallery(), self._model_key, Path(path))

    def import_policies(self, path: str | Path) -> PolicyTransfer:
        """Put the policies of a JSON file in force, all of them or none; those of another model are refused."""
        from faceid.policies.file_format import import_policies

        self._check_model_name(self.gallery(create=True))
        return import_policies(self.gallery(), self._model_key, Path(path))

    def index_status(self) -> IndexStatus:
        """Which index a search uses, why, and the snapshot of it that lies on the disk."""
        return maintenance.index_status(self.gallery())

    def rebuild_index(self) -> IndexResult:
        """Make the index from the database, whatever lies on the disk."""
        return maintenance.rebuild_index(self.gallery())

    def compact_index(self) -> IndexResult:
        """Give back the room of removed templates, and bring the snapshot up to date."""
        return maintenance.compact_index(self.gallery())

    def verify_index(self) -> IndexVerification:
        """Compare the index with the database, template by template. Writes nothing."""
        return maintenance.verify_index(self.gallery())

    def examination(self, *, stale_days: float | None = None) -> Examination:
        """A look for outliers, look-alikes and old, poor or lonely templates (see
        `faceid.evaluation.protocols.health`).
        """
        from faceid.evaluation.protocols.health import STALE_DAYS, Examination

        gallery = self.gallery()
        self._check_model_name(gallery)
        return Examination(
            gallery,
            self.calibration,
            least_quality=QUALITY_LEVELS["standard"],
            stale_days=STALE_DAYS if stale_days is None else stale_days,
        )

    def reembed(
        self,
        to: str,
        *,
        allow_missing: bool = False,
        drop_old: bool = False,
        report: Callable[[ReembedFailure], None] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> ReembedResult:
        """Move the gallery to the model `to` while it is in use (see `faceid.app.reembedding`), and go on with that.

        `report` is called with each template that cannot be computed, `progress` as in an import. With
        `allow_missing` they do not stand in the way; `drop_old` removes what the new templates replace.
        """
        from faceid.app.reembedding import Reembedding

        gallery = self.gallery()
        self._check_model_name(gallery)
        detector = cache(
            lambda: factories.make_detector(to, self.device, self._min_face, runtime=self.settings.runtime)
        )
        result = Reembedding(
            gallery,
            factories.make_embedder(to, self.device, self.settings),
            detect=lambda image: detector().detect([image])[0],
            allow_missing=allow_missing,
            drop_old=drop_old,
        ).run(report, progress)
        if result.status != "incomplete":
            self.settings = replace(self.settings, model=None)
            for part in (
                "model_name",
                "embedder",
                "calibration",
                "pipeline",
                "_gallery_policies",
                "_look_closer",
            ):
                self.__dict__.pop(part, None)
        return result
