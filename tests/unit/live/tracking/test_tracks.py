from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceid.imaging import from_array
from faceid.live.tracking.cells import gray_of
from faceid.live.tracking.cuts import CutDetector
from faceid.live.tracking.follow import follow
from faceid.live.tracking.tracks import Track, Tracked, Tracker, Tracking
from faceid.recognition.detect.fake import FakeDetector, draw_face
from faceid.types import Face

if TYPE_CHECKING:
    from faceid.types import Pixels

RED, BLUE = (208, 80, 80), (80, 80, 208)
Placed = tuple[tuple[int, int, int], int, int, int]


def picture(*faces: Placed, grey: int = 0) -> Pixels:
    canvas = np.full((240, 320, 3), grey, np.uint8)
    for colour, x, y, side in faces:
        draw_face(canvas, colour, x, y, side)
    return canvas


@dataclass
class Camera:
    """Feeds a tracker at 30 frames a second and counts detections."""

    tracker: Tracker
    frames: int = 0
    detections: int = 0

    def show(
        self, pixels: Pixels, faces: Sequence[Face] | None = None, awaited: Collection[int] = ()
    ) -> Tracked:
        def detect() -> Sequence[Face]:
            self.detections += 1
            return FakeDetector().detect([from_array(pixels)])[0] if faces is None else faces

        tracked = self.tracker.advance(gray_of(pixels), self.frames / 30.0, detect, awaited=awaited)
        self.frames += 1
        return tracked


def camera(**tracking: float) -> Camera:
    return Camera(Tracker(Tracking(**tracking)))  # type: ignore[arg-type]


def numbers(tracked: Tracked) -> list[int]:
    return [track.number for track in tracked.tracks]


def left(track: Track) -> float:
    return track.box[0]


def test_a_moving_face_is_one_track_and_is_detected_every_third_frame() -> None:
    watching = camera(interval=3)
    for step in range(30):
        tracked = watching.show(picture((RED, 20 + 4 * step, 60, 60)))
        assert numbers(tracked) == [1]
        assert left(tracked.tracks[0]) == pytest.approx(20 + 4 * step, abs=3)
        assert tracked.tracks[0].frames == step + 1
        assert tracked.tracks[0].detected == tracked.detected == (step % 3 == 0)
    assert watching.detections == 10


def test_two_people_who_pass_each_other_keep_their_tracks() -> None:
    watching = camera(interval=2)
    for step in range(40):
        tracked = watching.show(picture((RED, 10 + 5 * step, 20, 60), (BLUE, 240 - 5 * step, 130, 60)))
        places = {track.number: left(track) for track in tracked.tracks}
        assert places[1] == pytest.approx(10 + 5 * step, abs=4)
        assert places[2] == pytest.approx(240 - 5 * step, abs=4)


def test_a_hard_cut_ends_every_track_and_the_faces_after_it_are_detected_at_once() -> None:
    watching = camera(interval=10)
    for _ in range(4):
        watching.show(picture((RED, 100, 60, 60), grey=10))
    tracked = watching.show(np.flipud(np.full((240, 320, 3), 200, np.uint8)), faces=())
    assert tracked.cut
    assert [track.number for track in tracked.ended] == [1]
    assert tracked.tracks == ()
    # The same face in the same place, and still another shot.
    tracked = watching.show(picture((RED, 100, 60, 60), grey=10))
    assert tracked.cut
    assert numbers(tracked) == [2]
    assert watching.detections == 3


@pytest.mark.parametrize("face", [(RED, 220, 60, 60), (RED, 75, 35, 110), (RED, 114, 74, 32)])
def test_a_jump_of_place_or_size_ends_a_track_and_begins_another(face: Placed) -> None:
    watching = camera(interval=1, patience_s=0.2)
    for _ in range(5):
        watching.show(picture((RED, 100, 60, 60)))
    seen = [numbers(watching.show(picture(face))) for _ in range(12)]
    assert 2 in seen[0]
    assert seen[-1] == [2]


@pytest.mark.parametrize(("size", "same"), [(30.0, False), (45.0, True), (85.0, True), (100.0, False)])
def test_a_face_of_quite_another_size_is_another_face(size: float, same: bool) -> None:
    def face(side: float) -> list[Face]:
        marks = (np.array([(3, 3), (7, 3), (5, 5), (3.5, 7), (6.5, 7)], np.float32) - 5) * side / 10 + 120
        return [Face((120 - side / 2, 120 - side / 2, 120 + side / 2, 120 + side / 2), marks, 0.99)]

    watching = camera(interval=1)
    watching.show(picture(), face(60.0))
    tracked = watching.show(picture(), face(size))
    assert [track.number for track in tracked.tracks if track.detected] == [1 if same else 2]


def test_a_face_in_reach_of_two_tracks_belongs_to_the_nearer_one() -> None:
    watching = camera(interval=1)

    def faces(*lefts: float) -> list[Face]:
        marks = np.array([(19, 18), (40, 18), (29, 30), (20, 41), (39, 41)], np.float32)
        return [Face((x, 50.0, x + 60.0, 110.0), marks + np.float32((x, 50.0)), 0.99) for x in lefts]

    watching.show(picture(), faces(50, 90))
    tracked = watching.show(picture(), faces(88))
    assert [(track.number, left(track)) for track in tracked.tracks if track.detected] == [(2, 88.0)]


def test_a_face_that_left_is_dropped_after_the_patience() -> None:
    watching = camera(interval=1, patience_s=0.2)
    watching.show(picture((RED, 100, 60, 60)))
    gone = [watching.show(picture()) for _ in range(10)]
    ended = [track for tracked in gone for track in tracked.ended]
    assert [track.number for track in ended] == [1]
    assert ended[0].seen_s == 0.0
    assert [bool(tracked.tracks) for tracked in gone] == [True] * 6 + [False] * 4


def test_a_face_that_is_awaited_keeps_its_place_and_number_for_longer() -> None:
    watching = camera(interval=1, patience_s=0.2, longest_s=1.0)
    for step in range(5):
        watching.show(picture((RED, 100 + 4 * step, 60, 60)), awaited={1})
    seen = [watching.show(picture(), awaited={1}) for _ in range(25)]
    assert numbers(seen[-1]) == [1]
    # It went on for the usual patience only: 6 frames of 4 pixels.
    assert left(seen[-1].tracks[0]) == pytest.approx(116 + 24, abs=8)
    assert numbers(watching.show(picture((RED, 130, 60, 60)), awaited={1})) == [1]
    gone = [watching.show(picture(), awaited={1}) for _ in range(35)]
    assert numbers(gone[-1]) == []


def test_a_face_that_is_awaited_outlives_a_change_of_light_and_no_other_cut() -> None:
    shot = picture((RED, 100, 60, 60), grey=10)
    (faces,) = FakeDetector().detect([from_array(shot)])
    for awaited, kept in (((), [2]), ({1}, [1])):
        watching = camera(interval=1)
        watching.show(shot, faces, awaited)
        tracked = watching.show(shot + np.uint8(40), faces, awaited)
        assert tracked.cut
        assert numbers(tracked) == kept
    watching = camera(interval=1)
    watching.show(shot, awaited={1})
    assert numbers(watching.show(255 - shot, faces=(), awaited={1})) == []


def test_a_face_missed_by_one_detection_keeps_its_number() -> None:
    watching = camera(interval=1)
    for step in range(12):
        pixels = picture((RED, 20 + 6 * step, 60, 60))
        tracked = watching.show(pixels, faces=() if step == 6 else None)
        assert numbers(tracked) == [1]
        assert left(tracked.tracks[0]) == pytest.approx(20 + 6 * step, abs=4)


def test_after_a_reset_numbers_go_on() -> None:
    watching = camera(interval=5)
    watching.show(picture((RED, 100, 60, 60)))
    watching.tracker.reset()
    assert numbers(watching.show(picture((RED, 100, 60, 60)))) == [2]


def test_time_does_not_go_back() -> None:
    tracker = Tracker()
    tracker.advance(gray_of(picture()), 1.0, tuple)
    with pytest.raises(ValueError, match="went back"):
        tracker.advance(gray_of(picture()), 0.5, tuple)


@pytest.mark.parametrize("wrong", [{"interval": 0}, {"reach": 0.0}, {"growth": 1.0}, {"patience_s": -1.0}])
def test_senseless_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no way of tracking"):
        Tracking(**wrong)  # type: ignore[arg-type]


def test_flow_follows_a_face_that_moves_and_grows() -> None:
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 255, (12, 12)).astype(np.uint8)
    face = np.kron(coarse, np.ones((6, 6), np.uint8))
    before, after = np.full((200, 200), 90, np.uint8), np.full((200, 200), 90, np.uint8)
    before[50:122, 60:132] = face
    after[53:125, 65:137] = face
    landmarks = np.array([(82, 72), (108, 72), (95, 87), (84, 100), (107, 100)], np.float32)
    found = follow(before, after, (60.0, 50.0, 132.0, 122.0), landmarks)
    assert found is not None
    assert np.allclose(found[1] - landmarks, (5.0, 3.0), atol=1.0)
    assert np.allclose(np.subtract(found[0], (60, 50, 132, 122)), (5, 3, 5, 3), atol=2.0)


def test_flow_gives_up_where_the_face_is_gone_or_outside() -> None:
    rng = np.random.default_rng(2)
    before, after = (rng.integers(0, 255, (200, 200)).astype(np.uint8) for _ in range(2))
    landmarks = np.array([(82, 72), (108, 72), (95, 87), (84, 100), (107, 100)], np.float32)
    assert follow(before, after, (60.0, 50.0, 132.0, 122.0), landmarks) is None
    assert follow(before, before, (300.0, 50.0, 372.0, 122.0), landmarks + 240) is None
    assert follow(before, before[:100], (60.0, 50.0, 132.0, 122.0), landmarks) is None


def test_neither_motion_nor_a_lamp_is_a_cut() -> None:
    cuts = CutDetector()
    shades = np.tile(np.linspace(40, 160, 320), (240, 1)).astype(np.uint8)
    assert not cuts.is_cut(shades)
    assert not cuts.is_cut(np.roll(shades, 6, axis=1))
    assert not cuts.is_cut((shades + 8).astype(np.uint8))
    assert cuts.is_cut(255 - shades // 2)
    assert cuts.is_cut(np.zeros((240, 320), np.uint8))


places = st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 8), st.integers(0, 8))


def _faces(spots: Sequence[tuple[int, int, int, int]]) -> list[Face]:
    """Faces of side 30 on a grid of 50 pixels, so that no two overlap."""
    unique = {(column, row): (dx, dy) for column, row, dx, dy in spots}
    faces = []
    for (column, row), (dx, dy) in unique.items():
        x, y = 50.0 * column + dx, 50.0 * row + dy
        marks = np.array([(9, 9), (20, 9), (15, 15), (10, 21), (19, 21)], np.float32) + np.float32((x, y))
        faces.append(Face((x, y, x + 30.0, y + 30.0), marks.astype(np.float32), 0.99))
    return faces


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(places, max_size=6), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_detections_is_without_meaning_and_numbers_are_never_used_again(
    scene: list[list[tuple[int, int, int, int]]], shuffle: Random
) -> None:
    one, other = camera(interval=1, patience_s=0.05), camera(interval=1, patience_s=0.05)
    over: set[int] = set()
    for spots in scene:
        faces = _faces(spots)
        mixed = list(faces)
        shuffle.shuffle(mixed)
        tracked, again = one.show(picture(), faces), other.show(picture(), mixed)
        state = [(track.number, track.box) for track in tracked.tracks]
        assert state == [(track.number, track.box) for track in again.tracks]
        over |= {track.number for track in tracked.ended}
        assert not over & set(numbers(tracked))
        assert len(set(numbers(tracked))) == len(tracked.tracks)
        # Every face has exactly one track, which stands where it was detected.
        detected = sorted(track.box for track in tracked.tracks if track.detected)
        assert detected == sorted(face.box for face in faces)
