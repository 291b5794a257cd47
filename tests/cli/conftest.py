"""The command line with the fake detector and embedder: people are coloured squares, everything else is real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from cli_runs import Faceid, Photo, Ran
from faceid import cli
from faceid.recognition.detect.fake import draw_face


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FACEID_DB", "FACEID_DETECTOR", "FACEID_DEBUG", "FACEID_INDEX", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FACEID_HOME", str(tmp_path / "home"))


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "gallery.db"


@pytest.fixture
def faceid(db: Path, capfd: pytest.CaptureFixture[str]) -> Faceid:
    """Run one command line in this process, through the function that the console script calls."""

    def run(*arguments: object, model: str | None = "fake") -> Ran:
        options = ["--db", str(db), "--device", "cpu", *(["--model", model] if model else [])]
        code = cli.run([*options, *map(str, arguments)])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    """Write a picture with fake faces side by side; two photos of one person differ a little."""
    count = 0

    def write(*people: tuple[int, int, int], name: str | None = None, side: int = 120) -> str:
        nonlocal count
        count += 1
        canvas = np.zeros((side + 60, 40 + max(1, len(people)) * (side + 40), 3), np.uint8)
        for number, colour in enumerate(people):
            draw_face(canvas, colour, 30 + number * (side + 40), 20 + count % 7, side)
        canvas[canvas > 0] += count % 8
        path = tmp_path / (name or f"photo{count}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        PilImage.fromarray(canvas).save(path)
        return str(path)

    return write
