"""Pictures that are crops already: all of each is used, and each template is its own picture's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from faceid.evaluation.data.crops import look_at_whole, whole
from faceid.imaging import from_array, read
from faceid.recognition.embed.fake import FakeEmbedder


@pytest.mark.parametrize(("width", "height"), [(105, 105), (600, 600), (40, 300), (150, 150), (1, 1)])
def test_all_of_a_picture_is_in_the_crop(width: int, height: int) -> None:
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[: (height + 1) // 2, :, 0] = 200
    pixels[:, : (width + 1) // 2, 1] = 100
    crop = whole(from_array(pixels), FakeEmbedder())
    assert crop.pixels.shape == (150, 150, 3)
    assert crop.aligner == FakeEmbedder().model.aligner
    assert crop.scale == max(150 / width, 150 / height)
    np.testing.assert_allclose(crop.pixels.mean(axis=(0, 1)), pixels.mean(axis=(0, 1)), atol=2.5)
    if (width, height) == (150, 150):
        np.testing.assert_array_equal(crop.pixels, pixels)


def test_every_template_is_its_own_pictures_whatever_is_unreadable(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths = []
    for number in range(70):
        path = tmp_path / f"{number}.png"
        if number % 9 == 4:
            path.write_bytes(b"no picture")
        elif number != 33:
            Pillow.fromarray(rng.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)).save(path)
        paths.append(str(path))
    embedder, told = FakeEmbedder(), []
    found = look_at_whole(embedder, paths, lambda done, total: told.append((done, total)))
    assert set(found) == set(paths)
    assert told == [(32, 70), (64, 70), (70, 70)]
    for number, path in enumerate(paths):
        seen = found[path]
        if number % 9 == 4 or number == 33:
            assert (seen.vector, seen.reason) == (None, "unreadable")
            assert (seen.sha256 is None) == (number == 33)
        else:
            image = read(path)
            expected = embedder.embed([whole(image, embedder)])[0]
            assert seen.vector is not None
            np.testing.assert_array_equal(seen.vector, expected)
            assert (seen.reason, seen.sha256) == (None, image.sha256)
