"""The whole path with real weights: real photos in, the right names out, through the console script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from places import ROOT, SHARED_DATA
from scripts.datasets.samples import SamplesError, fetch

REPOSITORY = ROOT
FACEID = Path(sys.executable).with_name("faceid")
DATA = SHARED_DATA

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def photos() -> dict[str, Path]:
    try:
        return fetch(REPOSITORY / "demo" / "photos")
    except SamplesError as error:
        pytest.skip(f"no sample photos: {error}")


@pytest.fixture(scope="session")
def hostile() -> Path:
    if not (DATA / "robust_images").is_dir():
        pytest.skip(f"no robust_images in {DATA}; set FACEID_TEST_DATA")
    return DATA / "robust_images"


def faceid(home: Path, *arguments: object) -> tuple[int, list[dict[str, Any]], str]:
    environment = {**os.environ, "FACEID_HOME": str(home)}
    done = subprocess.run(
        [FACEID, "--json", "--device", "cpu", *map(str, arguments)],
        env=environment,
        capture_output=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def test_a_person_is_recognised_and_a_stranger_is_not(tmp_path: Path, photos: dict[str, Path]) -> None:
    assert faceid(tmp_path, "enroll", "--name", "obama", photos["obama.jpg"])[0] == 0
    assert faceid(tmp_path, "enroll", "--name", "biden", photos["biden.jpg"])[0] == 0
    for known in ("obama2.jpg", "obama3.jpg"):
        _, (result,), _ = faceid(tmp_path, "identify", photos[known])
        assert "obama" in [face["name"] for face in result["faces"]]
    code, (result,), _ = faceid(tmp_path, "identify", photos["astronaut.png"])
    assert (code, [face["decision"] for face in result["faces"]]) == (1, ["unknown"])
    assert faceid(tmp_path, "verify", "obama", photos["obama3.jpg"])[0] == 0
    assert faceid(tmp_path, "verify", "biden", photos["astronaut.png"])[0] == 1


def test_python_and_command_line_are_one_system(
    tmp_path: Path, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from faceid import FaceID

    # Both look for networks in the same place, whatever the developer has installed.
    monkeypatch.setenv("FACEID_HOME", str(tmp_path))
    with FaceID(db=tmp_path / "gallery.db", device="cpu") as system:
        assert [item.status for item in system.enroll("obama", str(photos["obama.jpg"]))] == ["enrolled"]
        by_path = system.identify(photos["obama2.jpg"])
    _, (by_command,), _ = faceid(tmp_path, "--db", tmp_path / "gallery.db", "identify", photos["obama2.jpg"])
    assert [face.name for face in by_path.faces] == [face["name"] for face in by_command["faces"]]
    distances = [face.distance for face in by_path.faces]
    np.testing.assert_allclose(distances, [face["distance"] for face in by_command["faces"]], atol=1e-5)


MEASURED = """
import pathlib, resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
pathlib.Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def test_whatever_is_in_a_file_it_gets_an_answer_in_time_and_memory(
    tmp_path: Path, photos: dict[str, Path], hostile: Path
) -> None:
    faceid(tmp_path, "enroll", "--name", "obama", photos["obama.jpg"])
    files = sorted(path for path in hostile.rglob("*") if path.is_file())
    environment = {**os.environ, "FACEID_HOME": str(tmp_path)}
    command = [FACEID, "--json", "--quiet", "--device", "cpu", "identify", *files]
    # A process is charged with the memory of the one that it is forked from: here that is a small one.
    measured = [sys.executable, "-c", MEASURED, tmp_path / "peak", *command]
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        code = subprocess.run(measured, env=environment, stdout=out, stderr=err, check=False).returncode
    assert code == 3
    results = [json.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()]
    assert [result["path"] for result in results] == [str(path) for path in files]
    for result in results:
        assert result["status"] in ("ok", "no_face", "unreadable")
        assert (result["status"] == "ok") == bool(result["faces"])
        assert (result["status"] == "ok") == (result["problem"] is None)
        assert result["timing_ms"]["total"] < 5000, result["path"]
    peak_kib = int((tmp_path / "peak").read_text())
    assert peak_kib < 1.5 * 2**20, f"{peak_kib / 2**20:.2f} GiB"
    refused = sum(result["status"] != "ok" for result in results)
    assert len((tmp_path / "err").read_text(encoding="utf-8", errors="replace").splitlines()) == refused
