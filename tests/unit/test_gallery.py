from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceid.errors import FaceIDError, GalleryError, Refused, UsageError
from faceid.gallery import Gallery
from faceid.types import Embedding, Face, Image, ModelKey, Quality

MODEL = ModelKey("net", "a" * 64, "dlib-150-v1", 8, "cosine")
FACE = Face((0, 0, 50, 50), np.zeros((5, 2), np.float32), 0.9)
QUALITY = Quality(0.8, {"size": 0.8})


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    opened = Gallery.open(tmp_path / "gallery.db", create=True)
    yield opened
    opened.close()


def vector(*values: float) -> np.ndarray:
    padded = np.zeros(8, np.float32)
    padded[: len(values)] = values
    return padded / np.linalg.norm(padded)


def add(gallery: Gallery, name: str, values: np.ndarray, photo: int, model: ModelKey = MODEL) -> int:
    image = Image(np.zeros((1, 1, 3), np.uint8), f"{photo}.jpg", f"{photo:064x}")
    return gallery.add(name, Embedding(values, model), image=image, face=FACE, quality=QUALITY)


@pytest.mark.parametrize(
    "other",
    [
        replace(MODEL, name="other"),
        replace(MODEL, weights_sha256="b" * 64),
        replace(MODEL, aligner="arcface-112-v1"),
        replace(MODEL, metric="euclidean"),
        replace(MODEL, dim=9),
    ],
    ids=["name", "weights", "aligner", "metric", "dimension"],
)
def test_vectors_of_two_models_never_meet(gallery: Gallery, other: ModelKey) -> None:
    add(gallery, "ann", vector(1), 1)
    foreign = np.ones(other.dim, np.float32) / np.sqrt(np.float32(other.dim))
    for meet in (
        lambda: gallery.guard(other),
        lambda: gallery.search([Embedding(foreign, other)], 1),
        lambda: gallery.similarity_to("ann", Embedding(foreign, other)),
        lambda: add(gallery, "ben", foreign, 2, other),
    ):
        with pytest.raises(GalleryError) as caught:
            meet()
        assert (caught.value.code, caught.value.exit_code) == ("model_mismatch", 4)
        assert caught.value.hint
    assert [who.name for who in gallery.identities()] == ["ann"]


def test_an_emptied_gallery_takes_another_model(gallery: Gallery) -> None:
    add(gallery, "ann", vector(1), 1)
    gallery.remove("ann")
    add(gallery, "ben", vector(1), 2, replace(MODEL, name="other"))
    assert gallery.model == replace(MODEL, name="other")


def test_candidates_are_identities_nearest_first(gallery: Gallery) -> None:
    add(gallery, "far", vector(0, 0, 1), 1)
    add(gallery, "near", vector(1, 0.2), 2)
    add(gallery, "near", vector(1, -0.2), 3)
    add(gallery, "middle", vector(1, 1), 4)
    (candidates,) = gallery.search([Embedding(vector(1), MODEL)], top=3)
    assert [candidate.name for candidate in candidates] == ["near", "middle", "far"]
    assert candidates[1].similarity == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert candidates[1].distance == pytest.approx(1 - np.sqrt(0.5), abs=1e-6)
    # Twice nearer than either of its templates, since what is peculiar to each cancels out.
    single = 1 / np.sqrt(1.04)
    assert single < candidates[0].similarity < 1.0
    assert gallery.similarity_to("near", Embedding(vector(1), MODEL)) == pytest.approx(
        candidates[0].similarity
    )


def test_each_probe_gets_its_own_answer(gallery: Gallery) -> None:
    add(gallery, "ann", vector(1), 1)
    add(gallery, "ben", vector(0, 1), 2)
    found = gallery.search([Embedding(vector(0, 1), MODEL), Embedding(vector(1), MODEL)], top=1)
    assert [[candidate.name for candidate in one] for one in found] == [["ben"], ["ann"]]
    assert gallery.search([], top=1) == []


def test_an_identity_with_many_templates_does_not_hide_the_others(gallery: Gallery) -> None:
    for photo in range(100):
        add(gallery, "crowd", vector(1, 0.001 * photo), photo)
    for number in range(12):
        add(gallery, f"person {number}", vector(1, 0, 0.5 + number / 10), 1000 + number)
    (candidates,) = gallery.search([Embedding(vector(1), MODEL)], top=10)
    assert [candidate.name for candidate in candidates] == ["crowd", *(f"person {n}" for n in range(9))]


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda gallery: gallery.require("nobody"), Refused),
        (lambda gallery: gallery.templates("nobody"), Refused),
        (lambda gallery: gallery.remove("nobody"), Refused),
        (lambda gallery: gallery.remove_template(99), Refused),
        (lambda gallery: gallery.rename("nobody", "somebody"), Refused),
        (lambda gallery: gallery.rename("ann", "\0"), UsageError),
    ],
)
def test_errors_of_the_database_come_out_as_ours(gallery: Gallery, act, kind: type[FaceIDError]) -> None:
    add(gallery, "ann", vector(1), 1)
    with pytest.raises(kind):
        act(gallery)


def test_holders_and_counts(gallery: Gallery) -> None:
    template = add(gallery, "ann", vector(1), 1)
    assert gallery.holders_of(f"{1:064x}", MODEL) == {"ann": template}
    assert (gallery.identity_count(), gallery.template_count(), gallery.indexed_count()) == (1, 1, 1)
    assert (gallery.template_count("ann"), gallery.template_count("nobody")) == (1, 0)
