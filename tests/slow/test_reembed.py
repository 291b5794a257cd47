"""From one real network to another: people stay known, and a stored crop is as good as the photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faceid import FaceID
from faceid.config import Settings
from faceid.enrolment.rules import EnrolmentRules
from faceid.networks import registry
from places import SHARED_DATA

DATA = SHARED_DATA
LFW = DATA / "lfw" / "images"
OLD, NEW = "dlib-resnet", "mobilefacenet"
PEOPLE, PHOTOS = 4, 4

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def people() -> dict[str, list[str]]:
    """Photos by name; the last one is not enrolled."""
    if not LFW.is_dir():
        pytest.skip(f"no lfw/images in {DATA}; set FACEID_TEST_DATA")
    if registry.status(registry.card(NEW), Settings.load().weights_dir) != "installed":
        pytest.skip(f"the weights of {NEW} are not pulled (`faceid models pull {NEW}`)")
    photos: dict[str, list[str]] = {}
    for path in sorted(LFW.rglob("*.jpg")):
        photos.setdefault(path.stem[:-5], []).append(str(path))
    enough = [name for name, own in photos.items() if len(own) >= PHOTOS]
    return {name: photos[name][:PHOTOS] for name in enough[:PEOPLE]}


def enrol(system: FaceID, people: dict[str, list[str]], *, store_crops: bool) -> None:
    for name, photos in people.items():
        for result in system.enroll(
            name, photos[:-1], EnrolmentRules(on_conflict="accept"), store_crops=store_crops
        ):
            assert result.status == "enrolled", result


def recognised(system: FaceID, people: dict[str, list[str]]) -> list[str]:
    """Who is found in their last photo. A photo of a crowd counts if they are in it."""
    found = system.identify_each([photos[-1] for photos in people.values()])
    return [
        name
        for name, result in zip(people, found, strict=True)
        if name in [face.name for face in result.faces]
    ]


def vectors(system: FaceID, people: dict[str, list[str]]) -> np.ndarray:
    store = system.services.gallery()._database.templates
    ids = [store.identity(name).id for name in people]
    by_identity = store.vectors_of(ids)
    return np.concatenate([by_identity[id_] for id_ in ids])


def test_people_are_known_before_and_after(tmp_path: Path, people: dict[str, list[str]]) -> None:
    with FaceID(db=tmp_path / "photos.db", model=OLD, device="cpu") as system:
        enrol(system, people, store_crops=False)
        before = recognised(system, people)
        assert before
        result = system.transfer.reembed(NEW)
        assert (result.status, result.re_embedded) == ("switched", PEOPLE * (PHOTOS - 1))
        assert set(before) <= set(recognised(system, people))
        from_photos = vectors(system, people)
    with FaceID(db=tmp_path / "crops.db", model=OLD, device="cpu") as system:
        enrol(system, people, store_crops=True)
        # No photo is read any more: the sources are not there.
        with system.services.gallery()._database.templates.transaction():
            system.services.gallery()._database._connections._writer.execute(
                "UPDATE templates SET source = '/gone.jpg'"
            )
        assert system.transfer.reembed(NEW).status == "switched"
        cosines = (vectors(system, people) * from_photos).sum(axis=1)
    print(f"cosines of templates from crops and from photos: {np.sort(cosines)}")
    assert cosines.min() > 0.98
    with FaceID(db=tmp_path / "fresh.db", model=NEW, device="cpu") as system:
        enrol(system, people, store_crops=False)
        fresh = (vectors(system, people) * from_photos).sum(axis=1)
    # The landmarks are stored to a hundredth of a pixel.
    assert fresh.min() > 0.9999
