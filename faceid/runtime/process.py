"""Settings of the whole process: waiting of threads, and reuse of memory."""

from __future__ import annotations

import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Constants of glibc's malloc.h."""

_KEPT_BYTES, _LARGEST_BLOCK = 1 << 30, 1 << 25
"""The most memory that malloc keeps, and the largest block that it keeps: glibc accepts at most 32 MiB."""

_LEAST_TIMEOUT = "4"
"""The binary logarithm of clock ticks; the least that OpenBLAS accepts."""


def tune_process() -> None:
    """Set up this process for networks on the CPU. Call it once at the start, before NumPy and torch are imported.

    The command line calls it. A program that uses faceid as a library may call it too: nothing else in faceid changes
    settings of the process. It imports no heavy library and may be called again.

    Two things change. Threads of torch and of NumPy sleep while they wait for each other, unless OMP_WAIT_POLICY or
    OPENBLAS_THREAD_TIMEOUT is set or they are imported already. On Linux, malloc of glibc keeps up to 1 GiB of freed
    memory for the next picture, unless MALLOC_TRIM_THRESHOLD_ or GLIBC_TUNABLES is set.
    """
    _let_threads_sleep()
    _keep_memory()


def _let_threads_sleep() -> None:
    # By default they spin. On a busy machine, each layer of a network then waits for a thread that is not running: a
    # face took 580 ms instead of 13 on two busy cores.
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The same for the products of NumPy: by default a thread of OpenBLAS spins for 2^26 clock ticks after each. Of an
    # enrolment on two busy cores, the search in the gallery took 3 ms a photo instead of 1.
    if "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", _LEAST_TIMEOUT)


def _keep_memory() -> None:
    # By default malloc returns tens of megabytes to the system after each picture, and the system clears them again
    # page by page: up to 3,800 page faults for each 720p picture; with these settings under 200.
    if "MALLOC_TRIM_THRESHOLD_" in os.environ or "GLIBC_TUNABLES" in os.environ or sys.platform != "linux":
        return
    import ctypes

    libc = ctypes.CDLL(None)
    # The symbol is missing in other C libraries, which have other allocators.
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)
