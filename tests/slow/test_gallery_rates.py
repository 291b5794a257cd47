"""Studio portraits raise the rates of the card, and mixed press photos do not: real weights and real photos."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceid import FaceID
from faceid.enrolment.rules import EnrolmentRules
from faceid.results import GalleryRates, PolicyState
from places import SHARED_DATA

pytestmark = pytest.mark.slow


def enrolled(db: Path, photos: dict[str, Path]) -> tuple[PolicyState, GalleryRates]:
    """The policy of searches and the check, in a gallery with one photo of each person."""
    with FaceID(db=db, model="dlib-resnet", device="cpu") as system:
        for name, path in photos.items():
            system.enroll(name, [str(path)], EnrolmentRules(on_conflict="accept"))
        _, identify = system.policies.current()
    assert identify.policy is not None
    assert identify.gallery is not None
    return identify.policy, identify.gallery


def test_studio_portraits_get_a_stricter_threshold(tmp_path: Path) -> None:
    folders = sorted((SHARED_DATA / "orl_faces").glob("s*"))
    if not folders:
        pytest.skip(f"no ORL portraits in {SHARED_DATA}; set FACEID_TEST_DATA")
    policy, rates = enrolled(tmp_path / "studio.db", {one.name: one / "1.pgm" for one in folders})
    assert rates.people >= 30
    assert rates.raises
    assert rates.stated < rates.low < rates.observed
    assert policy.card_threshold is not None
    assert policy.threshold < policy.card_threshold
    assert policy.raised_by is not None
    assert 1.5 < policy.raised_by < 20.0


def test_mixed_press_photos_keep_the_card_s_threshold(tmp_path: Path) -> None:
    folders = sorted((SHARED_DATA / "lfw" / "images").glob("*"))[::50][:60]
    if not folders:
        pytest.skip(f"no LFW View 1 in {SHARED_DATA}; set FACEID_TEST_DATA")
    policy, rates = enrolled(
        tmp_path / "press.db", {one.name: next(iter(sorted(one.glob("*.jpg")))) for one in folders}
    )
    assert rates.people >= 40
    assert not rates.raises
    assert (policy.card_threshold, policy.raised_by) == (None, None)
