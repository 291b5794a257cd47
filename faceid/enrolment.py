"""Photos of people -> stored templates: a stream of photos in groups, each decided on and stored at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from faceid.admission import Admission, Case, Rules, Seen, SeenFace
from faceid.gallery import Gallery, clean_name
from faceid.pipeline import Closer, Look, Picture, Pipeline
from faceid.results import EnrollResult
from faceid.stored_crop import make_stored_crop

if TYPE_CHECKING:
    from models.registry import Calibration

GROUP = 256
"""Photos of one person that are decided on together, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo and whose it is; `load` as of `pipeline.Origin`."""

    source: str
    name: str
    load: Callable[[], Picture]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One run of enrolling people into a gallery.

    Consecutive photos of one person are a group: all are looked at, then it is decided which are let in, then those
    are stored in one transaction. `look_closer` says whether an image without a face holds one that is only too
    small. With `store_crops`, the part of each photo around the face is kept.
    """

    gallery: Gallery
    pipeline: Pipeline
    calibration: Calibration | None
    rules: Rules = field(default_factory=Rules)
    look_closer: Closer | None = None
    store_crops: bool = False

    def run(self, photos: Iterable[Photo | None]) -> Iterator[EnrollResult]:
        """What became of each photo, in order; all of a group is on disk before the first of it is yielded."""
        model = self.pipeline.embedder.model
        self.gallery.guard(model)
        admission = Admission(self.gallery, model, self.calibration, self.rules)
        looks = self.pipeline.look(photos, wanted=self._is_new, closer=self.look_closer)
        for name, group in self._groups(looks):
            cases = admission.decide(name, group)
            with self.gallery.transaction():
                for case in cases:
                    self._store(name, case)
            yield from (_result(case) for case in cases)

    def _is_new(self, photo: Photo, sha256: str) -> bool:
        return clean_name(photo.name) not in self.gallery.holders_of(sha256, self.pipeline.embedder.model)

    def _groups(self, looks: Iterable[Look[Photo]]) -> Iterator[tuple[str, Sequence[Seen]]]:
        name, group = "", list[Seen]()
        for look in looks:
            whose = clean_name(look.origin.name)
            if group and (whose != name or len(group) == GROUP):
                yield name, group
                group = []
            name = whose
            group.append(self._without_pixels(look))
        if group:
            yield name, group

    def _without_pixels(self, look: Look[Photo]) -> Seen:
        faces = tuple(
            SeenFace(
                observation.face,
                observation.quality,
                embedding,
                make_stored_crop(look.image, observation.face)
                if self.store_crops and look.image is not None
                else None,
            )
            for observation, embedding in zip(look.observations, look.embeddings, strict=True)
        )
        return Seen(look.source, look.sha256, look.error, faces, look.too_small)

    def _store(self, name: str, case: Case) -> None:
        seen, chosen = case.seen, case.face
        if chosen is None or case.result is not None:
            return
        assert seen.sha256 is not None
        template_id = self.gallery.add(
            name,
            chosen.embedding,
            sha256=seen.sha256,
            source=seen.source,
            face=chosen.face,
            quality=chosen.quality,
            crop=chosen.crop,
        )
        case.result = EnrollResult(
            seen.source,
            "enrolled",
            template_id=template_id,
            box=chosen.face.box,
            quality=chosen.quality.score,
            quality_factors=dict(chosen.quality.factors),
            name=name,
        )


def _result(case: Case) -> EnrollResult:
    if case.copy_of is None:
        assert case.result is not None
        return case.result
    # The same bytes: stored once, or refused for the same reason.
    first = _result(case.copy_of)
    if first.status == "enrolled":
        return EnrollResult(case.seen.source, "duplicate", template_id=first.template_id, name=first.name)
    return replace(first, path=case.seen.source)
