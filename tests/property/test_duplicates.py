"""The perceptual hash against the real mirror image, and groups against a naive loop."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PilImage

from faceid.explore.duplicates import NEAR_BITS, RATHER_NEAR_BITS, HashedPhoto, face_agreement, groups_of
from faceid.explore.perceptual import BITS, hamming, mirrored, perceptual_hash
from faceid.types import Image
from places import OWN_DATA

FACE = OWN_DATA / "cc0_face.jpg"


def as_image(pixels: np.ndarray) -> Image:
    return Image(np.ascontiguousarray(pixels), "made up", "")


def bits_of(picture: PilImage.Image) -> np.ndarray:
    return perceptual_hash(as_image(np.asarray(picture.convert("RGB"))))


def recompressed(picture: PilImage.Image, quality: int) -> PilImage.Image:
    encoded = BytesIO()
    picture.save(encoded, "JPEG", quality=quality)
    return PilImage.open(encoded)


sides = st.sampled_from([32, 64, 96])


# Of sides that the gray copy divides: else what is rounded on the way is not rounded alike on both sides.
@given(st.integers(0, 2**32 - 1), sides, sides)
def test_the_mirrored_hash_is_that_of_the_mirror_image(seed: int, width: int, height: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    bits, flipped = perceptual_hash(as_image(pixels)), perceptual_hash(as_image(pixels[:, ::-1]))
    assert (mirrored(bits) != flipped).sum() <= 1
    np.testing.assert_array_equal(mirrored(mirrored(bits)), bits)


@given(st.integers(0, 2**32 - 1))
def test_distances_are_those_of_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.random((3, BITS)) < 0.5, rng.random((4, BITS)) < 0.5
    found = hamming(first, second)
    assert found.tolist() == [[int((a != b).sum()) for b in second] for a in first]


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 1)])
def test_any_picture_has_a_hash(size: tuple[int, int]) -> None:
    assert bits_of(PilImage.new("RGB", size, (9, 9, 9))).shape == (BITS,)


def test_a_photo_is_known_again() -> None:
    photo = PilImage.open(FACE).convert("RGB")
    width, height = photo.size
    bits = bits_of(photo)
    for copy in (
        photo.resize((width // 3, height // 3)),
        photo.resize((width * 2, height * 2)),
        recompressed(photo, 20),
        recompressed(photo.resize((64, 64 * height // width)), 60),
    ):
        assert hamming(bits[None], bits_of(copy)[None]).item() <= NEAR_BITS
    turned = bits_of(photo.transpose(PilImage.Transpose.FLIP_LEFT_RIGHT))
    assert hamming(mirrored(bits)[None], turned[None]).item() <= NEAR_BITS
    assert hamming(bits[None], turned[None]).item() > RATHER_NEAR_BITS
    trimmed = bits_of(photo.crop((width // 25, height // 25, width * 24 // 25, height * 24 // 25)))
    assert hamming(bits[None], trimmed[None]).item() <= RATHER_NEAR_BITS


def seen(
    path: str, bits: np.ndarray, faces: np.ndarray | None = None, sha256: str = "", size: int = 9
) -> HashedPhoto:
    return HashedPhoto(path, sha256 or path, bits, size, size, faces)


def turned(bits: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([~bits[:count], bits[count:]])


BASE = np.random.default_rng(0).random(BITS) < 0.5
ONE, OTHER = np.array([[1, 0]], np.float32), np.array([[0, 1]], np.float32)


@pytest.mark.parametrize(
    ("bits", "faces", "kind"),
    [
        (BASE, None, "near"),
        (turned(BASE, NEAR_BITS), OTHER, "near"),
        (turned(BASE, NEAR_BITS + 1), ONE, "near"),
        (turned(BASE, RATHER_NEAR_BITS), ONE, "near"),
        (turned(BASE, NEAR_BITS + 1), OTHER, None),
        (turned(BASE, NEAR_BITS + 1), None, None),
        (turned(BASE, NEAR_BITS + 1), np.vstack([ONE, OTHER]), None),
        (turned(BASE, NEAR_BITS + 1), np.empty((0, 2), np.float32), None),
        (turned(BASE, RATHER_NEAR_BITS + 1), ONE, None),
        (mirrored(BASE), OTHER, "mirrored"),
        (turned(mirrored(BASE), RATHER_NEAR_BITS), ONE, "mirrored"),
    ],
)
def test_the_second_witness_decides_where_the_first_is_in_doubt(
    bits: np.ndarray, faces: np.ndarray | None, kind: str | None
) -> None:
    found = list(groups_of([seen("a", BASE, ONE), seen("b", bits, faces)], 0.99))
    assert [photo.kind for group in found for photo in group.photos[1:]] == ([] if kind is None else [kind])


def test_equal_bytes_are_exact_and_the_largest_comes_first() -> None:
    rng = np.random.default_rng(1)
    other = rng.random(BITS) < 0.5
    photos = [
        seen("small", turned(BASE, 5), size=3),
        seen("b", other, sha256="x"),
        seen("large", BASE, size=12),
        seen("copy", BASE, sha256="large", size=12),
        seen("b2", other, sha256="x"),
        seen("alone", rng.random(BITS) < 0.5),
    ]
    first, second = groups_of(photos, 0.99)
    assert [(photo.path, photo.kind, photo.bits) for photo in first.photos] == [
        ("copy", None, 0),
        ("large", "exact", 0),
        ("small", "near", 5),
    ]
    assert [photo.path for photo in second.photos] == ["b", "b2"]
    assert [group.group for group in (first, second)] == [1, 2]
    assert list(groups_of([], 0.99)) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 120)), max_size=14))
def test_groups_are_the_connected_components_of_a_loop(drawn: list[tuple[int, int]]) -> None:
    bases = np.random.default_rng(3).random((4, BITS)) < 0.5
    photos = [seen(str(number), turned(bases[base], count)) for number, (base, count) in enumerate(drawn)]
    groups = [{number} for number in range(len(photos))]
    for one in range(len(photos)):
        for other in range(one):
            straight = (photos[one].bits != photos[other].bits).sum()
            flipped = (mirrored(photos[one].bits) != photos[other].bits).sum()
            if min(straight, flipped) <= NEAR_BITS:
                joined = [group for group in groups if one in group or other in group]
                groups = [group for group in groups if group not in joined] + [set().union(*joined)]
    wanted = {frozenset(map(str, group)) for group in groups if len(group) > 1}
    assert {frozenset(photo.path for photo in group.photos) for group in groups_of(photos, 0.99)} == wanted


def test_faces_agree_as_a_whole_photo() -> None:
    both = np.vstack([ONE, OTHER])
    assert face_agreement(both, both[::-1]) == 1.0
    assert face_agreement(both, np.vstack([ONE, ONE])) == 0.0
    assert face_agreement(ONE, both) is None
    assert face_agreement(None, ONE) is None


@pytest.mark.slow
def test_no_two_photos_of_strangers_are_copies() -> None:
    images = Path(os.environ.get("FACEID_TEST_DATA", "../shared/data")) / "synth_faces"
    files = sorted(images.rglob("*.jpg"))
    if not files:
        pytest.skip(f"no photos in {images}: set FACEID_TEST_DATA")
    first_of_each = list({file.parent: file for file in files}.values())
    photos = [seen(str(file), bits_of(PilImage.open(file))) for file in first_of_each]
    assert list(groups_of(photos, 0.99)) == []
