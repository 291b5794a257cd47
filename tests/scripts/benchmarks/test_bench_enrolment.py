"""The measuring of whole enrolments: that it runs and counts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from scripts.benchmarks.bench_enrolment import copy_people, main

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


def test_a_run(tmp_path: Path) -> None:
    report = tmp_path / "enrolment.json"
    main(["--model", "fake", "--photos", "8,24", "--cache", str(tmp_path), "--json", str(report)])
    told = json.loads(report.read_text(encoding="utf-8"))
    small, large = told["runs"]
    assert [run["outcomes"] for run in (small, large)] == [{"enrolled": 8}, {"enrolled": 24}]
    assert (small["people"], large["people"]) == (2, 6)
    for run in (small, large):
        assert run["photos_per_s"] > 0
        assert 0 < max(size for _, size in run["resident"]) <= run["peak_bytes"]
    assert told["peak_grows_by"] == large["peak_bytes"] - small["peak_bytes"]
    assert list(tmp_path.iterdir()) == [report]


def test_photos_that_come_again_are_other_files_of_other_people(tmp_path: Path) -> None:
    for name in ("Ann_1.jpg", "Bob_1.jpg"):
        folder = tmp_path / "data" / "lfw" / "images" / name[:3]
        folder.mkdir(parents=True)
        (folder / name).write_bytes(name.encode())
    copy_people(tmp_path / "data", tmp_path / "people", 5)
    copies = sorted((tmp_path / "people").rglob("*.jpg"))
    assert [copy.parent.name for copy in copies] == ["Ann", "Ann 2", "Ann 3", "Bob", "Bob 2"]
    assert len({hashlib.sha256(copy.read_bytes()).digest() for copy in copies}) == 5
    assert all(copy.read_bytes().startswith(copy.name.encode()) for copy in copies)
