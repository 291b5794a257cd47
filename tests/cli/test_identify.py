from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from cli_runs import ALICE, BOB, CAROL, Faceid, Photo
from faceid.app import network_choice
from faceid.errors import UnreadableImage
from faceid.imaging import annotate
from faceid.results import IdentifyResult
from faceid.types import Image

FACE_FIELDS = [
    *("box", "landmarks", "detection_score", "quality", "decision", "name", "distance", "similarity"),
    *("threshold", "fmr", "fmr_alike", "llr", "candidates", "reason"),
]


@pytest.fixture
def enrolled(faceid: Faceid, photo: Photo) -> None:
    assert faceid("enroll", "--name", "alice", photo(ALICE), photo(ALICE)).code == 0
    assert faceid("enroll", "--name", "bob", photo(BOB)).code == 0


@pytest.mark.usefixtures("enrolled")
class TestIdentify:
    def test_somebody_enrolled(self, faceid: Faceid, photo: Photo) -> None:
        path = photo(ALICE)
        ran = faceid("--json", "identify", path)
        assert ran.code == 0, ran.err
        found = ran.object
        assert list(found)[:4] == ["path", "status", "faces", "timing_ms"]
        assert (found["path"], found["status"]) == (path, "ok")
        assert set(found["timing_ms"]) == {"read", "detect", "embed", "search", "total"}
        (face,) = found["faces"]
        assert list(face) == FACE_FIELDS
        assert (face["decision"], face["name"]) == ("match", "alice")
        assert face["distance"] <= face["threshold"]
        assert face["similarity"] == pytest.approx(1 - face["distance"], abs=1e-6)
        assert 0 < face["fmr"] < 0.01
        assert np.array(face["landmarks"]).shape == (5, 2)
        assert [candidate["name"] for candidate in face["candidates"]] == ["alice", "bob"]

    def test_a_stranger(self, faceid: Faceid, photo: Photo) -> None:
        ran = faceid("--json", "identify", photo(CAROL))
        (face,) = ran.object["faces"]
        assert (ran.code, face["decision"], face["name"]) == (1, "unknown", None)
        assert face["distance"] > face["threshold"]

    def test_faces_from_left_to_right(self, faceid: Faceid, photo: Photo) -> None:
        ran = faceid("--json", "identify", photo(BOB, CAROL, ALICE))
        assert [face["name"] for face in ran.object["faces"]] == ["bob", None, "alice"]
        assert ran.code == 1

    def test_every_input_gets_an_answer_in_order(self, faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
        bad = tmp_path / "bad.jpg"
        bad.write_bytes(b"not a picture")
        paths = [
            photo(ALICE),
            str(bad),
            photo(),
            str(tmp_path / "gone.png"),
            *(photo(BOB) for _ in range(20)),
        ]
        ran = faceid("--json", "identify", *paths)
        assert [item["path"] for item in ran.objects] == paths
        assert [item["status"] for item in ran.objects] == [
            "ok",
            "unreadable",
            "no_face",
            "unreadable",
        ] + 20 * ["ok"]
        assert ran.code == 3
        assert len(ran.err.splitlines()) == 3

    def test_the_worst_result_decides_wherever_it_stands(
        self, faceid: Faceid, photo: Photo, tmp_path: Path
    ) -> None:
        stranger, empty, known = photo(CAROL), photo(), photo(ALICE)
        assert faceid("identify", empty, stranger, known).code == 3
        assert faceid("identify", stranger, known).code == 1

    def test_directories_are_walked_and_other_files_skipped(
        self, faceid: Faceid, photo: Photo, tmp_path: Path
    ) -> None:
        inside = [photo(ALICE, name="album/a.png"), photo(ALICE, name="album/b/c.png")]
        photo(ALICE, name="album/.hidden.png")
        (tmp_path / "album" / "notes.txt").write_text("no photo")
        ran = faceid("--json", "identify", tmp_path / "album")
        assert sorted(item["path"] for item in ran.objects) == sorted(inside)

    def test_a_directory_without_images(self, faceid: Faceid, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        ran = faceid("--json", "identify", tmp_path / "empty")
        assert ran.code == 3
        assert (ran.object["status"], ran.object["problem"]["code"]) == ("unreadable", "no_images")

    @pytest.mark.parametrize("option", ["--threshold", "--fmr", "--fpir"])
    def test_the_threshold_can_be_asked_for(self, faceid: Faceid, photo: Photo, option: str) -> None:
        path = photo(ALICE)
        strict, lax = (
            faceid("--json", "identify", option, value, path).object["faces"][0]["threshold"]
            for value in ("0.001", "0.009")
        )
        assert strict < lax

    def test_a_distance_by_hand_decides(self, faceid: Faceid, photo: Photo) -> None:
        path = photo(ALICE)
        distance = faceid("--json", "identify", path).object["faces"][0]["distance"]
        assert faceid("identify", "--threshold", distance * 1.01, path).code == 0
        assert faceid("identify", "--threshold", distance * 0.99, path).code == 1

    def test_more_identities_make_the_default_stricter(self, faceid: Faceid, photo: Photo) -> None:
        path = photo(ALICE)
        before = faceid("--json", "identify", path).object["faces"][0]["threshold"]
        faceid("enroll", "--name", "carol", photo(CAROL))
        assert faceid("--json", "identify", path).object["faces"][0]["threshold"] < before

    def test_two_that_cannot_be_told_apart(self, faceid: Faceid, photo: Photo) -> None:
        faceid("enroll", "--name", "alice's twin", "--on-conflict", "accept", photo(ALICE))
        ran = faceid("--json", "identify", photo(ALICE))
        (face,) = ran.object["faces"]
        assert (ran.code, face["decision"], face["name"]) == (1, "ambiguous", None)
        assert {candidate["name"] for candidate in face["candidates"][:2]} == {"alice", "alice's twin"}

    def test_top_limits_the_candidates(self, faceid: Faceid, photo: Photo) -> None:
        ran = faceid("--json", "identify", "--top", 1, photo(ALICE))
        assert len(ran.object["faces"][0]["candidates"]) == 1

    def test_annotated_pictures(self, faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
        original = photo(ALICE)
        ran = faceid("identify", "--annotate", tmp_path / "out", original, original)
        written = sorted((tmp_path / "out").iterdir())
        assert [path.name for path in written] == [Path(original).stem + end for end in ("-2.png", ".png")]
        assert str(written[0]) in ran.err
        with PilImage.open(written[0]) as drawn, PilImage.open(original) as plain:
            assert drawn.size == plain.size
            assert (np.asarray(drawn) != np.asarray(plain)).any()

    def test_a_photo_too_large_to_draw_into_ends_nothing(
        self, faceid: Faceid, photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a large photo all pixels are decoded when they are drawn into, and there may be no memory for them."""
        write, large = annotate.write_annotated, photo(ALICE)

        def refuse(image: Image, result: IdentifyResult, directory: Path) -> Path:
            if image.source == large:
                raise UnreadableImage(f"{large}: not enough memory to decode it", path=large)
            return write(image, result, directory)

        monkeypatch.setattr(annotate, "write_annotated", refuse)
        other = photo(ALICE)
        ran = faceid("identify", "--annotate", tmp_path / "out", large, other)
        assert ran.code == 3
        assert f"{large}: not enough memory" in ran.err
        assert [path.stem for path in (tmp_path / "out").iterdir()] == [Path(other).stem]

    @pytest.mark.parametrize(
        "options",
        [
            ["--threshold", "0.3", "--fmr", "0.01"],
            ["--fmr", "2"],
            ["--fmr", "1e-12"],
            ["--threshold", "-1"],
            ["--threshold", "near"],
            ["--top", "0"],
            ["--min-face", "3"],
        ],
    )
    def test_usage(self, faceid: Faceid, photo: Photo, options: list[str]) -> None:
        ran = faceid("--json", "identify", *options, photo(ALICE))
        assert ran.code == 2
        assert "error" in ran.object
        assert len(ran.err.splitlines()) == 1

    def test_people_see_a_table(self, faceid: Faceid, photo: Photo) -> None:
        ran = faceid("identify", photo(ALICE, CAROL))
        assert "match" in ran.out
        assert "unknown" in ran.out
        assert "\x1b" not in ran.out


def test_a_gallery_that_does_not_exist(faceid: Faceid, photo: Photo, db: Path) -> None:
    ran = faceid("--json", "identify", photo(ALICE))
    assert (ran.code, ran.object["error"]["code"]) == (4, "database_missing")
    assert "faceid enroll" in ran.err
    assert not db.exists()


def test_an_empty_gallery_knows_nobody(faceid: Faceid, photo: Photo) -> None:
    faceid("enroll", "--name", "alice", photo(ALICE))
    faceid("remove", "--yes", "alice")
    ran = faceid("--json", "identify", photo(ALICE))
    assert (ran.code, ran.object["faces"][0]["decision"]) == (1, "unknown")
    assert ran.object["faces"][0]["distance"] is None


def test_standard_input_and_streaming_through_the_console_script(
    faceid: Faceid, photo: Photo, db: Path
) -> None:
    faceid("enroll", "--name", "alice", photo(ALICE))
    script = Path(sys.executable).with_name("faceid")
    command = [script, "--db", db, "--model", "fake", "--device", "cpu", "--json", "identify", "-"]
    done = subprocess.run(command, input=Path(photo(ALICE)).read_bytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["path"], found["faces"][0]["name"]) == ("-", "alice")


def test_many_misses_are_said_once_a_run(
    faceid: Faceid, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_choice, "MANY_MISSES", -1.0)
    said = "with 1 identity of one template each, fake misses 0 % at FPIR 1 %"
    assert faceid("enroll", "--name", "alice", photo(ALICE)).err.count(said) == 1
    ran = faceid("--json", "identify", photo(ALICE), photo(ALICE))
    assert (ran.code, ran.err.count(said), len(ran.objects)) == (0, 1, 2)
    assert said not in faceid("--quiet", "identify", photo(ALICE)).err
    assert said not in faceid("verify", "alice", photo(ALICE)).err
