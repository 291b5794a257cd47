"""The chain picture -> faces -> aligned crops -> embeddings, for one picture and for a million."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from faceid.errors import InputError, UnreadableImage
from faceid.imaging import decode, pixel_count
from faceid.imaging.turned import turned_face
from faceid.recognition.align import align
from faceid.recognition.plausible import is_plausible
from faceid.recognition.quality import assess, nearly_black
from faceid.recognition.turning import detect_upright
from faceid.runtime.ordered_map import Crew, Stages, in_groups, in_order
from faceid.types import Crop, Embedding, Encoded, Face, Image, Quality

if TYPE_CHECKING:
    from faceid.ports.networks import Detector, Embedder

Picture: TypeAlias = Encoded | Image
"""A picture as it comes: a file's bytes, or pixels."""
LookCloser: TypeAlias = Callable[[Image], bool]
ChooseFaces: TypeAlias = Callable[[Sequence[Face], Image], Sequence[Face]]


class Origin(Protocol):
    """Where a picture comes from."""

    @property
    def source(self) -> str:
        """What the picture is called in results."""
        ...

    @property
    def load(self) -> Callable[[], Picture]:
        """Gets the picture; called once, on any thread. Raises UnreadableImage."""
        ...


O = TypeVar("O", bound=Origin)  # noqa: E741


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A picture and how to get it: the plainest Origin."""

    source: str
    load: Callable[[], Picture]


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """One face of one image, and how well it can be compared."""

    face: Face
    crop: Crop
    quality: Quality

    @property
    def comparable(self) -> bool:
        """Whether the crop can show the face: not so where the landmarks are implausible (`implausible_pose`)."""
        return is_plausible(self.face)


@dataclass(frozen=True, slots=True, eq=False)
class Analysis(Generic[O]):
    """What one origin shows: an image with its faces from left to right, or the reason why there is none.

    Where `image` is None there is an `error`, or `wanted` declined the picture. `sha256` is None where the picture
    could not be read. The picture was turned by `turned` degrees clockwise to be upright, beyond what its file says:
    all places are in pixels of the turned `image`. The detector found `found` faces; `observations` holds the chosen
    ones, `embeddings` their vectors, one for one. `too_small` means that a second detection, where one was asked for,
    found a smaller face, `too_dark` that no face was found and the picture is nearly black. `timing_ms` has `read`,
    `detect` and `embed`; the images of one batch share its time evenly.
    """

    origin: O
    sha256: str | None = None
    image: Image | None = None
    error: InputError | None = None
    turned: int = 0
    found: int = 0
    observations: tuple[Observation, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    too_small: bool = False
    too_dark: bool = False
    timing_ms: dict[str, float] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """What the picture is called in results."""
        return self.origin.source

    def in_file(self, face: Face) -> Face:
        """`face`, which is in pixels of the turned image, in pixels of the picture that its file gives."""
        if self.image is None or not self.turned:
            return face
        return turned_face(face, -self.turned, self.image.width, self.image.height)


@dataclass(frozen=True, slots=True, eq=False)
class _Fetched:
    picture: Picture | None
    error: InputError | None
    read_ms: float


class Pipeline:
    """Detector, aligner and network in a chain; `crew` are the threads that process many pictures.

    `detector_name` is the name of the detector in its registry, which templates record; None if it has none. `finder`
    is as for `turning.detect_upright`.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        crew: Crew | None = None,
        *,
        finder: Callable[[], Detector] | None = None,
        detector_name: str | None = None,
    ) -> None:
        self.detector = detector
        self._finder = finder
        self.embedder = embedder
        self.detector_name = detector_name
        self._crew = Crew() if crew is None else crew

    def analyse(
        self,
        origins: Iterable[O],
        wanted: Callable[[O, str], bool] | None = None,
        closer: LookCloser | None = None,
        pick: ChooseFaces | None = None,
    ) -> Iterator[Analysis[O]]:
        """What each origin shows, in order, each as soon as it is known (see `runtime.ordered_map.in_order`).

        `wanted` tells from an origin and the SHA-256 of its picture whether to process it (default: always). `closer`
        tells, on a worker, whether an image without a detected face has a smaller one. `pick` chooses the faces of
        an image to embed (default: all), from left to right. An origin that cannot be read yields its InputError, and
        the stream goes on.
        """

        return in_order(origins, self._stages(wanted, closer, pick), self._crew)

    def analyse_in_groups(self, origins: Iterable[O]) -> Iterator[list[Analysis[O]]]:
        """As `analyse`, but what is known at the same time comes together, so that it can be searched for together."""
        return in_groups(origins, self._stages(), self._crew)

    def _stages(
        self,
        wanted: Callable[[O, str], bool] | None = None,
        closer: LookCloser | None = None,
        pick: ChooseFaces | None = None,
    ) -> Stages[O, _Fetched, Analysis[O]]:
        def settle(origin: O, fetched: _Fetched) -> Analysis[O] | None:
            timing_ms = _timing(read=fetched.read_ms)
            if fetched.picture is None:
                return Analysis(origin, error=fetched.error, timing_ms=timing_ms)
            sha256 = fetched.picture.sha256
            if wanted is None or wanted(origin, sha256):
                return None
            return Analysis(origin, sha256, timing_ms=timing_ms)

        return Stages(
            fetch=_fetch, settle=settle, weigh=_weigh, work=lambda batch: self._analysed(batch, closer, pick)
        )

    def _analysed(
        self, batch: Sequence[tuple[O, _Fetched]], closer: LookCloser | None, pick: ChooseFaces | None
    ) -> list[Analysis[O]]:
        try:
            return self._analysed_together(batch, closer, pick)
        except UnreadableImage as problem:
            # There was memory for a large photo at a reduced size, but not for the whole of it.
            if len(batch) > 1:
                return [analysis for one in batch for analysis in self._analysed([one], closer, pick)]
            ((origin, fetched),) = batch
            sha256 = None if fetched.picture is None else fetched.picture.sha256
            return [Analysis(origin, sha256, error=problem, timing_ms=_timing(read=fetched.read_ms))]

    def _analysed_together(
        self, batch: Sequence[tuple[O, _Fetched]], closer: LookCloser | None, pick: ChooseFaces | None
    ) -> list[Analysis[O]]:
        analyses = [_decoded(origin, fetched) for origin, fetched in batch]
        images = [analysis.image for analysis in analyses if analysis.image is not None]
        started = time.perf_counter()
        detected = detect_upright(self.detector, images, self._finder) if images else []
        observed = [
            tuple(
                self._observation(seen.image, face)
                for face in (seen.faces if pick is None else pick(seen.faces, seen.image))
            )
            for seen in detected
        ]
        detect_ms = _share_ms(started, len(images))

        started = time.perf_counter()
        crops = [observation.crop for observations in observed for observation in observations]
        vectors = iter(self.embedder.embed(crops)) if crops else iter(())
        embed_ms = _share_ms(started, len(images))

        found = iter(zip(detected, observed, strict=True))
        finished = []
        for analysis in analyses:
            if analysis.image is not None:
                seen, observations = next(found)
                analysis = replace(
                    analysis,
                    image=seen.image,
                    turned=seen.turned,
                    found=len(seen.faces),
                    observations=observations,
                    embeddings=tuple(Embedding(next(vectors), self.embedder.model) for _ in observations),
                    too_dark=not seen.faces and nearly_black(seen.image),
                    too_small=not seen.faces and closer is not None and closer(seen.image),
                    timing_ms=_timing(analysis.timing_ms["read"], detect_ms, embed_ms),
                )
            finished.append(analysis)
        return finished

    def _observation(self, image: Image, face: Face) -> Observation:
        crop = align(image, face, self.embedder.model.aligner)
        return Observation(face, crop, assess(image, face, crop))


def _fetch(origin: Origin) -> _Fetched:
    started = time.perf_counter()
    try:
        picture = origin.load()
    except InputError as problem:
        return _Fetched(None, problem, _share_ms(started, 1))
    return _Fetched(picture, None, _share_ms(started, 1))


def _weigh(fetched: _Fetched) -> int:
    """Pixels."""
    picture = fetched.picture
    if isinstance(picture, Image):
        return picture.width * picture.height
    return 0 if picture is None else pixel_count(picture)


def _decoded(origin: O, fetched: _Fetched) -> Analysis[O]:
    picture = fetched.picture
    assert picture is not None
    started = time.perf_counter()
    image, error = None, None
    try:
        image = picture if isinstance(picture, Image) else decode(picture, origin.source)
    except InputError as problem:
        error = problem
    timing_ms = _timing(read=fetched.read_ms + _share_ms(started, 1))
    return Analysis(origin, picture.sha256, image, error, timing_ms=timing_ms)


def _timing(read: float, detect: float = 0.0, embed: float = 0.0) -> dict[str, float]:
    return {"read": read, "detect": detect, "embed": embed}


def _share_ms(started: float, among: int) -> float:
    return (time.perf_counter() - started) * 1e3 / max(1, among)
