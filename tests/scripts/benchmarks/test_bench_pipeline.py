"""The race of whole pipelines: that it runs, knows what was found, and says who could not take part."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from faceid.imaging import read
from faceid.recognition.detect.fake import draw_face
from scripts.benchmarks import bench_pipeline
from scripts.benchmarks.pipeline.contenders import RIVALS, Spec, faceid
from scripts.benchmarks.pipeline.data import (
    COLUMNS,
    LAYOUTS,
    ROWS,
    TURNED,
    Pictures,
    Spot,
    hits,
    lfw_pictures,
    save_as_a_phone_does,
    scene,
)
from scripts.benchmarks.pipeline.runs import race, start, verified

RED, GREEN = (208, 80, 80), (80, 208, 80)

# Says of each picture the same, and dies at the third call: the warm-up and one part have gone by.
RIVAL = """
calls = []

def make(dies):
    return Rival(dies)

class Rival:
    def __init__(self, dies):
        print("libraries talk on stdout")
        self.dies = dies

    def look(self, paths):
        calls.append(paths)
        if self.dies and len(calls) == 3:
            raise RuntimeError("out of breath")
        return [[((10.0, 10.0, 90.0, 90.0), [1.0, 0.0]), ((0.0, 0.0, 2.0, 2.0), [0.0, 1.0])] for _ in paths]
"""


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    paths, spots = [], []
    for number in range(6):
        canvas = np.zeros((120, 220, 3), np.uint8)
        draw_face(canvas, RED, 20, 20, 60)
        spots.append([Spot(50, 50, 60)])
        if number % 2:
            draw_face(canvas, GREEN, 130, 30, 60)
            spots[-1].append(Spot(160, 60, 60))
        paths.append(str(tmp_path / f"{number}.png"))
        PilImage.fromarray(canvas).save(paths[-1])
    return Pictures("drawn", tuple(paths), tuple(map(tuple, spots)))


def test_a_race(pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rival.py").write_text(RIVAL, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    specs = [
        faceid("fake"),
        Spec("rival", "rival", "", {"dies": False}),
        Spec("mortal", "rival", "", {"dies": True}),
        Spec("missing", "no_such_module", ""),
    ]
    with ExitStack() as stack:
        systems, absent = start(specs, tmp_path, stack)
        ours, rival, mortal = race(systems, pictures, rounds=2)
    assert absent == [
        {
            "system": "missing",
            "status": "absent: ModuleNotFoundError: No module named 'no_such_module'",
        }
    ]
    assert mortal == {"system": "mortal", "status": "failed: RuntimeError: out of breath"}
    assert (ours["found"], ours["others"], ours["boxes"]) == (1.0, 0, 9)
    assert (rival["found"], rival["others"], rival["boxes"]) == (6 / 9, 6, 12)
    assert ours["ratio"] == 1
    assert rival["ratio"] == pytest.approx(ours["photos_per_s"] / rival["photos_per_s"])
    assert ours["cores_busy"] > 0


def test_accuracy_counts_photos_without_a_face_as_wrong() -> None:
    def face(*template: float, middle: float = 125) -> dict[str, list[float]]:
        return {"box": [middle - 40, middle - 40, middle + 40, middle + 40], "template": list(template)}

    names = ("a1.jpg", "a2.jpg", "b1.jpg", "b2.jpg", "c1.jpg")
    pairs = (
        ("a1.jpg", "a2.jpg", True),
        ("b1.jpg", "b2.jpg", True),
        ("a1.jpg", "b1.jpg", False),
        ("a1.jpg", "c1.jpg", False),
    )
    photos = [[face(1, 0)], [face(0.9, 0.1), face(0, 1, middle=60)], [face(0, 1)], [face(0, 0.9)], []]
    row = verified(Pictures("some", names, pairs=pairs), photos)
    assert row == {"without_face": 1, "accuracy": 0.75, "eer": 0.0}


def test_each_box_is_a_hit_for_one_face_only() -> None:
    spots = [Spot(50, 50, 40), Spot(56, 50, 40), Spot(200, 50, 40)]
    assert hits(spots, [(30, 30, 70, 70)]) == 1
    assert hits(spots, [(30, 30, 70, 70), (31, 30, 71, 70), (230, 30, 270, 70)]) == 2


def test_scenes_hold_the_faces_where_they_say() -> None:
    place = np.full((300, 640, 3), 9, np.uint8)
    photos = [np.full((250, 250, 3), 40 + 6 * number, np.uint8) for number in range(COLUMNS * ROWS)]
    for some, layout in (
        (photos, "many"),
        (photos[:1], "one"),
        (photos[:5], "many"),
        (photos[:9], "phone-small"),
    ):
        shape = LAYOUTS[layout]
        picture, spots = scene(place, some, np.random.default_rng(1), shape)
        assert picture.shape == (shape.height, shape.width, 3)
        assert [int(picture[int(spot.y), int(spot.x), 0]) for spot in spots] == [
            int(photo[0, 0, 0]) for photo in some
        ]
        assert (picture[0, 0] == 9).all()
        again, _ = scene(place, some, np.random.default_rng(1), shape)
        assert (again == picture).all()


@pytest.mark.parametrize("orientation", TURNED)
def test_a_photo_of_a_phone_is_stored_turned_and_upright_again(orientation: int, tmp_path: Path) -> None:
    upright = np.zeros((96, 160, 3), np.uint8)
    upright[:48, :80] = 200, 120, 40
    path = str(tmp_path / "photo.jpg")
    save_as_a_phone_does(upright, path, orientation, np.random.default_rng(1))
    with PilImage.open(path) as stored:
        assert stored.getexif()[0x0112] == orientation
        assert (stored.size == (160, 96)) == (orientation in (1, 3))
    seen = read(path).pixels.astype(int)
    assert np.abs(seen[:40, :72].mean(axis=(0, 1)) - (40, 120, 200)).max() < 3
    assert seen[56:, 88:].mean() < 4
    assert 2 < seen[:40, :72, 1].std() < 4


def test_photos_of_lfw_are_those_of_whole_pairs(tmp_path: Path) -> None:
    (tmp_path / "lfw").mkdir()
    lines = ["2", "Ann\t1\t2", "Bob\t1\t3", "Ann\t1\tBob\t1", "Cid\t1\tDon\t2"]
    (tmp_path / "lfw" / "pairsDevTest.txt").write_text("\n".join(lines), encoding="utf-8")
    found = lfw_pictures(tmp_path, most=4)
    assert [Path(path).name for path in found.paths] == [
        *("Ann_0001.jpg", "Ann_0002.jpg", "Bob_0001.jpg", "Bob_0003.jpg")
    ]
    assert len(found.pairs) == 3


def test_rivals_are_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [spec.name for spec in RIVALS]

    def chosen(*options: str) -> list[str]:
        monkeypatch.setattr("sys.argv", ["bench_pipeline", "--models", "fake", *options])
        return list(bench_pipeline.parsed().rivals)

    assert chosen() == []
    assert chosen("--rivals") == names
    assert chosen("--rivals", names[1]) == [names[1]]
