"""YuNet: the graph of its ONNX file, run by OpenCV, and the boxes that its outputs mean.

Wu, Peng, Yu: YuNet: a tiny millisecond-level face detector, Machine Intelligence Research 20 (2023). The published
files (`face_detection_yunet_2023mar.onnx` of opencv_zoo, `yunet_n_dynamic.onnx` of libfacedetection.train) take
pictures of any size whose sides are multiples of 32, BGR 0..255, and see faces of about 10 to 300 pixels.

`cv2.dnn` runs the graph, or OpenVINO does. `cv2.FaceDetectorYN` is `cv2.dnn` too, but it takes one picture at a time,
and OpenCV 5 prints a warning about targets to the standard error stream whenever one is made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

from faceid.config import Runtime
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

_MOST_LOG = np.float32(np.log(1000.0))
"""The logarithm of the most strides that a box is wide or high."""

_LONG_RUN = 50
"""With the runtime `auto`, OpenVINO takes over after so many batches. By then it has cost about what it then saves."""


class YunetNetwork:
    """(n, H, W, 3) pictures to boxes. Threads may share it."""

    def __init__(self, weights: Path, runtime: Runtime = "torch") -> None:
        """Read the ONNX file `weights`. `runtime` is `openvino`, `torch` for OpenCV, or `auto` for OpenCV first.

        Raises ModelError: `onnx` for a file that cannot be run as YuNet, `no_openvino`.
        """
        content = weights.read_bytes()
        self._weights = weights
        self._run: Callable[[Floats], Sequence[Floats]]
        if runtime == "torch":
            self._run = _ByOpenCv(content)
        else:
            from faceid.runtime.openvino import CompiledGraph, Late

            compiled = partial(CompiledGraph, content, _OUTPUTS)
            self._run = compiled() if runtime == "openvino" else Late(_ByOpenCv(content), compiled, _LONG_RUN)
        try:
            # A score of 0, so that boxes of all places are read.
            self.find([np.zeros((MULTIPLE, MULTIPLE, 3), np.uint8)], 0.0)
        except (ValueError, IndexError) as error:
            raise ModelError(
                f"the outputs of {weights.name} are not those of YuNet: {error}",
                code="onnx",
                path=str(weights),
            ) from error

    def find(self, pictures: Sequence[Pixels], least_score: float) -> tuple[Indices, Floats, Floats]:
        """The places that score `least_score` or more, before overlapping ones are dropped.

        `pictures` are of one size, (H, W, 3) RGB uint8, whose sides are multiples of MULTIPLE. Returns (m,) the picture
        of each place, rising, (m, 4) its left, top, right and bottom edge in pixels, and (m,) its score, 0..1.
        """
        height, width = pictures[0].shape[:2]
        outputs = self._outputs(cv2.dnn.blobFromImages(pictures, swapRB=True))
        parts = [self._decoded(outputs, stride, height, width, least_score) for stride in STRIDES]
        owners, boxes, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.argsort(owners, kind="stable")
        return owners[order], boxes[order], scores[order]

    def _outputs(self, pixels: Any) -> dict[str, Floats]:
        try:
            return dict(zip(_OUTPUTS, self._run(pixels), strict=True))
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
        # No picture has a larger face, and no pixels make the exponential overflow.
        logs = np.minimum(np.stack([log_width, log_height], axis=1), _MOST_LOG)
        half = np.exp(logs) * np.float32(stride / 2)
        boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
        return owner, boxes, scores[hits].astype(np.float32)


class _ByOpenCv:
    """The graph in `cv2.dnn`: a copy for each thread, because the graph holds what it computes."""

    def __init__(self, content: bytes) -> None:
        self._content = np.frombuffer(content, np.uint8)
        self._of_thread = threading.local()

    def __call__(self, pixels: Floats) -> Sequence[Floats]:
        """The outputs for (n, 3, H, W) pixels; the thread's next call overwrites them. Raises cv2.error."""
        if not hasattr(self._of_thread, "net"):
            self._of_thread.net = cv2.dnn.readNetFromONNX(self._content)
        self._of_thread.net.setInput(pixels)
        return cast("Sequence[Floats]", self._of_thread.net.forward(_OUTPUTS))
