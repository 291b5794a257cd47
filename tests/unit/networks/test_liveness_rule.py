"""Rules that make one score of several networks: those that come with faceid, and those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceid.networks import registry
from faceid.networks.errors import BadCard
from faceid.networks.liveness_rule import read_rule

TEXT = """
votes = [["a", "b"], ["c"]]
offset = -1.5
[measured]
data = "pictures"
date = "2026-11-29"
software = "a script"
live = { kind = "live", people = 2, count = 30, errors = 1 }
attacks = [{ kind = "print", people = 2, count = 20, errors = 0 }]
not_tried = "masks"
"""


def test_a_rule_is_read() -> None:
    rule = read_rule(TEXT, "rule.toml")
    assert rule.networks == ("a", "b", "c")
    assert (rule.offset, rule.measured.attacks[0].kind, rule.measured.live.errors) == (-1.5, "print", 1)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('["c"]', "[]", r"votes\[1\]"),
        ('[["a", "b"], ["c"]]', "[]", "votes"),
        ('["c"]', '["a"]', "votes name a network twice"),
        ("offset = -1.5", "offset = nan", "offset"),
        ("offset = -1.5", "", "offset"),
        ("errors = 1", "errors = 31", "more errors"),
        ("people = 2, count = 20", "people = 0, count = 20", "people"),
        ('date = "2026-11-29"', "", "date"),
        ("offset = -1.5", "offset = -1.5\nweights = [1.0]", "weights"),
    ],
)
def test_a_rule_that_cannot_be_used(old: str, new: str, complaint: str) -> None:
    assert old in TEXT
    with pytest.raises(BadCard, match=complaint):
        read_rule(TEXT.replace(old, new), "rule.toml")


def test_the_rules_use_networks_with_cards_and_say_what_was_measured() -> None:
    rules = registry.liveness_rules()
    assert [len(rule.networks) for rule in rules] == sorted(
        (len(rule.networks) for rule in rules), reverse=True
    )
    for rule in rules:
        assert set(rule.networks) <= set(registry.liveness_names())
        assert {one.kind for one in rule.measured.attacks} >= {"print", "screen replay"}
        assert "masks" in rule.measured.not_tried


def test_the_installed_networks_choose_the_rule(tmp_path: Path) -> None:
    first, *_, last = registry.liveness_rules()
    assert registry.installed_rule(tmp_path) is None
    for name in last.networks:
        (tmp_path / registry.liveness_card(name).weights.file).touch()
    assert registry.installed_rule(tmp_path) == last
    for name in first.networks:
        (tmp_path / registry.liveness_card(name).weights.file).touch()
    assert registry.installed_rule(tmp_path) == first
