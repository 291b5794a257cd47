"""deepface with facenet-pytorch's MTCNN (`fastmtcnn`) and dlib's network, on the file of weights that we have."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmarks.pipeline.contenders import Contender, Found
from scripts.benchmarks.pipeline.contenders.dlib_hog import packaged

WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"


def make() -> Contender:
    # Where it looks before it downloads; read when it is imported.
    home = Path(sys.prefix) / "home"
    weights = home / ".deepface" / "weights" / WEIGHTS
    if not weights.exists():
        weights.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(packaged(WEIGHTS), weights)
    os.environ["DEEPFACE_HOME"] = str(home)
    return Deepface()


class Deepface:
    def __init__(self) -> None:
        from deepface import DeepFace
        from deepface.modules.exceptions import FaceNotDetected

        self.represent, self.no_face = DeepFace.represent, FaceNotDetected

    def look(self, paths: Sequence[str]) -> list[list[Found]]:
        return [self._look_at(path) for path in paths]

    def _look_at(self, path: str) -> list[Found]:
        try:
            faces = self.represent(img_path=path, model_name="Dlib", detector_backend="fastmtcnn")
        except self.no_face:
            return []
        found = []
        for face in faces:
            x, y, width, height = (face["facial_area"][key] for key in ("x", "y", "w", "h"))
            found.append(((x, y, x + width, y + height), face["embedding"]))
        return found
