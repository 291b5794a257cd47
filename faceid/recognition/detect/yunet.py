"""YuNet finds the faces, the O-Net of MTCNN places the landmarks.

YuNet takes a fraction of the time of MTCNN's P- and R-Net. Its own landmarks are coarser: at strict thresholds fewer
photos of one person agree. So the O-Net looks at each of its boxes once, and decides as in MTCNN: boxes, landmarks and
scores mean the same with both detectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from faceid.config import Runtime
from faceid.recognition.detect.boxes import Indices, squared
from faceid.recognition.detect.looking import Candidates, batching_for, decide
from faceid.recognition.detect.networks import SINGLE_PRECISION, open_onet
from faceid.recognition.detect.pyramid import WINDOW, Level, SummedImage
from faceid.recognition.detect.sizes import automatic_min_face, faces_of, grouped, shrunken
from faceid.recognition.detect.yunet_network import YunetNetwork
from faceid.recognition.detect.yunet_search import find
from faceid.runtime.devices import moved, torch_threads
from faceid.types import Face, Image

if TYPE_CHECKING:
    from faceid.types import Pixels

ONET_SCORE = 0.7
"""The O-Net's least score, as in MTCNN."""

BOX_SHARE = 0.85
"""How much of YuNet's boxes, squared, the O-Net sees. It then scores as in MTCNN: 98 % of LFW's faces reach 0.995; of
0.95 of the boxes, 93 %. Landmarks and recall are equally good from 0.85 to 0.95."""

CUT_SIDE = 192
"""Larger faces are shrunk by powers of two, as far as leaves this side, before the O-Net's 48 pixels are taken. So a
large photo need not be decoded whole, and not at other sizes than the aligner wants for its crops."""


class YunetDetector:
    """Finds faces with YuNet and MTCNN's O-Net; satisfies `faceid.ports.networks.Detector`.

    YuNet always runs on the CPU, the O-Net on the device. Memory is bounded: YuNet sees an image in tiles, the O-Net in
    crops. Instances may be shared between threads.
    """

    def __init__(
        self,
        weights: Path,
        device: str | torch.device = "cpu",
        min_face: float | None = None,
        threads: int = 1,
        runtime: Runtime = "torch",
    ) -> None:
        """Load YuNet from the ONNX file `weights`, and the O-Net onto `device`.

        The other arguments are those of MtcnnDetector. With the runtime `torch`, OpenCV runs YuNet.

        Raises ValueError for a `min_face` under 12 or no thread, DeviceError for a device that is not there, ModelError
        for weights that are missing, altered or not YuNet's.
        """
        if min_face is not None and not WINDOW <= min_face < float("inf"):
            raise ValueError(f"min_face must be at least {WINDOW} pixels, not {min_face}")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self._device = torch.device(device)
        self._onet = open_onet(self._device, runtime)
        self._onet_crops = batching_for(self._device).onet_crops
        self._yunet = YunetNetwork(weights, runtime)
        self._min_face = min_face
        self._threads = threads

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        """The faces of each image, left to right (by x1, then y1); an empty list where there is none."""
        faces: list[list[Face]] = []
        for group in grouped(images):
            faces.extend(self._detect_group(group))
        return faces

    def _detect_group(self, images: Sequence[Image]) -> list[list[Face]]:
        least = [self._min_face or automatic_min_face(image.width, image.height) for image in images]
        found = find(self._yunet, images, least)
        if not len(found):
            return [[] for _ in images]
        places, owners, factors = _shrunken_places(found.at(squared(found.boxes, BOX_SHARE)))
        sizes = np.array(
            [
                (images[owner].width // factor, images[owner].height // factor)
                for owner, factor in zip(owners, factors, strict=True)
            ]
        )
        cut = partial(_crops, [images[owner] for owner in owners], factors, self._device)
        with torch_threads(self._threads), torch.inference_mode(), SINGLE_PRECISION.on(self._device):
            decided, marks = decide(self._onet, cut, sizes, places, ONET_SCORE, self._onet_crops)
        return faces_of(decided, marks, owners, factors, len(images))


def _shrunken_places(places: Candidates) -> tuple[Candidates, list[int], list[int]]:
    """The places in shrunken pictures: as much as leaves each CUT_SIDE pixels, by powers of two.

    Returns them, and for each of the pictures its image and its factor.
    """
    sides = places.boxes[:, 2] - places.boxes[:, 0] + 1
    powers = np.floor(np.log2(np.maximum(sides / CUT_SIDE, 1))).astype(np.int64)
    pictures, rows = np.unique(np.stack([places.picture, powers], axis=1), axis=0, return_inverse=True)
    order = np.argsort(rows.ravel(), kind="stable")
    places, rows, powers = places[order], rows.ravel()[order], powers[order]
    by = np.float32(2) ** powers[:, None].astype(np.float32)
    # The inverse of what `faces_of` does.
    boxes = np.concatenate([(places.boxes[:, :2] - 1) / by + 1, places.boxes[:, 2:] / by], axis=1)
    shrunk = Candidates(rows, boxes, places.scores, places.offsets)
    return shrunk, pictures[:, 0].tolist(), (2 ** pictures[:, 1]).tolist()


def _crops(
    images: Sequence[Image],
    factors: Sequence[int],
    device: torch.device,
    owners: Indices,
    spans: Indices,
    size: int,
) -> Tensor:
    """The (n, 4) windows, each of the image in (n,) `owners` shrunken by its factor, as (n, size, size, 3)."""
    whole = Level(1.0, size, size)
    crops = [
        SummedImage.of(_cut(images[owner], factors[owner], span), torch.device("cpu")).rows_of(whole, 0, size)
        for owner, span in zip(owners.tolist(), spans.tolist(), strict=True)
    ]
    return moved(torch.stack(crops), device) if crops else torch.empty(0, size, size, 3, device=device)


def _cut(image: Image, factor: int, span: Sequence[int]) -> Pixels:
    """The pixels of a window of the image shrunken by `factor`, a power of two."""
    pixels, reduced = image.reduced(factor)
    rest = factor // reduced
    x1, y1, x2, y2 = (edge * rest for edge in span)
    return shrunken(pixels[y1:y2, x1:x2], rest)


def open_detector(*, device: str, min_face: float | None, runtime: Runtime, weights: Path) -> YunetDetector:
    """The detector with the YuNet of the ONNX file `weights`. Raises ModelError, DeviceError."""
    return YunetDetector(weights, device=device, min_face=min_face, runtime=runtime)
