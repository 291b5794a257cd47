"""Templates of an archive before the guards of enrolment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment_db.records import Part, TemplateState
from faceid import FaceID
from faceid.decision.thresholds import threshold_at_fmr
from faceid.enrolment.checks.confirmation import confirmation_distance
from faceid.enrolment.imported import ImportGuard
from faceid.networks.fake_card import DIM, fake_card

CALIBRATION = fake_card().calibration
assert CALIBRATION is not None
SURE = confirmation_distance(CALIBRATION)
VERIFY = threshold_at_fmr(CALIBRATION, 1e-4)
NEAR = threshold_at_fmr(CALIBRATION, 1e-2)
AXES = np.eye(DIM)

Vector = NDArray[np.float64]


def at(distance: float, axis: int, centre: Vector = AXES[0]) -> Vector:
    cosine = 1.0 - distance
    return cosine * centre + np.sqrt(1.0 - cosine**2) * AXES[axis]


def write(path: Path, rows: list[tuple[str, Vector]]) -> Path:
    np.savez(
        path,
        embeddings=np.array([vector for _, vector in rows], np.float32),
        names=np.array([name for name, _ in rows]),
        sources=np.array([f"{place}.jpg" for place in range(len(rows))]),
        model="fake",
        metric="cosine",
    )
    return path


@pytest.fixture
def system(tmp_path: Path) -> Iterator[FaceID]:
    with FaceID(db=tmp_path / "gallery.db", model="fake", device="cpu") as system:
        system.transfer.import_templates(write(tmp_path / "before.npz", [("ann", AXES[0]), ("bea", AXES[1])]))
        yield system


def states(system: FaceID, name: str) -> list[str]:
    return [template.state for template in system.people.templates(name)]


def test_each_guard_refuses_its_templates_and_the_others_are_stored(system: FaceID, tmp_path: Path) -> None:
    rows = [
        ("ann", at(SURE - 0.1, 2)),
        ("ann", at(VERIFY - 0.01, 3)),
        ("ann", at(NEAR + 0.2, 4)),
        ("cid", AXES[5]),
        ("cid", at(0.2, 6, AXES[5])),
        ("eve", at(SURE - 0.1, 7)),
        ("fay", (AXES[0] + AXES[1]) / np.sqrt(2)),
    ]
    result = system.transfer.import_templates(write(tmp_path / "in.npz", rows))
    assert (result.templates, result.unconfirmed, result.skipped, result.identities) == (4, 1, 0, 2)
    assert [(one.name, one.source, one.problem.code) for one in result.refused] == [
        ("ann", "2.jpg", "identity_conflict"),
        ("eve", "5.jpg", "identity_conflict"),
        ("fay", "6.jpg", "morph_suspected"),
    ]
    assert states(system, "ann") == ["confirmed", "confirmed", "unconfirmed"]
    assert states(system, "cid") == ["confirmed"] * 2
    assert [who.name for who in system.people.list()] == ["ann", "bea", "cid"]


def test_accept_stores_all_of_them(system: FaceID, tmp_path: Path) -> None:
    rows = [("ann", at(NEAR + 0.2, 4)), ("fay", (AXES[0] + AXES[1]) / np.sqrt(2))]
    result = system.transfer.import_templates(write(tmp_path / "in.npz", rows), on_conflict="accept")
    assert (result.templates, result.unconfirmed, result.refused) == (2, 0, ())
    assert states(system, "ann") == ["confirmed"] * 2


def test_an_import_twice_changes_nothing(system: FaceID, tmp_path: Path) -> None:
    archive = write(tmp_path / "in.npz", [("ann", at(VERIFY - 0.01, 3)), ("cid", AXES[5])])
    first = system.transfer.import_templates(archive)
    again = system.transfer.import_templates(archive)
    assert (first.templates, first.skipped) == (2, 0)
    assert (again.templates, again.skipped) == (0, 2)
    assert states(system, "ann") == ["confirmed", "unconfirmed"]


def test_a_template_of_an_archive_confirms_one_that_waits(system: FaceID, tmp_path: Path) -> None:
    waiting = at(SURE + 0.03, 3)
    between = (AXES[0] + waiting) / np.linalg.norm(AXES[0] + waiting)
    system.transfer.import_templates(write(tmp_path / "one.npz", [("ann", waiting)]))
    assert states(system, "ann") == ["confirmed", "unconfirmed"]
    system.transfer.import_templates(write(tmp_path / "two.npz", [("ann", between)]))
    assert states(system, "ann") == ["confirmed"] * 3


def test_an_export_comes_back_whole(system: FaceID, tmp_path: Path) -> None:
    rows = [("cid", at(0.2, axis, AXES[5])) for axis in range(6, 12)]
    system.transfer.import_templates(write(tmp_path / "in.npz", rows))
    system.transfer.export_templates(tmp_path / "out.npz")
    with FaceID(db=tmp_path / "other.db", model="fake", device="cpu") as other:
        result = other.transfer.import_templates(tmp_path / "out.npz")
        assert (result.templates, result.unconfirmed, result.refused) == (8, 0, ())


@pytest.mark.parametrize("limit", ["TOGETHER", "ROWS"])
def test_a_stranger_behind_many_templates_of_a_new_person_is_seen(
    system: FaceID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(
        f"faceid.{'enrolment.imported' if limit == 'TOGETHER' else 'gallery.archive'}.{limit}", 3
    )
    rows = [("cid", at(0.2, axis, AXES[5])) for axis in range(6, 12)]
    rows += [("cid", AXES[20]), ("cid", at(VERIFY + 0.02, 21, AXES[5]))]
    for place, gallery in (("filled.db", True), ("empty.db", False)):
        with FaceID(db=tmp_path / place, model="fake", device="cpu") as other:
            if gallery:
                other.transfer.import_templates(write(tmp_path / "ann.npz", [("ann", AXES[0])]))
            result = other.transfer.import_templates(write(tmp_path / "in.npz", rows))
            assert [(one.name, one.problem.code) for one in result.refused] == [("cid", "identity_conflict")]
            assert states(other, "cid") == [*["confirmed"] * 6, "unconfirmed"]


def test_single_templates_in_several_parts_are_compared_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceid.gallery.archive.ROWS", 1)
    rows = [("cid", AXES[5]), ("ann", AXES[0]), (" cid ", at(VERIFY + 0.02, 6, AXES[5]))]
    with FaceID(db=tmp_path / "empty.db", model="fake", device="cpu") as system:
        system.transfer.import_templates(write(tmp_path / "in.npz", rows))
        assert states(system, "cid") == ["confirmed", "unconfirmed"]


def test_a_template_under_two_names_of_an_archive_is_the_first_one_s(tmp_path: Path) -> None:
    rows = [("cid", AXES[5]), ("eve", AXES[5]), ("eve", AXES[6])]
    with FaceID(db=tmp_path / "empty.db", model="fake", device="cpu") as system:
        result = system.transfer.import_templates(write(tmp_path / "in.npz", rows))
        assert [(one.name, one.problem.code) for one in result.refused] == [("eve", "identity_conflict")]
        assert (states(system, "cid"), states(system, "eve")) == (["confirmed"], ["confirmed"])


def test_a_photo_of_two_people_is_imported_for_both(system: FaceID, tmp_path: Path) -> None:
    system.transfer.import_templates(write(tmp_path / "one.npz", [("cid", AXES[5])]))
    system.transfer.export_templates(tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as archive:
        arrays = dict(archive)
    arrays["embeddings"] = np.array([AXES[8]], np.float32)
    arrays["names"], arrays["sources"] = np.array(["dan"]), np.array(["group.jpg"])
    arrays["photo_sha256"] = arrays["photo_sha256"][-1:]
    np.savez(tmp_path / "two.npz", **arrays)
    assert system.transfer.import_templates(tmp_path / "two.npz").templates == 1


def test_what_is_enrolled_while_an_archive_is_judged_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = ImportGuard.judge
    own = write(tmp_path / "own.npz", [("cid", AXES[5])])
    other = write(tmp_path / "other.npz", [("cid", at(VERIFY + 0.02, 6, AXES[5])), ("dan", AXES[8])])
    with FaceID(db=tmp_path / "empty.db", model="fake", device="cpu") as system:
        waiting = [own]

        def judged(self: ImportGuard, part: Part) -> list[TemplateState | None]:
            states = judge(self, part)
            # Another process enrols the person between the judgement and the storage.
            if waiting:
                system.transfer.import_templates(waiting.pop())
            return states

        monkeypatch.setattr(ImportGuard, "judge", judged)
        result = system.transfer.import_templates(other)
        assert (result.templates, result.unconfirmed) == (2, 1)
        assert (states(system, "cid"), system.people.count()) == (["confirmed", "unconfirmed"], 2)
