"""The output that the first tutorial shows is what the recommended network gives on the sample photos."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from faceid import cli
from faceid.config import RECOMMENDED_MODEL, Settings
from faceid.networks import registry, weights
from pages import DOCS, blocks
from places import ROOT

PHOTOS = ROOT / "demo" / "photos"
WEIGHTS = weights.locate(registry.card(RECOMMENDED_MODEL), Settings.load().weights_dir)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PHOTOS.exists(), reason="`make demo` has not fetched the sample photos"),
    pytest.mark.skipif(
        WEIGHTS is None, reason="`faceid models pull` has not fetched the recommended network"
    ),
]


def test_the_first_tutorial_shows_what_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(PHOTOS, tmp_path / "photos")
    assert WEIGHTS is not None
    (tmp_path / "home" / "weights").mkdir(parents=True)
    shutil.copy(WEIGHTS, tmp_path / "home" / "weights")
    monkeypatch.setenv("FACEID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FACEID_DB", "tour.db")
    monkeypatch.chdir(tmp_path)
    compared = 0
    for block in blocks(DOCS / "tutorials" / "first-gallery.md"):
        if block.language != "console":
            continue
        for part in block.text.split("$ ")[1:]:
            command, _, shown = part.partition("\n")
            cli.run(["--device", "cpu", "--quiet", *shlex.split(command)[1:]])
            captured = capfd.readouterr()
            assert _lines(captured.out + captured.err) == _lines(shown), command
            compared += 1
    assert compared == 5


def _lines(text: str) -> list[str]:
    """The lines, without blanks around them; numbers to four places, as processors differ in the seventh."""
    rounded = re.sub(r"\d+\.\d{5,}", lambda number: f"{float(number[0]):.4f}", text)
    return [line.strip() for line in rounded.splitlines() if line.strip()]
