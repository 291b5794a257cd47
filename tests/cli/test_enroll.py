from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from cli_runs import ALICE, BOB, CAROL, Faceid, Photo


def test_enrolled_photos_and_a_summary(faceid: Faceid, photo: Photo) -> None:
    first, second = photo(ALICE), photo(ALICE)
    ran = faceid("--json", "enroll", "--name", "alice", first, second)
    assert ran.code == 0, ran.err
    one, two, summary = ran.objects
    assert [one["status"], two["status"]] == ["enrolled", "enrolled"]
    assert (one["path"], one["reason"], one["template_id"]) == (first, None, 1)
    assert len(one["box"]) == 4
    assert 0.0 < one["quality"] <= 1.0
    assert set(one["quality_factors"]) == {"sharpness", "size", "resolution", "detection", "pose", "exposure"}
    assert summary == {
        "summary": {
            "name": "alice",
            "enrolled": 2,
            "skipped": 0,
            "failed": 0,
            "templates": 2,
            "unconfirmed": 0,
            "people_enrolled": 1,
            "people_without_template": [],
            "reasons_without_template": {},
        }
    }


def test_the_same_photo_twice_is_a_duplicate(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    path = photo(ALICE)
    copy = tmp_path / "copy.png"
    copy.write_bytes(Path(path).read_bytes())
    faceid("enroll", "--name", "alice", path)
    ran = faceid("--json", "enroll", "--name", "alice", path, copy)
    assert ran.code == 0
    assert [item["status"] for item in ran.objects[:2]] == ["duplicate", "duplicate"]
    assert ran.objects[0]["template_id"] == 1
    assert ran.objects[2]["summary"]["templates"] == 1


def test_the_same_photo_twice_in_one_run_is_stored_once(faceid: Faceid, photo: Photo) -> None:
    path = photo(ALICE)
    ran = faceid("--json", "enroll", "--name", "alice", path, path, path)
    assert [item["status"] for item in ran.objects[:3]] == ["enrolled", "duplicate", "duplicate"]


def test_refused_photos_have_reasons_and_the_good_one_is_kept(
    faceid: Faceid, photo: Photo, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    ran = faceid(
        *("--json", "enroll", "--name", "alice"),
        *(
            photo(),
            photo(ALICE, BOB),
            photo(ALICE, side=12),
            photo(ALICE, side=30),
            empty,
            tmp_path / "gone.jpg",
            photo(ALICE),
        ),
    )
    assert ran.code == 3
    assert [item["reason"] for item in ran.objects[:-1]] == [
        "no_face",
        "multiple_faces",
        "no_face",
        "face_too_small",
        "unreadable",
        "unreadable",
        None,
    ]
    assert ran.objects[-1]["summary"] == {
        "name": "alice",
        "enrolled": 1,
        "skipped": 0,
        "failed": 6,
        "templates": 1,
        "unconfirmed": 0,
        "people_enrolled": 1,
        "people_without_template": [],
        "reasons_without_template": {},
    }
    assert len(ran.err.splitlines()) == 6


def test_low_quality_says_which_factor(faceid: Faceid, photo: Photo) -> None:
    ran = faceid("--json", "enroll", "--name", "alice", "--quality", "1", photo(ALICE))
    assert ran.code == 3
    assert ran.objects[0]["reason"] == "low_quality"
    assert ran.objects[0]["quality"] < 1
    assert "mostly for" in ran.err


def test_a_photo_without_light_is_too_dark(faceid: Faceid, photo: Photo) -> None:
    faceid("enroll", "--name", "alice", photo(ALICE))
    dark = photo(ALICE)
    with PilImage.open(dark) as lit:
        night = np.asarray(lit) // np.uint8(16)
    PilImage.fromarray(night).save(dark)
    ran = faceid("--json", "enroll", "--name", "alice", dark)
    assert (ran.code, ran.objects[0]["reason"]) == (3, "too_dark")
    assert "better light" in ran.err
    found = faceid("--json", "identify", dark)
    assert (found.code, found.objects[0]["status"]) == (3, "no_face")
    assert "better light" in found.objects[0]["problem"]["hint"]
    claimed = faceid("verify", "alice", dark)
    assert claimed.code == 3
    assert "nearly black" in claimed.err
    assert "better light" in claimed.err


def test_somebody_elses_face_is_refused_unless_accepted(faceid: Faceid, photo: Photo) -> None:
    faceid("enroll", "--name", "alice", photo(ALICE))
    other = photo(ALICE)
    ran = faceid("--json", "enroll", "--name", "bob", other)
    assert (ran.code, ran.objects[0]["reason"]) == (3, "identity_conflict")
    assert "alice" in ran.err
    assert ran.objects[1]["summary"]["templates"] == 0
    assert faceid("--json", "enroll", "--name", "bob", "--on-conflict", "accept", other).code == 0


def test_the_same_photo_under_another_name_is_a_conflict(faceid: Faceid, photo: Photo) -> None:
    path = photo(ALICE)
    faceid("enroll", "--name", "alice", path)
    ran = faceid("--json", "enroll", "--name", "bob", path)
    assert ran.objects[0]["reason"] == "identity_conflict"
    assert "the same photo is enrolled as alice" in ran.err


def test_each_folder_is_a_person(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    photo(ALICE, name="people/alice/1.png")
    photo(ALICE, name="people/alice/deep/2.png")
    photo(BOB, name="people/bob/1.png")
    (tmp_path / "people" / "bob" / "notes.txt").write_text("not a photo")
    (tmp_path / "people" / ".hidden").mkdir()
    ran = faceid("--json", "enroll", "--each-folder", tmp_path / "people")
    assert ran.code == 0, ran.err
    assert [item["name"] for item in ran.objects[:-1]] == ["alice", "alice", "bob"]
    assert ran.objects[-1]["summary"] == {
        "name": None,
        "enrolled": 3,
        "skipped": 0,
        "failed": 0,
        "templates": 3,
        "unconfirmed": 0,
        "people_enrolled": 2,
        "people_without_template": [],
        "reasons_without_template": {},
        "loose_photos": 0,
    }


def test_the_people_without_a_template_are_told_and_why(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    photo(ALICE, name="people/alice/1.png")
    photo(name="people/alice/2.png")
    photo(name="people/bob/1.png")
    photo(name="people/bob/2.png")
    photo(ALICE, BOB, name="people/bob/3.png")
    (tmp_path / "people" / "carol").mkdir()
    photo(ALICE, BOB, name="people/dave/1.png")
    photo(BOB, name="people/stray.png")
    (tmp_path / "people" / "notes.txt").write_text("not a photo")
    ran = faceid("--json", "enroll", "--each-folder", tmp_path / "people")
    summary = ran.objects[-1]["summary"]
    assert ran.code == 3
    assert (summary["people_enrolled"], summary["people_without_template"]) == (1, ["bob", "carol", "dave"])
    assert summary["reasons_without_template"] == {"no_face": 1, "no_images": 1, "multiple_faces": 1}
    assert summary["loose_photos"] == 1
    # Refused photos of a person who is enrolled from before leave the person enrolled.
    faceid("enroll", "--name", "dave", photo(CAROL))
    ran = faceid("enroll", "--each-folder", tmp_path / "people")
    assert "2 of 4 people have no template (1 no_face, 1 no_images): bob, carol" in ran.out
    assert "1 photo in no person's folder, not enrolled: " in ran.err
    assert "stray.png" in ran.err
    assert "notes.txt" not in ran.err


def test_of_many_people_without_a_template_the_first_are_named(
    faceid: Faceid, photo: Photo, tmp_path: Path
) -> None:
    photo(ALICE, name="people/alice/1.png")
    for number in range(7):
        (tmp_path / "people" / f"empty {number}").mkdir()
    ran = faceid("enroll", "--each-folder", tmp_path / "people")
    assert "7 of 8 people have no template (7 no_images): empty 0, empty 1, " in ran.out
    assert "empty 4 and 2 more (--json names all)" in ran.out
    assert "empty 5" not in ran.out.splitlines()[-1]


@pytest.mark.parametrize("name", ["", "   ", "x" * 10_000, "line\nbreak", "nul\0"])
def test_names_that_cannot_be(faceid: Faceid, photo: Photo, db: Path, name: str) -> None:
    ran = faceid("enroll", "--name", name, photo(ALICE))
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert not db.exists()


def test_names_are_one_whatever_their_unicode_form(faceid: Faceid, photo: Photo) -> None:
    faceid("enroll", "--name", "Ren\u00e9", photo(ALICE))
    faceid("enroll", "--name", "Rene\u0301", photo(ALICE))
    assert [item["templates"] for item in faceid("--json", "list").objects] == [2]


@pytest.mark.parametrize(
    "arguments",
    [
        ["enroll"],
        ["enroll", "--name", "alice"],
        ["enroll", "photo.png"],
        ["enroll", "--name", "alice", "--each-folder", "x"],
        ["enroll", "--each-folder", "nowhere"],
        ["enroll", "--name", "alice", "--on-conflict", "maybe", "photo.png"],
        ["enroll", "--name", "alice", "--quality", "2", "photo.png"],
    ],
)
def test_usage(faceid: Faceid, arguments: list[str]) -> None:
    ran = faceid(*arguments)
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1


def test_people_see_a_table(faceid: Faceid, photo: Photo) -> None:
    ran = faceid("enroll", "--name", "alice", photo(ALICE))
    assert "enrolled" in ran.out
    assert "1 enrolled, 0 skipped, 0 refused; 1 template of alice" in ran.out
    assert "\x1b" not in ran.out + ran.err


def test_another_model_on_the_gallery_is_refused_with_the_way_out(faceid: Faceid, photo: Photo) -> None:
    faceid("enroll", "--name", "alice", photo(ALICE))
    for command in (["identify"], ["enroll", "--name", "bob"]):
        ran = faceid("--json", *command, photo(BOB), model="dlib-resnet")
        assert ran.code == 4
        assert ran.object["error"]["code"] == "model_mismatch"
        assert "--model fake" in ran.err


def test_the_gallery_remembers_its_model(faceid: Faceid, photo: Photo) -> None:
    faceid("enroll", "--name", "alice", photo(ALICE))
    ran = faceid("--json", "identify", photo(ALICE), model=None)
    assert (ran.code, ran.object["faces"][0]["name"]) == (0, "alice")


def test_a_report_has_a_row_for_each_photo(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    good, nobody = photo(ALICE), photo()
    report = tmp_path / "report.csv"
    ran = faceid("enroll", "--name", "alice", "--report", report, good, nobody, tmp_path / "missing.jpg")
    assert ran.code == 3
    with report.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["path"], row["name"], row["status"], row["reason"]) for row in rows] == [
        (good, "alice", "enrolled", ""),
        (nobody, "alice", "rejected", "no_face"),
        (str(tmp_path / "missing.jpg"), "alice", "rejected", "unreadable"),
    ]
    assert [row["faces"] for row in rows] == ["1", "0", ""]
    assert rows[0]["template_id"] == "1"
    assert float(rows[0]["quality"]) > 0.4
    assert float(rows[0]["x2"]) > float(rows[0]["x1"])
    assert "no such file" in rows[2]["message"]


def test_a_report_that_cannot_be_written(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    ran = faceid("enroll", "--name", "alice", "--report", tmp_path, photo(ALICE))
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1


def test_a_table_of_people(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    photo(ALICE, name="a.png")
    photo(BOB, name="b.png")
    (tmp_path / "staff.csv").write_text("name,path,team\nalice,a.png,red\nbob,b.png,\n")
    ran = faceid("--json", "enroll", "--table", tmp_path / "staff.csv")
    assert ran.code == 0, ran.err
    assert [item["name"] for item in ran.objects[:-1]] == ["alice", "bob"]
    assert [who["attributes"] for who in faceid("--json", "list").objects] == [{"team": "red"}, {}]
    assert "team red" in faceid("list").out


def test_an_archive_of_people(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "staff.zip", "w") as archive:
        archive.write(photo(ALICE), "staff/alice/1.png")
        archive.write(photo(BOB), "staff/bob/1.png")
    ran = faceid("--json", "enroll", "--each-folder", tmp_path / "staff.zip")
    assert ran.code == 0, ran.err
    assert [item["name"] for item in ran.objects[:-1]] == ["alice", "bob"]
    assert ran.objects[0]["path"].endswith("staff.zip/staff/alice/1.png")
    assert ran.objects[-1]["summary"]["loose_photos"] == 0


def test_the_loose_photos_of_an_archive_are_refused_and_counted(
    faceid: Faceid, photo: Photo, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "staff.zip", "w") as archive:
        archive.write(photo(ALICE), "alice/1.png")
        archive.write(photo(BOB), "stray.png")
    ran = faceid("--json", "enroll", "--each-folder", tmp_path / "staff.zip")
    summary = ran.objects[-1]["summary"]
    assert (summary["enrolled"], summary["failed"], summary["loose_photos"]) == (1, 1, 1)
    assert (summary["people_enrolled"], summary["people_without_template"]) == (1, [])


def test_many_photos_are_told_in_numbers(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    for number in range(41):
        photo(ALICE, name=f"alice/{number}.png")
    (tmp_path / "alice" / "broken.png").write_bytes(b"no picture")
    ran = faceid("enroll", "--name", "alice", tmp_path / "alice")
    assert ran.code == 3
    assert "42" in str(len(list((tmp_path / "alice").iterdir())))
    lines = [line.split() for line in ran.out.splitlines() if "unreadable" in line]
    assert lines == [["refused", "unreadable", "1", "2.4%"]]
    assert "alice/1.png" not in ran.out
    assert "1 refused" in ran.out


@pytest.mark.parametrize("level", ["off", "0", "standard", "0.2"])
def test_quality_levels(faceid: Faceid, photo: Photo, level: str) -> None:
    assert faceid("enroll", "--name", "alice", "--quality", level, photo(ALICE)).code == 0


def test_progress_without_a_terminal(
    faceid: Faceid, photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceid.cli._enrolling.EVERY_S", 0.0)
    photos = [photo(ALICE), photo(ALICE, BOB), photo()]
    ran = faceid("enroll", "--name", "alice", *photos)
    last = [line for line in ran.err.splitlines() if " a second, " in line][-1]
    assert last.startswith("faceid: 3 of 3 photos, ")
    assert "3 faces, 2 refused (1 multiple_faces, 1 no_face), 0 s left" in last
    assert "a second" not in faceid("--quiet", "enroll", "--name", "alice", *photos).err


def test_a_second_name_is_told(faceid: Faceid, photo: Photo) -> None:
    faceid("enroll", "--name", "alice", photo(ALICE))
    ran = faceid("--json", "enroll", "--name", "eve", photo(ALICE), photo(ALICE))
    (told,) = ran.objects[-1]["summary"]["already_enrolled"]
    assert (told["name"], told["candidate"], told["matches"], told["photos"]) == ("eve", "alice", 2, 2)
    assert "eve may be enrolled already, as alice: 2 of 2 photos match" in ran.err


def test_of_several_faces(faceid: Faceid, photo: Photo) -> None:
    both = photo(ALICE, BOB)
    assert "choose one with --subject" in faceid("enroll", "--name", "alice", both).err
    assert "2 faces, and none is clearly the subject" in faceid("enroll", "--name", "alice", both).err
    faceid("enroll", "--name", "alice", photo(ALICE))
    for number, name in enumerate(("--subject", "--multi-face")):
        ran = faceid("--json", "enroll", "--name", "alice", name, "all", photo(ALICE, BOB))
        assert (ran.code, ran.objects[0]["status"], ran.objects[0]["faces"]) == (0, "enrolled", 2), number
    ran = faceid("--json", "enroll", "--name", "alice", "--multi-face", "reject", photo(ALICE, BOB))
    assert (ran.code, ran.objects[0]["reason"]) == (3, "multiple_faces")
    ran = faceid("--json", "enroll", "--name", "alice", "--subject", "all", both)
    assert (ran.code, ran.objects[0]["status"], ran.objects[0]["faces"]) == (0, "enrolled", 2)


def test_few_templates_are_kept(faceid: Faceid, photo: Photo) -> None:
    photos = [photo(ALICE) for _ in range(4)]
    ran = faceid("--json", "enroll", "--name", "alice", "--max-templates", "2", *photos)
    assert ran.code == 0
    assert ran.objects[-1]["summary"] == {
        "name": "alice",
        "enrolled": 2,
        "skipped": 2,
        "failed": 0,
        "templates": 2,
        "unconfirmed": 0,
        "people_enrolled": 1,
        "people_without_template": [],
        "reasons_without_template": {},
    }
    assert [item["problem"]["code"] for item in ran.objects[:-1] if item["problem"]] == ["redundant"] * 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--multi-face", "some"],
        ["--subject", "some"],
        ["--on-conflict", "shrug"],
        ["--on-conflict", "ask"],
        ["--max-templates", "0"],
        ["--quality", "nan"],
        ["--quality", "good"],
    ],
)
def test_options_that_cannot_be(faceid: Faceid, photo: Photo, db: Path, arguments: list[str]) -> None:
    ran = faceid("enroll", "--name", "alice", *arguments, photo(ALICE))
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert not db.exists()
