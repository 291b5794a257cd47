"""MTCNN as a detector of pictures of any size: sizes, memory and coordinates around the cascade.

It gives what facenet-pytorch's `MTCNN.detect` gives for the same smallest face, on the same weights, several
times faster: all resizing comes from one table of sums a picture (`pyramid`), and the networks run
`channels_last` in batches that suit the processor (`cascade`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from faceid.config import Runtime
from faceid.recognition.detect.cascade import Cascade, Picture
from faceid.recognition.detect.looking import batching_for
from faceid.recognition.detect.networks import SINGLE_PRECISION, open_networks
from faceid.recognition.detect.pyramid import WINDOW, SummedImage, levels
from faceid.recognition.detect.sizes import automatic_min_face, faces_of, grouped, shrinking, shrunken_image
from faceid.runtime.devices import torch_threads
from faceid.types import Face, Image


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
        self._min_face = min_face
        self._threads = threads
        networks = open_networks(self._device, runtime)
        self._cascade = Cascade(networks, thresholds, batching_for(self._device), self._device)

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        """The faces of each image, left to right (by x1, then y1); an empty list where there is none."""
        faces: list[list[Face]] = []
        for group in grouped(images):
            faces.extend(self._detect_group(group))
        return faces

    def _detect_group(self, images: Sequence[Image]) -> list[list[Face]]:
        pictures, owners, shrinks = [], [], []
        for owner, image in enumerate(images):
            min_face = self._min_face or automatic_min_face(image.width, image.height)
            shrink = shrinking(image.width, image.height, min_face)
            pyramid = tuple(levels(image.height // shrink, image.width // shrink, min_face / shrink))
            if pyramid:
                pictures.append(Picture(SummedImage.of(shrunken_image(image, shrink), self._device), pyramid))
                owners.append(owner)
                shrinks.append(shrink)
        if not pictures:
            return [[] for _ in images]
        with torch_threads(self._threads), torch.inference_mode(), SINGLE_PRECISION.on(self._device):
            found, landmarks = self._cascade.run(pictures)
        return faces_of(found, landmarks, owners, shrinks, len(images))


def open_detector(*, device: str, min_face: float | None, runtime: Runtime) -> MtcnnDetector:
    """MTCNN, as the registry of detectors opens it. Raises ModelError, DeviceError."""
    return MtcnnDetector(device=device, min_face=min_face, runtime=runtime)
