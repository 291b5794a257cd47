"""Neighbours, groups and copies of real photos by the real network."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage
from PIL import ImageOps

from faceid import FaceID
from faceid.decision.decide import Target
from faceid.errors import InputError
from faceid.explore import duplicates, retrieval
from faceid.explore.bounds import bound_of, copy_bound
from faceid.explore.cluster_quality import quality_of
from faceid.explore.clustering import cluster, graph_of, same_photo
from faceid.explore.data import load
from faceid.explore.photos import of_paths
from places import SHARED_DATA

DATA = SHARED_DATA

pytestmark = pytest.mark.slow


def people(tmp_path: Path, collection: str, count: int) -> Path:
    source = DATA / collection
    if not source.is_dir():
        pytest.skip(f"no {collection} in {DATA}; set FACEID_TEST_DATA")
    folders = sorted(path for path in source.iterdir() if path.is_dir())[:count]
    for folder in folders:
        shutil.copytree(folder, tmp_path / "people" / folder.name)
    return tmp_path / "people"


def test_people_are_found_and_grouped(tmp_path: Path) -> None:
    root = people(tmp_path, "celeba_wild/dev", 15)
    with FaceID(db=tmp_path / "gallery.db", device="cpu") as system:
        faces = load(
            str(root),
            lambda: system.services.current().pipeline,
            system.services.gallery,
            lambda result, total: None,
        )
    identity, rng = faces.identities(), np.random.default_rng(0)
    ranked = retrieval.quality_of(retrieval.rank(faces.vectors, identity, faces.photos()), identity, rng)
    assert ranked is not None
    assert ranked.precision[1] >= 0.97
    assert ranked.mean_average_precision >= 0.9
    bound, apart = bound_of(faces, Target()), same_photo(faces.photos())
    label = cluster(faces.vectors, graph_of(faces.vectors, bound.similarity), bound.similarity, apart)
    assert not (label[apart[:, 0]] == label[apart[:, 1]]).any()
    grouped = quality_of(label, identity, rng)
    assert grouped is not None
    assert grouped.b_cubed_f >= 0.9


def test_edited_photos_are_known_again_and_others_are_not(tmp_path: Path) -> None:
    root = people(tmp_path, "celeba_wild/dev", 4)
    photos = sorted(root.rglob("*.jpg"))[::4]
    edited = tmp_path / "edited"
    edited.mkdir()
    for number, path in enumerate(photos):
        picture = PilImage.open(path).convert("RGB")
        width, height = picture.size
        picture.save(edited / f"{number}-original.png")
        picture.resize((width // 2, height // 2)).save(edited / f"{number}-small.jpg", quality=40)
        ImageOps.mirror(picture).save(edited / f"{number}-mirror.jpg", quality=80)
        picture.crop((width // 50, height // 50, width * 49 // 50, height * 49 // 50)).save(
            edited / f"{number}-cut.png"
        )
    with FaceID(db=tmp_path / "gallery.db", device="cpu") as system:
        seen = [
            found
            for found in duplicates.hash_photos(of_paths([str(edited)]), system.services.current().pipeline)
            if not isinstance(found, InputError)
        ]
        model = system.services.current().pipeline.embedder.model
    groups = list(duplicates.groups_of(seen, copy_bound(model.name, model.metric)))
    for group in groups:
        assert len({Path(photo.path).name.split("-")[0] for photo in group.photos}) == 1
    found = sum(len(group.photos) - 1 for group in groups)
    assert len(seen) == 4 * len(photos)
    assert found >= 0.95 * 3 * len(photos)
