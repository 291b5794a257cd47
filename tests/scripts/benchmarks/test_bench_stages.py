"""How the stages of the pipeline are timed."""

from __future__ import annotations

import time

import pytest

from scripts.benchmarks.bench_stages import CALLS, StageClock


def test_a_stage_does_not_count_the_stages_inside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "thread_time", lambda: now[0])

    def pass_by(seconds: float) -> None:
        now[0] += seconds

    def fail() -> None:
        pass_by(16.0)
        raise ZeroDivisionError

    clock = StageClock()
    decode = clock.timed("decode", pass_by)
    with clock.of("all"):
        pass_by(1.0)
        with clock.of("align"):
            decode(4.0)
            pass_by(2.0)
        decode(8.0)
        with pytest.raises(ZeroDivisionError):
            clock.timed("embed", fail)()
    assert clock.spent == {"all": 1.0, "align": 2.0, "decode": 12.0, "embed": 16.0}


@pytest.mark.parametrize(("stage", "owner", "name"), CALLS, ids=str)
def test_what_is_timed_is_there(stage: str, owner: object, name: str) -> None:
    assert callable(getattr(owner, name)), stage
