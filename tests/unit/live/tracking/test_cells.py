"""Pictures as few cells: what each cell tells, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest

from faceid.live.tracking.cells import cells


@pytest.mark.parametrize(("height", "width"), [(96, 64), (107, 71), (97, 64)])
def test_each_cell_is_the_mean_of_a_block_and_the_rest_is_left_out(height: int, width: int) -> None:
    gray = np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8)
    blocks = gray[:96, :64].reshape(12, 8, 8, 8).mean(axis=(1, 3))
    found = cells(gray, 8, 12)
    assert (found.shape, found.dtype) == ((12, 8), np.uint8)
    assert np.abs(found - blocks).max() <= 0.51


def test_a_picture_of_fewer_pixels_than_cells_is_enlarged() -> None:
    assert (cells(np.full((3, 20), 77, np.uint8), 16, 12) == np.full((12, 16), 77)).all()
