"""face_recognition as its own code does it; the package itself no longer imports on a current setuptools."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import files

import dlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage
from PIL import ImageOps

from scripts.benchmarks.pipeline.contenders import Contender, Found


def make() -> Contender:
    return FaceRecognition()


class FaceRecognition:
    """What `load_image_file`, `face_locations` and `face_encodings` do with their defaults, on upright pictures."""

    def __init__(self) -> None:
        self.detector = dlib.get_frontal_face_detector()
        self.landmarks = dlib.shape_predictor(packaged("shape_predictor_5_face_landmarks.dat"))
        self.network = dlib.face_recognition_model_v1(packaged("dlib_face_recognition_resnet_model_v1.dat"))

    def look(self, paths: Sequence[str]) -> list[list[Found]]:
        return [
            self.look_at(np.array(ImageOps.exif_transpose(PilImage.open(path)).convert("RGB")))
            for path in paths
        ]

    def look_at(self, pixels: NDArray[np.uint8]) -> list[Found]:
        """All faces of (H, W, 3) RGB pixels."""
        found = []
        for box in self.detector(pixels, 1):
            shape = self.landmarks(pixels, box)
            template = np.array(self.network.compute_face_descriptor(pixels, shape, 1))
            found.append(((box.left(), box.top(), box.right(), box.bottom()), template))
        return found


def packaged(name: str) -> str:
    """The path of a file that the distribution face-recognition-models holds."""
    found = next(file for file in files("face-recognition-models") or () if file.name == name)
    return str(found.locate())
