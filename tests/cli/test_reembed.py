"""`faceid re-embed`, as people and programs see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_runs import ALICE, BOB, CAROL, Faceid, Photo
from second_fake import OTHER, install


@pytest.fixture(autouse=True)
def second_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch.setattr)


@pytest.fixture
def photos(faceid: Faceid, photo: Photo) -> dict[str, str]:
    taken = {"alice": photo(ALICE), "alice2": photo(ALICE), "bob": photo(BOB)}
    assert faceid("enroll", "--name", "alice", taken["alice"], taken["alice2"]).code == 0
    assert faceid("enroll", "--name", "bob", taken["bob"]).code == 0
    return taken


def test_switched(faceid: Faceid, photo: Photo, photos: dict[str, str]) -> None:
    ran = faceid("--json", "re-embed", "--to", OTHER, model=None)
    assert ran.code == 0
    summary = ran.object["summary"]
    assert summary.pop("old_model").startswith("fake (")
    assert summary.pop("new_model").startswith("other (")
    assert summary == {
        "status": "switched",
        "re_embedded": 3,
        "already": 0,
        "failed": 0,
        "dropped": 0,
        "unfindable": [],
    }
    found = faceid("--json", "identify", photo(ALICE), model=None)
    assert (found.code, found.object["faces"][0]["name"]) == (0, "alice")
    assert faceid("--json", "identify", photos["bob"]).object["error"]["code"] == "model_mismatch"
    assert faceid("--json", "doctor", model=OTHER).objects[-2]["check"] in ("gallery model", "index")


def test_not_switched_while_something_is_missing(faceid: Faceid, photos: dict[str, str]) -> None:
    Path(photos["bob"]).unlink()
    ran = faceid("--json", "re-embed", "--to", OTHER, model=None)
    failure, last = ran.objects
    assert (ran.code, last["summary"]["status"], last["summary"]["re_embedded"]) == (3, "incomplete", 2)
    assert failure["problem"].keys() == {"code", "message", "hint"}
    del failure["problem"]
    assert failure == {
        "template_id": 3,
        "name": "bob",
        "source": photos["bob"],
        "reason": "source_gone",
    }
    text = faceid("re-embed", "--to", OTHER, model=None)
    assert text.code == 3
    assert text.out.startswith("0 templates computed, 2 there already, 1 could not be\nnot switched: ")
    assert f"faceid: bob, template 3: {photos['bob']} is not there" in text.err
    assert faceid("--json", "identify", photos["alice"]).object["faces"][0]["name"] == "alice"


def test_switched_all_the_same(faceid: Faceid, photos: dict[str, str], tmp_path: Path) -> None:
    Path(photos["bob"]).unlink()
    ran = faceid("re-embed", "--to", OTHER, "--allow-missing", "--drop-old", model=None)
    assert ran.code == 0
    assert "2 templates computed, 0 there already, 1 could not be, 2 old templates removed\n" in ran.out
    assert "the gallery is now of other (00000000, arcface-112-v1)\n" in ran.out
    assert "no search finds any more: bob\n" in ran.out
    (left,) = faceid("--json", "show", "bob", model=None).objects
    assert left["model"].startswith("fake (")
    people = faceid("--json", "list", model=None).objects
    assert [(one["name"], one["templates"]) for one in people] == [("alice", 2), ("bob", 0)]
    # What cannot be found is not exported either.
    faceid("remove", "alice", "--yes", model=None)
    exported = faceid("--json", "export", str(tmp_path / "out.npz"), model=None)
    assert (exported.code, exported.object["error"]["code"]) == (4, "empty")
    # Later it is tried again: still gone, and said so.
    again = faceid("--json", "re-embed", "--to", OTHER, model=None)
    assert (again.code, again.objects[1]["summary"]["status"]) == (3, "current")
    assert faceid("--json", "remove", "bob", "--yes", model=None).object["templates"] == 1
    emptied = faceid("--json", "re-embed", "--to", OTHER, model=None)
    assert (emptied.code, emptied.object["error"]["code"]) == (4, "empty")


def test_crops_are_kept_where_asked_for(faceid: Faceid, photo: Photo) -> None:
    taken = photo(CAROL)
    assert faceid("enroll", "--name", "carol", taken, "--store-crops").code == 0
    Path(taken).unlink()
    assert faceid("re-embed", "--to", OTHER, model=None).code == 0
    assert faceid("--json", "identify", photo(CAROL), model=None).object["faces"][0]["name"] == "carol"


@pytest.mark.parametrize(
    ("arguments", "model", "code", "reason"),
    [
        (["re-embed"], None, 2, "usage"),
        (["re-embed", "--to", "no-such-net"], None, 5, "unknown_model"),
        (["re-embed", "--to", OTHER], "dlib-resnet", 4, "model_mismatch"),
    ],
)
def test_what_cannot_be(
    faceid: Faceid, photos: dict[str, str], arguments: list[str], model: str | None, code: int, reason: str
) -> None:
    ran = faceid("--json", *arguments, model=model)
    assert (ran.code, ran.object["error"]["code"]) == (code, reason)


def test_nothing_to_move(faceid: Faceid) -> None:
    assert faceid("--json", "re-embed", "--to", OTHER).object["error"]["code"] == "database_missing"
