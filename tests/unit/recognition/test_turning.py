"""Which pictures are tried in other turns, and which are turned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from faceid.imaging import from_array, read
from faceid.imaging.turned import turned_image
from faceid.recognition.align import ALIGNERS
from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.recognition.turning import TRIED_SIDE, detect_upright
from faceid.types import Face, Image
from places import OWN_DATA

MARKS = np.array(ALIGNERS["arcface-112-v1"].template, np.float32)
WHITE = 255


def face(score: float, size: float = 90.0, *, lean: float = 0.0) -> Face:
    angle = np.deg2rad(lean)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    marks = ((MARKS - 56) @ turn * size / 90 + 56).astype(np.float32)
    return Face((56 - size / 2, 56 - size / 2, 56 + size / 2, 56 + size / 2), marks, score)


class Scripted:
    """Tells by the white corner how a picture was turned, and finds the faces that the script names for that turn."""

    def __init__(self, script: dict[int, dict[int, list[Face]]]) -> None:
        self.script = script
        self.calls: list[list[tuple[int, int, int]]] = []

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        found = []
        seen = []
        for image in images:
            corners = {0: (0, 0), 90: (0, -1), 180: (-1, -1), 270: (-1, 0)}
            turned = next(
                degrees for degrees, (y, x) in corners.items() if image.pixels[y, x, 0] > WHITE // 2
            )
            number = int(image.pixels[image.height // 2, image.width // 2, 1])
            found.append(self.script[number].get(turned, []))
            seen.append((number, turned, max(image.width, image.height)))
        self.calls.append(seen)
        return found


def picture(number: int = 0, width: int = 300, height: int = 200) -> Image:
    """A picture that carries its number, with a white corner."""
    pixels = np.full((height, width, 3), number, np.uint8)
    pixels[: height // 8, : width // 8] = WHITE
    return from_array(pixels)


def turned(script: dict[int, list[Face]]) -> int:
    (seen,) = detect_upright(Scripted({0: script}), [picture()])
    return seen.turned


def test_a_sure_upright_face_costs_one_detection() -> None:
    detector = Scripted({0: {0: [face(0.999)], 90: [face(1.0, 200)]}})
    image = picture()
    (seen,) = detect_upright(detector, [image])
    assert (seen.turned, seen.image) == (0, image)
    assert len(detector.calls) == 1


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize(
    "as_it_is", [[], [face(0.9)], [face(0.9999, lean=80)]], ids=["none", "unsure", "lying"]
)
def test_the_picture_is_turned_to_where_its_faces_are_upright(degrees: int, as_it_is: list[Face]) -> None:
    image = picture()
    upright = [face(0.9995)]
    (seen,) = detect_upright(Scripted({0: {0: as_it_is, degrees: upright}}), [image])
    assert seen.turned == degrees
    assert seen.faces == upright
    np.testing.assert_array_equal(seen.image.pixels, np.rot90(image.pixels, -degrees // 90))
    assert (seen.image.source, seen.image.sha256) == (image.source, image.sha256)


def test_the_turn_with_the_most_evidence_is_taken() -> None:
    assert turned({90: [face(0.996)], 180: [face(0.9999)], 270: [face(0.995)]}) == 180
    assert turned({90: [face(0.998, 60), face(0.998, 60)], 270: [face(0.998, 90)]}) == 90


@pytest.mark.parametrize(
    "other",
    [[face(0.97)], [face(0.9995, lean=90)], [face(0.995, 10)], []],
    ids=["not certain enough", "implausible", "small", "none"],
)
def test_little_evidence_turns_nothing(other: list[Face]) -> None:
    assert turned({0: [], 180: other}) == 0


def test_an_unsure_upright_face_stays_where_no_turn_is_clearly_better() -> None:
    assert turned({0: [face(0.993)], 90: [face(0.993)]}) == 0
    assert turned({0: [face(0.993)], 90: [face(0.9999)]}) == 90


def test_somebody_who_lies_beside_people_upright_turns_nothing() -> None:
    script = {0: [face(0.999), face(0.999, lean=90)], 270: [face(1.0), face(0.9, lean=90)]}
    assert turned(script) == 0


def test_a_turn_that_shows_no_face_at_full_size_is_not_taken() -> None:
    detector = Scripted({0: {90: [face(0.9999)]}})

    class OnlyInTries(Scripted):
        def detect(self, images: Sequence[Image]) -> list[list[Face]]:
            return [[] for _ in images]

    (seen,) = detect_upright(OnlyInTries({}), [picture()], lambda: detector)
    assert (seen.turned, seen.faces) == (0, [])


def test_a_batch_is_tried_together() -> None:
    script = {
        0: {0: [face(0.999)]},
        1: {270: [face(0.999)]},
        2: {},
        3: {90: [face(0.999)]},
    }
    detector = Scripted(script)
    seen = detect_upright(detector, [picture(number) for number in script])
    assert [one.turned for one in seen] == [0, 270, 0, 90]
    assert [[(number, degrees) for number, degrees, _ in call] for call in detector.calls] == [
        [(0, 0), (1, 0), (2, 0), (3, 0)],
        [(number, degrees) for number in (1, 2, 3) for degrees in (90, 180, 270)],
        [(1, 270), (3, 90)],
    ]


def test_a_large_picture_is_tried_reduced_and_then_looked_at_whole() -> None:
    detector, finder = (Scripted({0: {90: [face(0.9999, 300)]}}) for _ in range(2))
    (seen,) = detect_upright(detector, [picture(0, 4000, 3000)], lambda: finder)
    assert seen.turned == 90
    assert (seen.image.width, seen.image.height) == (3000, 4000)
    assert [size for call in detector.calls for _, _, size in call] == [4000, 4000]
    assert all(TRIED_SIDE <= size < 2 * TRIED_SIDE for _, _, size in finder.calls[0])


@pytest.fixture(scope="module")
def mtcnn() -> MtcnnDetector:
    return MtcnnDetector()


@pytest.mark.parametrize("lies", [0, 90, 180, 270])
def test_a_photograph_is_brought_upright_however_it_lies(mtcnn: MtcnnDetector, lies: int) -> None:
    photo = read(str(OWN_DATA / "cc0_face.jpg"))
    (seen,) = detect_upright(mtcnn, [turned_image(photo, lies)])
    assert seen.turned == -lies % 360
    np.testing.assert_array_equal(seen.image.pixels, photo.pixels)
    (expected,) = mtcnn.detect([photo])[0]
    assert seen.faces[0].box == pytest.approx(expected.box)
