"""Settings of the whole process: threads and memory."""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""malloc.h of glibc; 32 MiB is the most that the second takes."""


def patient_threads() -> None:
    """Make torch's threads sleep while they wait for each other; to be called before torch is imported.

    By default they spin. On a machine that does anything else as well, each layer of a network then waits for a
    thread that is not running: a face took 580 ms instead of 13 on two busy cores. A choice made by the user in
    OMP_WAIT_POLICY stands.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def keep_memory() -> None:
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
