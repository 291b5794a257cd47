"""What commands say about the networks that judge liveness."""

from __future__ import annotations

from faceid.cli._liveness import listed, measured
from faceid.networks import registry


def test_names_are_listed() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_an_operating_point_is_told_with_its_counts_and_with_what_was_not_tried() -> None:
    rule = registry.liveness_rules()[-1]
    told = measured(rule)
    assert "BPCER 1.1% (1 of 92, 20 people)" in told
    assert "APCER of print 0.0% (0 of 81, 9 people)" in told
    assert told.endswith(f"not tried: {rule.measured.not_tried}")
