"""Templates that are kept and not searched: what each command says of them, and `faceid people confirm`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cli_runs import ALICE, BOB, CAROL, Faceid, Photo, Ran
from enrollment_db.registry import open_sqlite
from faceid.enrolment.admission import Admission, Decided
from faceid.enrolment.cases import Case
from faceid.results import Problem

Keep = Callable[..., Ran]


@pytest.fixture
def enrolled(faceid: Faceid, photo: Photo) -> None:
    assert faceid("enroll", "--name", "alice", photo(ALICE)).code == 0
    assert faceid("enroll", "--name", "bob", photo(BOB)).code == 0


@pytest.fixture
def keep(faceid: Faceid) -> Keep:
    """Enrol photos while each accepted one is doubted."""
    decide = Admission.decide

    def doubting(self: Admission, name: str, cases: Sequence[Case]) -> Decided:
        found = decide(self, name, cases)
        for case in cases:
            if case.face is not None:
                case.doubt = Problem(
                    "unconfirmed", "is it her?", remedy="confirm_or_remove", facts={"name": name}
                )
        # The fake photos of one person are so alike that a second one would confirm the first.
        return replace(found, confirmed=())

    def run(name: str, *photos: str, options: Sequence[str] = ("--json",)) -> Ran:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Admission, "decide", doubting)
            return faceid(*options, "enroll", "--name", name, *photos)

    return run


pytestmark = pytest.mark.usefixtures("enrolled")


def test_enroll_says_what_it_keeps_and_what_to_do(faceid: Faceid, keep: Keep, photo: Photo) -> None:
    kept = photo(CAROL)
    ran = keep("carol", kept)
    assert ran.code == 1
    result, last = ran.objects
    assert (result["status"], result["template_id"], result["reason"]) == ("unconfirmed", 3, None)
    assert (result["problem"]["message"], result["box"] is not None) == ("is it her?", True)
    summary = last["summary"]
    assert (summary["enrolled"], summary["skipped"], summary["failed"]) == (0, 0, 0)
    assert (summary["unconfirmed"], summary["templates"]) == (1, 0)
    assert "is it her? (enrol another photo of carol, or" in ran.err
    assert "faceid people confirm carol" in ran.err
    # Nobody finds it, and repeating the command changes nothing.
    assert faceid("--json", "identify", photo(CAROL)).object["faces"][0]["decision"] == "unknown"
    again = faceid("--json", "enroll", "--name", "carol", kept)
    assert (again.code, again.objects[0]["status"], again.objects[0]["template_id"]) == (1, "unconfirmed", 3)
    assert "faceid people confirm carol" in again.err
    told = keep("carol", photo(CAROL), options=())
    totals = "0 enrolled, 0 skipped, 0 refused, 1 unconfirmed; 0 templates of carol"
    assert totals in told.out.splitlines()


def test_a_group_with_an_accepted_photo_has_the_code_of_the_worst(
    faceid: Faceid, keep: Keep, photo: Photo
) -> None:
    kept = photo(ALICE)
    assert keep("alice", kept).code == 1
    ran = faceid("--json", "enroll", "--name", "alice", photo(ALICE), kept)
    assert ran.code == 1
    assert [one["status"] for one in ran.objects[:-1]] == ["enrolled", "unconfirmed"]


def test_a_confirmed_person_is_found(faceid: Faceid, keep: Keep, photo: Photo) -> None:
    keep("carol", photo(CAROL), photo(CAROL))
    ran = faceid("--json", "verify", "carol", photo(CAROL))
    assert (ran.code, ran.object["error"]["code"]) == (1, "no_template")
    assert "no template of carol is confirmed" in ran.object["error"]["message"]
    assert "faceid people confirm" in ran.object["error"]["hint"]
    one = faceid("--json", "people", "confirm", "carol", "--template", 4)
    assert (one.code, one.object) == (
        0,
        {"status": "confirmed", "name": "carol", "template_ids": [4], "templates": 1},
    )
    face = faceid("--json", "identify", photo(CAROL)).object["faces"][0]
    assert (face["decision"], face["name"]) == ("match", "carol")
    assert [one["state"] for one in faceid("--json", "show", "carol").objects] == ["unconfirmed", "confirmed"]
    assert (
        faceid("people", "confirm", "carol").out
        == "confirmed 1 template of carol; searches find 2 templates\n"
    )
    assert faceid("--json", "show", "carol").objects[0]["state"] == "confirmed"


def test_nothing_to_confirm(faceid: Faceid) -> None:
    ran = faceid("--json", "people", "confirm", "alice")
    assert (ran.code, ran.object) == (
        1,
        {"status": "unchanged", "name": "alice", "template_ids": [], "templates": 1},
    )
    assert faceid("people", "confirm", "alice").out == "nothing to confirm: alice's templates are confirmed\n"
    for arguments, code in (
        (("nobody",), "unknown_identity"),
        (("alice", "--template", 2), "unknown_template"),
        (("alice", "--template", 99), "unknown_template"),
    ):
        ran = faceid("--json", "people", "confirm", *arguments)
        assert (ran.code, ran.object["error"]["code"]) == (1, code)


def test_lists_and_doctor_name_them(faceid: Faceid, keep: Keep, photo: Photo) -> None:
    checks = {item["check"]: item for item in faceid("--json", "doctor").objects}
    assert checks["unconfirmed"]["detail"] == "all templates are confirmed"
    assert "unconfirmed" not in faceid("list").out
    assert "state" not in faceid("show", "alice").out
    keep("carol", photo(CAROL))
    keep("alice", photo(ALICE))
    people = {one["name"]: (one["templates"], one["unconfirmed"]) for one in faceid("--json", "list").objects}
    assert people == {"alice": (1, 1), "bob": (1, 0), "carol": (0, 1)}
    assert "unconfirmed" in faceid("list").out
    assert "unconfirmed" in faceid("show", "alice").out
    check = {item["check"]: item for item in faceid("--json", "doctor").objects}["unconfirmed"]
    assert check["ok"]
    assert "2 unconfirmed templates, which no search finds, of alice, carol" in check["detail"]
    assert "faceid people confirm NAME" in check["detail"]
    found = [one for one in faceid("--json", "gallery-health").objects if one.get("kind") == "unconfirmed"]
    assert [(one["names"], one["template_ids"]) for one in found] == [(["alice"], [4]), (["carol"], [3])]
    assert "faceid remove --template 4" in found[0]["advice"]
    assert faceid("--json", "gallery-health").objects[-1]["summary"]["templates"] == 2
    verified = faceid("--json", "index", "verify")
    assert (verified.code, verified.object["summary"]["compared"]) == (0, 2)


def test_an_export_leaves_them_out(faceid: Faceid, keep: Keep, photo: Photo, tmp_path: Path) -> None:
    keep("carol", photo(CAROL))
    archive = tmp_path / "gallery.npz"
    ran = faceid("--json", "export", archive)
    assert (ran.code, ran.object["templates"], ran.object["unconfirmed"]) == (0, 2, 1)
    assert "left out 1 unconfirmed template" in ran.err
    for name in ("alice", "bob"):
        faceid("remove", name, "--yes")
    ran = faceid("--json", "export", archive)
    assert (ran.code, ran.object["error"]["code"]) == (4, "empty")
    assert "no template is confirmed" in ran.object["error"]["message"]
    faceid("import", archive)
    assert [(one["name"], one["templates"]) for one in faceid("--json", "list").objects] == [
        ("alice", 1),
        ("bob", 1),
        ("carol", 0),
    ]


def test_they_are_renamed_and_removed_with_their_person(
    faceid: Faceid, keep: Keep, photo: Photo, db: Path
) -> None:
    keep("carol", photo(CAROL))
    faceid("rename", "carol", "cara")
    with open_sqlite(db) as store:
        (kept,) = store.templates.of("cara")
        assert kept.state == "unconfirmed"
    ran = faceid("--json", "remove", "cara", "--yes")
    assert (ran.code, ran.object["templates"]) == (0, 1)
    with open_sqlite(db) as store:
        assert (store.templates.stored(), store.check()) == (2, [])
