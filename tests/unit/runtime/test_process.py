"""`tune_process`: what it changes, what it leaves alone, and that nothing else changes the process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def told(code: str, **environment: str) -> str:
    """What a new Python prints, in which neither threads nor memory are set up by the environment."""
    ours = {"OMP_WAIT_POLICY", "OPENBLAS_THREAD_TIMEOUT", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


TUNE = """
import os, sys
from faceid.runtime.process import tune_process
tune_process()
tune_process()
waits = [os.environ.get(name) for name in ("OMP_WAIT_POLICY", "OPENBLAS_THREAD_TIMEOUT")]
print(waits, [name for name in ("numpy", "torch", "cv2", "faiss") if name in sys.modules])
"""


def test_threads_sleep_and_nothing_heavy_is_imported() -> None:
    assert told(TUNE) == "['PASSIVE', '4'] []"


def test_what_the_user_chose_stands() -> None:
    chosen = told(TUNE, OMP_WAIT_POLICY="ACTIVE", OPENBLAS_THREAD_TIMEOUT="20")
    assert chosen == "['ACTIVE', '20'] []"


MALLOC = """
import ctypes
calls = []
class Libc:
    gnu_get_libc_version = None
    def mallopt(self, what, value):
        calls.append((what, value))
ctypes.CDLL = lambda name: Libc()
from faceid.runtime.process import tune_process
tune_process()
print(calls)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is there on Linux only")
@pytest.mark.parametrize(
    ("environment", "calls"),
    [({}, "[(-1, 1073741824), (-3, 33554432)]"), ({"MALLOC_TRIM_THRESHOLD_": "1"}, "[]"),
     ({"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=1"}, "[]")],
)  # fmt: skip
def test_memory_is_kept_unless_the_user_chose(environment: dict[str, str], calls: str) -> None:
    assert told(MALLOC, **environment) == calls


def test_a_library_user_gets_no_other_process() -> None:
    used = """
import os
before = dict(os.environ)
import numpy as np
from faceid import FaceID
from faceid.recognition.detect.fake import draw_face
picture = np.zeros((160, 160, 3), np.uint8)
draw_face(picture, (208, 80, 80), 20, 20, 120)
with FaceID(db="unused.db", model="fake") as system:
    assert system.compare(picture, picture).verified
changed = {name for name in os.environ if before.get(name) != os.environ[name]}
print(changed & {"OMP_WAIT_POLICY", "OPENBLAS_THREAD_TIMEOUT"})
"""
    assert told(used) == "set()"


def test_the_command_line_tunes_its_process() -> None:
    run = """
import os, sys
from faceid import cli
sys.argv = ["faceid", "--version"]
try:
    cli.main()
except SystemExit:
    print(os.environ["OMP_WAIT_POLICY"])
"""
    assert told(run).splitlines()[-1] == "PASSIVE"
