"""Real photos that lie on a side are turned, upright ones are left alone, and enlarged small faces are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from faceid.enrolment.rules import quality_from
from faceid.imaging import from_array, read
from faceid.imaging.turned import turned_image
from faceid.recognition.align import align
from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.recognition.quality import assess
from faceid.recognition.turning import detect_upright
from places import SHARED_DATA
from scripts.datasets.photo_faces import is_held

pytestmark = pytest.mark.slow

LEVEL = quality_from("standard")


@pytest.fixture(scope="module")
def detector() -> MtcnnDetector:
    return MtcnnDetector()


def photos(number: int) -> list[Path]:
    """Of people on whom no constant was chosen."""
    everybody = sorted((SHARED_DATA / "lfw" / "images").glob("*/*.jpg"))
    if not everybody:
        pytest.skip(f"no LFW in {SHARED_DATA}; set FACEID_TEST_DATA")
    held = [path for path in everybody if is_held(path.parent.name)]
    return held[:: len(held) // number][:number]


def test_lying_photos_are_turned_and_upright_ones_are_not(detector: MtcnnDetector) -> None:
    upright = [read(str(path)) for path in photos(30)]
    assert not any(seen.turned for seen in detect_upright(detector, upright))
    for lies in (90, 180, 270):
        seen = detect_upright(detector, [turned_image(image, lies) for image in upright])
        assert sum(one.turned == 360 - lies for one in seen) >= 28


@pytest.mark.parametrize(
    ("name", "turned"),
    [
        ("odd_pictures/sideways_90_no_exif.jpg", None),
        ("odd_pictures/sideways_180_no_exif.jpg", 180),
        ("odd_pictures/sideways_270_no_exif.jpg", None),
        ("odd_pictures/sideways_exif_wrong_twice.jpg", 0),
        ("odd_pictures/upright_but_exif_says_6.jpg", 270),
        ("cases/01-sideways-no-exif/base.jpg", 0),
        ("cases/01-sideways-no-exif/rot90.jpg", None),
        ("cases/01-sideways-no-exif/rot180.jpg", 180),
        ("cases/01-sideways-no-exif/rot270.jpg", None),
    ],
)
def test_pictures_that_lie_come_out_upright(detector: MtcnnDetector, name: str, turned: int | None) -> None:
    path = SHARED_DATA / name
    if not path.is_file():
        pytest.skip(f"no {name} in {SHARED_DATA}")
    (seen,) = detect_upright(detector, [read(str(path))])
    # Which quarter, the name of the file does not say.
    assert seen.turned == turned if turned is not None else seen.turned in (90, 270)
    assert len(seen.faces) == 1
    assert seen.faces[0].score > 0.98


@pytest.mark.parametrize("method", ["NEAREST", "BILINEAR", "BICUBIC", "LANCZOS"])
def test_a_face_of_24_pixels_enlarged_to_160_is_of_low_quality(detector: MtcnnDetector, method: str) -> None:
    let_in = 0
    for path in photos(50):
        image = read(str(path))
        (faces,) = detector.detect([image])
        if not faces:
            continue
        scale = 24 / faces[0].size
        small = Pillow.fromarray(image.pixels).resize(
            (round(image.width * scale), round(image.height * scale)), Pillow.Resampling.BOX
        )
        size = round(small.width * 160 / 24), round(small.height * 160 / 24)
        large = from_array(np.array(small.resize(size, Pillow.Resampling[method])))
        (found,) = detector.detect([large])
        # Faces in the background were smaller than 24 pixels, and are none that a photo is enrolled for.
        for face in sorted(found, key=lambda face: face.size)[-1:]:
            let_in += assess(large, face, align(large, face, "arcface-112-v1")).score >= LEVEL
    assert let_in == 0
