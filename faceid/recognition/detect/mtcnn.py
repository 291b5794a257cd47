"""MTCNN as a detector of pictures of any size: sizes, memory and coordinates around the cascade.

It gives what facenet-pytorch's `MTCNN.detect` gives for the same smallest face, on the same weights, several
times faster: all resizing comes from one table of sums a picture (`pyramid`), and the networks run
`channels_last` in batches that suit the processor (`cascade`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from faceid.config import Runtime
from faceid.errors import DeviceError
from faceid.recognition.detect.cascade import ON_CPU, ON_GPU, Cascade, Picture
from faceid.recognition.detect.networks import compiled_networks, load_networks
from faceid.recognition.detect.pyramid import WINDOW, SummedImage, levels
from faceid.runtime.devices import torch_threads
from faceid.types import Face, Image

if TYPE_CHECKING:
    from faceid.types import Pixels

GROUP_PIXELS = 4_000_000
"""Pictures of one call are worked on together up to this many pixels; their tables of sums take 12 bytes each."""

SHRINK_ABOVE_PIXELS = 16_000_000
"""Larger pictures are shrunk first, as far as the smallest face sought allows."""

SHRUNKEN_FACE = 48
"""No shrinking below this many pixels for the smallest face: the O-Net would see less than it could."""


class MtcnnDetector:
    """Finds faces with MTCNN; satisfies `faceid.ports.networks.Detector`.

    Boxes are those of facenet-pytorch. Its landmarks are counted from 1, ours from 0: they differ by one pixel.
    (Measured over 128 LFW photographs and their mirror images: its landmarks lie 1.1 to 1.2 pixels to the right
    of symmetry about pixel centres, its boxes 0.6 to the left; so only the landmarks are moved.)

    Memory is bounded: pictures of over 16 million pixels are first shrunk by a whole number, as far as leaves
    `min_face` at 48 pixels or more, which without `min_face` is always far enough. Otherwise a table of 12
    bytes a pixel is held. Instances may be shared between threads.
    """

    def __init__(
        self,
        device: str | torch.device = "cpu",
        min_face: float | None = None,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
        threads: int = 1,
        runtime: Runtime = "torch",
    ) -> None:
        """Load the networks onto `device`.

        `min_face` is the side of the smallest face sought, in pixels of the picture as given, at least 12. By
        default it follows the picture: 40 pixels, or a fiftieth of the longer side where that is more; smaller
        faces carry too little to be compared, and seeking them takes most of the time. `thresholds` are the
        least scores in the three stages. `threads` are the CPU threads of one call, whatever is set for the
        rest of the process. A second one makes large pictures a third faster on an idle machine and all of
        them several times slower on a busy one, where each of some hundred tiny operations waits for a thread
        that is not running. `runtime` is what runs the networks, `torch` or, on a CPU, `openvino`, in the calling
        thread alone; `auto` is torch first, OpenVINO in a long run.

        Raises ValueError for a `min_face` under 12, thresholds outside 0..1 or no thread, DeviceError for a device that
        is not there, ModelError for weights that are missing or altered.
        """
        if min_face is not None and not WINDOW <= min_face < float("inf"):
            raise ValueError(f"min_face must be at least {WINDOW} pixels, not {min_face}")
        if len(thresholds) != 3 or not all(0 <= threshold <= 1 for threshold in thresholds):
            raise ValueError(f"thresholds must be three numbers between 0 and 1, not {thresholds}")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self._device = torch.device(device)
        if self._device.type == "cuda" and not torch.cuda.is_available():
            raise DeviceError("there is no usable GPU for the detector", remedy="detector_without_gpu")
        self._min_face = min_face
        self._threads = threads
        batching = ON_GPU if self._device.type == "cuda" else ON_CPU
        networks = load_networks(self._device)
        if runtime != "torch":
            networks = compiled_networks(networks, late=runtime == "auto")
        self._cascade = Cascade(networks, thresholds, batching, self._device)

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        """The faces of each image, left to right (by x1, then y1); an empty list where there is none."""
        faces: list[list[Face]] = []
        for group in _grouped(images):
            faces.extend(self._detect_group(group))
        return faces

    def _detect_group(self, images: Sequence[Image]) -> list[list[Face]]:
        faces: list[list[Face]] = [[] for _ in images]
        pictures, owners, shrinks = [], [], []
        for owner, image in enumerate(images):
            min_face = self._min_face or automatic_min_face(image.width, image.height)
            shrink = shrinking(image.width, image.height, min_face)
            pyramid = tuple(levels(image.height // shrink, image.width // shrink, min_face / shrink))
            if pyramid:
                pictures.append(Picture(SummedImage.of(_shrunken(image, shrink), self._device), pyramid))
                owners.append(owner)
                shrinks.append(shrink)
        if not pictures:
            return faces
        with torch_threads(self._threads), torch.inference_mode(), _SINGLE_PRECISION.on(self._device):
            found, landmarks = self._cascade.run(pictures)
        for picture, box, score, marks in zip(
            found.picture, found.boxes, found.scores, landmarks, strict=True
        ):
            if np.isfinite(box).all() and np.isfinite(marks).all():
                shrink = shrinks[picture]
                x1, y1, x2, y2 = (float(value) for value in _enlarged(box, shrink))
                face = Face((x1, y1, x2, y2), _enlarged(marks - np.float32(1), shrink), float(score))
                faces[owners[picture]].append(face)
        return [sorted(some, key=lambda face: face.box[:2]) for some in faces]


class _SinglePrecision:
    """No TF32, which cuDNN takes by default: it would move landmarks by a tenth of a pixel.

    The setting is the process's: the first thread to come makes it, and the last to go takes it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = 0
        self._before = True

    @contextmanager
    def on(self, device: torch.device) -> Iterator[None]:
        """While the context lasts, in any thread; a CPU has no need of it."""
        if device.type == "cpu":
            yield
            return
        cudnn = torch.backends.cudnn
        with self._lock:
            if not self._within:
                self._before, cudnn.allow_tf32 = cudnn.allow_tf32, False
            self._within += 1
        try:
            yield
        finally:
            with self._lock:
                self._within -= 1
                if not self._within:
                    cudnn.allow_tf32 = self._before


_SINGLE_PRECISION = _SinglePrecision()


def automatic_min_face(width: int, height: int) -> float:
    """The smallest face sought by default in a picture of this size, pixels."""
    return max(40.0, max(width, height) / 50)


def shrinking(width: int, height: int, min_face: float) -> int:
    """By how much to shrink a picture before looking for faces of `min_face` pixels; 1 leaves it alone."""
    most = max(1, int(min_face // SHRUNKEN_FACE))
    for factor in range(1, most):
        if width * height <= factor**2 * SHRINK_ABOVE_PIXELS:
            return factor
    return most


def _shrunken(image: Image, factor: int) -> Pixels:
    """The means of factor x factor blocks; rows and columns that do not fill a block are left out.

    Where the file can be decoded at a reduced size, that does a part of it.
    """
    # A power of two that divides the factor.
    pixels, reduced = image.reduced(factor & -factor)
    rest = factor // reduced
    height, width = image.height // factor, image.width // factor
    blocks = pixels[: height * rest, : width * rest]
    if rest == 1:
        return np.ascontiguousarray(blocks)
    return np.asarray(cv2.resize(blocks, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _enlarged(places: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Places in a shrunken picture as places in the picture: a pixel's centre is that of its block."""
    return places * np.float32(factor) + np.float32((factor - 1) / 2)


def _grouped(images: Sequence[Image]) -> Iterator[list[Image]]:
    """The images in order, in runs of at most GROUP_PIXELS or of one image."""
    group: list[Image] = []
    pixels = 0
    for image in images:
        size = image.width * image.height
        if group and pixels + size > GROUP_PIXELS:
            yield group
            group, pixels = [], 0
        group.append(image)
        pixels += size
    if group:
        yield group


def open_detector(*, device: str, min_face: float | None, runtime: Runtime) -> MtcnnDetector:
    """MTCNN, as the registry of detectors opens it. Raises ModelError, DeviceError."""
    return MtcnnDetector(device=device, min_face=min_face, runtime=runtime)
