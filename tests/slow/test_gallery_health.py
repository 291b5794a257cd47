"""A wrong photo among right ones, with real weights and real photos."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceid import FaceID
from faceid.enrolment.rules import EnrolmentRules
from places import SHARED_DATA

DATA = SHARED_DATA

pytestmark = pytest.mark.slow


def test_a_photo_of_somebody_else_is_found(tmp_path: Path) -> None:
    if not (DATA / "lfw" / "images").is_dir():
        pytest.skip(f"no LFW View 1 in {DATA}; set FACEID_TEST_DATA")
    folders = sorted(
        path for path in (DATA / "lfw" / "images").iterdir() if len(list(path.glob("*.jpg"))) >= 6
    )
    chosen, stranger = folders[:8], folders[8]
    with FaceID(db=tmp_path / "gallery.db", device="cpu") as system:
        for folder in chosen:
            system.enroll(folder.name, sorted(folder.glob("*.jpg"))[:5])
        # Some photos show a second face, and are refused.
        for photo in sorted(stranger.glob("*.jpg")):
            (wrong,) = system.enroll(chosen[3].name, [str(photo)], EnrolmentRules(on_conflict="accept"))
            if wrong.status == "enrolled":
                break
        assert wrong.template_id is not None
        found = list(system.people.examination().run())
    outliers = [item for item in found if item.kind == "outlier_template"]
    assert outliers[0].names == (chosen[3].name,)
    assert (wrong.template_id,) in [item.template_ids for item in outliers]
    assert len(outliers) <= 2
    assert [item for item in found if item.kind == "look_alike"] == []
