"""A gallery moves to another model: what is computed from what, what stands in the way, what others see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from enrollment_db.records import NewTemplate
from faceid import FaceID
from faceid.app import reembedding
from faceid.cli.messages import exit_code_of, hint_for
from faceid.errors import GalleryError, Refused
from faceid.imaging import from_array
from faceid.recognition.align import align
from faceid.recognition.detect.fake import FakeDetector, draw_face
from faceid.recognition.embed.fake import FakeEmbedder
from faceid.results import ReembedFailure
from faceid.types import Crop, Face
from places import SUPPORT
from second_fake import OTHER, install

RED, GREEN, BLUE = (208, 80, 80), (80, 208, 80), (80, 80, 208)


@pytest.fixture(autouse=True)
def second_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch.setattr)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "gallery.db"


@pytest.fixture
def system(db: Path) -> Iterator[FaceID]:
    with FaceID(db=db, model="fake", device="cpu") as opened:
        yield opened
        assert opened.services.gallery()._database.check() == []


def picture(path: Path, *people: tuple[int, int, int], shade: int = 0) -> str:
    canvas = np.zeros((180, 40 + 160 * len(people), 3), np.uint8)
    for number, colour in enumerate(people):
        draw_face(canvas, colour, 30 + 160 * number, 20, 120)
    canvas[canvas > 0] += shade
    Pillow.fromarray(canvas).save(path)
    return str(path)


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, str]:
    return {
        "red": picture(tmp_path / "red.png", RED),
        "red2": picture(tmp_path / "red2.png", RED, shade=3),
        "green": picture(tmp_path / "green.png", GREEN),
        "blue": picture(tmp_path / "blue.png", BLUE),
    }


@pytest.fixture
def enrolled(system: FaceID, photos: dict[str, str]) -> FaceID:
    system.enroll("ann", [photos["red"], photos["red2"]])
    system.enroll("ben", photos["green"])
    return system


def names(system: FaceID, photo: str) -> list[str | None]:
    return [face.name for face in system.identify(photo).faces]


def reasons(failures: list[ReembedFailure]) -> list[tuple[str, str]]:
    return [(failure.name, failure.reason) for failure in failures]


def test_people_are_known_before_and_after(enrolled: FaceID, photos: dict[str, str], db: Path) -> None:
    assert names(enrolled, photos["red"]) == ["ann"]
    done: list[tuple[int, int]] = []
    result = enrolled.transfer.reembed(OTHER, progress=lambda now, total: done.append((now, total)))
    assert (result.status, result.re_embedded, result.already, result.failed) == ("switched", 3, 0, 0)
    assert (result.old_model.split()[0], result.new_model.split()[0]) == ("fake", OTHER)
    assert done == [(3, 3)]
    for later in (enrolled, FaceID(db=db, device="cpu")):
        assert later.services.gallery().model.name == OTHER  # type: ignore[union-attr]
        assert names(later, photos["red"]) == ["ann"]
        assert names(later, photos["green"]) == ["ben"]
        assert names(later, photos["blue"]) == [None]
        assert [template.model.split()[0] for template in later.people.templates("ann")] == [OTHER] * 2
        later.close()


def test_the_vectors_are_those_of_an_enrolment(
    enrolled: FaceID, photos: dict[str, str], tmp_path: Path
) -> None:
    enrolled.transfer.reembed(OTHER)
    with FaceID(db=tmp_path / "new.db", model=OTHER, device="cpu") as fresh:
        fresh.enroll("ann", [photos["red"], photos["red2"]])
        expected = fresh.services.gallery()._database.templates.vectors_of([1])[1]
    np.testing.assert_allclose(
        enrolled.services.gallery()._database.templates.vectors_of([1])[1], expected, atol=1e-6
    )


def test_what_is_missing_is_listed_and_nothing_switched(
    enrolled: FaceID, photos: dict[str, str], tmp_path: Path
) -> None:
    enrolled.enroll("cid", photos["blue"])
    Path(photos["red"]).unlink()
    picture(Path(photos["green"]), GREEN, shade=5)
    failures: list[ReembedFailure] = []
    result = enrolled.transfer.reembed(OTHER, report=failures.append)
    assert reasons(failures) == [("ann", "source_gone"), ("ben", "source_changed")]
    assert (result.status, result.re_embedded, result.failed) == ("incomplete", 2, 2)
    assert all(hint_for(failure.problem) for failure in failures)
    assert names(enrolled, photos["red2"]) == ["ann"]
    assert enrolled.services.gallery().model.name == "fake"  # type: ignore[union-attr]
    # The photos come back: only they are left to do.
    picture(Path(photos["red"]), RED)
    picture(Path(photos["green"]), GREEN)
    again = enrolled.transfer.reembed(OTHER)
    assert (again.status, again.re_embedded, again.already) == ("switched", 2, 2)


def test_a_switch_without_them_keeps_them(enrolled: FaceID, photos: dict[str, str]) -> None:
    Path(photos["green"]).rename(photos["green"] + ".away")
    result = enrolled.transfer.reembed(OTHER, allow_missing=True, drop_old=True)
    assert (result.status, result.failed, result.dropped) == ("switched", 1, 2)
    assert result.unfindable == ("ben",)
    (left,) = enrolled.people.templates("ben")
    assert (left.template_id, left.model.split()[0]) == (3, "fake")
    with pytest.raises(Refused) as caught:
        enrolled.verify("ben", photos["blue"])
    assert caught.value.code == "no_template"
    # Later the photo is back.
    Path(photos["green"] + ".away").rename(photos["green"])
    later = enrolled.transfer.reembed(OTHER)
    assert (later.status, later.re_embedded, later.unfindable) == ("current", 1, ())
    assert names(enrolled, photos["green"]) == ["ben"]


def test_a_person_who_was_left_behind_is_open_to_the_known_photos_only(
    enrolled: FaceID, photos: dict[str, str], tmp_path: Path
) -> None:
    away = Path(photos["green"]).rename(tmp_path / "moved.png")
    enrolled.transfer.reembed(OTHER, allow_missing=True, drop_old=True)
    (stranger,) = enrolled.enroll("ben", photos["blue"])
    assert stranger.status == "unconfirmed"
    assert names(enrolled, photos["blue"]) == [None]
    (again,) = enrolled.enroll("ben", str(away))
    assert again.status == "enrolled"
    assert names(enrolled, str(away)) == ["ben"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [("-", "source_gone"), ("photos.zip/ann.jpg", "source_gone"), ("https://example.org/a.jpg", "source_gone"),
     (None, "source_gone"), ("\0", "source_gone"), ("notes.txt", "unreadable"), ("nobody.png", "no_face"),
     ("two.png", "multiple_faces")],
)  # fmt: skip
def test_sources_that_are_of_no_use(
    enrolled: FaceID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no picture")
    picture(tmp_path / "nobody.png")
    picture(tmp_path / "two.png", RED, BLUE)
    from faceid.imaging import read

    digest = read(source).sha256 if source and source.endswith(".png") else "f" * 64
    # As an import leaves it: no landmarks.
    model = enrolled.services.gallery().model
    assert model is not None
    vector = np.eye(64, dtype=np.float32)[0]
    enrolled.services.gallery()._database.templates.add("cid", [NewTemplate(vector, digest, source)], model)
    failures: list[ReembedFailure] = []
    assert enrolled.transfer.reembed(OTHER, report=failures.append).status == "incomplete"
    assert reasons(failures) == [("cid", reason)]


def test_without_landmarks_the_only_face_is_taken(enrolled: FaceID, photos: dict[str, str]) -> None:
    from faceid.imaging import read

    model = enrolled.services.gallery().model
    assert model is not None
    new = NewTemplate(np.eye(64, dtype=np.float32)[0], read(photos["blue"]).sha256, photos["blue"])
    enrolled.services.gallery()._database.templates.add("cid", [new], model)
    assert enrolled.transfer.reembed(OTHER).status == "switched"
    assert names(enrolled, photos["blue"]) == ["cid"]
    (stored,) = enrolled.services.gallery()._database.templates.of("cid")
    assert stored.landmarks is not None
    # That of the new network; the others keep what found them when they were enrolled.
    assert (stored.detector, enrolled.people.templates("ann")[0].detector) == ("mtcnn", "fake")


def test_crops_do_without_photos_twice_over(system: FaceID, photos: dict[str, str]) -> None:
    system.enroll("ann", [photos["red"], photos["red2"]], store_crops=True)
    for path in photos.values():
        if path not in (photos["red"], photos["blue"]):
            Path(path).unlink()
    Path(photos["red"]).rename(photos["red"] + ".away")
    assert system.transfer.reembed(OTHER, drop_old=True).status == "switched"
    assert names(system, photos["red"] + ".away") == ["ann"]
    assert system.transfer.reembed("fake", drop_old=True).re_embedded == 2
    assert names(system, photos["red"] + ".away") == ["ann"]


def test_no_crops_unless_asked_for(enrolled: FaceID) -> None:
    assert enrolled.services.gallery()._database._connections.query("SELECT count(*) FROM crops") == [(0,)]


def test_the_way_back_needs_no_photos(enrolled: FaceID, photos: dict[str, str]) -> None:
    enrolled.transfer.reembed(OTHER)
    Path(photos["green"]).unlink()
    result = enrolled.transfer.reembed("fake")
    assert (result.status, result.re_embedded, result.already) == ("switched", 0, 3)
    assert names(enrolled, photos["red"]) == ["ann"]


def test_old_templates_can_be_dropped_later(enrolled: FaceID) -> None:
    enrolled.transfer.reembed(OTHER)
    result = enrolled.transfer.reembed(OTHER, drop_old=True)
    assert (result.status, result.re_embedded, result.dropped) == ("current", 0, 3)
    assert enrolled.transfer.reembed(OTHER, drop_old=True).dropped == 0


def test_an_empty_gallery_has_nothing_to_move(enrolled: FaceID) -> None:
    enrolled.remove("ann")
    enrolled.remove("ben")
    with pytest.raises(GalleryError) as caught:
        enrolled.transfer.reembed(OTHER)
    assert caught.value.code == "empty"


def while_embedding(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have `act` happen once, in the middle of the next run."""
    embed = FakeEmbedder.embed
    acts = [act]

    def disturbed(self: FakeEmbedder, crops: list[object]) -> object:
        if self.model.name == OTHER and acts:
            acts.pop()()
        return embed(self, crops)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeEmbedder, "embed", disturbed)


def test_who_is_enrolled_meanwhile_is_taken_along(
    enrolled: FaceID, photos: dict[str, str], db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaceID(db=db, device="cpu") as other:
        while_embedding(monkeypatch, lambda: other.enroll("cid", photos["blue"]))
        result = enrolled.transfer.reembed(OTHER)
        assert (result.status, result.re_embedded) == ("switched", 4)
        assert names(enrolled, photos["blue"]) == ["cid"]


def test_who_is_removed_meanwhile_stays_removed(
    enrolled: FaceID, photos: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    while_embedding(monkeypatch, lambda: enrolled.services.gallery().remove("ann"))
    result = enrolled.transfer.reembed(OTHER)
    assert (result.status, result.re_embedded) == ("switched", 1)
    assert names(enrolled, photos["red"]) == [None]
    assert [identity.name for identity in enrolled.people.list()] == ["ben"]


def test_what_was_staged_and_is_gone_is_computed_again(
    enrolled: FaceID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reembedding, "GROUP", 1)
    store = enrolled.services.gallery()._database
    stage = reembedding.Reembedding._stage
    steps: list[int] = []

    def staged(*arguments: object) -> object:
        steps.append(1)
        if len(steps) == 3:
            # As `--drop-old` of another process does.
            with store.templates.transaction():
                store._connections._writer.execute("DELETE FROM templates WHERE id = 4")
        return stage(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reembedding.Reembedding, "_stage", staged)
    result = enrolled.transfer.reembed(OTHER)
    assert (result.status, result.re_embedded, len(steps)) == ("switched", 4, 4)


def test_a_system_of_the_old_model_is_told_after_the_switch(
    enrolled: FaceID, photos: dict[str, str], db: Path
) -> None:
    with FaceID(db=db, device="cpu") as other:
        assert names(other, photos["red"]) == ["ann"]
        enrolled.transfer.reembed(OTHER)
        for ask in (
            lambda: names(other, photos["red"]),
            lambda: other.verify("ann", photos["red"]),
            lambda: other.enroll("cid", photos["blue"]),
        ):
            with pytest.raises(GalleryError) as caught:
                ask()
            assert (caught.value.code, exit_code_of(caught.value)) == ("model_mismatch", 4)
            assert f"--model {OTHER}" in str(hint_for(caught.value))


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from faceid import FaceID
from faceid.app import reembedding
from second_fake import OTHER, install

install(setattr)
reembedding.GROUP = 2
groups = []
stage = reembedding.Reembedding._stage

def staged(*arguments):
    if len(groups) == 2:
        print("here", flush=True)
        sys.stdin.read()
    groups.append(1)
    return stage(*arguments)

reembedding.Reembedding._stage = staged
FaceID(db=sys.argv[2], device="cpu").transfer.reembed(OTHER)
"""


def test_a_killed_run_goes_on_where_it_stopped(
    system: FaceID, tmp_path: Path, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [picture(tmp_path / f"{shade}.png", RED, shade=shade) for shade in range(7)]
    system.enroll("ann", paths)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(SUPPORT), str(db)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert names(system, paths[0]) == ["ann"]
    embedded: list[int] = []
    embed = FakeEmbedder.embed
    monkeypatch.setattr(
        FakeEmbedder, "embed", lambda self, crops: embedded.append(len(crops)) or embed(self, crops)
    )
    result = system.transfer.reembed(OTHER)
    assert (result.status, result.already, result.re_embedded) == ("switched", 4, 3)
    assert sum(embedded) == 3


def test_a_photo_that_lay_on_a_side_is_found_where_it_lies(
    system: FaceID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = FakeDetector._detect_one

    def upright_only(detector: FakeDetector, pixels: np.ndarray) -> list[Face]:
        return find(detector, pixels) if (pixels[0, 0] == 20).all() else []

    crops: list[np.ndarray] = []
    embed = FakeEmbedder.embed

    def recorded(embedder: FakeEmbedder, given: Sequence[Crop]) -> np.ndarray:
        crops.extend(crop.pixels for crop in given)
        return embed(embedder, given)

    monkeypatch.setattr(FakeDetector, "_detect_one", upright_only)
    monkeypatch.setattr(FakeEmbedder, "embed", recorded)
    canvas = np.zeros((180, 240, 3), np.uint8)
    draw_face(canvas, RED, 30, 20, 120)
    canvas[0, 0] = 20
    # Something that the crop shows on one side only.
    canvas[40:80, 60:70] = 90
    path = tmp_path / "lying.png"
    Pillow.fromarray(np.ascontiguousarray(np.rot90(canvas))).save(path)
    (result,) = system.enroll("ann", str(path))
    assert (result.status, result.turned, result.box) == ("enrolled", 90, (30.0, 20.0, 150.0, 140.0))
    assert system.transfer.reembed(OTHER).status == "switched"
    upright = from_array(canvas)
    (face,) = FakeDetector().detect([upright])[0]
    expected = align(upright, face, "arcface-112-v1").pixels.astype(int)
    np.testing.assert_allclose(crops[-1].astype(int), expected, atol=1)
