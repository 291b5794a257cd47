"""faceid, through the path that enrolment and identification take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

from faceid.config import Runtime, Settings
from faceid.runtime.process import tune_process
from scripts.benchmarks.pipeline.contenders import Contender, Found


def make(model: str, detector: str = "auto") -> Contender:
    # As the command line does, before NumPy is imported.
    tune_process()
    return Ours(model, detector)


class Ours:
    def __init__(self, model: str, detector: str) -> None:
        from faceid.app.faceid import FaceID

        settings = Settings.load(db="unused.db", model=model, device="cpu", detector=detector)
        # Not `auto`, which compiles after some two hundred photos: like imports and the loading of weights, that is
        # no part of what is measured.
        runtime: Runtime = "openvino" if find_spec("openvino") else "torch"
        self.system = FaceID(settings=replace(settings, runtime=runtime))

    def look(self, paths: Sequence[str]) -> list[list[Found]]:
        from faceid.imaging import fetch
        from faceid.recognition.pipeline import Source

        looks = self.system.services.current().pipeline.analyse(
            Source(path, partial(fetch, path)) for path in paths
        )
        return [
            [
                (observation.face.box, embedding.vector)
                for observation, embedding in zip(look.observations, look.embeddings, strict=True)
            ]
            for look in looks
        ]
