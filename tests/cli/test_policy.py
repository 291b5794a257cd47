from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import second_fake
from cli_runs import ALICE, BOB, CAROL, Faceid, Photo
from faceid.networks import registry

STATE_FIELDS = [
    *(
        "source",
        "policy_id",
        "kind",
        "target",
        "threshold",
        "identities",
        "fmr",
        "fmr_alike",
        "fpir",
        "miss_rate",
    ),
    *("population", "held", "card_threshold", "raised_by"),
]


@pytest.fixture(autouse=True)
def enrolled(faceid: Faceid, photo: Photo) -> None:
    assert faceid("enroll", "--name", "alice", photo(ALICE)).code == 0
    assert faceid("enroll", "--name", "bob", photo(BOB)).code == 0


def shown(faceid: Faceid) -> dict[str, dict]:
    ran = faceid("--json", "policy", "show")
    assert ran.code == 0, ran.err
    return {report["decides"]: report for report in ran.objects}


def test_show_without_a_policy_shows_the_defaults(faceid: Faceid) -> None:
    reports = shown(faceid)
    verify, identify = reports["verify"]["policy"], reports["identify"]["policy"]
    assert list(verify) == STATE_FIELDS
    assert (verify["source"], verify["kind"], verify["target"], verify["fpir"]) == (
        "default",
        "fmr",
        1e-4,
        None,
    )
    assert (identify["kind"], identify["target"], identify["identities"]) == ("fpir", 0.01, 2)
    assert identify["fmr"] == pytest.approx(0.005)
    assert identify["fpir"] == pytest.approx(1 - 0.995**2)
    assert reports["identify"]["data"].startswith("computed")


def test_identify_says_what_decided(faceid: Faceid, photo: Photo) -> None:
    found = faceid("--json", "identify", photo(ALICE)).object
    assert list(found["policy"]) == STATE_FIELDS
    assert found["policy"] == shown(faceid)["identify"]["policy"]
    assert found["policy"]["threshold"] == found["faces"][0]["threshold"]
    assert found["faces"][0]["llr"] == 6.0


def test_a_policy_that_was_set_decides_until_it_is_rolled_back(faceid: Faceid, photo: Photo) -> None:
    path = photo(ALICE)
    default = faceid("--json", "identify", path).object["policy"]
    ran = faceid("--json", "policy", "set", "--fpir", "0.001")
    assert (ran.code, ran.object["decides"], ran.object["policy"]["policy_id"]) == (0, "identify", 1)
    decided = faceid("--json", "identify", path).object
    assert (decided["policy"]["source"], decided["policy"]["target"]) == ("gallery", 0.001)
    assert decided["faces"][0]["threshold"] < default["threshold"]
    asked = faceid("--json", "identify", "--fpir", "0.01", path).object["policy"]
    assert (asked["source"], asked["threshold"]) == ("asked", default["threshold"])
    faceid("enroll", "--name", "carol", photo(CAROL))
    assert shown(faceid)["identify"]["policy"]["threshold"] < decided["policy"]["threshold"]
    assert faceid("policy", "rollback").code == 0
    assert faceid("--json", "identify", path).object["policy"]["source"] == "default"


def test_a_rate_among_alike_decides_for_comparisons_until_it_is_rolled_back(
    faceid: Faceid, photo: Photo
) -> None:
    ran = faceid("--json", "policy", "set", "--fmr-alike", "1e-4")
    assert (ran.code, ran.object["decides"]) == (0, "verify")
    state = ran.object["policy"]
    assert (state["kind"], state["target"], state["fmr_alike"]) == ("fmr_alike", 1e-4, pytest.approx(1e-4))
    # The fake network's nearer half has twice the rate of all.
    assert state["fmr"] == pytest.approx(5e-5)
    assert ran.object["alike"]["chosen_by"] == "nearest half"
    verified = faceid("--json", "verify", "alice", photo(ALICE)).object
    assert (verified["policy"]["policy_id"], verified["threshold"]) == (1, state["threshold"])
    assert verified["fmr_alike"] == pytest.approx(2.0 * verified["fmr"])
    assert verified["policy"]["population"] == "people of random colours"
    assert faceid("--json", "policy", "history").object["kind"] == "fmr_alike"
    assert "for FMR among alike 0.0001" in faceid("policy", "show").out
    assert faceid("policy", "rollback").code == 0
    assert faceid("--json", "verify", "alice", photo(ALICE)).object["policy"]["kind"] == "fmr"


@pytest.mark.parametrize("command", ["verify", "compare", "identify"])
def test_a_rate_among_alike_may_be_asked_for_and_excludes_other_targets(
    faceid: Faceid, photo: Photo, command: str
) -> None:
    first, second = photo(ALICE), photo(ALICE)
    paths = {"verify": ["alice", first], "compare": [first, second], "identify": [first]}[command]
    found = faceid("--json", command, "--fmr-alike", "1e-4", *paths).object
    assert (found["policy"]["kind"], found["policy"]["fmr"]) == ("fmr_alike", pytest.approx(5e-5))
    ran = faceid(command, "--fmr-alike", "1e-4", "--fmr", "1e-4", *paths)
    assert ran.code == 2
    assert "--fmr and --fmr-alike exclude each other" in ran.err


def test_verify_and_compare_go_by_the_fmr_in_force(faceid: Faceid, photo: Photo) -> None:
    first, second = photo(ALICE), photo(ALICE)
    assert faceid("policy", "set", "--fmr", "1e-3").code == 0
    for ran in (faceid("--json", "verify", "alice", first), faceid("--json", "compare", first, second)):
        assert (ran.object["policy"]["policy_id"], ran.object["policy"]["target"]) == (1, 1e-3)
        assert ran.object["llr"] == 6.0


def test_a_distance_by_hand_is_for_all(faceid: Faceid, photo: Photo) -> None:
    ran = faceid("--json", "policy", "set", "--threshold", "0.5")
    assert [(one["decides"], one["policy"]["kind"]) for one in ran.objects] == [
        ("verify", "threshold"),
        ("identify", "threshold"),
    ]
    assert faceid("--json", "identify", photo(ALICE)).object["policy"]["threshold"] == 0.5


def test_history_keeps_everything(faceid: Faceid) -> None:
    faceid("policy", "set", "--fpir", "0.1")
    faceid("policy", "set", "--fpir", "0.05")
    faceid("policy", "rollback")
    rows = faceid("--json", "policy", "history").objects
    assert [(row["policy_id"], row["target"], row["in_force"]) for row in rows] == [
        (1, 0.1, True),
        (2, 0.05, False),
    ]
    assert not rows[0]["own_calibration"]
    assert faceid("--json", "policy", "rollback", 2).objects[1]["policy"]["policy_id"] == 2


def test_to_another_gallery_by_a_file(faceid: Faceid, tmp_path: Path, db: Path) -> None:
    file = tmp_path / "policy.json"
    assert faceid("policy", "export", file).code == 1
    faceid("policy", "set", "--fpir", "0.001")
    assert faceid("--json", "policy", "export", file).object["policies"] == 1
    db.unlink()
    assert faceid("--json", "policy", "import", file).object["status"] == "imported"
    assert shown(faceid)["identify"]["policy"]["target"] == 0.001


def test_a_file_for_another_model_is_refused(
    faceid: Faceid, tmp_path: Path, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_fake.install(monkeypatch.setattr)
    file = tmp_path / "policy.json"
    faceid("policy", "set", "--fpir", "0.001")
    faceid("policy", "export", file)
    db.unlink()
    ran = faceid("--json", "policy", "import", file, model=second_fake.OTHER)
    assert (ran.code, ran.object["error"]["code"]) == (4, "model_mismatch")


def test_after_a_move_to_another_model_the_old_policy_does_not_count(
    faceid: Faceid, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_fake.install(monkeypatch.setattr)
    faceid("policy", "set", "--fpir", "0.001")
    assert faceid("re-embed", "--to", second_fake.OTHER, model=None).code == 0
    ran = faceid("--json", "identify", photo(ALICE), model=None)
    assert (ran.code, ran.object["policy"]["source"]) == (0, "default")
    assert "policy 1 is for fake" in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["set"], 2),
        (["set", "--fmr", "0.1", "--fpir", "0.1"], 2),
        (["set", "--fmr", "1e-12"], 2),
        (["set", "--fpir", "2"], 2),
        (["rollback"], 1),
        (["rollback", "7"], 1),
        (["import", "nowhere.json"], 3),
    ],
)
def test_what_cannot_be_done(faceid: Faceid, arguments: list[str], code: int) -> None:
    ran = faceid("--json", "policy", *arguments)
    assert (ran.code, "error" in ran.object) == (code, True)
    assert len(ran.err.splitlines()) == 1


def test_people_see_words(faceid: Faceid, photo: Photo) -> None:
    assert "FPIR 0.01 with 2 identities" in faceid("policy", "show").out
    path = photo(ALICE)
    assert "FPIR 0.01 with 2 identities" in faceid("identify", path).out
    assert "extremely strong support for the same person" in faceid("verify", "alice", path).out
    assert "support for different people" in faceid("compare", path, photo(BOB)).out
    faceid("policy", "set", "--threshold", "0.5")
    out = faceid("policy", "history").out
    assert "threshold 0.5" in out
    assert "the card's data" in out


def test_a_network_that_nobody_calibrated_gets_a_distance(
    faceid: Faceid, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = replace(registry.card("fake"), calibration=None)
    monkeypatch.setattr(registry, "card", lambda model, own: card)
    ran = faceid("policy", "show")
    assert (ran.code, ran.out.count("no threshold")) == (0, 2)
    assert "no calibration" in ran.err
    assert faceid("policy", "set", "--fpir", "0.1").code == 2
    ran = faceid("policy", "set", "--threshold", "0.5")
    assert (ran.code, ran.out.count("threshold 0.500 by hand")) == (0, 2)
    assert ran.err == ""


def test_there_is_no_policy_without_a_gallery(faceid: Faceid, db: Path) -> None:
    db.unlink()
    assert faceid("--json", "policy", "show").code == 4
    assert not db.exists()
