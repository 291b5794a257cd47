"""The contenders of bench_live: the engine of `faceid live`, and simple loops over frames.

The files run in the environments of their libraries, each in its own process with the library's own threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from scripts.benchmarks.pipeline.contenders import Spec

Names: TypeAlias = list["str | None"]
"""Of each face in a frame, None if it is not identified."""


class Watcher(Protocol):
    """A system that watches a video. A file of this package offers `make(**options)`."""

    def enrol(self, people: Mapping[str, Sequence[str]]) -> None:
        """Take in the photo files of each person, by name."""
        ...

    def watch(self, path: str) -> list[Names]:
        """Who is in each frame of a video file, at full speed, decoding included."""
        ...


def faceid(model: str, *, detector: str = "auto", drawn: bool = False) -> Spec:
    """faceid with a network and a detector; `drawn`: with the annotated picture of every frame as well."""
    return Spec(
        f"faceid live, {model}, {detector}" + (", drawn" if drawn else ""),
        "scripts.benchmarks.live.contenders.ours",
        "FaceID.watch over the file" + (", every frame annotated" if drawn else ""),
        {"model": model, "detector": detector, "drawn": drawn},
        ours=True,
    )


RIVALS: tuple[Spec, ...] = (
    Spec(
        "face_recognition",
        "scripts.benchmarks.live.contenders.dlib_loop",
        "every frame: what face_locations, face_encodings and compare_faces call with their defaults, through dlib",
    ),
    Spec(
        "facenet-pytorch",
        "scripts.benchmarks.live.contenders.facenet_loop",
        "every frame: its MTCNN (keep_all), InceptionResnetV1 and distances; random weights, so that only its speed"
        " means anything",
    ),
)

NAIVE = Spec(
    "read, identify, repeat",
    "scripts.benchmarks.live.contenders.naive",
    "a loop of cv2.VideoCapture.read and FaceID.identify: every frame, in order",
)

NAMELESS = ("facenet-pytorch",)
"""Whose names mean nothing."""
