"""Devices, runtimes and threads of networks."""

from __future__ import annotations

import math
import os
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from faceid.config import Runtime
from faceid.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


def resolve_device(asked: str) -> str:
    """A torch device string for `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.

    Raises DeviceError if a requested GPU cannot be used; never falls back silently.
    """
    if asked == "cpu":
        return "cpu"
    if asked != "auto" and asked != "cuda" and not (asked.startswith("cuda:") and asked[5:].isdecimal()):
        raise DeviceError(f"unknown device {asked!r}", remedy="kinds_of_device")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        return "cuda:0" if count else "cpu"
    number = int(asked[5:]) if ":" in asked else 0
    if number >= count:
        raise DeviceError(
            f"device {asked} cannot be used: {count} usable GPU{'' if count == 1 else 's'} found",
            remedy="no_such_gpu",
        )
    return f"cuda:{number}"


def require_devices(device: str, count: int) -> None:
    """Raise DeviceError unless each of `count` processes can have a GPU like `device`; a CPU always passes."""
    if device == "cpu" or count == 1:
        return
    import torch

    if (found := torch.cuda.device_count()) < count:
        raise DeviceError(f"{count} GPUs were asked for, and {found} found", remedy="fewer_processes")


def resolve_runtime(asked: Runtime, device: str) -> Runtime:
    """The runtime on `device`: `torch`, `openvino`, or `auto` for torch first and openvino in a long run.

    Raises DeviceError if openvino was requested and the device is a GPU. Loading a network checks whether openvino is
    installed.
    """
    if device == "cpu":
        return "torch" if asked == "auto" and not find_spec("openvino") else asked
    if asked == "openvino":
        raise DeviceError(f"the runtime openvino cannot use {device}", remedy="openvino_on_cpu")
    return "torch"


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """The number of cores that this process may keep busy: its allowed cores, within its container's quota.

    `quota` is the file of Linux's cgroups (version 2) that holds "microseconds period", or "max" for no limit.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text(encoding="ascii").split()
        return max(1, min(cores, math.ceil(int(allowed) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):
        return cores


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Inside, networks that this thread calls run on `count` CPU threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the CPU on `device`, in the stream of the calling thread, which need not wait for the copy."""
    # From memory that is not pinned, a copy waits until all of it has been read.
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


@contextmanager
def on_own_stream(device: str) -> Iterator[None]:
    """Inside, GPU work of this thread does not wait for GPU work of other threads."""
    import torch

    with torch.cuda.stream(torch.cuda.Stream(device)):  # type: ignore[no-untyped-call]
        yield
