"""A gallery that version 0.1.0 made opens, and the same questions get the same answers.

`tests/data/gallery_0_1_0` holds its database as a dump, a snapshot of its index from before the last enrolment, the
photos, and what 0.1.0 answered. People are coloured squares: the model is the fake one.
"""

from __future__ import annotations

import json
import lzma
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cli_runs import Faceid
from enrollment_db.registry import open_sqlite
from enrollment_db.search.snapshot_directory import SnapshotDirectory
from places import OWN_DATA

DATA = OWN_DATA / "gallery_0_1_0"
ANSWERS = json.loads((DATA / "answers.json").read_text(encoding="utf-8"))


@pytest.fixture(params=["with a snapshot", "without"])
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    for photo in DATA.glob("*.png"):
        shutil.copy(photo, tmp_path)
    # The answers name photos and the gallery as they were given.
    monkeypatch.chdir(tmp_path)
    path = Path("gallery.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / "gallery.sql").read_text(encoding="utf-8"))
    if request.param == "with a snapshot":
        (kept,) = DATA.glob("*.snapshot.xz")
        directory = SnapshotDirectory(str(path)).path
        directory.mkdir()
        (directory / kept.stem).write_bytes(lzma.decompress(kept.read_bytes()))
    return path


NOT_COMPARED = {"timing_ms", "software", "message", "hint", "detection_score", "quality"}
"""How long it took, which module made the fake calibration, the words of errors, and how sure the fake detector is."""


ADDED_SINCE = {
    **{"state": "confirmed", "unconfirmed": 0},
    **{"detector": None, "reason": None},
    **{"card_threshold": None, "raised_by": None, "gallery": None, "calibration": "card"},
}
"""Fields that 0.1.0 did not have: all its templates are confirmed, it recorded no detector, all faces can be compared,
and nothing raises the rates of the card."""


UNKNOWN_THEN = {"fmr_alike", "alike", "population", "boxes"}
"""Fields that 0.1.0 did not have: rates among people who are alike, and the faces that were compared."""


def said(answer: object) -> object:
    if isinstance(answer, dict):
        return {
            key: said(value)
            for key, value in answer.items()
            if key not in NOT_COMPARED | UNKNOWN_THEN
            # An answer of `verify` had no box in 0.1.0; a face always had one.
            and (key != "box" or "verified" not in answer)
            and (key not in ADDED_SINCE or value != ADDED_SINCE[key])
            # The photos are upright: one number for a photo, two for two.
            and (key != "turned" or value not in (0, [0, 0]))
        }
    return [said(value) for value in answer] if isinstance(answer, list) else answer


@pytest.mark.parametrize("asked", ANSWERS, ids=lambda asked: " ".join(asked["arguments"][1:]))
def test_the_same_question_has_the_same_answer(faceid: Faceid, asked: dict) -> None:
    ran = faceid(*asked["arguments"])
    assert ran.code == asked["exit_code"]
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert said(answers) == said(asked["output"])


def test_its_snapshot_is_removed_because_its_codes_are_not_used_any_more(db: Path) -> None:
    directory = SnapshotDirectory(str(db))
    with open_sqlite(db) as database:
        model = database.templates.model()
        assert model is not None
        assert directory.newest(database.changes, model) is None
        assert not directory.path.exists() or list(directory.path.glob("*.snapshot")) == []
        assert database.check() == []


def test_it_can_be_changed(faceid: Faceid) -> None:
    assert faceid("enroll", "--name", "non", "--quality", "off", "non1.png").code == 0
    assert faceid("remove", "ann", "--yes").code == 0
    assert faceid("identify", "non1.png").code == 0
    assert faceid("identify", "ann1.png").code == 1
