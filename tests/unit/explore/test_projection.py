"""Embeddings in two dimensions and the distance to an identity's centre, against hand geometry and naive loops."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as PilImage

from faceid.cli.messages import hint_for
from faceid.decision.scores import distance_from_similarity
from faceid.errors import UsageError
from faceid.explore.labels import COLOURS, MARKED, marks
from faceid.explore.projection import principal_components, project, to_centre
from faceid.explore.scatter import draw


def vectors(count: int = 30, dim: int = 8) -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(count, dim))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_principal_components_keep_distances_in_a_plane() -> None:
    rng = np.random.default_rng(1)
    plane = np.linalg.qr(rng.normal(size=(8, 2)))[0]
    flat = (rng.normal(size=(20, 2)) @ plane.T + 3.0).astype(np.float32)
    places, share = principal_components(flat)
    assert share == pytest.approx(1.0)
    there = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.testing.assert_allclose(there, np.linalg.norm(flat[:, None] - flat[None], axis=2), atol=1e-5)
    np.testing.assert_array_equal(places, principal_components(flat)[0])


def test_the_share_of_the_variance_is_that_of_the_places() -> None:
    rows = vectors()
    places, share = principal_components(rows)
    assert share == pytest.approx(places.var(axis=0).sum() / rows.astype(np.float64).var(axis=0).sum())


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_seed_gives_the_same_picture(method: str) -> None:
    first, second = (project(vectors(), method, seed=5) for _ in range(2))  # type: ignore[arg-type]
    assert first.shape == (30, 2)
    np.testing.assert_array_equal(first, second)


def test_copies_of_one_face_are_one_point() -> None:
    # In a process of its own: scikit-learn's t-SNE crashes on them.
    code = (
        "import numpy as np\n"
        "from faceid.explore.projection import project\n"
        "places = project(np.full((6, 4), 0.5, np.float32), 'tsne', 0)\n"
        "assert places.shape == (6, 2) and np.abs(places).max() < 1e-6, places\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_people_are_apart_in_the_picture() -> None:
    rng = np.random.default_rng(2)
    whose = np.repeat(np.arange(4), 15)
    rows = np.eye(8)[whose] + 0.05 * rng.normal(size=(60, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    places = project(rows, "tsne", seed=0)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + np.diag(np.full(60, np.inf))
    np.testing.assert_array_equal(whose[apart.argmin(axis=1)], whose)


def test_too_few_faces_and_a_missing_library_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="3 at least"):
        project(vectors(2), "pca", 0)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UsageError, match="UMAP needs umap-learn") as caught:
        project(vectors(), "umap", 0)
    assert hint_for(caught.value) is not None
    assert "pip install umap-learn" in hint_for(caught.value)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_distances_to_the_centre_are_those_of_a_loop(metric: str) -> None:
    rows, identity = vectors(12), np.array([0, 0, 0, 1, 1, -1, 2, 2, 2, 2, -1, 3])
    found = to_centre(rows, identity, metric)  # type: ignore[arg-type]
    for row, who in enumerate(identity.tolist()):
        if who < 0:
            assert np.isnan(found[row])
            continue
        centre = rows[identity == who].astype(np.float64).sum(axis=0)
        cosine = float(rows[row] @ (centre / np.linalg.norm(centre)))
        assert found[row] == pytest.approx(distance_from_similarity(cosine, metric), abs=1e-3)  # type: ignore[arg-type]


def test_faces_that_cancel_out_have_no_centre() -> None:
    rows = np.array([[1, 0], [-1, 0]], np.float32)
    assert np.isnan(to_centre(rows, np.zeros(2, np.int64), "cosine")).all()
    assert np.isnan(to_centre(rows, np.full(2, -1), "cosine")).all()


def test_no_two_marked_people_look_alike() -> None:
    names = [f"p{number}" for number in range(40) for _ in range(40 - number)] + [""] * 99
    found = marks(names)
    assert list(found) == [f"p{number}" for number in range(MARKED)]
    assert len({*found.values()}) == MARKED > len(COLOURS)


def test_a_drawing_takes_any_name_and_shows_its_colour() -> None:
    names = ["$a_b$ \u05d0\u05d1", "x" * 300, "\ud800", "", "line\nbreak"] * 6
    png = draw(project(vectors(), "pca", 0), names, "30 faces of $x$")
    with PilImage.open(BytesIO(png)) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
    assert tuple(bytes.fromhex(COLOURS[0][1:])) in colours
