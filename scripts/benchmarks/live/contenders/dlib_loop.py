"""A loop over frames with face_recognition; the package itself no longer imports on a current setuptools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from scripts.benchmarks.live.contenders import Names, Watcher
from scripts.benchmarks.pipeline.contenders.dlib_hog import FaceRecognition

TOLERANCE = 0.6


def make() -> Watcher:
    return Loop()


class Loop:
    """What its example for webcams does, for every frame and at full size."""

    def __init__(self) -> None:
        self.system = FaceRecognition()
        self.names: list[str] = []
        self.known: list[Any] = []

    def enrol(self, people: Mapping[str, Sequence[str]]) -> None:
        for name, paths in people.items():
            for found in self.system.look(paths):
                if found:
                    self.names.append(name)
                    self.known.append(found[0][1])

    def watch(self, path: str) -> list[Names]:
        capture, seen = cv2.VideoCapture(path), []
        while (grabbed := capture.read())[0]:
            pixels = cv2.cvtColor(grabbed[1], cv2.COLOR_BGR2RGB)
            seen.append([self._name(template) for _, template in self.system.look_at(pixels)])
        return seen

    def _name(self, template: Any) -> str | None:
        distances = np.linalg.norm(np.array(self.known) - template, axis=1)
        best = int(np.argmin(distances))
        return self.names[best] if distances[best] <= TOLERANCE else None
