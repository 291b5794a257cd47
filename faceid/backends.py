"""Names -> instances: the only dynamic import. Heavy libraries load here and below, when first needed."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from faceid.config import Runtime, Settings
from faceid.errors import DeviceError, ModelError, UsageError
from faceid.streaming import Crew
from models import registry
from models.errors import BadSettings, ModelsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faceid.ports import Detector, Embedder, LivenessDetector
    from models.registry import Calibration

CPU_WORKERS = 16
"""Threads that work on pictures at most: more would mostly wait for Python's lock."""

GPU_WORKERS, GPU_BATCH, GPU_BATCH_PIXELS = 4, 32, 32_000_000
"""Threads beside a GPU, and pictures and pixels that each gives it at once."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""malloc.h of glibc; 32 MiB is the most that the second takes."""

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


def require_devices(device: str, count: int) -> None:
    """Raise DeviceError where `count` processes cannot have a GPU each like `device`; on a CPU they always can."""
    if device == "cpu" or count == 1:
        return
    import torch

    if (found := torch.cuda.device_count()) < count:
        raise DeviceError(
            f"{count} GPUs were asked for, and {found} found", hint="use --processes with a smaller number"
        )


def resolve_runtime(asked: Runtime, device: str) -> Runtime:
    """For networks on `device`: `torch`, `openvino`, or `auto` for torch first and openvino in a long run.

    Raises DeviceError where openvino was asked for and the device is a GPU; whether it is installed is for the
    network to say that needs it.
    """
    if device == "cpu":
        return "torch" if asked == "auto" and not find_spec("openvino") else asked
    if asked == "openvino":
        raise DeviceError(
            f"the runtime openvino cannot use {device}", hint="use --device cpu, or --runtime torch"
        )
    return "torch"


def make_detector(
    model: str, device: str, min_face: float | None = None, *, runtime: Runtime = "auto"
) -> Detector:
    """The detector that goes with `model`: MTCNN, or the fake for the fake. Raises ModelError, DeviceError."""
    patient_threads()
    if model == FAKE:
        return cast("Detector", import_module("faceid.detect.fake").FakeDetector(min_face=min_face or 40))
    _keep_memory()
    module = import_module("faceid.detect.mtcnn")
    chosen = resolve_runtime(runtime, device)
    return cast("Detector", module.MtcnnDetector(device=device, min_face=min_face, runtime=chosen))


def make_embedder(model: str, device: str, settings: Settings) -> Embedder:
    """The network called `model`, loaded.

    Raises ModelError where it is unknown, missing or altered, or its runtime is; DeviceError where its runtime
    cannot use `device`. An ONNX graph of the user's own runs in ONNX Runtime always.
    """
    patient_threads()
    if model == FAKE:
        return cast("Embedder", import_module("faceid.embed.fake").FakeEmbedder())
    with models_errors():
        card = registry.card(model, settings.models_dir)
    if model.startswith("onnx:"):
        module = import_module("faceid.embed.onnx")
        return cast("Embedder", module.open_embedder(card, device=device, weights_dir=settings.weights_dir))
    module = import_module("faceid.embed.torch")
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
    """The passive liveness detector that goes with `model`: MiniFASNet, or the fake for the fake.

    Raises ModelError where its weights are missing or altered.
    """
    patient_threads()
    if model == FAKE:
        return cast("LivenessDetector", import_module("faceid.liveness.fake").FakeLivenessDetector())
    module = import_module("faceid.liveness.passive")
    return cast("LivenessDetector", module.open_detector(device=device, weights_dir=settings.weights_dir))


def make_crew(model: str, device: str) -> Crew:
    """The threads for many pictures: one a core, each with single-threaded networks.

    That keeps every core busy; threads inside a layer of these networks mostly wait for each other. On a GPU a few
    threads, each with a stream of its own, decode and launch while it computes.
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
        working=lambda: _on_own_stream(device),
    )


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """How many cores this process may keep busy: as many as it may run on, and as its container's quota allows.

    `quota` is the file in which Linux's cgroups (version 2) say "microseconds period", or "max" for no limit.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text(encoding="ascii").split()
        return max(1, min(cores, math.ceil(int(allowed) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):
        return cores


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Inside, networks called by this thread run on so many CPU threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
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


def calibration_of(model: str, settings: Settings | None = None) -> Calibration | None:
    """What is known about the distances of `model`'s non-mated comparisons; None where nobody measured.

    Networks of the user's own are looked for where `settings` say. Raises ModelError.
    """
    if model == FAKE:
        return cast("Calibration", import_module("faceid.embed.fake").CALIBRATION)
    with models_errors():
        return registry.card(model, settings.models_dir if settings else None).calibration


def patient_threads() -> None:
    """Make torch's threads sleep while they wait for each other; to be called before torch is imported.

    By default they spin. On a machine that does anything else as well, each layer of a network then waits for a
    thread that is not running: a face took 580 ms instead of 13 on two busy cores. A choice made by the user in
    OMP_WAIT_POLICY stands.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _keep_memory() -> None:
    """Let glibc's malloc keep up to 1 GiB that networks give back, for their next pass.

    By default it returns tens of megabytes to the system after each pass, and the system clears them again page by
    page: up to 3,800 page faults for each 720p picture, with this under 200. What the user chose in the
    environment stands; other allocators are left alone.
    """
    if "MALLOC_TRIM_THRESHOLD_" in os.environ or "GLIBC_TUNABLES" in os.environ or sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(_M_TRIM_THRESHOLD, 1 << 30)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 25)


@contextmanager
def models_errors() -> Iterator[None]:
    """Turn the errors of the models package into ours: the one edge between the two trees."""
    try:
        yield
    except BadSettings as error:
        raise UsageError(str(error), code=error.code, hint=error.hint, path=error.path) from error
    except ModelsError as error:
        raise ModelError(str(error), code=error.code, hint=error.hint, path=error.path) from error
