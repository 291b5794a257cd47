"""Names -> instances: the only dynamic import. Heavy libraries load here and below, when first needed."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, cast

from faceid.config import Settings
from faceid.errors import DeviceError, ModelError
from faceid.streaming import Crew
from models import registry
from models.errors import ModelsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faceid.ports import Detector, Embedder
    from models.registry import Calibration

GPU_WORKERS, GPU_BATCH, GPU_BATCH_PIXELS = 4, 32, 32_000_000
"""Threads beside a GPU, and pictures and pixels that each gives it at once."""

FAKE = "fake"
"""The model of tests: no network, no weights, faces are coloured squares (faceid/detect/fake.py)."""


def resolve_device(asked: str) -> str:
    """A torch device string for `auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`.

    Raises DeviceError where a GPU was asked for and cannot be used: never a silent fallback.
    """
    if asked == "cpu":
        return "cpu"
    if asked != "auto" and asked != "cuda" and not (asked.startswith("cuda:") and asked[5:].isdecimal()):
        raise DeviceError(f"unknown device {asked!r}", hint="choose auto, cpu, cuda or cuda:N")
    patient_threads()
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        return "cuda:0" if count else "cpu"
    number = int(asked[5:]) if ":" in asked else 0
    if number >= count:
        raise DeviceError(
            f"device {asked} cannot be used: {count} usable GPU{'' if count == 1 else 's'} found",
            hint="use --device cpu, or check the driver with `faceid doctor`",
        )
    return f"cuda:{number}"


def make_detector(model: str, device: str, min_face: float | None = None) -> Detector:
    """The detector that goes with `model`: MTCNN, or the fake for the fake. Raises ModelError."""
    patient_threads()
    if model == FAKE:
        return cast("Detector", import_module("faceid.detect.fake").FakeDetector(min_face=min_face or 40))
    return cast(
        "Detector", import_module("faceid.detect.mtcnn").MtcnnDetector(device=device, min_face=min_face)
    )


def make_embedder(model: str, device: str, settings: Settings) -> Embedder:
    """The network called `model`, loaded. Raises ModelError where it is unknown, missing or altered."""
    patient_threads()
    if model == FAKE:
        return cast("Embedder", import_module("faceid.embed.fake").FakeEmbedder())
    kind = "onnx" if model.startswith("onnx:") else "torch"
    with models_errors():
        card = registry.card(model)
    module = import_module(f"faceid.embed.{kind}")
    return cast("Embedder", module.open_embedder(card, device=device, weights_dir=settings.weights_dir))


def make_crew(model: str, device: str) -> Crew:
    """The threads for many pictures: one a core, each with single-threaded networks.

    That keeps every core busy; threads inside a layer of these networks mostly wait for each other. On a GPU a few
    threads, each with a stream of its own, decode and launch while it computes.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if model == FAKE:
        return Crew(workers=min(2, cores))
    if device == "cpu":
        return Crew(workers=cores, readers=2 * cores, working=_single_threaded)
    return Crew(
        workers=min(GPU_WORKERS, cores),
        readers=2 * cores,
        batch=GPU_BATCH,
        batch_weight=GPU_BATCH_PIXELS,
        weight=4 * GPU_WORKERS * GPU_BATCH_PIXELS,
        working=lambda: _on_own_stream(device),
    )


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Inside, networks called by this thread run on it alone."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _on_own_stream(device: str) -> Iterator[None]:
    """Inside, what this thread launches on the GPU waits for nothing that other threads launched."""
    import torch

    with torch.cuda.stream(torch.cuda.Stream(device)):  # type: ignore[no-untyped-call]
        yield


def calibration_of(model: str) -> Calibration | None:
    """What is known about the distances of `model`'s non-mated comparisons; None where nobody measured."""
    if model == FAKE:
        return cast("Calibration", import_module("faceid.embed.fake").CALIBRATION)
    with models_errors():
        return registry.card(model).calibration


def patient_threads() -> None:
    """Make torch's threads sleep while they wait for each other; to be called before torch is imported.

    By default they spin. On a machine that does anything else as well, each layer of a network then waits for a
    thread that is not running: a face took 580 ms instead of 13 on two busy cores. A choice made by the user in
    OMP_WAIT_POLICY stands.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def models_errors() -> Iterator[None]:
    """Turn the errors of the models package into ours: the one edge between the two trees."""
    try:
        yield
    except ModelsError as error:
        raise ModelError(str(error), code=error.code, hint=error.hint, path=error.path) from error
