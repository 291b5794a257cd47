"""The demo fetches the recommended network, and goes on without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import demo

STUB = """#!/bin/sh
echo "$*" >> {log}
case "$*" in
    "models pull") exit {pull} ;;
    *show*) echo '{shown}' ;;
    *identify*|*"verify Joe"*) exit 1 ;;
esac
"""


@pytest.mark.parametrize(("pull", "network"), [(0, "mobilefacenet"), (5, "dlib-resnet")])
def test_the_demo_uses_the_network_that_it_could_fetch(
    pull: int,
    network: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log, program = tmp_path / "log", tmp_path / "faceid"
    shown = json.dumps({"model": f"{network} (12345678, aligner)"})
    program.write_text(STUB.format(log=log, pull=pull, shown=shown))
    program.chmod(0o755)
    names = ("obama.jpg", "biden.jpg", "obama2.jpg", "obama3.jpg", "astronaut.png")
    monkeypatch.setattr(demo, "FACEID", program)
    monkeypatch.setattr(demo, "fetch", lambda directory: {name: directory / name for name in names})
    monkeypatch.chdir(tmp_path)
    demo.main()
    first, *rest, last = log.read_text().splitlines()
    assert first == "models pull"
    assert len(rest) == 5
    assert all(f"--model {network}" in line for line in rest)
    assert "show" in last
    out = capsys.readouterr().out
    assert ("The demo goes on with dlib-resnet" in out) == (pull != 0)
    assert f"The network in use is {network}" in out
    assert ("the recommended one." in out) == (pull == 0)
