"""What takes part in bench_pipeline.py: one file a system, all behind one small protocol.

The files run in the environments of their libraries, each in a process of its own with the library's own threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Box: TypeAlias = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the picture."""

Found: TypeAlias = "tuple[Box, NDArray[np.floating[Any]]]"
"""A face: where it is, and its template (d,)."""


class Contender(Protocol):
    """A system that makes templates of photo files. A file of this package offers `make(**options)`."""

    def look(self, paths: Sequence[str]) -> list[list[Found]]:
        """All faces of each picture, decoding included."""
        ...


@dataclass(frozen=True)
class Spec:
    """A contender as it stands in the table.

    `requirements` are pinned; where there are any, it runs in an environment of its own, which also finds our
    libraries. `ours` is faceid itself.
    """

    name: str
    module: str
    means: str
    options: dict[str, Any] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    environment: str = ""
    ours: bool = False


def faceid(model: str, detector: str = "auto") -> Spec:
    """faceid with a network and a detector."""
    means = "Pipeline.look over the files: a thread a core, single-threaded networks"
    return Spec(
        f"faceid, {model}, {detector}",
        "scripts.benchmarks.pipeline.contenders.ours",
        means,
        {"model": model, "detector": detector},
        ours=True,
    )


RIVALS: tuple[Spec, ...] = (
    Spec(
        "face_recognition",
        "scripts.benchmarks.pipeline.contenders.dlib_hog",
        "what face_locations and face_encodings call, through dlib: HOG upsampled once, 5 landmarks, one pass",
    ),
    Spec(
        "facenet-pytorch",
        "scripts.benchmarks.pipeline.contenders.facenet",
        "its MTCNN as it comes (faces from 20 pixels), keep_all, batches of 8; our aligner and dlib's network in torch",
        {"batch": 8},
    ),
    Spec(
        "facenet-pytorch-40",
        "scripts.benchmarks.pipeline.contenders.facenet",
        "the same with min_face_size=40, which is the smallest face that faceid looks for in these pictures",
        {"batch": 8, "min_face": 40},
    ),
    Spec(
        "deepface",
        "scripts.benchmarks.pipeline.contenders.deepface_dlib",
        "DeepFace.represent, one file after the other, detector fastmtcnn, model Dlib (the same weights, through dlib)",
        # Of 0.0.103 werkzeug is an undeclared requirement.
        requirements=("deepface==0.0.103", "werkzeug==3.1.9"),
        environment="deepface",
    ),
)
