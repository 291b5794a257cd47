"""`faceid explore`: pictures, pages and groups of photos, archives and galleries."""

from __future__ import annotations

import csv
import errno
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from cli_runs import ALICE, BOB, CAROL, Faceid, Photo
from html_check import Page
from places import OWN_DATA

FACE = OWN_DATA / "cc0_face.jpg"


@pytest.fixture
def people(photo: Photo, tmp_path: Path) -> Path:
    for number in range(3):
        photo(ALICE, name=f"people/<b>alice/{number}.png")
        photo(BOB, name=f"people/bob/{number}.png")
    photo(CAROL, name="people/carol/0.png")
    return tmp_path / "people"


@pytest.fixture
def archive(faceid: Faceid, people: Path, tmp_path: Path) -> Path:
    assert faceid("embed", people, "-o", tmp_path / "people.npz").code == 0
    return tmp_path / "people.npz"


def assert_closed(path: Path) -> str:
    """Nothing is fetched, and only what the policy names by its hash would run; the source."""
    source = path.read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', source)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert not re.search(r'(?:src|href)="(?!data:image/jpeg;base64,)', source)
    assert "<b>alice" not in source
    return source


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_project_draws_a_picture(faceid: Faceid, archive: Path, tmp_path: Path, method: str) -> None:
    file = tmp_path / "out.png"
    ran = faceid("--json", "explore", "project", archive, "-o", file, "--method", method)
    assert ran.code == 0
    assert (ran.object["faces"], ran.object["identities"], ran.object["method"]) == (7, 3, method)
    with PilImage.open(file) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 500


def test_some_of_many_faces_are_drawn(faceid: Faceid, archive: Path, tmp_path: Path) -> None:
    options = ["explore", "project", archive, "-o", tmp_path / "out.html", "--method", "pca"]
    whole = faceid("--json", *options).object
    assert (whole["faces"], whole["drawn"]) == (7, 7)
    some = faceid("--json", *options, "--limit", 4).object
    assert (some["faces"], some["drawn"]) == (7, 4)
    page = (tmp_path / "out.html").read_text("utf-8")
    assert "4 of 7 faces of" in page
    assert page.count('"/9j/') == 4
    assert faceid(*options, "--limit", 4, "--seed", 1).code == 0
    assert (tmp_path / "out.html").read_text("utf-8") != page
    assert faceid("--json", *options, "--limit", 99).object["drawn"] == 7
    assert faceid(*options, "--limit", 2).code == 2


def test_a_method_that_takes_long_says_so_before(
    faceid: Faceid, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceid.explore.projection.MANY", 5)
    options = ["explore", "project", archive, "-o", tmp_path / "out.html"]
    long = faceid(*options)
    assert "t-SNE of 7 faces takes long" in long.err
    assert "--method pca" in long.err
    assert "takes long" not in faceid(*options, "--limit", 5).err
    assert "takes long" not in faceid(*options, "--method", "pca").err


@pytest.mark.parametrize("what", ["people", "archive", "gallery"])
def test_project_makes_a_page_of_any_data(
    faceid: Faceid, people: Path, archive: Path, tmp_path: Path, what: str
) -> None:
    if what == "gallery":
        assert faceid("enroll", "--name", "alice", *sorted((people / "<b>alice").iterdir())).code == 0
    data = {"people": people, "archive": archive, "gallery": "gallery"}[what]
    file = tmp_path / "out.html"
    ran = faceid("explore", "project", data, "-o", file, "--method", "pca")
    assert ran.code == 0, ran.err
    source = assert_closed(file)
    assert "data:image/jpeg" in source
    assert source.count('"/9j/') >= 3


def test_a_projection_needs_three_faces_and_a_known_suffix(
    faceid: Faceid, photo: Photo, tmp_path: Path
) -> None:
    photo(ALICE, name="few/1.png")
    photo(BOB, name="few/2.png")
    few = faceid("explore", "project", tmp_path / "few", "-o", tmp_path / "out.png")
    assert (few.code, "holds 2 faces, where 3 at least are needed" in few.err) == (3, True)
    assert not (tmp_path / "out.png").exists()
    assert faceid("explore", "project", tmp_path / "few", "-o", tmp_path / "out.pdf").code == 2
    absent = faceid("explore", "project", tmp_path / "absent", "-o", tmp_path / "out.png")
    assert (absent.code, "no such file or folder" in absent.err) == (2, True)
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK")
    assert faceid("explore", "project", broken, "-o", tmp_path / "out.png").code == 3


@pytest.mark.parametrize(
    "options",
    [
        ("project", "--method", "pca", "-o", "out.html"),
        ("project", "--method", "pca", "-o", "out.png"),
        ("retrieve", "-o", "out.html"),
        ("cluster", "-o", "out.html"),
    ],
)
def test_a_full_disk_is_told(
    faceid: Faceid, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.fsync", full)
    ran = faceid("explore", options[0], archive, *options[1:])
    assert (ran.code, "cannot write out." in ran.err, "No space left" in ran.err) == (2, True, True), ran.err
    assert [*tmp_path.glob("out.*"), *tmp_path.glob(".out*")] == []


def test_cluster_finds_the_people(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    file = tmp_path / "sheet.html"
    ran = faceid("--json", "explore", "cluster", people, "-o", file)
    assert ran.code == 0
    *groups, last = ran.objects
    assert [(group["cluster"], group["names"]) for group in groups] == [
        (1, {"<b>alice": 3}),
        (2, {"bob": 3}),
        (3, {"carol": 1}),
    ]
    assert [len(group["faces"]) for group in groups] == [3, 3, 1]
    assert last["summary"]["clusters"] == 3
    assert last["summary"]["quality"]["b_cubed_precision"] == 1.0
    assert last["summary"]["quality"]["pair_recall"] == 1.0
    assert_closed(file)
    page = Page(file.read_text("utf-8"))
    page.assert_sound()
    assert "Group 1, 3 faces: <b>alice (3)" in page.text
    assert "1 alone" in page.text
    told = faceid("explore", "cluster", people, "-o", tmp_path / "dir")
    assert "B-cubed: precision 1.000 (1.000 .. 1.000), recall 1.000" in told.out
    with (tmp_path / "dir" / "clusters.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [(row["cluster"], row["name"]) for row in rows][-1] == ("3", "carol")
    assert len(rows) == 7
    assert (tmp_path / "dir" / "index.html").exists()


def test_what_the_border_cuts_off_is_set_aside(faceid: Faceid, archive: Path, tmp_path: Path) -> None:
    with np.load(archive) as loaded:
        arrays = dict(loaded)
    # Behind two of bob's faces.
    arrays["outside"][[0, 1]] = 0.4
    arrays["photo_sha256"][[0, 1]] = arrays["photo_sha256"][[3, 4]]
    arrays["quality"][2] = 0.3
    np.savez(archive, **arrays)
    options = ["explore", "cluster", archive, "-o", tmp_path / "dir"]
    *groups, aside, last = faceid("--json", *options).objects
    assert sorted(group["size"] for group in groups) == [1, 1, 3]
    assert (aside["set_aside"], aside["size"]) == ("cut_off", 2)
    assert [face["row"] for face in aside["faces"]] == [0, 1]
    assert last["summary"]["set_aside"] == {"cut_off": 2, "low_quality": 0}
    # Two of alice's faces were found together with nobody.
    assert last["summary"]["quality"]["b_cubed_recall"] < 1.0
    told = faceid(*options, "--quality", "0.5")
    assert "2 faces cut off by the border of the picture: set aside" in told.err
    assert "1 face below the quality asked for: set aside" in told.err
    assert "1 alone, 3 set aside" in told.out
    page = Page((tmp_path / "dir" / "index.html").read_text("utf-8"))
    page.assert_sound()
    assert "2 set aside" in page.text
    with (tmp_path / "dir" / "clusters.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 7
    assert [(row["cluster"], row["row"], row["set_aside"]) for row in rows[-3:]] == [
        ("", "0", "cut_off"),
        ("", "1", "cut_off"),
        ("", "2", "low_quality"),
    ]
    all_aside = faceid(*options, "--quality", "1")
    assert (all_aside.code, "0 groups of two or more, 0 alone, 7 set aside" in all_aside.out) == (0, True)
    assert faceid(*options, "--quality", "best").code == 2


def test_a_gallery_knows_no_quality_and_that_is_told(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    assert faceid("enroll", "--name", "alice", photo(ALICE), photo(ALICE)).code == 0
    ran = faceid("explore", "cluster", "gallery", "-o", tmp_path / "o.html", "--quality", "strict")
    assert (ran.code, "the quality is not known" in ran.err) == (0, True), ran.err


def test_two_faces_on_one_photo_are_never_one_person(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    photo(ALICE, ALICE, name="twins/both.png")
    photo(ALICE, name="twins/one.png")
    *groups, last = faceid(
        "--json", "explore", "cluster", tmp_path / "twins", "-o", tmp_path / "o.html"
    ).objects
    assert sorted(group["size"] for group in groups) == [1, 2]
    assert last["summary"]["kept_apart"] == 1
    assert last["summary"]["quality"] is None


def calibrated(folder: Path, strangers: int) -> Path:
    """Distances whose strangers are nearer to each other than the card of the network says."""
    rng = np.random.default_rng(0)
    mated, non_mated = rng.normal(0.05, 0.02, 500), rng.normal(0.4, 0.05, strangers)
    file = folder / f"scores{strangers}.npz"
    distance = np.abs(np.concatenate([mated, non_mated]))
    np.savez(file, distance=distance, mated=np.arange(distance.size) < 500, model="fake")
    return file


@pytest.mark.parametrize("data", ["gallery", "archive", "people"])
def test_a_gallery_s_own_calibration_says_how_alike_is_alike(
    faceid: Faceid, people: Path, archive: Path, tmp_path: Path, data: str
) -> None:
    what = {"gallery": "gallery", "archive": archive, "people": people}[data]
    options = ["explore", "cluster", what, "-o", tmp_path / "o.html"]
    assert faceid("enroll", "--each-folder", people).code == 0
    before = faceid("--json", *options).objects[-1]["summary"]
    assert before["measured_on"] == "card"
    assert faceid("calibrate", calibrated(tmp_path, 20_000), "--fmr", "0.01", "--put").code == 0
    after = faceid("--json", *options).objects[-1]["summary"]
    assert (after["measured_on"], after["fmr"]) == ("gallery", pytest.approx(0.001))
    assert after["threshold"] < 0.3 < before["threshold"]
    assert "by the gallery's own calibration" in faceid(*options).out
    asked = faceid("--json", *options, "--fmr", "0.01").objects[-1]["summary"]
    assert (asked["measured_on"], asked["fmr"]) == ("gallery", pytest.approx(0.01))
    by_hand = faceid("--json", *options, "--threshold", "0.5").objects[-1]["summary"]
    assert (by_hand["measured_on"], by_hand["threshold"]) == ("gallery", 0.5)


def test_a_small_calibration_does_not_stand_for_rare_matches(
    faceid: Faceid, people: Path, tmp_path: Path
) -> None:
    options = ["--json", "explore", "cluster", "gallery", "-o", tmp_path / "o.html"]
    assert faceid("enroll", "--each-folder", people).code == 0
    before = faceid(*options).objects[-1]["summary"]
    assert faceid("calibrate", calibrated(tmp_path, 300), "--fmr", "0.1", "--put").code == 0
    assert faceid(*options).objects[-1]["summary"] == before
    asked = faceid(*options, "--fmr", "0.1").objects[-1]["summary"]
    assert asked["measured_on"] == "gallery"


def test_listed_faces_are_kept_apart(faceid: Faceid, archive: Path, people: Path, tmp_path: Path) -> None:
    listed = tmp_path / "apart.csv"
    listed.write_text(f"file1,file2\n{people}/bob/0.png,{people}/bob/1.png\n")
    options = ["explore", "cluster", archive, "-o", tmp_path / "o.html", "--cannot-link", listed]
    groups = faceid("--json", *options).objects[:-1]
    for group in groups:
        assert {f"{people}/bob/0.png", f"{people}/bob/1.png"} - {face["path"] for face in group["faces"]}
    listed.write_text("row1,row2\n0,1\n")
    (summary,) = faceid("--json", *options).objects[-1:]
    assert (summary["summary"]["clusters"], summary["summary"]["kept_apart"]) == (4, 1)


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ("a,b\n", 2, "wants file1,file2 or row1,row2"),
        ("row1,row2\n0,99\n", 3, "line 2: names the row 99"),
        ("row1,row2\n0,0\n", 3, "apart from itself"),
        ("file1,file2\nabsent.png,x\n", 3, "names absent.png"),
    ],
)
def test_a_list_that_makes_no_sense_is_told(
    faceid: Faceid, archive: Path, tmp_path: Path, content: str, code: int, said: str
) -> None:
    listed = tmp_path / "apart.csv"
    listed.write_text(content)
    ran = faceid("explore", "cluster", archive, "-o", tmp_path / "o.html", "--cannot-link", listed)
    assert (ran.code, said in ran.err) == (code, True), ran.err
    assert not (tmp_path / "o.html").exists()


def test_a_threshold_of_one_s_own(faceid: Faceid, archive: Path, tmp_path: Path) -> None:
    for threshold, clusters in ((0.0, 7), (2.0, 1)):
        ran = faceid(
            "--json", "explore", "cluster", archive, "-o", tmp_path / "o.html", "--threshold", threshold
        )
        assert ran.objects[-1]["summary"]["clusters"] == clusters


@pytest.mark.parametrize("suffix", ["png", "html"])
def test_retrieve_shows_and_measures(faceid: Faceid, archive: Path, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"out.{suffix}"
    ran = faceid("--json", "explore", "retrieve", archive, "-o", file, "--queries", 2)
    assert ran.code == 0, ran.err
    *queries, last = ran.objects
    assert sorted(query["name"] for query in queries) == ["<b>alice", "bob"]
    for query in queries:
        assert query["right_there"] == 2
        assert [each["right"] for each in query["neighbours"]] == [True, True, False, False, False, False]
    quality = last["summary"]["quality"]
    assert (quality["queries"], quality["mean_average_precision"]) == (6, 1.0)
    assert quality["precision"] == {"1": 1.0, "5": 0.4, "10": 0.2}
    assert quality["precision"] == quality["possible"]
    if suffix == "html":
        assert_closed(file)
        page = Page(file.read_text("utf-8"))
        page.assert_sound()
        assert page.text.count("✓ right") == 4
        assert page.text.count("✗ wrong") == 8
        assert len(page.all("img")) == 14
    told = faceid("explore", "retrieve", archive, "-o", file)
    assert "at 5 0.400 (0.400 .. 0.400) of at most 0.400" in told.out
    assert "over 6 queries of 2 people among 6 other faces" in told.out


def test_embeddings_from_elsewhere_need_a_threshold(faceid: Faceid, tmp_path: Path) -> None:
    file = tmp_path / "own.npz"
    np.savez(file, embeddings=np.eye(4, dtype=np.float32), model="own-network", metric="euclidean")
    options = ["--json", "explore", "cluster", file, "-o", tmp_path / "o.html"]
    assert faceid(*options).code == 5
    ran = faceid(*options, "--threshold", 1.5)
    assert (ran.code, ran.objects[-1]["summary"]["clusters"], ran.objects[-1]["summary"]["fmr"]) == (
        0,
        1,
        None,
    )


def test_retrieve_without_names_has_nothing_to_measure(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    photo(ALICE, name="flat/1.png")
    photo(BOB, name="flat/2.png")
    ran = faceid("explore", "retrieve", tmp_path / "flat", "-o", tmp_path / "out.html")
    assert (ran.code, "there is nothing to measure" in ran.out) == (0, True)
    text = Page((tmp_path / "out.html").read_text("utf-8")).text
    assert "right" not in text


@pytest.mark.parametrize("options", [[], ["--no-faces"]])
def test_duplicates_are_found_and_nothing_else(faceid: Faceid, tmp_path: Path, options: list[str]) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    photo = PilImage.open(FACE).convert("RGB")
    width, height = photo.size
    photo.save(folder / "photo.png")
    (folder / "again.png").write_bytes((folder / "photo.png").read_bytes())
    photo.resize((width // 2, height // 2)).save(folder / "small.jpg", quality=40)
    photo.transpose(PilImage.Transpose.FLIP_LEFT_RIGHT).save(folder / "mirror.png")
    photo.transpose(PilImage.Transpose.FLIP_TOP_BOTTOM).save(folder / "upside_down.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    ran = faceid("--json", "explore", "duplicates", folder, *options)
    assert ran.code == 3
    assert "broken.jpg" in ran.err
    group, last = ran.objects
    assert last == {"summary": {"photos": 5, "groups": 1, "copies": 3}}
    assert {(Path(each["path"]).name, each["kind"]) for each in group["photos"]} == {
        ("again.png", None),
        ("photo.png", "exact"),
        ("small.jpg", "near"),
        ("mirror.png", "mirrored"),
    }
    (folder / "broken.jpg").unlink()
    told = faceid("explore", "duplicates", folder, *options)
    assert (told.code, "5 photos: 3 copies in 1 group" in told.out) == (0, True)


@pytest.mark.parametrize("options", [[], ["--no-faces"]])
def test_a_file_is_no_copy_of_itself(
    faceid: Faceid, photo: Photo, tmp_path: Path, options: list[str]
) -> None:
    file = photo(ALICE, name="photos/one.png")
    (tmp_path / "photos" / "link.png").symlink_to(file)
    (tmp_path / "again").symlink_to(tmp_path / "photos")
    ran = faceid("explore", "duplicates", file, tmp_path / "photos", tmp_path / "again", *options)
    assert (ran.code, ran.out) == (0, "1 photo: 0 copies in 0 groups\n")


def test_a_photo_that_changed_or_was_piped_in_has_no_thumbnail(
    faceid: Faceid, archive: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with np.load(archive) as loaded:
        arrays = dict(loaded)
    changed = Path(arrays["sources"][0])
    changed.write_bytes((people / "carol" / "0.png").read_bytes())
    arrays["sources"][1] = "-"
    np.savez(archive, **arrays)
    monkeypatch.setattr(sys, "stdin", None)
    ran = faceid("explore", "project", archive, "-o", tmp_path / "o.html", "--method", "pca")
    assert (ran.code, "5 of 7 faces have a thumbnail" in ran.err) == (0, True), ran.err


def test_numbers_that_are_none_are_unknown(faceid: Faceid, archive: Path, tmp_path: Path) -> None:
    with np.load(archive) as loaded:
        arrays = dict(loaded)
    arrays["boxes"][0, 2] = np.inf
    arrays["quality"][1] = -np.inf
    np.savez(archive, **arrays)
    first = faceid("--json", "explore", "cluster", archive, "-o", tmp_path / "o.html").objects[0]
    assert {face["row"]: face["box"] is None for face in first["faces"]} == {0: True, 1: False, 2: False}
    assert faceid("explore", "project", archive, "-o", tmp_path / "o.html", "--method", "pca").code == 0


def test_the_names_below_the_last_line_are_in_the_picture(
    faceid: Faceid, archive: Path, tmp_path: Path
) -> None:
    file = tmp_path / "out.png"
    assert faceid("explore", "retrieve", archive, "-o", file, "--queries", 2).code == 0
    with PilImage.open(file) as picture:
        dark = np.asarray(picture.convert("L")) < 128
    # A letter that is cut off reaches the last row of pixels.
    assert not dark[-3:].any()
    assert dark[-25:-3].any()


def test_no_duplicates_is_an_answer(faceid: Faceid, photo: Photo) -> None:
    ran = faceid("explore", "duplicates", photo(ALICE, name="one.png"))
    assert (ran.code, ran.out) == (0, "1 photo: 0 copies in 0 groups\n")
