"""facenet-pytorch's own MTCNN, and our network on its faces.

Batches of pictures as its documentation has them: a list of PIL images of one size into `detect`. It leaves recognition
to a network of the user's; this is dlib's in torch, behind our aligner, so that only what it does itself differs.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from PIL import Image as PilImage
from PIL import ImageOps

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from facenet_pytorch import MTCNN

from faceid.app import factories
from faceid.config import Settings
from faceid.recognition.align import align
from faceid.types import Face, Image
from scripts.benchmarks.pipeline.contenders import Contender, Found

MOST_PIXELS = 16_000_000
"""Of a batch: eight photos of a phone at once would need more memory than most machines have."""


def make(batch: int, min_face: int = 20, model: str = "dlib-resnet") -> Contender:
    return FacenetPytorch(batch, min_face, model)


class FacenetPytorch:
    def __init__(self, batch: int, min_face: int, model: str) -> None:
        self.batch = batch
        self.detector = MTCNN(keep_all=True, min_face_size=min_face, device="cpu")
        self.embedder = factories.make_embedder(model, "cpu", Settings.load())

    def look(self, paths: Sequence[str]) -> list[list[Found]]:
        with PilImage.open(paths[0]) as first:
            batch = max(1, min(self.batch, MOST_PIXELS // (first.width * first.height)))
        return [
            found
            for start in range(0, len(paths), batch)
            for found in self._look_at(paths[start : start + batch])
        ]

    def _look_at(self, paths: Sequence[str]) -> list[list[Found]]:
        pictures = [ImageOps.exif_transpose(PilImage.open(path)).convert("RGB") for path in paths]
        boxes, scores, landmarks = self.detector.detect(pictures, landmarks=True)
        faces = [
            []
            if some is None
            # Its landmarks are counted from 1, ours from 0.
            else [
                Face(tuple(map(float, box)), np.asarray(marks - 1, np.float32), float(score))
                for box, score, marks in zip(some, some_scores, some_landmarks, strict=True)
            ]
            for some, some_scores, some_landmarks in zip(boxes, scores, landmarks, strict=True)
        ]
        crops = [
            align(Image(np.asarray(picture), path, ""), face, self.embedder.model.aligner)
            for picture, path, some in zip(pictures, paths, faces, strict=True)
            for face in some
        ]
        templates = iter(self.embedder.embed(crops) if crops else ())
        return [[(face.box, next(templates)) for face in some] for some in faces]
