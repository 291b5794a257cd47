"""`FaceID.watch` with the real networks on real clips: the right name, soon and steadily."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from faceid import FaceID
from faceid.live.loop import Until
from places import SHARED_DATA

pytestmark = pytest.mark.slow

DATA = SHARED_DATA
CLIPS = DATA / "videos" / "asl_ccby"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory):
    if not (CLIPS / "again.mkv").exists():
        pytest.skip(f"no clips in {CLIPS}")
    with FaceID(db=tmp_path_factory.mktemp("live") / "gallery.db", device="cpu") as opened:
        for name, clip in (("A1", "again"), ("A3", "book")):
            results = opened.enroll(name, frames(CLIPS / f"{clip}.mkv"))
            assert any(result.status == "enrolled" for result in results)
        yield opened


def frames(path: Path) -> list:
    """Every twentieth, RGB."""
    capture, kept, number = cv2.VideoCapture(str(path)), [], 0
    while True:
        there, bgr = capture.read()
        if not there:
            return kept
        if number % 20 == 0:
            kept.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        number += 1


@pytest.mark.parametrize(("clip", "name"), [("brother", "A1"), ("yes", "A1"), ("walk", "A3")])
def test_people_are_named_in_their_other_clips(system: FaceID, clip: str, name: str) -> None:
    with system.watch(str(CLIPS / f"{clip}.mkv")) as live:
        events = [event for moment in live for event in moment.events]
    named = [event for event in events if event.event == "identified"]
    assert [event.name for event in named] == [name]
    assert named[0].frame is not None
    assert named[0].frame < 10


@pytest.mark.parametrize(("claim", "verdict"), [("A3", "accepted"), ("A1", "rejected")])
def test_a_claim_is_decided_once(system: FaceID, claim: str, verdict: str) -> None:
    with system.watch(str(CLIPS / "learn.mkv"), claim, until=Until(once=True, timeout_s=10.0)) as live:
        events = [event.event for moment in live for event in moment.events]
    assert events[-1] == verdict
