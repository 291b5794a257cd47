"""The photos of a person before and during the decision about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faceid.types import Embedding, Face, Quality

if TYPE_CHECKING:
    from enrollment_db.records import FaceCrop
    from faceid.errors import InputError
    from faceid.results import EnrollResult, Problem


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
    """A face of a photo, without the photo.

    `in_file` is `face` in pixels of the picture as its file gives it, where `face` is in pixels of the turned one. A
    face of an implausible pose is not `comparable`. `dark` tells that light is what it lacks most.
    """

    face: Face
    in_file: Face
    quality: Quality
    embedding: Embedding
    crop: FaceCrop | None
    comparable: bool = True
    dark: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SeenPhoto:
    """What was found on a photo, without its pixels: memory holds a whole group of these.

    `found` counts the detected faces; `faces` are those that the rules do not exclude at once. `sha256` is None where
    the photo could not be read. It was turned by `turned` degrees clockwise to be upright. `too_small` means that a
    face is there and is smaller than the rules allow, `too_dark` that no face was found and the picture is nearly
    black. `looked` is False for a photo that was not decoded because its bytes are known.
    """

    source: str
    sha256: str | None
    error: InputError | None
    found: int
    faces: tuple[SeenFace, ...]
    too_small: bool
    looked: bool
    turned: int = 0
    too_dark: bool = False


@dataclass(slots=True, eq=False)
class Case:
    """A photo and its decision: the `face` to store, or a `result` without one.

    `candidates` are the faces that may still be the person's. `vouched` means that the operator accepted the only one.
    `copy_of` is an earlier photo of the group with the same bytes; its decision holds for both. `doubt` says why the
    template of `face` is stored as unconfirmed; None for a confirmed one.
    """

    seen: SeenPhoto
    candidates: list[SeenFace] = field(default_factory=list)
    vouched: bool = False
    face: SeenFace | None = None
    result: EnrollResult | None = None
    copy_of: Case | None = None
    doubt: Problem | None = None

    @property
    def is_open(self) -> bool:
        """Whether the photo is still undecided."""
        return self.result is None and self.copy_of is None
