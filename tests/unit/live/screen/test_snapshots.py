"""Snapshots: one of each stranger, the best, for the owner's eyes, and no more than so many."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from faceid.cli.messages import hint_for
from faceid.errors import InputError, UsageError
from faceid.live.screen import snapshots
from faceid.live.screen.snapshots import Snapshots
from faceid.live.source.stream import SourceLost
from faceid.recognition.quality import Quality
from faceid.types import Crop, Face, Image
from made_up_views import gray, shown, view

BOX = (100.0, 100.0, 140.0, 150.0)


class Calendar:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, 120999, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def quality(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """What faces are worth by the gray of their picture; 0.5 unless said otherwise."""
    worth: dict[int, float] = {}

    def assess(image: Image, face: Face, crop: Crop) -> Quality:
        return Quality(worth.get(int(crop.pixels[0, 0, 0]), 0.5), {})

    def align(image: Image, face: Face, aligner: str) -> Crop:
        return Crop(image.pixels[:1, :1], aligner, 1.0)

    monkeypatch.setattr(snapshots, "assess", assess)
    monkeypatch.setattr(snapshots, "align", align)
    return worth


@pytest.fixture
def watched(tmp_path: Path, quality: dict[int, float]) -> Callable[..., Snapshots]:
    def watch(*states: str, number: int = 1, most: int = 1000, step_s: float = 0.6) -> Snapshots:
        """Show a track in these states, a gray that counts from 10, `step_s` seconds apart; left open."""
        calendar = Calendar()
        keeping = Snapshots(tmp_path / "strangers", most=most, now=calendar)
        for place, state in enumerate(states):
            person = shown(state, box=BOX, number=number)
            assert keeping.show(view(gray(10 + 10 * place), person, time_s=place * step_s))
            calendar.now += timedelta(seconds=1)
        return keeping

    return watch


def kept(tmp_path: Path) -> dict[str, int]:
    """Name -> gray."""
    directory = tmp_path / "strangers"
    return {
        path.name: round(float(np.asarray(Pillow.open(path)).mean())) for path in sorted(directory.iterdir())
    }


def test_the_best_look_up_to_a_second_after_the_face_was_unknown(
    tmp_path: Path, watched: Callable[..., Snapshots], quality: dict[int, float]
) -> None:
    quality.update({20: 0.7, 30: 0.6, 60: 0.9})
    watched("undecided", "undecided", "unknown", "unknown", "unknown", "unknown").close()
    assert kept(tmp_path) == {"unknown-20260102T030406.120Z-track1.jpg": 20}
    (path,) = (tmp_path / "strangers").iterdir()
    # 40 x 50, and half of that on each side.
    assert size_of(path) == (80, 100)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def size_of(path: Path) -> tuple[int, int]:
    with Pillow.open(path) as picture:
        return picture.size


@pytest.mark.parametrize("state", ["named", "accepted", "undecided"])
def test_of_others_nothing_is_kept(tmp_path: Path, watched: Callable[..., Snapshots], state: str) -> None:
    watched(*[state] * 6).close()
    assert kept(tmp_path) == {}


def test_of_a_claim_who_is_rejected(tmp_path: Path, watched: Callable[..., Snapshots]) -> None:
    watched("undecided", "rejected", "rejected", "rejected").close()
    assert list(kept(tmp_path)) == ["rejected-20260102T030405.120Z-track1.jpg"]


def test_one_who_is_named_within_the_second_is_not_kept(
    tmp_path: Path, watched: Callable[..., Snapshots]
) -> None:
    watched("unknown", "unknown", "named", "named").close()
    assert kept(tmp_path) == {}


def test_one_who_leaves_within_the_second_is_kept(tmp_path: Path, watched: Callable[..., Snapshots]) -> None:
    keeping = watched("undecided", "unknown")
    keeping.show(view(time_s=0.7))
    assert len(kept(tmp_path)) == 1
    keeping.close()
    assert len(kept(tmp_path)) == 1


@pytest.mark.parametrize("lost", [True, False])
def test_what_is_begun_is_kept_when_the_source_is_lost_and_at_the_end(
    tmp_path: Path, watched: Callable[..., Snapshots], lost: bool
) -> None:
    keeping = watched("unknown")
    if lost:
        keeping.show(view(gray(), shown("unknown"), lost=SourceLost("black", "black for 2 s", 1.0)))
    else:
        keeping.close()
    assert len(kept(tmp_path)) == 1


def test_another_person_in_the_same_track(tmp_path: Path, watched: Callable[..., Snapshots]) -> None:
    unknown = ["unknown"] * 3
    watched(*unknown, "named", *unknown, "undecided", *unknown, "unknown").close()
    assert len(kept(tmp_path)) == 3


def test_only_what_the_detector_saw_is_looked_at(tmp_path: Path, quality: dict[int, float]) -> None:
    quality[90] = 0.9
    keeping = Snapshots(tmp_path / "strangers")
    keeping.show(view(gray(50), shown("unknown", box=BOX)))
    keeping.show(view(gray(90), shown("unknown", box=BOX, detected=False), time_s=0.5))
    keeping.close()
    assert list(kept(tmp_path).values()) == [50]


def test_the_oldest_go_and_nothing_else(tmp_path: Path, watched: Callable[..., Snapshots]) -> None:
    directory = tmp_path / "strangers"
    directory.mkdir(mode=0o755)
    (directory / "a-note.jpg").write_text("mine")
    for day in (1, 3):
        (directory / f"unknown-2025010{day}T000000.000Z-track1.jpg").write_text("older")
    (directory / "rejected-20250102T000000.000Z-track1-2.jpg").write_text("older")
    watched("unknown", "unknown", "unknown", most=2).close()
    assert {path.name for path in directory.iterdir()} == {
        "a-note.jpg",
        "unknown-20250103T000000.000Z-track1.jpg",
        "unknown-20260102T030405.120Z-track1.jpg",
    }
    # Somebody else's directory stays as it was.
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755


def test_nothing_is_replaced(tmp_path: Path, watched: Callable[..., Snapshots]) -> None:
    for _ in range(3):
        watched("unknown", "unknown", "unknown").close()
    stem = "unknown-20260102T030405.120Z-track1"
    assert set(kept(tmp_path)) == {f"{stem}.jpg", f"{stem}-2.jpg", f"{stem}-3.jpg"}


def test_memory_is_that_of_the_tracks_in_sight(tmp_path: Path, quality: dict[int, float]) -> None:
    keeping = Snapshots(tmp_path / "strangers", most=3)
    for number in range(40):
        for moment in (0.0, 0.5, 1.5):
            keeping.show(view(gray(), shown("unknown", box=BOX, number=number), time_s=10 * number + moment))
    assert len(keeping._best) + len(keeping._kept) == 1
    assert len(kept(tmp_path)) == 3


@pytest.mark.parametrize("box", [(-500.0, -500.0, -400.0, -400.0), (900.0, 900.0, 950.0, 950.0)])
def test_a_face_outside_the_picture(
    tmp_path: Path, quality: dict[int, float], box: tuple[float, ...]
) -> None:
    keeping = Snapshots(tmp_path / "strangers")
    keeping.show(view(gray(), shown("unknown", box=box)))
    keeping.close()
    assert kept(tmp_path) == {}


def test_a_face_without_extent(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        snapshots.align(view().frame.image, shown(box=(5.0, 5.0, 5.0, 5.0)).track.face, snapshots._ALIGNER)
    keeping = Snapshots(tmp_path / "strangers")
    keeping.show(view(gray(), shown("unknown", box=(5.0, 5.0, 5.0, 5.0))))
    keeping.close()
    assert kept(tmp_path) == {}


def test_a_large_face_is_reduced_and_its_edges_are_those_of_the_picture(
    tmp_path: Path, quality: dict[int, float]
) -> None:
    keeping = Snapshots(tmp_path / "strangers")
    keeping.show(view(gray(90, 2160, 3840), shown("unknown", box=(100.0, 0.0, 1600.0, 2000.0))))
    keeping.close()
    (path,) = (tmp_path / "strangers").iterdir()
    # Of 2350 x 2160 pixels.
    assert size_of(path) == (640, 588)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError) as caught:
        Snapshots(tmp_path / "file")
    assert caught.value.code == "cannot_write"
    assert hint_for(caught.value)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_directory_that_may_only_be_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError) as caught:
        Snapshots(tmp_path)
    assert caught.value.code == "cannot_write"


def test_a_directory_that_went_away(tmp_path: Path, watched: Callable[..., Snapshots]) -> None:
    keeping = watched("unknown")
    (tmp_path / "strangers").rmdir()
    with pytest.raises(UsageError) as caught:
        keeping.close()
    assert caught.value.code == "cannot_write"
