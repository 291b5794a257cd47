"""The parts of the system, each made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from faceid.app import factories
from faceid.config import Settings
from faceid.gallery.gallery import Gallery, other_model
from faceid.networks import registry
from faceid.policies.active import Policies
from faceid.recognition.pipeline import LookCloser, Pipeline
from faceid.runtime import devices
from faceid.types import Image, ModelKey

if TYPE_CHECKING:
    from typing_extensions import Self

    from faceid.networks.registry import Calibration
    from faceid.ports.networks import Detector, Embedder


class Parts:
    """Settings, and what they amount to: gallery, device, network, pipeline, policies."""

    def __init__(
        self,
        db: str | Path | None = None,
        model: str | None = None,
        device: str = "auto",
        *,
        min_face: float | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        """Open nothing yet: see `Settings.load` for `db`, `faceid.networks.registry` for `model`.

        `min_face` is the smallest face to look for, pixels (None: by the size of the picture). `notify` is
        called with one-line notes, such as the device that was chosen.
        """
        self._prepare(Settings.load(db=db, model=model, device=device), min_face, notify)

    @classmethod
    def from_settings(
        cls, settings: Settings, *, min_face: float | None = None, notify: Callable[[str], None] | None = None
    ) -> Self:
        """The same from settings that are at hand already."""
        system = cls.__new__(cls)
        system._prepare(settings, min_face, notify)
        return system

    def _prepare(
        self, settings: Settings, min_face: float | None, notify: Callable[[str], None] | None
    ) -> None:
        self.settings = settings
        self._min_face = min_face
        self._notify = notify or (lambda message: None)
        self._gallery: Gallery | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the gallery back."""
        if self._gallery is not None:
            self._gallery.close()
            self._gallery = None

    def gallery(self, *, create: bool = False) -> Gallery:
        """The open gallery. Raises GalleryError, where there is none too unless `create`."""
        if self._gallery is None:
            self._gallery = Gallery.open(
                self.settings.db,
                create=create,
                index_kind=self.settings.index,
                device=lambda: self.device,
            )
        return self._gallery

    @cached_property
    def model_name(self) -> str:
        """The model that was asked for, else the gallery's own, else the default of new galleries."""
        if self.settings.model is not None:
            return self.settings.model
        if self._gallery is None and not self.settings.db.exists():
            return self.settings.default_model
        pinned = self.gallery().model
        return self.settings.default_model if pinned is None else pinned.name

    @cached_property
    def device(self) -> str:
        """Where networks run, as torch names it."""
        device = devices.resolve_device(self.settings.device)
        if self.settings.device == "auto":
            self._notify(f"device: {device} (chosen automatically)")
        return device

    @cached_property
    def embedder(self) -> Embedder:
        """The network."""
        return factories.make_embedder(self.model_name, self.device, self.settings)

    @cached_property
    def calibration(self) -> Calibration | None:
        """What was measured of the model's non-mated comparisons."""
        return registry.card(self.model_name, self.settings.models_dir).calibration

    @cached_property
    def pipeline(self) -> Pipeline:
        """Detector, aligner and network."""
        detector = self._detector(self._min_face)
        return Pipeline(detector, self.embedder, factories.make_crew(self.model_name, self.device))

    @property
    def policies(self) -> Policies:
        """Which policy counts: in the gallery, where there is one."""
        if self._gallery is None and not self.settings.db.exists():
            return Policies(None, None, self.calibration)
        return self._gallery_policies

    def own_calibration(self, model: str) -> Calibration | None:
        """What a policy in force of the gallery was measured on, where there is a gallery of `model` and such a policy.

        Unlike `policies` it loads no network: `model` is that of embeddings at hand. Raises GalleryError.
        """
        if self._gallery is None and not self.settings.db.exists():
            return None
        pinned = self.gallery().model
        if pinned is None or pinned.name != model:
            return None
        return Policies(self.gallery(), pinned, None).own_calibration()

    @cached_property
    def _gallery_policies(self) -> Policies:
        return Policies(self.gallery(), self._model_key, self.calibration, self._note)

    def _check_model_name(self, gallery: Gallery) -> None:
        """Refuse another model before its weights are loaded; the full guard follows when they are."""
        pinned = gallery.model
        if self.settings.model is not None and pinned is not None and pinned.name != self.settings.model:
            raise other_model(pinned, self.settings.model)

    @property
    def _model_key(self) -> ModelKey:
        """The model in use. The gallery's own is known before its weights are loaded."""
        pinned = self.gallery().model
        return pinned if pinned is not None and pinned.name == self.model_name else self.embedder.model

    def _note(self, message: str) -> None:
        self._notify(message)

    def _detector(self, min_face: float | None) -> Detector:
        return factories.make_detector(self.model_name, self.device, min_face, runtime=self.settings.runtime)

    @cached_property
    def _look_closer(self) -> LookCloser | None:
        """Says whether an image has a face of half the size that is looked for; None where a size was asked for."""
        if self._min_face is not None:
            return None
        detector = cache(self._detector)

        def look_closer(image: Image) -> bool:
            return any(detector(max(20.0, max(image.width, image.height) / 100)).detect([image]))

        return look_closer
