"""The parts of a FaceID object: settings, the open gallery, the device and the services of the model in use."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from faceid.app import network_choice
from faceid.app.detector_choice import chosen_detector, note_of_choice
from faceid.app.model_services import ModelServices, Once
from faceid.config import Settings
from faceid.errors import GalleryError
from faceid.gallery.gallery import Gallery, other_model
from faceid.gallery.opening import is_absent, open_gallery
from faceid.results import Problem
from faceid.runtime import devices
from faceid.types import ModelKey

if TYPE_CHECKING:
    from faceid.networks.calibration import Calibration
    from faceid.policies.active import Policies

Origin = TypeVar("Origin")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """The gallery and the services of one model that a request uses from beginning to end."""

    gallery: Gallery
    model: ModelServices
    pinned: ModelKey | None
    """The gallery's model when the request began; None for an empty gallery."""

    @property
    def policies(self) -> Policies:
        """The policies of the model in the gallery."""
        return self.model.policies(self.gallery)

    @property
    def calibration(self) -> Calibration | None:
        """What distances between templates mean: the model's calibration, else the owner's of this gallery."""
        return self.model.calibration or self.policies.own_calibration()

    @property
    def key(self) -> ModelKey:
        """The key of the model in use. Loads the network only if the gallery does not know the model."""
        return self.model.key(self.pinned)

    def guard(self) -> None:
        """Load the network. Raises GalleryError (`model_mismatch`) if the gallery has moved to another model."""
        self.gallery.guard(self.model.embedder.model)


@dataclass(slots=True, eq=False)
class _OpenGallery:
    gallery: Gallery
    users: int = 0
    given_back: bool = False


class Services:
    """Makes each part once and lends it to requests. Threads may share it.

    A request takes the gallery and the model's services together and keeps both until it ends. So a re-embedding takes
    nothing away from a running request, and neither does `close`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        min_face: float | None = None,
        notify: Callable[[str], None] | None = None,
        advise: Callable[[Problem], None] | None = None,
    ) -> None:
        """Open nothing yet. `min_face`, `notify` and `advise` are as for `FaceID`."""
        self.settings = settings
        self.notify = notify or (lambda message: None)
        self._advise = advise or (lambda problem: self.notify(problem.message))
        self._min_face = min_face
        # Held for short steps only, and never while a network loads or a gallery is searched.
        self._lock = threading.RLock()
        self._open: _OpenGallery | None = None
        self._asked = settings.model
        self._current: ModelServices | None = None
        self._coming: ModelServices | None = None
        self._re_embedding = threading.RLock()
        self._device: Once[str] = Once(threading.RLock())
        self._edition = 0
        self._advised: set[str] = set()
        self._noted: set[str] = set()

    # -- the gallery -------------------------------------------------------------------------------------------

    def gallery(self, *, create: bool = False) -> Gallery:
        """The open gallery, until `close`. Raises GalleryError, also if there is none, unless `create`."""
        with self._lock:
            return self._opened(create).gallery

    @contextmanager
    def borrowed_gallery(self, *, create: bool = False) -> Iterator[Gallery]:
        """The open gallery, which stays open inside even if another thread calls `close`. Raises as `gallery` does."""
        with self._lock:
            opened = self._opened(create)
            opened.users += 1
        try:
            yield opened.gallery
        finally:
            with self._lock:
                opened.users -= 1
                last = opened.given_back and not opened.users
            if last:
                opened.gallery.close()

    @contextmanager
    def existing_gallery(self) -> Iterator[Gallery | None]:
        """As `borrowed_gallery`; None if there is no gallery. Raises GalleryError."""
        with ExitStack() as stack:
            try:
                gallery = stack.enter_context(self.borrowed_gallery())
            except GalleryError as error:
                if not is_absent(error):
                    raise
                gallery = None
            yield gallery

    def close(self) -> None:
        """Close the gallery now, or when the last request that uses it ends. May be called again."""
        with self._lock:
            opened, self._open = self._open, None
            if opened is None:
                return
            opened.given_back = True
            idle = not opened.users
        if idle:
            opened.gallery.close()

    def _opened(self, create: bool) -> _OpenGallery:
        if self._open is None:
            settings = self.settings
            gallery = open_gallery(
                settings.db, create=create, index_kind=settings.index, device=lambda: self.device
            )
            self._open = _OpenGallery(gallery)
        return self._open

    # -- the model ---------------------------------------------------------------------------------------------

    @property
    def device(self) -> str:
        """The device that runs the networks, as torch names it. Raises DeviceError."""
        return self._device.get(self._resolved_device)

    def current(self) -> ModelServices:
        """The services of the requested model, else of the gallery's, else of the network of new galleries.

        Raises GalleryError if the gallery is needed and cannot be opened.
        """
        if self._current is not None and self._coming is None:
            return self._current
        with self.existing_gallery() as gallery:
            return self._current_for(None if gallery is None else gallery.model)

    def warm_up(self) -> None:
        """Load the networks and the index now, before the first request. Needs no gallery.

        Raises GalleryError, ModelError, DeviceError.
        """
        with self.existing_gallery() as gallery:
            model = self._current_for(None if gallery is None else gallery.model)
            assert model.pipeline
            if gallery is not None:
                gallery.guard(model.embedder.model)
                gallery.indexed_count()

    def _current_for(self, pinned: ModelKey | None) -> ModelServices:
        """The services of the model in use, for a gallery of the model `pinned`."""
        if pinned is None and self._current is None and (cost := network_choice.fallback_cost(self.settings)):
            self._advise_once(cost)
        coming = self._coming
        # Read without the lock: the network of the coming model was loaded before its announcement.
        arrived = coming is not None and pinned == coming.embedder.model
        with self._lock:
            if arrived and self._coming is coming:
                self._current, self._coming, self._asked = coming, None, None
            if self._current is None:
                known = None if pinned is None else pinned.name
                name = self._asked or known or network_choice.network_of_new_gallery(self.settings)
                self._current = self._services_of(name)
            return self._current

    def _services_of(self, model: str) -> ModelServices:
        return ModelServices(
            model,
            self.settings,
            lambda: self.device,
            min_face=self._min_face,
            detector=self._chosen_detector,
            notify=self._note,
        )

    def _resolved_device(self) -> str:
        device = devices.resolve_device(self.settings.device)
        if self.settings.device == "auto":
            self._note(f"device: {device} (chosen automatically)")
        return device

    def _chosen_detector(self, model: str) -> str:
        """The detector for `model`; says once what `auto` chose."""
        detector = chosen_detector(model, self.settings)
        note = note_of_choice(detector, self.settings)
        if note is not None:
            with self._lock:
                is_new = note not in self._noted
                self._noted.add(note)
            if is_new:
                self._note(note)
        return detector

    def _note(self, message: str) -> None:
        self.notify(message)

    def advise_on_size(self) -> None:
        """Call `advise` if searches miss many photos of enrolled people, at the gallery's present size.

        Raises GalleryError, ModelError.
        """
        with self.existing_gallery() as gallery:
            if gallery is None or gallery.model is None:
                return
            problem = network_choice.many_misses(gallery.model.name, gallery.identity_count(), self.settings)
        if problem is not None:
            self._advise_once(problem)

    def _advise_once(self, problem: Problem) -> None:
        with self._lock:
            if problem.code in self._advised:
                return
            self._advised.add(problem.code)
        self._advise(problem)

    # -- requests ----------------------------------------------------------------------------------------------

    @contextmanager
    def request(self, *, create: bool = False) -> Iterator[Request]:
        """The gallery and the services of its model, which stay as they are inside.

        Raises GalleryError as `gallery` does, and `model_mismatch` if the requested model is not the gallery's. This
        check loads no network.
        """
        with self.borrowed_gallery(create=create) as gallery:
            pinned = gallery.model
            model, asked = self._current_for(pinned), self._asked
            if asked is not None and pinned is not None and pinned.name != asked:
                raise other_model(pinned, asked)
            yield Request(gallery, model, pinned)

    def answer(self, ask: Callable[[Request], Result]) -> Result:
        """The result of `ask`. If a re-embedding changes the model meanwhile, calls `ask` again with the new one."""
        while True:
            with self.request() as request:
                try:
                    return ask(request)
                except GalleryError as error:
                    if not self._has_moved_on(request, error):
                        raise

    def answer_each(
        self,
        origins: Iterable[Origin],
        run: Callable[[Request, Iterator[Origin]], Iterator[Result]],
        *,
        create: bool = False,
    ) -> Iterator[Result]:
        """The results of `run`, one for each origin, in their order.

        If a re-embedding changes the model meanwhile, `run` is called again with the origins without a result and the
        new model's services.
        """
        rest = iter(origins)
        while True:
            waiting: deque[Origin] = deque()
            with self.request(create=create) as request:
                try:
                    for result in run(request, _noted(rest, waiting)):
                        waiting.popleft()
                        yield result
                    return
                except GalleryError as error:
                    if not self._has_moved_on(request, error):
                        raise
            rest = chain(waiting, rest)

    def _has_moved_on(self, request: Request, error: GalleryError) -> bool:
        """Whether a re-embedding by this object caused `error`, so that the request can be repeated."""
        return (
            error.code == "model_mismatch" and self._current_for(request.gallery.model) is not request.model
        )

    # -- changes -----------------------------------------------------------------------------------------------

    @property
    def edition(self) -> int:
        """A number that grows with each change that makes computed but not yet returned results out of date."""
        return self._edition

    @contextmanager
    def editing(self, *, create: bool = False) -> Iterator[Gallery]:
        """The gallery, to remove or rename a person or to change its policies."""
        try:
            with self.borrowed_gallery(create=create) as gallery:
                yield gallery
        finally:
            with self._lock:
                self._edition += 1

    @contextmanager
    def moving_to(self, model: str) -> Iterator[tuple[Gallery, ModelServices]]:
        """The gallery and the loaded services of `model`, to which the gallery moves inside.

        New requests use these services as soon as the gallery is of that model. One move runs at a time. Raises
        GalleryError, ModelError.
        """
        with self._re_embedding, self.request() as request:
            coming = self._services_of(model)
            assert coming.embedder
            self._coming = coming
            try:
                yield request.gallery, coming
            finally:
                try:
                    self._current_for(request.gallery.model)
                finally:
                    self._coming = None


def _noted(origins: Iterator[Origin], waiting: deque[Origin]) -> Iterator[Origin]:
    """Yields `origins`, and records each one as waiting for its result."""
    for origin in origins:
        waiting.append(origin)
        yield origin
