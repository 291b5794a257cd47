"""The content of a gallery, and the results of changes to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceid.results.problem import Problem, ReembedReason


@dataclass(frozen=True, slots=True)
class IdentityInfo:
    """An enrolled identity; `attributes` come from the columns of the table that it was enrolled from.

    `templates` counts those that searches find, `unconfirmed` the others.
    """

    name: str
    templates: int
    created_at: str
    attributes: dict[str, str]
    unconfirmed: int = 0


@dataclass(frozen=True, slots=True)
class TemplateInfo:
    """A stored template, with its source, its model and its state: searches find confirmed ones only.

    `detector` is the name of the detector that found the face; None if it is unknown, as for templates of faceid 0.2.0
    and older, and for imported ones of other programs.
    """

    template_id: int
    source: str | None
    sha256: str
    quality: float | None
    model: str
    created_at: str
    state: Literal["confirmed", "unconfirmed"] = "confirmed"
    detector: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveResult:
    """The result of a removal: `identities` and `templates` are counts."""

    status: Literal["removed"]
    name: str
    identities: int
    templates: int


@dataclass(frozen=True, slots=True)
class ConfirmResult:
    """The result of a confirmation: searches find the templates of `template_ids` from now on.

    `unchanged` if no template was unconfirmed. `templates` counts those of the person that searches find.
    """

    status: Literal["confirmed", "unchanged"]
    name: str
    template_ids: tuple[int, ...]
    templates: int


@dataclass(frozen=True, slots=True)
class RenameResult:
    """An identity's new name."""

    status: Literal["renamed"]
    old: str
    new: str
    templates: int


@dataclass(frozen=True, slots=True)
class ImportRefusal:
    """A template of an archive that the guards of enrolment refuse. `source` is its photo, None if it is unknown."""

    name: str
    source: str | None
    problem: Problem


@dataclass(frozen=True, slots=True)
class TransferResult:
    """Templates imported from or written to an .npz file; `skipped` were stored already, `nameless` have no name.

    An export leaves out the `unconfirmed` ones. An import keeps them unconfirmed, and does not store `refused` ones.
    """

    status: Literal["imported", "exported"]
    path: str
    identities: int
    templates: int
    skipped: int
    model: str
    nameless: int = 0
    unconfirmed: int = 0
    refused: tuple[ImportRefusal, ...] = ()


@dataclass(frozen=True, slots=True)
class ReembedFailure:
    """A template that could not be computed for another model. It stays as it is."""

    template_id: int
    name: str
    source: str | None
    reason: ReembedReason
    problem: Problem


@dataclass(frozen=True, slots=True)
class ReembedResult:
    """The result of a gallery's move to `new_model`.

    `status`: `switched`; `current` if the gallery was of that model before; `incomplete` if it was not switched because
    templates are missing. `re_embedded` counts computed templates, `already` those that were computed before, `failed`
    those that could not be computed, `dropped` the removed old ones. A search cannot find the `unfindable` identities:
    their confirmed templates are of other models.
    """

    status: Literal["switched", "current", "incomplete"]
    old_model: str
    new_model: str
    re_embedded: int
    already: int
    failed: int
    dropped: int
    unfindable: tuple[str, ...]
