"""The services of one model: its network, detector, pipeline, calibration and policies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from faceid.app import factories
from faceid.app.detector_choice import chosen_detector
from faceid.config import Settings
from faceid.gallery.gallery import Gallery
from faceid.networks import registry
from faceid.policies.active import Policies
from faceid.recognition.pipeline import LookCloser, Pipeline
from faceid.types import Image, ModelKey

if TYPE_CHECKING:
    from faceid.networks.registry import Calibration
    from faceid.ports.networks import Detector, Embedder

T = TypeVar("T")

SMALLEST_FACE, SMALLEST_SHARE = 20.0, 100
"""The smallest face of the second detection, in pixels, and as a share of the longest side."""


class Once(Generic[T]):
    """A value that the first thread that needs it makes. If that fails, the next thread tries."""

    __slots__ = ("_lock", "_made")

    def __init__(self, lock: threading.RLock) -> None:
        """`lock` is held while the value is made. It may be shared with other values."""
        self._lock = lock
        self._made: tuple[T] | None = None

    def get(self, make: Callable[[], T]) -> T:
        """The value; calls `make` if there is none yet."""
        made = self._made
        if made is None:
            with self._lock:
                made = self._made = self._made or (make(),)
        return made[0]


class ModelServices:
    """The services of one model. Threads may share them: each is made once, when it is first needed.

    A set never changes to another model. When a gallery moves to another model, new requests get another set, and this
    one is freed when the last request that uses it ends. Nothing in a set refers back to the set, so it is freed at
    once and not by the next run of the garbage collector.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        device: Callable[[], str],
        *,
        min_face: float | None = None,
        detector: Callable[[str], str] | None = None,
        notify: Callable[[str], None] = lambda message: None,
    ) -> None:
        """`device` resolves the device, `min_face` is in pixels.

        `detector` gives the name of the detector for the model (default: `detector_choice.chosen_detector`).
        """
        self.name = name
        self._settings = settings
        self._device = device
        self.min_face = min_face
        self._notify = notify
        self._lock = threading.RLock()
        self._detector_name: Once[str] = Once(self._lock)
        choose = detector or partial(chosen_detector, settings=settings)
        self._choose_detector = partial(self._detector_name.get, partial(choose, name))
        self._make_detector = partial(_make_detector, name, settings, device, self._choose_detector)
        self._embedder: Once[Embedder] = Once(self._lock)
        self._detector: Once[Detector] = Once(self._lock)
        self._pipeline: Once[Pipeline] = Once(self._lock)
        self._calibration: Once[Calibration | None] = Once(self._lock)
        self._look_closer: Once[LookCloser] = Once(self._lock)
        self._policies: tuple[Gallery, Policies] | None = None

    @property
    def device(self) -> str:
        """The device that runs the networks, as torch names it. Raises DeviceError."""
        return self._device()

    @property
    def embedder(self) -> Embedder:
        """The network. Raises ModelError, DeviceError."""
        return self._embedder.get(lambda: factories.make_embedder(self.name, self._device(), self._settings))

    @property
    def detector_name(self) -> str:
        """The name of the detector, which templates record. It stays the same even if the user pulls another one."""
        return self._choose_detector()

    @property
    def detector(self) -> Detector:
        """The detector of the model. Raises ModelError, DeviceError."""
        return self._detector.get(lambda: self._make_detector(self.min_face))

    @property
    def calibration(self) -> Calibration | None:
        """The measured distances of the model's non-mated comparisons; None for a model without a calibration."""
        return self._calibration.get(lambda: registry.card(self.name, self._settings.models_dir).calibration)

    @property
    def pipeline(self) -> Pipeline:
        """Detector, aligner and network. Raises ModelError, DeviceError."""
        return self._pipeline.get(
            lambda: Pipeline(
                self.detector,
                self.embedder,
                factories.make_crew(self.name, self._device()),
                # A picture is tried in other turns with the usual smallest face, whatever the user set.
                finder=None
                if self.min_face is None
                else partial(Once[Detector](self._lock).get, partial(self._make_detector, None)),
                detector_name=self.detector_name,
            )
        )

    @property
    def look_closer(self) -> LookCloser | None:
        """A test whether an image has a face of half the usual least size; None if the user set a size."""
        if self.min_face is not None:
            return None
        return self._look_closer.get(lambda: _SmallerFaces(self._make_detector))

    def key(self, pinned: ModelKey | None) -> ModelKey:
        """The model's key. If the gallery's `pinned` model is this one, no network is loaded."""
        return pinned if pinned is not None and pinned.name == self.name else self.embedder.model

    def policies(self, gallery: Gallery | None) -> Policies:
        """The policies of this model in `gallery`, or the defaults without a gallery."""
        if gallery is None:
            return Policies(None, None, self.calibration)
        known = self._policies
        if known is not None and known[0] is gallery:
            return known[1]
        # Outside the lock: a gallery has its own lock, under which it may ask for the device.
        made = Policies(gallery, self.key(gallery.model), self.calibration, self._notify)
        with self._lock:
            if self._policies is None or self._policies[0] is not gallery:
                self._policies = gallery, made
            return self._policies[1]


class _SmallerFaces:
    """Detects faces that are too small for the first detection. Makes and keeps one detector for each size."""

    def __init__(self, make_detector: Callable[[float | None], Detector]) -> None:
        self._make_detector = make_detector
        self._lock = threading.Lock()
        self._detectors: dict[float, Detector] = {}

    def __call__(self, image: Image) -> bool:
        smallest = max(SMALLEST_FACE, max(image.width, image.height) / SMALLEST_SHARE)
        with self._lock:
            detector = self._detectors.get(smallest)
            if detector is None:
                detector = self._detectors[smallest] = self._make_detector(smallest)
        return any(detector.detect([image]))


def _make_detector(
    model: str,
    settings: Settings,
    device: Callable[[], str],
    detector: Callable[[], str],
    min_face: float | None,
) -> Detector:
    return factories.make_detector(
        model,
        device(),
        min_face,
        runtime=settings.runtime,
        detector=detector(),
        weights_dir=settings.weights_dir,
    )
