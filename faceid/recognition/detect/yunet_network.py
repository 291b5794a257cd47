"""YuNet: the graph of its ONNX file, run by OpenCV, and the boxes that its outputs mean.

Wu, Peng, Yu: YuNet: a tiny millisecond-level face detector, Machine Intelligence Research 20 (2023). The published
files (`face_detection_yunet_2023mar.onnx` of opencv_zoo, `yunet_n_dynamic.onnx` of libfacedetection.train) take
pictures of any size whose sides are multiples of 32, BGR 0..255, and see faces of about 10 to 300 pixels.

The graph is run by `cv2.dnn` and not by `cv2.FaceDetectorYN`, which runs it the same way: OpenCV 5 prints a warning
about targets to the standard error stream for each FaceDetectorYN, and it takes one picture at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from faceid.errors import ModelError
from faceid.recognition.detect.boxes import Floats, Indices

if TYPE_CHECKING:
    from faceid.types import Pixels

STRIDES = (8, 16, 32)
"""Pixels between the places that the network looks at, at its three scales."""

MULTIPLE = max(STRIDES)
"""The sides of the network's input are multiples of it."""

# OpenCV wants all outputs named; `kps`, YuNet's own landmarks, are not used.
_OUTPUTS = tuple(f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES)


class YunetNetwork:
    """(n, H, W, 3) pictures to boxes. Threads may share it: each uses a copy of the graph, which keeps its state."""

    def __init__(self, weights: Path) -> None:
        """Read the ONNX file `weights`. Raises ModelError (`onnx`) if OpenCV cannot run it as YuNet."""
        self._weights = weights
        self._content = np.frombuffer(weights.read_bytes(), np.uint8)
        self._of_thread = threading.local()
        self.find([np.zeros((MULTIPLE, MULTIPLE, 3), np.uint8)], 1.0)

    def find(self, pictures: Sequence[Pixels], least_score: float) -> tuple[Indices, Floats, Floats]:
        """The places that score `least_score` or more, before overlapping ones are dropped.

        `pictures` are of one size, (H, W, 3) RGB uint8, whose sides are multiples of MULTIPLE. Returns (m,) the picture
        of each place, rising, (m, 4) its left, top, right and bottom edge in pixels, and (m,) its score, 0..1.
        """
        height, width = pictures[0].shape[:2]
        outputs = self._run(cv2.dnn.blobFromImages(pictures, swapRB=True))
        parts = [self._decoded(outputs, stride, height, width, least_score) for stride in STRIDES]
        owners, boxes, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.argsort(owners, kind="stable")
        return owners[order], boxes[order], scores[order]

    def _run(self, pixels: Any) -> dict[str, Any]:
        try:
            if not hasattr(self._of_thread, "net"):
                self._of_thread.net = cv2.dnn.readNetFromONNX(self._content)
            net = self._of_thread.net
            net.setInput(pixels)
            return dict(zip(_OUTPUTS, net.forward(_OUTPUTS), strict=True))
        except cv2.error as error:
            raise ModelError(
                f"OpenCV cannot run {self._weights.name}: {error}", code="onnx", path=str(self._weights)
            ) from error

    @staticmethod
    def _decoded(
        outputs: dict[str, Any], stride: int, height: int, width: int, least_score: float
    ) -> tuple[Indices, Floats, Floats]:
        """The places of one scale, as FaceDetectorYN computes them from the outputs."""
        rows, columns = height // stride, width // stride
        # Some files join the pictures of a batch in one long axis.
        class_scores, object_scores = (
            np.clip(outputs[f"{kind}_{stride}"].reshape(-1, rows, columns), 0, 1) for kind in ("cls", "obj")
        )
        scores = np.sqrt(class_scores * object_scores)
        owner, row, column = hits = np.nonzero(scores >= least_score)
        x, y, log_width, log_height = outputs[f"bbox_{stride}"].reshape(-1, rows, columns, 4)[hits].T
        centre = np.stack([column + x, row + y], axis=1) * np.float32(stride)
        half = np.exp(np.stack([log_width, log_height], axis=1)) * np.float32(stride / 2)
        boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
        return owner, boxes, scores[hits].astype(np.float32)
