from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from cli_runs import ALICE, BOB, CAROL, Faceid
from faceid.recognition.detect.fake import draw_face
from faceid.recognition.liveness.fake import frame_copy


def picture(
    *, copy: bool, at: int = 60, empty: bool = False, colour: tuple[int, int, int] = ALICE
) -> np.ndarray:
    canvas = np.zeros((240, 240, 3), np.uint8)
    if not empty:
        draw_face(canvas, colour, at, 60, 100)
    if copy:
        frame_copy(canvas, at, 60, 100)
    return canvas


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PilImage.fromarray(pixels).save(path)
    return path


def write_clip(path: Path, frames: list[np.ndarray]) -> Path:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 25.0, (240, 240))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three live photos, three prints of which one shows nobody, a replay and an attack of no stated kind."""
    root = tmp_path / "data"
    for number, colour in enumerate((ALICE, BOB, CAROL)):
        write(root / "live" / f"{number}.png", picture(copy=False, at=40 + number, colour=colour))
        write(root / "spoof" / "print" / f"{number}.png", picture(copy=True, empty=number == 2))
    write(root / "spoof" / "mask" / "deep" / "taken.png", picture(copy=False))
    write(root / "spoof" / "plain.png", picture(copy=True))
    (root / "live" / "notes.txt").write_text("no picture")
    return root


def test_a_folder_is_evaluated(faceid: Faceid, data: Path) -> None:
    ran = faceid("--json", "evaluate", "liveness", data)
    assert ran.code == 0, ran.err
    found = ran.object
    attacks = {one["kind"]: (one["count"], one["accepted"]) for one in found["errors"]["attacks"]}
    assert attacks == {"mask": (1, 1), "print": (2, 0), "spoof": (1, 0)}
    assert (found["errors"]["count"], found["errors"]["refused"], found["errors"]["threshold"]) == (3, 0, 0.5)
    assert (found["worst"], found["acer"]) == ("mask", 0.5)
    silent = {one["kind"]: (one["count"], one["silent"]) for one in found["unanswered"]}
    assert silent == {None: (3, 0), "mask": (1, 0), "print": (3, 1), "spoof": (1, 0)}
    assert (found["unreadable"], found["suggestions"], found["networks"]) == (0, [], ["fake"])


def test_it_is_told_to_people(faceid: Faceid, data: Path) -> None:
    (data / "live" / "damaged.jpg").write_bytes(b"nothing")
    ran = faceid("evaluate", "liveness", data)
    assert ran.code == 0
    assert "ACER 50.00%, with the worst kind, mask; threshold 0.5" in ran.out
    assert "APNRR of print 33.33%" in ran.out
    assert "no threshold suggested" in ran.out
    assert "1 file cannot be read" in ran.out
    assert "judged by fake" in ran.out
    assert "not a certification" in ran.out


def test_a_threshold_of_ones_own(faceid: Faceid, data: Path) -> None:
    found = faceid("--json", "evaluate", "liveness", data, "--threshold", "0.01").object
    assert [one["accepted"] for one in found["errors"]["attacks"]] == [1, 2, 1]
    assert faceid("evaluate", "liveness", data, "--threshold", "1.5").code == 2


def test_clips_are_one_presentation_each(faceid: Faceid, tmp_path: Path) -> None:
    root = tmp_path / "clips"
    moving = [picture(copy=False, at=40 + number // 4) for number in range(40)]
    write_clip(root / "live" / "person.mkv", moving)
    write_clip(root / "live" / "short.mkv", moving[:2])
    write_clip(root / "live" / "nobody.mkv", [picture(copy=False, empty=True)] * 9)
    copied = [picture(copy=True, at=40 + number // 4) for number in range(40)]
    write_clip(root / "spoof" / "replay" / "screen.mkv", copied)
    # One good look among poor ones lets nobody in.
    write_clip(root / "spoof" / "replay" / "once.mkv", copied[:6] + moving[6:9] + copied[9:])
    found = faceid("--json", "evaluate", "liveness", root).object
    assert (found["errors"]["count"], found["errors"]["refused"]) == (1, 0)
    (replay,) = found["errors"]["attacks"]
    assert (replay["kind"], replay["count"], replay["accepted"]) == ("replay", 2, 0)
    assert [one["silent"] for one in found["unanswered"]] == [2, 0]


def test_a_csv_says_which_kind(faceid: Faceid, data: Path) -> None:
    table = data / "list.csv"
    table.write_text(
        "file,label,kind\nlive/0.png,live,\nspoof/print/0.png,spoof,paper\nspoof/plain.png,SPOOF,\n"
    )
    found = faceid("--json", "evaluate", "liveness", table).object
    assert [(one["kind"], one["count"]) for one in found["errors"]["attacks"]] == [("paper", 1), ("spoof", 1)]


def test_thresholds_are_suggested_where_attacks_are_many(faceid: Faceid, data: Path) -> None:
    table = data / "list.csv"
    for attacks, suggested in ((29, []), (30, [0.1]), (60, [0.05, 0.1])):
        rows = ["live/0.png,live"] * 3 + ["spoof/print/0.png,spoof"] * attacks
        table.write_text("\n".join(["file,label", *rows]) + "\n")
        found = faceid("--json", "evaluate", "liveness", table).object["suggestions"]
        assert [one["apcer"] for one in found] == suggested
        # The fake scores copies 0.05, all of them.
        assert [one["threshold"] for one in found] == [0.050001] * len(suggested)
        assert all(one["bpcer"]["rate"] == 0 for one in found)
    assert "for APCER 5%: --threshold 0.050001, BPCER20 0.00%" in faceid("evaluate", "liveness", table).out


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ("path,label\n", "bad_presentations"),
        ("file,label\nlive/0.png,alive\n", "bad_presentations"),
        ("file,label\n,live\n", "bad_presentations"),
        ("file,label\nlive/0.png,live\nlive/9.png,spoof\n", "not_found"),
        ("file,label\nlive/0.png,live\n", "no_attacks"),
        ("file,label\nspoof/plain.png,spoof\n", "no_live_faces"),
        ("file,label\nlive/0.png,live\nspoof/print/2.png,spoof\n", "no_face"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(faceid: Faceid, data: Path, lines: str, code: str) -> None:
    table = data / "list.csv"
    table.write_text(lines)
    ran = faceid("--json", "evaluate", "liveness", table)
    assert (ran.code, json.loads(ran.out)["error"]["code"]) == (3, code)
    assert len([line for line in ran.err.splitlines() if "device" not in line]) == 1


def test_a_folder_without_attacks_says_what_is_wanted(faceid: Faceid, tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    ran = faceid("evaluate", "liveness", tmp_path)
    assert (ran.code, "no folder spoof" in ran.err, "CSV" in ran.err) == (3, True, True)
    assert faceid("evaluate", "liveness", tmp_path / "nothing.csv").code == 3


def test_missing_weights_say_how_to_get_them(
    faceid: Faceid, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from faceid.app import factories

    real = factories.make_liveness_detector
    monkeypatch.setattr(
        factories, "make_liveness_detector", lambda model, device, settings: real("other", device, settings)
    )
    ran = faceid("evaluate", "liveness", data)
    assert (ran.code, "faceid models pull minifasnet-v2" in ran.err) == (5, True)
