from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faceid import FaceID, Target
from faceid.cli.messages import exit_code_of, hint_for
from faceid.errors import DeviceError, FaceCountError, GalleryError, InputError, Refused
from faceid.recognition.detect.fake import draw_face

RED, GREEN, BLUE = (208, 80, 80), (80, 208, 80), (80, 80, 208)


def pixels(*people: tuple[int, int, int], y: int = 30) -> np.ndarray:
    canvas = np.zeros((220, 40 + 160 * max(1, len(people)), 3), np.uint8)
    for number, colour in enumerate(people):
        draw_face(canvas, colour, 20 + 160 * number, y, 120)
    canvas[canvas > 0] += y % 8
    return canvas


@pytest.fixture
def system(tmp_path: Path):
    with FaceID(db=tmp_path / "gallery.db", model="fake", device="cpu") as opened:
        yield opened


def test_the_readme_in_short(system: FaceID) -> None:
    results = system.enroll("ann", [pixels(RED), pixels(RED, y=31)])
    assert [result.status for result in results] == ["enrolled", "enrolled"]
    (face,) = system.identify(pixels(RED, y=33)).faces
    assert (face.decision, face.name) == ("match", "ann")
    assert system.verify("ann", pixels(RED, y=34)).verified
    assert not system.verify("ann", pixels(GREEN)).verified
    assert system.compare(pixels(RED), pixels(RED, y=35)).similarity > 0.9
    assert system.remove("ann").templates == 2
    assert system.identify(pixels(RED)).faces[0].decision == "unknown"


def test_one_image_may_be_enrolled_without_a_list(system: FaceID) -> None:
    assert [result.status for result in system.enroll("ann", pixels(RED))] == ["enrolled"]


def test_pictures_that_are_no_pictures(system: FaceID) -> None:
    system.enroll("ann", pixels(RED))
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(InputError):
            system.verify("ann", wrong)
        assert system.identify(wrong).status == "unreadable"


def test_errors_carry_code_and_hint(system: FaceID) -> None:
    with pytest.raises(GalleryError) as missing:
        system.identify(pixels(RED))
    assert (missing.value.code, exit_code_of(missing.value)) == ("database_missing", 4)
    assert hint_for(missing.value)
    system.enroll("ann", pixels(RED))
    with pytest.raises(FaceCountError) as several:
        system.verify("ann", pixels(RED, GREEN))
    assert several.value.code == "multiple_faces"
    with pytest.raises(Refused, match="nobody"):
        system.verify("nobody", pixels(RED))


def test_a_device_that_makes_no_sense(tmp_path: Path) -> None:
    for device in ("tpu", "cuda:x", "cuda:-1"):
        with FaceID(db=tmp_path / "x.db", model="fake", device=device) as system, pytest.raises(DeviceError):
            system.compare(pixels(RED), pixels(RED))


def test_a_gallery_too_large_for_its_calibration_is_said_once(
    system: FaceID, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(system.services, "notify", said.append)
    system.enroll("ann", pixels(RED))
    monkeypatch.setattr(system.services.gallery(), "identity_count", lambda: 1_000_000)
    for _ in system.identify_each([pixels(RED), pixels(GREEN)]):
        pass
    assert len(said) == 1
    assert "1,000,000 identities" in said[0]


def test_another_process_sees_what_was_committed(system: FaceID, tmp_path: Path) -> None:
    system.enroll("ann", pixels(RED))
    with FaceID(db=tmp_path / "gallery.db", model="fake", device="cpu") as other:
        assert other.identify(pixels(RED)).faces[0].name == "ann"
        system.enroll("ben", pixels(GREEN))
        assert other.identify(pixels(GREEN)).faces[0].name == "ben"
        system.remove("ann")
        assert other.identify(pixels(RED)).faces[0].decision == "unknown"


def test_targets_are_per_call(system: FaceID) -> None:
    system.enroll("ann", pixels(RED))
    strict = system.identify(pixels(RED), Target(fmr=1e-5)).faces[0].threshold
    lax = system.identify(pixels(RED), Target(fmr=1e-3)).faces[0].threshold
    assert strict < lax
    assert system.identify(pixels(RED), Target()).faces[0].threshold == pytest.approx(
        system.identify(pixels(RED), Target(fpir=0.01)).faces[0].threshold
    )


def test_many_templates_of_one_identity_do_not_crowd_out_the_others(system: FaceID) -> None:
    rng = np.random.default_rng(3)
    system.enroll("ann", [pixels(RED, y=20 + n) for n in range(60)])
    system.enroll("ben", pixels(GREEN))
    noisy = pixels(RED)
    noisy[100, 100] = rng.integers(0, 255, 3)
    names = [candidate.name for candidate in system.identify(noisy, top=2).faces[0].candidates]
    assert names == ["ann", "ben"]
