"""Factories: from names to instances. Heavy libraries are imported here and below, when a network is first needed."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from faceid.config import Runtime, Settings
from faceid.errors import ModelError
from faceid.networks import kinds, registry
from faceid.networks.registry import FAKE
from faceid.recognition.detect import registry as detectors
from faceid.runtime.devices import on_own_stream, resolve_runtime, torch_threads, usable_cores
from faceid.runtime.ordered_map import Crew

if TYPE_CHECKING:
    from faceid.live.liveness.checks import Kind
    from faceid.ports.networks import Detector, Embedder, LivenessDetector

CPU_WORKERS = 16
"""The most threads that work on pictures: more would mostly wait for Python's lock."""

GPU_WORKERS, GPU_BATCH, GPU_BATCH_PIXELS = 4, 32, 32_000_000
"""Threads beside a GPU, and pictures and pixels that each gives it at once."""


def make_detector(
    model: str,
    device: str,
    min_face: float | None = None,
    *,
    runtime: Runtime = "auto",
    detector: str | None = None,
    weights_dir: Path | None = None,
) -> Detector:
    """The detector called `detector`; without a name, MTCNN, or the fake for the fake network `model`.

    `min_face` is the smallest face to detect, pixels. `weights_dir` is the directory of pulled weights, which only some
    detectors need. Raises ModelError, DeviceError.
    """
    name = detector or (detectors.FAKE if model == FAKE else detectors.MTCNN)
    # The fake runs no network, so it accepts any device and runtime.
    chosen = runtime if name == detectors.FAKE else resolve_runtime(runtime, device)
    return detectors.open_detector(
        name, device=device, min_face=min_face, runtime=chosen, weights_dir=weights_dir
    )


def make_embedder(model: str, device: str, settings: Settings) -> Embedder:
    """The network called `model`, loaded.

    Raises ModelError if it is unknown, missing or altered, or its runtime is missing; DeviceError if its runtime cannot
    use `device`. An ONNX graph of the user always runs in ONNX Runtime.
    """
    card = registry.card(model, settings.models_dir)
    kind = kinds.find_kind(card.backbone)
    runner = "torch" if kind is None else kind.runner
    module = import_module(f"faceid.recognition.embed.{runner}")
    if runner != "torch":
        return cast("Embedder", module.open_embedder(card, device=device, weights_dir=settings.weights_dir))
    return cast(
        "Embedder",
        module.open_embedder(
            card,
            device=device,
            weights_dir=settings.weights_dir,
            runtime=resolve_runtime(settings.runtime, device),
        ),
    )


def make_liveness_detector(model: str, device: str, settings: Settings) -> LivenessDetector:
    """The passive liveness detector of `model`: MiniFASNet, or the fake for the fake.

    Raises ModelError if its weights are missing or altered.
    """
    if model == FAKE:
        return cast(
            "LivenessDetector", import_module("faceid.recognition.liveness.fake").FakeLivenessDetector()
        )
    module = import_module("faceid.recognition.liveness.passive")
    return cast("LivenessDetector", module.open_detector(device=device, weights_dir=settings.weights_dir))


def open_liveness_detector(
    kind: Kind, model: str, device: str, settings: Settings
) -> LivenessDetector | None:
    """The passive liveness detector of `model`, None if `kind` uses none.

    Raises ModelError as `make_liveness_detector` does. But for a challenge, which works without it, missing weights
    give None.
    """
    if kind == "off":
        return None
    try:
        return make_liveness_detector(model, device, settings)
    except ModelError as error:
        if kind == "challenge" and error.code == "weights_missing":
            return None
        raise


def make_crew(model: str, device: str) -> Crew:
    """The threads for many pictures: one for each core, with single-threaded networks.

    That keeps every core busy; threads inside a layer of these networks mostly wait for each other. Beside a GPU, a few
    threads, each with its own stream, decode and launch work while it computes.
    """
    cores = usable_cores()
    if model == FAKE:
        return Crew(workers=min(2, cores))
    if device == "cpu":
        return Crew(workers=min(CPU_WORKERS, cores), readers=2 * cores, working=partial(torch_threads, 1))
    return Crew(
        workers=min(GPU_WORKERS, cores),
        readers=2 * cores,
        batch=GPU_BATCH,
        batch_weight=GPU_BATCH_PIXELS,
        weight=4 * GPU_WORKERS * GPU_BATCH_PIXELS,
        working=lambda: on_own_stream(device),
    )
