"""Photos of people become crops once, and people part for good."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from faceid.cli.messages import exit_code_of, hint_for
from faceid.errors import InputError
from faceid.imaging import read
from faceid.networks.training.settings import FROM_SCRATCH
from faceid.recognition.align import align, crop_size
from faceid.recognition.detect.fake import FakeDetector, draw_face
from faceid.recognition.pipeline import Pipeline
from faceid.recognition.subject import SubjectRule
from faceid.runtime.ordered_map import Crew
from faceid.sources import of_folders
from faceid.training import crops
from faceid.training.crops import CropCache, NoNetwork, Place, Portraits, portraits
from faceid.training.judging import cosine_distances, true_match_rate
from faceid.training.people import parted
from faceid.types import Face, Image

ALIGNER = "arcface-112-v1"


class CountingDetector(FakeDetector):
    def __init__(self) -> None:
        super().__init__()
        self.looked = 0

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        self.looked += len(images)
        return super().detect(images)


def photo(path: Path, *sides: int, shade: int = 0) -> None:
    """Faces of these sides next to each other."""
    canvas = np.zeros((160, 20 + sum(side + 20 for side in sides), 3), np.uint8)
    x = 20
    for side in sides:
        draw_face(canvas, (208, 80, 112), x, 10, side)
        x += side + 20
    canvas[canvas > 0] += np.uint8(shade)
    path.parent.mkdir(parents=True, exist_ok=True)
    PilImage.fromarray(canvas).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    for number in range(3):
        photo(folder / "alice" / f"{number}.png", 100, shade=number)
        photo(folder / "bob" / f"{number}.png", 90, shade=number)
    return folder


def look(
    root: Path, cache: Path, subject: SubjectRule = "only", detector: CountingDetector | None = None
) -> Portraits:
    pipeline = Pipeline(detector or CountingDetector(), NoNetwork(ALIGNER, crop_size(ALIGNER)), Crew())
    told: list[tuple[int, int | None]] = []
    found = portraits(
        of_folders(str(root)), pipeline, CropCache(cache), subject, lambda *event: told.append(event)
    )
    assert told[-1] == (found.photos, found.photos)
    return found


def pixels(place: Place) -> np.ndarray:
    return np.load(place.file)[place.row]


def test_a_crop_is_what_the_aligner_makes(root: Path, tmp_path: Path) -> None:
    found = look(root, tmp_path / "crops")
    assert found.names == ("alice",) * 3 + ("bob",) * 3
    image = read(str(root / "bob" / "2.png"))
    (face,) = FakeDetector().detect([image])[0]
    assert np.array_equal(pixels(found.places[5]), align(image, face, ALIGNER).pixels)
    assert found.digests[5] == image.sha256


def test_a_photo_is_looked_at_once_whatever_comes_and_goes(root: Path, tmp_path: Path) -> None:
    cache, detector = tmp_path / "crops", CountingDetector()
    first = look(root, cache, detector=detector)
    assert detector.looked == 6
    again = look(root, cache, detector=detector)
    assert (detector.looked, again.places) == (6, first.places)
    photo(root / "carol" / "0.png", 80)
    (root / "alice").rename(root / "alicia")
    found = look(root, cache, detector=detector)
    assert detector.looked == 7
    assert found.names == ("alicia",) * 3 + ("bob",) * 3 + ("carol",)


def test_parts_are_written_as_they_fill(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "PART", 4)
    found = look(root, tmp_path / "crops")
    assert len({place.file for place in found.places}) == 2
    # What is not told by an index is not there: a run that was cut short left it.
    (tmp_path / "crops" / "half.npy").write_bytes(b"")
    assert look(root, tmp_path / "crops").places == found.places


def test_photos_without_one_face_are_counted_by_reason(root: Path, tmp_path: Path) -> None:
    photo(root / "alice" / "empty.png")
    photo(root / "alice" / "two.png", 60, 120)
    (root / "bob" / "broken.jpg").write_bytes(b"no picture")
    detector = CountingDetector()
    for _ in range(2):
        found = look(root, tmp_path / "crops", detector=detector)
        assert found.lost == {"no_face": 1, "multiple_faces": 1, "unreadable": 1}
        assert (found.photos, len(found.names), found.duplicates) == (9, 6, 0)
    # The empty one is tried in three other turns.
    assert detector.looked == 8 + 3
    largest = look(root, tmp_path / "largest", "largest")
    assert largest.lost == {"no_face": 1, "unreadable": 1}
    assert len(largest.names) == 7


def test_one_photo_under_two_names_is_nobody_s(root: Path, tmp_path: Path) -> None:
    photo(root / "bob" / "copy.png", 100, shade=1)
    photo(root / "alice" / "copy.png", 100, shade=2)
    found = look(root, tmp_path / "crops")
    assert found.names == ("alice",) * 2 + ("bob",) * 3
    assert (found.photos, found.duplicates) == (8, 3)


def known(counts: dict[str, int], file: Path = Path("x.npy")) -> Portraits:
    names = [name for name, count in counts.items() for _ in range(count)]
    return Portraits(
        names=tuple(names),
        digests=tuple(f"{number:03d}" for number in range(len(names))),
        places=tuple(Place(file, number) for number in range(len(names))),
        photos=len(names),
        lost={},
        duplicates=0,
    )


def test_nobody_is_in_two_parts_and_nobody_moves(tmp_path: Path) -> None:
    people = {f"person {number}": 1 + number % 3 for number in range(200)}
    np.save(tmp_path / "x.npy", np.arange(400, dtype=np.uint8)[:, None])
    found = parted(known(people, tmp_path / "x.npy"), FROM_SCRATCH)
    parts = {"training", "validation", "calibration"}
    rows = {part: set(getattr(found, part).rows.tolist()) for part in parts}
    assert sum(map(len, rows.values())) + found.alone == 399
    assert not rows["training"] & rows["validation"]
    assert not rows["calibration"] & (rows["training"] | rows["validation"])
    assert found.alone > 20
    assert min(np.bincount(found.training.labels)) == 2
    assert found.identities("training") == found.training.labels.max() + 1
    more = parted(known(people | {"somebody new": 2}, tmp_path / "x.npy"), FROM_SCRATCH)
    assert abs(len(more.training) - len(found.training)) in (0, 2)


def test_samples_travel_to_other_processes_without_their_pixels(tmp_path: Path) -> None:
    people = {f"person {number}": 2 for number in range(60)}
    np.save(tmp_path / "x.npy", np.arange(120, dtype=np.uint8)[:, None, None, None])
    samples = parted(known(people, tmp_path / "x.npy"), FROM_SCRATCH).training
    assert samples.crops([3])[0, 0, 0, 0] == samples.rows[3]
    travelled = pickle.loads(pickle.dumps(samples))
    assert len(pickle.dumps(samples)) < 10_000
    assert np.array_equal(travelled.crops(range(10)), samples.crops(range(10)))
    assert [len(part) for part in samples.parts(64)] == [64, len(samples) - 64]


@pytest.mark.parametrize(
    ("people", "code"),
    [
        ({"a": 1, "b": 1}, "one_photo_each"),
        ({"a": 5, "b": 5, "c": 1}, "too_few"),
        ({f"person {number}": 2 for number in range(5)}, "too_few"),
        ({}, "too_few"),
    ],
)
def test_too_few_people(people: dict[str, int], code: str) -> None:
    with pytest.raises(InputError) as caught:
        parted(known(people), FROM_SCRATCH)
    assert (caught.value.code, exit_code_of(caught.value)) == (code, 3)
    assert "people" in str(hint_for(caught.value)) or "photos" in str(hint_for(caught.value))


@pytest.mark.parametrize("seed", range(10))
def test_of_few_people_each_part_has_two(seed: int, tmp_path: Path) -> None:
    people = {f"person {number}": 2 for number in range(6)} | {"alone": 1}
    found = parted(known(people), replace(FROM_SCRATCH, seed=seed))
    parts = [
        len(np.unique(part.labels[np.bincount(part.labels)[part.labels] > 1]))
        for part in (found.training, found.validation, found.calibration)
    ]
    assert parts == [2, 2, 2]


def test_every_pair_counts_once() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1500, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = rng.integers(0, 300, 1500)
    mated, non_mated = cosine_distances(vectors, labels)
    assert mated.size + non_mated.size == 1500 * 1499 // 2
    assert mated.size == sum(count * (count - 1) // 2 for count in np.bincount(labels))
    first, second = np.triu_indices(1500, k=1)
    apart = 1 - (vectors[first] * vectors[second]).sum(axis=1)
    same = labels[first] == labels[second]
    for found, expected in ((mated, apart[same]), (non_mated, apart[~same])):
        np.testing.assert_allclose(np.sort(found), np.sort(expected), atol=1e-5)


def test_the_rate_that_chooses_is_a_true_match_rate() -> None:
    labels = np.repeat(np.arange(50), 2)
    apart = np.eye(50, dtype=np.float32)[labels]
    assert true_match_rate(apart, labels) == 1.0
    half = apart.copy()
    half[1::4] = apart[3::4]
    assert true_match_rate(half, labels) < 0.6
