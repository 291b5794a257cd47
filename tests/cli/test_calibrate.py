from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli_runs import ALICE, BOB, CAROL, Faceid, Photo
from enrollment_db.registry import open_sqlite
from html_check import Page

DAVE, ERIN, FRANK = (208, 208, 80), (80, 208, 208), (208, 80, 208)
PEOPLE = {"alice": ALICE, "bob": BOB, "carol": CAROL, "dave": DAVE, "erin": ERIN, "frank": FRANK}


@pytest.fixture
def people(photo: Photo, tmp_path: Path) -> Path:
    """Six people with three photos each."""
    for name, colour in PEOPLE.items():
        for number in range(3):
            photo(colour, name=f"people/{name}/{number}.png")
    return tmp_path / "people"


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """500 mated and 20,000 non-mated distances."""
    rng = np.random.default_rng(0)
    path = tmp_path / "scores.csv"
    rows = [(0.3 + 0.1 * value, 1) for value in rng.normal(size=500)]
    rows += [(0.9 + 0.1 * value, 0) for value in rng.normal(size=20_000)]
    path.write_text(
        "distance,mated\n" + "".join(f"{abs(distance):.6f},{mated}\n" for distance, mated in rows)
    )
    return path


def test_folders_are_calibrated_on(faceid: Faceid, people: Path, photo: Photo) -> None:
    photo(name="people/bob/nobody.png")
    photo(ALICE, BOB, name="people/carol/two.png")
    ran = faceid("--json", "calibrate", people, "--fmr", "0.05")
    assert ran.code == 0, ran.err
    found = ran.object
    assert (found["data"]["kind"], found["data"]["detector"]) == ("folders", "fake")
    assert (found["data"]["identities"], found["data"]["photos"], found["data"]["templates"]) == (6, 20, 18)
    assert found["data"]["lost"] == {"no_face": 1, "multiple_faces": 1}
    assert (found["data"]["mated"], found["data"]["non_mated"]) == (18, 18 * 17 // 2 - 18)
    assert found["model"].startswith("fake (")
    assert found["proposed"]["asked"] == "FMR 0.05"
    assert found["proposed"]["fmr"]["rate"] <= 0.05
    # Of bob and carol each of three photos has one lost partner.
    assert found["proposed"]["frr"] == pytest.approx((18 * found["proposed"]["fnmr"]["rate"] + 6) / 24)
    assert found["policy"] is None
    assert "det" not in found
    assert "thumbnails" not in found["nearest"][0]
    assert {"few_false_matches", "few_false_non_matches"} <= {caveat["code"] for caveat in found["caveats"]}


def test_the_same_command_finds_the_same(faceid: Faceid, people: Path) -> None:
    first, second = (faceid("--json", "calibrate", people, "--fmr", "0.05").object for _ in range(2))
    assert {**first, "created_at": ""} == {**second, "created_at": ""}


def test_tables_are_for_people(faceid: Faceid, people: Path) -> None:
    ran = faceid("calibrate", people, "--fmr", "0.05")
    assert ran.code == 0
    assert "6 identities, 18 photos, 18 templates" in ran.out
    assert "FMR 0.05" in ran.out
    assert "predicted" in ran.out
    assert "observed" in ran.out


def test_too_few_people_for_a_rate_is_said_in_numbers(faceid: Faceid, people: Path) -> None:
    ran = faceid("calibrate", people)
    assert ran.code == 3
    assert "with 135 non-mated comparisons nothing below FMR 0.022 can be claimed" in ran.err


def test_scores_are_enough(faceid: Faceid, scores: Path) -> None:
    ran = faceid("--json", "calibrate", scores, "--fmr", "0.001", model=None)
    assert ran.code == 0, ran.err
    found = ran.object
    distance, mated = np.loadtxt(scores, delimiter=",", skiprows=1).T
    threshold = found["proposed"]["threshold"]
    assert found["proposed"]["fmr"]["rate"] == pytest.approx(20 / 20_000)
    # JSON rounds the threshold, which lies just under the 21st distance.
    assert sum(value < threshold - 1e-7 for value in distance[mated == 0]) == 20
    assert found["model"] == "unknown"
    assert "independent" in [caveat["code"] for caveat in found["caveats"]]


def test_similarities_and_archives_say_the_same(faceid: Faceid, scores: Path, tmp_path: Path) -> None:
    distance, mated = np.loadtxt(scores, delimiter=",", skiprows=1).T
    archive = tmp_path / "scores.npz"
    np.savez(archive, similarity=1.0 - distance.clip(0, 2), mated=mated.astype(bool), model="fake")
    first = faceid("--json", "calibrate", scores, "--cost", "10", "--prior", "0.9").object
    second = faceid("--json", "calibrate", archive, "--cost", "10", "--prior", "0.9").object
    assert second["proposed"]["threshold"] == pytest.approx(first["proposed"]["threshold"])
    assert second["proposed"]["fmr"] == first["proposed"]["fmr"]
    ran = faceid("calibrate", archive, model="dlib-resnet")
    assert (ran.code, "scores of fake, not of dlib-resnet" in ran.err) == (2, True)


def test_a_csv_of_pairs(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    paths = [f"{name}/{number}.png" for name in PEOPLE for number in range(3)]
    lines = [
        f"{one},{two},{int(one.split('/')[0] == two.split('/')[0])}\n"
        for one, two in itertools.combinations(paths, 2)
    ]
    file = people / "pairs.csv"
    file.write_text("file1,file2,same\n" + "".join(lines))
    found = faceid("--json", "calibrate", file, "--fmr", "0.05").object
    folders = faceid("--json", "calibrate", people, "--fmr", "0.05").object
    assert found["data"]["kind"] == "pairs"
    assert found["data"]["identities"] == 6
    for field in ("threshold", "fmr", "fnmr"):
        assert found["proposed"][field] == pytest.approx(folders["proposed"][field])
    moved = tmp_path / "elsewhere.csv"
    file.rename(moved)
    ran = faceid("calibrate", moved, "--fmr", "0.05")
    assert ran.code == 3
    assert "names 18 photos of 18 that are not there" in ran.err
    assert faceid("calibrate", moved, "--fmr", "0.05", "--images", people).code == 0


def test_the_gallery_itself(faceid: Faceid, people: Path) -> None:
    faceid("enroll", "--each-folder", people)
    of_folders = faceid("--json", "calibrate", people, "--fmr", "0.05").object
    for data in ((), ("gallery",)):
        found = faceid("--json", "calibrate", *data, "--fmr", "0.05", model=None).object
        assert (found["data"]["kind"], found["data"]["detector"]) == ("gallery", "fake")
        assert found["proposed"]["threshold"] == pytest.approx(of_folders["proposed"]["threshold"])


def test_an_fpir_is_for_the_gallery_that_is_there(faceid: Faceid, people: Path, scores: Path) -> None:
    assert faceid("calibrate", scores, "--fpir", "0.01", model=None).code == 2
    faceid("enroll", "--each-folder", people)
    found = faceid("--json", "calibrate", scores, "--fpir", "0.01").object
    assert found["proposed"]["asked"] == "FPIR 0.01 among 6"
    found = faceid("--json", "calibrate", scores, "--fpir", "0.01", "--identities", "10").object
    assert found["proposed"]["asked"] == "FPIR 0.01 among 10"
    assert found["proposed"]["fmr"]["rate"] == pytest.approx(0.001)


def test_a_policy_is_put_in_force(faceid: Faceid, people: Path, scores: Path, db: Path) -> None:
    faceid("enroll", "--each-folder", people)
    ran = faceid("--json", "calibrate", scores, "--fmr", "0.001", "--put")
    assert ran.code == 0, ran.err
    faceid("calibrate", people, "--fpir", "0.3", "--identities", "4", "--put")
    with open_sqlite(db) as store:
        model = store.templates.model()
        assert model is not None
        fmr, fpir = store.policies.active(model, "fmr"), store.policies.active(model, "fpir")
    assert fmr is not None
    assert (fmr.id, fmr.target, fmr.mated, fmr.non_mated) == (ran.object["policy"], 0.001, 500, 20_000)
    assert fmr.threshold == pytest.approx(ran.object["proposed"]["threshold"], rel=1e-6)
    assert fmr.low < 0.001 < fmr.high
    assert fpir is not None
    assert (fpir.target, fpir.non_mated) == (0.3, 135)
    # Scores do not say what found the faces.
    assert fmr.calibration is not None
    assert fpir.calibration is not None
    software = [json.loads(one.calibration)["software"] for one in (fmr, fpir)]
    assert ["detector fake" in one for one in software] == [False, True]
    # What was measured decides from now on, not the card.
    assert all(row["own_calibration"] for row in faceid("--json", "policy", "history").objects)
    found = faceid("--json", "identify", next(people.rglob("*.png"))).object["policy"]
    assert (found["source"], found["policy_id"]) == ("gallery", fpir.id)
    threshold = faceid("--json", "calibrate", people, "--fpir", "0.3").object["proposed"]["threshold"]
    assert found["threshold"] == pytest.approx(threshold, rel=1e-6)


def test_both_rates_of_a_gallery_are_its_own_after_a_calibration(
    faceid: Faceid, people: Path, tmp_path: Path
) -> None:
    faceid("enroll", "--each-folder", people)
    card = faceid("--json", "policy", "show").objects[0]
    assert card["alike"]["data"].startswith("computed")
    found = faceid("--json", "calibrate", people, "--fmr", "0.05", "--put")
    assert found.code == 0, found.err
    alike = found.object["alike"]
    # Three photos each of six people: half of the comparisons of each with five others, rounded up.
    assert (alike["chosen_by"], alike["people"], alike["non_mated"]) == ("nearest half", 6, 81)
    report = faceid("--json", "policy", "show").objects[0]
    assert (report["alike"]["people"], report["alike"]["non_mated"]) == (6, 81)
    assert str(people) in report["policy"]["population"]
    assert report["policy"]["fmr_alike"] >= report["policy"]["fmr"]
    assert "FMR among alike" in faceid("calibrate", people, "--fmr", "0.05").out
    # A rate among alike is then read from the gallery's own curve.
    ran = faceid("--json", "policy", "set", "--fmr-alike", "0.1")
    assert (ran.code, ran.object["policy"]["kind"]) == (0, "fmr_alike"), ran.err
    assert ran.object["alike"]["people"] == 6

    table = tmp_path / "attributes.csv"
    table.write_text("identity,sex,group\n" + "".join(f"{name},f,{name[0] < 'd'}\n" for name in PEOPLE))
    by_attributes = faceid("--json", "calibrate", people, "--fmr", "0.05", "--attributes", table).object[
        "alike"
    ]
    assert (by_attributes["chosen_by"], by_attributes["non_mated"]) == ("attributes", 54)
    assert by_attributes["population"].startswith("people of one sex and group")


def test_scores_have_no_rate_among_alike(faceid: Faceid, people: Path, scores: Path, tmp_path: Path) -> None:
    faceid("enroll", "--each-folder", people)
    ran = faceid("--json", "calibrate", scores, "--fmr", "0.01", "--put")
    assert (ran.code, ran.object["alike"]) == (0, None), ran.err
    assert faceid("--json", "policy", "show").objects[0]["policy"]["fmr_alike"] is None
    refused = faceid("--json", "verify", "alice", next(people.rglob("*.png")), "--fmr-alike", "0.01")
    assert (refused.code, refused.object["error"]["code"]) == (2, "no_alike_curve")
    assert "faceid calibrate DATA --put" in refused.object["error"]["hint"]
    table = tmp_path / "attributes.csv"
    table.write_text("identity,sex\nalice,f\n")
    assert faceid("calibrate", scores, "--fmr", "0.01", "--attributes", table).code == 2
    table.write_text("identity,sex\nnobody,f\n")
    ran = faceid("calibrate", people, "--fmr", "0.05", "--attributes", table)
    assert (ran.code, "no person in the data has all attributes" in ran.err) == (3, True)


def test_another_models_data_are_not_put_in_force(
    faceid: Faceid, people: Path, scores: Path, tmp_path: Path, db: Path
) -> None:
    ran = faceid("calibrate", scores, "--fmr", "0.001", "--put")
    assert (ran.code, ran.err.count("\n")) == (4, 1)
    faceid("enroll", "--each-folder", people)
    ran = faceid("calibrate", scores, "--fmr", "0.001", "--put", model=None)
    assert ran.code == 2
    assert "does not say of which model its scores are (say it with --model fake" in ran.err
    distance, mated = np.loadtxt(scores, delimiter=",", skiprows=1).T
    np.savez(tmp_path / "other.npz", distance=distance, mated=mated, model="mobilefacenet")
    ran = faceid("--json", "calibrate", tmp_path / "other.npz", "--fmr", "0.001", "--put", model=None)
    assert (ran.code, ran.object["error"]["code"]) == (4, "model_mismatch")
    with open_sqlite(db) as store:
        assert store.policies.all() == []


def test_swapped_labels_are_said_and_not_put_in_force(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    faceid("enroll", "--each-folder", people)
    rng = np.random.default_rng(0)
    mated = np.arange(5000) < 4000
    distance = np.where(mated, rng.normal(0.9, 0.1, 5000), rng.normal(0.3, 0.1, 5000)).clip(0)
    np.savez(tmp_path / "swapped.npz", distance=distance, mated=mated, model="fake")
    ran = faceid("calibrate", tmp_path / "swapped.npz", "--fmr", "0.01")
    assert ran.code == 0
    assert "are labels or signs swapped?" in ran.out
    ran = faceid("--json", "calibrate", tmp_path / "swapped.npz", "--fmr", "0.01", "--put")
    assert (ran.code, ran.object["error"]["code"]) == (3, "swapped")


def test_a_file_under_two_names_is_said_and_left_out(faceid: Faceid, people: Path) -> None:
    shutil.copy(people / "alice" / "0.png", people / "bob" / "again.png")
    shutil.copy(people / "carol" / "0.png", people / "carol" / "copy.png")
    found = faceid("--json", "calibrate", people, "--fmr", "0.05").object
    assert found["data"]["duplicates"] == [["alice", "bob"]]
    assert (found["data"]["photos"], found["data"]["templates"]) == (20, 17)
    messages = {caveat["code"]: caveat["message"] for caveat in found["caveats"]}
    assert messages["duplicates"] == "1 file is in two identities and left out, the first in alice and bob"
    assert messages["repeated"] == "1 file is a further copy of a photo and left out"


@pytest.mark.parametrize(
    ("keep", "photos", "problem"),
    [(1, 3, "one identity only"), (6, 1, "every identity has one template only")],
)
def test_people_too_few(faceid: Faceid, people: Path, keep: int, photos: int, problem: str) -> None:
    for name in list(PEOPLE)[keep:]:
        shutil.rmtree(people / name)
    for path in people.glob("*/*.png"):
        if int(path.stem) >= photos:
            path.unlink()
    ran = faceid("calibrate", people)
    assert ran.code == 3
    assert problem in ran.err


@pytest.mark.parametrize(
    ("name", "text", "code", "problem"),
    [
        (
            "s.csv",
            "distance,mated\n0.1,1\nnan,0\n0.5,0\n",
            3,
            "1 scores that are not finite, the first is number 2",
        ),
        ("s.csv", "distance,mated\n0.1,2\n", 3, "has mated 2"),
        ("s.csv", "distance,mated\n0.1,1\n0.2,1\n", 3, "there is no non-mated comparison"),
        ("s.csv", "distance,mated\n0.1,1\nx,0\n", 3, "is no table of scores"),
        ("s.csv", "distance,mated\n", 3, "of shape (0,)"),
        ("s.csv", "similarity,mated\n3.0,1\n0.1,0\n", 3, "no cosine"),
        ("s.csv", "score,mated\n3.0,1\n0.1,0\n", 3, "wanted are"),
        ("s.csv", "a,b\n", 3, "has no column file1 and no file2 and no same"),
        ("s.csv", "file1,file2,same\na,b,yes\n", 3, "line 2: wanted are two files and same, 0 or 1"),
        ("s.csv", "file1,file2,same\n", 3, "lists no pairs"),
        ("s.txt", "hello\n", 3, "is no list of pairs"),
        ("s.txt", "", 3, "is no list of pairs"),
        ("s.txt", "2\na 1 2\n", 3, "lists 1 pairs, where its first line announces 4"),
        ("s.txt", "1\na 1 2\na 1 b\n", 3, "line 3: wanted is"),
        ("s.npz", "junk", 3, "is no table of scores"),
        ("s.jpg", "junk", 2, "is no data to evaluate"),
    ],
)
def test_data_that_are_none(
    faceid: Faceid, tmp_path: Path, name: str, text: str, code: int, problem: str
) -> None:
    (tmp_path / name).write_text(text)
    ran = faceid("calibrate", tmp_path / name)
    assert (ran.code, ran.err.count("\n")) == (code, 1)
    assert problem in ran.err


def test_requests_that_make_no_sense(faceid: Faceid, people: Path, scores: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments in (
        (tmp_path / "gone",),
        (tmp_path / "empty",),
        (scores, "--fmr", "0.1", "--cost", "2"),
        (people, "--images", tmp_path),
    ):
        ran = faceid("calibrate", *arguments)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert faceid("calibrate").code == 4


def test_a_report_is_written(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    page, document = tmp_path / "r.html", tmp_path / "r.json"
    ran = faceid("--json", "calibrate", people, "--fmr", "0.05", "--report", page)
    assert ran.code == 0, ran.err
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    # The faces of the nearest and the farthest pairs are in it.
    assert text.count("data:image/jpeg;base64,") >= 2 * len(ran.object["nearest"])
    assert faceid("calibrate", people, "--fmr", "0.05", "--report", document).code == 0
    told = json.loads(document.read_text(encoding="utf-8"))
    assert told["proposed"]["threshold"] == pytest.approx(ran.object["proposed"]["threshold"], rel=1e-6)
    assert all(pair["thumbnails"][0] for pair in told["nearest"])
    ran = faceid("calibrate", people, "--fmr", "0.05", "--report", tmp_path / "gone" / "r.html")
    assert (ran.code, "cannot" in ran.err, ran.err.count("\n")) == (2, True, 1)


def test_a_report_on_the_gallery_has_its_health(
    faceid: Faceid, people: Path, photo: Photo, tmp_path: Path
) -> None:
    faceid("enroll", "--each-folder", people)
    faceid("enroll", "--name", "alias", "--on-conflict", "accept", photo(ALICE))
    by_itself = faceid("--json", "gallery-health").objects[:-1]
    document, page = tmp_path / "r.json", tmp_path / "r.html"
    assert faceid("calibrate", "--fmr", "0.05", "--report", document).code == 0
    told = json.loads(document.read_text("utf-8"))["health"]
    assert sorted(item["kind"] for item in told) == sorted(item["kind"] for item in by_itself)
    assert {"look_alike", "single_template"} <= {item["kind"] for item in told}
    assert faceid("calibrate", "--fmr", "0.05", "--report", page).code == 0
    assert "enrol one or two more photos of this person" in Page(page.read_text("utf-8")).text
    # The photos in the folders are no gallery.
    assert faceid("calibrate", people, "--fmr", "0.05", "--report", document).code == 0
    assert json.loads(document.read_text("utf-8"))["health"] == []


# -- evaluate --------------------------------------------------------------------------------------------------


def evaluated(faceid: Faceid, *arguments: object) -> dict[str, Any]:
    ran = faceid("--json", "evaluate", *arguments)
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def lfw_pairs(people: Path) -> Path:
    """Two folds of three mated and three non-mated pairs, in LFW's format."""
    for name in PEOPLE:
        for number in range(3):
            (people / name / f"{number}.png").rename(people / name / f"{name}_{number + 1:04d}.jpg")
    names = list(PEOPLE)
    lines = ["2\t3"]
    for fold in (names[:3], names[3:]):
        lines += [f"{name}\t1\t2" for name in fold]
        lines += [f"{one}\t1\t{two}\t3" for one, two in itertools.combinations(fold, 2)]
    file = people / "pairs.txt"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_verification_by_lfws_protocol(faceid: Faceid, people: Path) -> None:
    file = lfw_pairs(people)
    found = evaluated(faceid, "verification", file)
    assert found["folds"]["accuracy"] == [1.0, 1.0]
    assert (found["folds"]["mean"], found["folds"]["standard_error"]) == (1.0, 0.0)
    assert (found["data"]["mated"], found["data"]["non_mated"]) == (6, 6)
    assert found["proposed"]["asked"] == "best accuracy"
    ran = faceid("evaluate", "verification", file, "--folds", "3")
    assert (ran.code, "has its own folds" in ran.err) == (2, True)
    assert (
        "accuracy 100.00%, standard error 0.00% over 2 folds" in faceid("evaluate", "verification", file).out
    )


def test_every_pair_of_lfws_protocol_counts(
    faceid: Faceid, people: Path, photo: Photo, tmp_path: Path
) -> None:
    file = lfw_pairs(people)
    whole = evaluated(faceid, "verification", file)
    assert (whole["folds"]["pairs"], whole["folds"]["lost"], whole["data"]["fta"]) == (12, 0, 0.0)
    # Of the first fold a mated and a non-mated pair lose a photo; of the second a photo shows three people.
    for name in ("alice/alice_0002.jpg", "carol/carol_0003.jpg"):
        photo(name=f"people/{name}")
    photo(ALICE, PEOPLE["dave"], BOB, name="people/dave/dave_0002.jpg")
    found = evaluated(faceid, "verification", file)
    lost = len([line for line in file.read_text().splitlines() if line.endswith("carol\t3")])
    assert lost == 2
    assert (found["data"]["mated"], found["data"]["non_mated"]) == (5, 4)
    assert (found["data"]["mated_lost"], found["data"]["non_mated_lost"]) == (1, 2)
    assert found["data"]["lost"] == {"no_face": 2}
    assert found["data"]["fta"] == pytest.approx(2 / found["data"]["photos"], abs=1e-6)
    assert found["folds"]["accuracy"] == [0.5, 1.0]
    assert (found["folds"]["pairs"], found["folds"]["lost"]) == (12, 3)
    # ISO/IEC 19795-1: a mated pair without a template is a false reject, a non-mated one no false accept.
    assert found["proposed"]["frr"] == pytest.approx(1 / 6)
    assert found["proposed"]["far"] == 0.0
    report = tmp_path / "report.html"
    ran = faceid("evaluate", "verification", file, "--report", report)
    assert "of 12 pairs, 3 of them lost and counted as errors" in ran.out
    assert "which lose 1 mated and 2 non-mated comparisons" in ran.out
    assert "over all 12 listed pairs. 3 of them could not" in report.read_text("utf-8")
    strict = evaluated(faceid, "verification", file, "--subject", "largest")
    assert strict["data"]["lost"] == {"no_face": 2, "multiple_faces": 1}
    assert strict["folds"]["lost"] == 4
    assert faceid("evaluate", "verification", file, "--subject", "all").code == 2
    # Photos of other lists are not cut out around the labelled person.
    other = people / "pairs.csv"
    rows = [f"{name}/{name}_0001.jpg,{name}/{name}_0003.jpg,1" for name in list(PEOPLE)[3:]]
    rows += ["dave/dave_0002.jpg,erin/erin_0001.jpg,0"]
    rows += [f"dave/dave_0001.jpg,{name}/{name}_0001.jpg,0" for name in ("erin", "frank")]
    other.write_text("\n".join(["file1,file2,same", *rows]))
    found = evaluated(faceid, "verification", other, "--folds", "2")
    assert (found["data"]["lost"], found["folds"]["lost"]) == ({"multiple_faces": 1}, 1)


def test_every_protocol_has_its_page(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    table = tmp_path / "attributes.csv"
    table.write_text("identity,shirt\n" + "".join(f"{name},{name[0] < 'd'}\n" for name in PEOPLE))
    pairs = lfw_pairs(people)
    for section, arguments in {
        "folds": ("verification", pairs),
        "searches": ("identification", people, "--fmr", "0.05", "--draws", "2"),
        "one-shot": ("one-shot", people, "--ways", "3", "--episodes", "20"),
        "groups": ("cohorts", people, "--attributes", table, "--fmr", "0.05"),
    }.items():
        file = tmp_path / f"{section}.html"
        ran = faceid("evaluate", *arguments, "--report", file)
        assert ran.code == 0, ran.err
        page = Page(file.read_text("utf-8"))
        page.assert_sound()
        sections = [attributes["id"] for attributes in page.all("section")]
        assert {"summary", section, "data", "method", "reproduce"} <= set(sections)
        assert {"folds", "searches", "one-shot", "groups"} & set(sections) == {section}
        assert any(attributes.get("class") == "lead" for attributes in page.all("p"))


def test_verification_wants_pairs(faceid: Faceid, people: Path, scores: Path) -> None:
    assert faceid("evaluate", "verification", people).code == 2
    found = evaluated(faceid, "verification", scores, "--folds", "4")
    assert len(found["folds"]["accuracy"]) == 4
    assert found["folds"]["mean"] > 0.95


def test_identification_of_an_open_set(faceid: Faceid, people: Path) -> None:
    found = evaluated(faceid, "identification", people, "--fmr", "0.05", "--draws", "3")
    assert found["open_set"]["identities"] == 3
    assert (found["open_set"]["mated"], found["open_set"]["non_mated"]) == (18, 27)
    assert found["open_set"]["rank_1"] == 1.0
    assert [point["observed"] for point in found["by_size"]] == [False, True]
    ran = faceid("evaluate", "identification", people, "--threshold", "0.5", "--gallery-photos", "2")
    assert ran.code == 0
    assert "3 people enrolled with 2 photos each, in 10 draws" in ran.out


def test_one_shot(faceid: Faceid, people: Path, scores: Path) -> None:
    found = evaluated(faceid, "one-shot", people, "--ways", "4", "--episodes", "50")
    assert found["one_shot"]["accuracy"]["rate"] == 1.0
    assert "4-way one-shot: 100.00%" in faceid("evaluate", "one-shot", people, "--ways", "4").out
    assert faceid("evaluate", "one-shot", people, "--ways", "7").code == 3
    assert faceid("evaluate", "one-shot", scores).code == 2


def test_one_shot_of_whole_pictures(faceid: Faceid, scores: Path, tmp_path: Path) -> None:
    for number, colour in enumerate((ALICE, BOB, CAROL)):
        for picture in range(3):
            path = tmp_path / "things" / f"thing{number}" / f"{picture}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            # Of other sizes, or the file would be the same, and one that is not square.
            Image.new("RGB", (60 + picture, 40 + 300 * picture), colour).save(path)
    (tmp_path / "things" / "thing0" / "broken.png").write_bytes(b"no picture")
    things = tmp_path / "things"
    assert faceid("evaluate", "one-shot", things, "--ways", "3").code == 3
    found = evaluated(faceid, "one-shot", things, "--ways", "3", "--episodes", "30", "--whole")
    assert (found["data"]["photos"], found["data"]["templates"]) == (10, 9)
    assert found["data"]["lost"] == {"unreadable": 1}
    assert found["one_shot"]["accuracy"]["rate"] == 1.0
    refused = faceid("evaluate", "one-shot", scores, "--whole")
    assert refused.code == 2
    assert "--whole goes with a folder per identity" in refused.err


def test_cohorts(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    table = tmp_path / "attributes.csv"
    table.write_text("identity,shirt\n" + "".join(f"{name},{name[0] < 'd'}\n" for name in PEOPLE))
    found = evaluated(faceid, "cohorts", people, "--attributes", table, "--threshold", "1.0")
    assert [(row["group"], row["against"]) for row in found["cohorts"]] == [("False", None), ("True", None)]
    assert [row["non_mated"] for row in found["cohorts"]] == [27, 27]
    assert found["differentials"][0]["attribute"] == "shirt"
    assert (found["alike"]["chosen_by"], found["alike"]["non_mated"]) == ("attributes", 54)
    across = evaluated(faceid, "cohorts", people, "--attributes", table, "--threshold", "1.0", "--across")
    assert [row["against"] for row in across["cohorts"]] == [None, None, "True"]
    assert across["cohorts"][-1]["non_mated"] == 81
    told = faceid("evaluate", "cohorts", people, "--attributes", table, "--fmr", "0.05").out
    assert "shirt: no group differs in FMR or FNMR beyond the intervals" in told
    assert "FMR among alike" in told
    assert (
        faceid("evaluate", "cohorts", people, "--attributes", tmp_path / "gone.csv", "--fmr", "0.05").code
        == 3
    )
