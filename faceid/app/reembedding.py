"""A gallery's move to another model: new templates are stored beside the old ones, then one transaction switches.

A new template is computed from the crop that the gallery keeps, else from the photo, which must still be at its path
and have the same SHA-256. The place of the face is known from the enrolment. The face is detected again only where a
template has no landmarks, as after an import. The gallery stays in use: searches use the old templates until the
switch, and photos that are enrolled meanwhile are included. A repeated run continues an interrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from enrollment_db.records import Pending, Twin
from faceid.errors import GalleryError, InputError, UnreadableImage, implausible_pose, not_one_face
from faceid.gallery.gallery import Gallery
from faceid.imaging import STDIN, read
from faceid.imaging.turned import turned_face, turned_image
from faceid.recognition.align import align
from faceid.recognition.plausible import is_plausible, turn_of
from faceid.recognition.stored_crop import open_stored_crop
from faceid.recognition.turning import Seen
from faceid.results import Problem, ReembedFailure, ReembedReason, ReembedResult
from faceid.types import Crop, Face, Image

if TYPE_CHECKING:
    from faceid.ports.networks import Embedder
    from faceid.ports.storage import Changeover

Report: TypeAlias = Callable[[ReembedFailure], None]
Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of finished templates and the number of all."""

GROUP = 64
"""The number of templates computed and committed together, which is the most that an interruption costs."""


@dataclass(slots=True)
class _Tally:
    """The state of a run. `blocking` counts the failures that prevent a switch."""

    computed: int = 0
    failures: dict[int, ReembedFailure] = field(default_factory=dict)
    blocking: int = 0


@dataclass(frozen=True, slots=True)
class Reembedding:
    """One move of a gallery to the model of `embedder`.

    `detect` finds the faces of one picture and turns it upright; `detector` gives its name. With `allow_missing`,
    templates that cannot be computed do not prevent the switch: they stay under the old model, and no search finds
    them. With `drop_old`, templates of other models that have a counterpart under the new one are removed after the
    switch.
    """

    gallery: Gallery
    embedder: Embedder
    detect: Callable[[Image], Seen]
    detector: Callable[[], str | None] = lambda: None
    allow_missing: bool = False
    drop_old: bool = False

    def run(self, report: Report | None = None, progress: Progress | None = None) -> ReembedResult:
        """Compute the missing templates, then switch if none is missing; `report` is called once for each failure.

        Raises GalleryError, also if nothing is enrolled, and ModelError. On an error the computed templates are kept,
        and the gallery keeps its model.
        """
        model = self.embedder.model
        old = self.gallery.model
        if old is None:
            raise _empty()
        changeover = self.gallery.changeover(model)
        tally = _Tally()
        reported: set[int] = set()
        already = changeover.staged()
        total = changeover.shown() - already

        def tell(failures: Sequence[ReembedFailure]) -> None:
            for failure in failures:
                if report is not None and failure.template_id not in reported:
                    report(failure)
                reported.add(failure.template_id)
            if progress is not None:
                done = tally.computed + len(reported)
                progress(done, max(done, total))

        switched = self._move(changeover, tally, tell)
        complete = switched or self.gallery.model == model
        dropped = changeover.drop_others() if complete and self.drop_old else 0
        unfindable = tuple(changeover.unfindable()) if complete else ()
        status: Literal["switched", "current", "incomplete"] = "switched" if switched else "incomplete"
        if complete and not switched:
            status = "current"
        return ReembedResult(
            status=status,
            old_model=str(old),
            new_model=str(model),
            re_embedded=tally.computed,
            already=already,
            failed=len(tally.failures),
            dropped=dropped,
            unfindable=unfindable,
        )

    def _move(
        self, changeover: Changeover, tally: _Tally, tell: Callable[[Sequence[ReembedFailure]], None]
    ) -> bool:
        """Stage until nothing is missing, then switch; returns whether the gallery switched."""
        start, after_id = changeover.start(), 0
        while True:
            while group := changeover.pending(after_id, GROUP):
                after_id = group[-1].template_id
                tell(self._stage(changeover, group, tally))
            active = self.gallery.model
            if active is None:
                raise _empty()
            if active == self.embedder.model or (tally.blocking and not self.allow_missing):
                return False
            if changeover.switch(start, after_id):
                return True
            if not changeover.pending(after_id, 1):
                # A staged template was removed, not enrolled. The next pass also counts failures again.
                start, after_id = changeover.start(), 0
                tally.failures.clear()
                tally.blocking = 0

    def _stage(self, changeover: Changeover, group: Sequence[Pending], tally: _Tally) -> list[ReembedFailure]:
        """Compute and commit a group; returns those that could not be computed."""
        crops: list[Crop] = []
        faces: list[tuple[Pending, Face]] = []
        failures: list[ReembedFailure] = []
        for pending in group:
            try:
                image, face, in_file = self._face(pending)
                crops.append(align(image, face, self.embedder.model.aligner))
                faces.append((pending, in_file))
            except InputError as error:
                failures.append(_failure(pending, error))
                tally.blocking += pending.active
        if crops:
            tally.computed += changeover.stage(
                [
                    Twin(
                        *(pending.template_id, vector, face.box, face.landmarks),
                        detector=self.detector() if _is_detected(pending) else None,
                    )
                    for (pending, face), vector in zip(faces, self.embedder.embed(crops), strict=True)
                ]
            )
        tally.failures.update((failure.template_id, failure) for failure in failures)
        return failures

    def _face(self, pending: Pending) -> tuple[Image, Face, Face]:
        """The picture to compute the template from, the face in it, and in the picture that the file gives.

        Raises InputError.
        """
        if pending.crop is not None:
            image, face = open_stored_crop(pending.crop)
            return image, face, face
        image = _photo(pending)
        if not _is_detected(pending):
            assert pending.box is not None
            assert pending.landmarks is not None
            in_file = Face(pending.box, pending.landmarks, 1.0)
            degrees = turn_of(in_file)
            return (
                turned_image(image, degrees),
                turned_face(in_file, degrees, image.width, image.height),
                in_file,
            )
        seen = self.detect(image)
        if len(seen.faces) != 1:
            raise not_one_face(len(seen.faces), image.source)
        (face,) = seen.faces
        if not is_plausible(face):
            raise implausible_pose(image.source)
        return seen.image, face, turned_face(face, -seen.turned, seen.image.width, seen.image.height)


def _is_detected(pending: Pending) -> bool:
    """Whether the face has to be found again: nobody knows its place."""
    return pending.crop is None and (pending.box is None or pending.landmarks is None)


def _photo(pending: Pending) -> Image:
    """The photo, if it is still the same. Raises InputError (`source_gone`, `source_changed`, `unreadable`)."""
    source = pending.source
    if source is None or source == STDIN or not _is_file(source):
        raise InputError(
            f"{source or 'the photo'} is not there",
            code="source_gone",
            path=source,
        )
    image = read(source)
    if image.sha256 != pending.sha256:
        raise InputError(
            f"{source} is not the photo that the template was made of: its SHA-256 differs",
            code="source_changed",
            path=source,
        )
    return image


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except (OSError, ValueError):
        # The name cannot be a file name.
        return False


def _failure(pending: Pending, error: InputError) -> ReembedFailure:
    reason = "unreadable" if isinstance(error, UnreadableImage) else error.code
    return ReembedFailure(
        pending.template_id,
        pending.name,
        pending.source,
        cast("ReembedReason", reason),
        Problem.of(error),
    )


def _empty() -> GalleryError:
    return GalleryError(
        "nothing is enrolled, so there is nothing to re-embed",
        code="empty",
        remedy="empty_takes_any",
    )
