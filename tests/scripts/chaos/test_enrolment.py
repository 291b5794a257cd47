"""A short run of scripts/chaos/enrolment.py, and that it notices what it is there to notice."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from faceid import FaceID
from faceid.sources import of_folders
from scripts.benchmarks.bench_enrolment import draw_people
from scripts.chaos import enrolment
from scripts.chaos.enrolment import main
from scripts.chaos.enrolment_oracle import Violation, decided_in, same_galleries, same_results

# Those whose moment is given by what the process does: they come however busy the machine is.
OPTIONS = ["--model", "fake", "--moments", "line,look,store"]

FORGETFUL = """
from faceid.gallery.gallery import Gallery
Gallery.outcomes = lambda self, run: {}
from scripts.chaos.enrolment_worker import main
main()
"""


def test_some_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    report = tmp_path / "chaos.json"
    main([*OPTIONS, "--photos", "60", "--kills", "3", "--seed", "2", "--json", str(report)])
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["kills"] == len(told["in_flight"]) == 3
    assert (told["enrolled"], told["refused"]) == (53, 7)
    assert told["decoded_twice"] == sum(told["in_flight"])
    assert list(tmp_path.iterdir()) == [report]


def test_who_forgets_what_was_decided_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(FORGETFUL, encoding="utf-8")
    monkeypatch.setattr(enrolment, "WORKER", [sys.executable, str(worker)])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    options = ["--model", "fake", "--moments", "line", "--photos", "60", "--kills", "2"]
    with pytest.raises(SystemExit, match="were decided and decoded again"):
        main([*options, "--json", str(tmp_path / "chaos.json")])


@pytest.fixture
def galleries(tmp_path: Path) -> tuple[Path, Path]:
    """Two galleries of the same people."""
    draw_people(tmp_path / "people", 12)
    for name in ("one.db", "other.db"):
        with FaceID(db=tmp_path / name, model="fake", device="cpu") as system:
            results = list(system.enroll_each(of_folders(str(tmp_path / "people"))))
        assert all(result.status == "enrolled" for result in results)
    return tmp_path / "one.db", tmp_path / "other.db"


def change(db: Path, statement: str) -> None:
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(statement)


def test_equal_galleries_are_equal(galleries: tuple[Path, Path]) -> None:
    one, other = galleries
    assert same_galleries(one, other) == {"vector": 0, "quality": 0, "box": 0}
    assert len(decided_in(one)) == 12
    assert decided_in(one, stored=False) == set()
    assert decided_in(one.with_name("none.db")) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE identities SET name = 'somebody' WHERE id = 2",
        """UPDATE identities SET attributes = '{"floor": "2"}' WHERE id = 2""",
        "UPDATE templates SET source = 'elsewhere.jpg' WHERE id = 3",
        "UPDATE templates SET quality = quality - 0.01 WHERE id = 3",
        "UPDATE templates SET box = '[0, 0, 9, 9]' WHERE id = 3",
        "UPDATE templates SET vector = (SELECT vector FROM templates WHERE id = 9) WHERE id = 3",
        "DELETE FROM templates WHERE id = 12",
    ],
)
def test_unequal_galleries_are_caught(galleries: tuple[Path, Path], statement: str) -> None:
    one, other = galleries
    change(other, statement)
    with pytest.raises(Violation):
        same_galleries(one, other)


def test_other_results_are_caught() -> None:
    enrolled = {"status": "enrolled", "reason": None, "template_id": 1}
    refused = {"status": "rejected", "reason": "no_face", "template_id": None}
    calm = {"a.jpg": enrolled, "b.jpg": refused}
    same_results(calm, {"a.jpg": {**enrolled, "status": "duplicate"}, "b.jpg": refused})
    for other in (
        {"a.jpg": enrolled},
        {"b.jpg": refused, "a.jpg": enrolled},
        {"a.jpg": {**enrolled, "template_id": 2}, "b.jpg": refused},
        {"a.jpg": enrolled, "b.jpg": {**refused, "reason": "low_quality"}},
        {"a.jpg": {**refused, "template_id": 1}, "b.jpg": refused},
    ):
        with pytest.raises(Violation):
            same_results(calm, other)
