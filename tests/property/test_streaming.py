"""Order, bounds and errors of a stream, whatever the stages take and the source does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceid.runtime.ordered_map import Crew, Stages, in_order

crews = st.builds(
    Crew,
    workers=st.integers(1, 3),
    readers=st.integers(1, 3),
    batch=st.integers(1, 5),
    batch_weight=st.integers(1, 30),
    weight=st.integers(1, 60),
)


class Busy:
    """Stages that count what is held, and take a little time where they are told to."""

    def __init__(self, *, slow: frozenset[int] = frozenset(), settled: frozenset[int] = frozenset()) -> None:
        self.slow, self.settled = slow, settled
        self.lock = threading.Lock()
        self.fetched: list[int] = []
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()

    def stages(self) -> Stages[int, int, str]:
        return Stages(self.fetch, self.settle, self.weigh, self.work)

    def fetch(self, origin: int) -> int:
        if origin in self.slow:
            time.sleep(0.002)
        with self.lock:
            self.fetched.append(origin)
        return origin

    def settle(self, origin: int, fetched: int) -> str | None:
        assert origin == fetched
        self.threads.add(threading.current_thread().name)
        return f"settled {origin}" if origin in self.settled else None

    def weigh(self, fetched: int) -> int:
        return fetched % 11

    def work(self, batch: Sequence[tuple[int, int]]) -> list[str]:
        if any(origin in self.slow for origin, _ in batch):
            time.sleep(0.002)
        with self.lock:
            self.batches.append([origin for origin, _ in batch])
        return [f"worked {origin}" for origin, _ in batch]


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(0, 60),
    crew=crews,
    slow=st.frozensets(st.integers(0, 60), max_size=8),
    settled=st.frozensets(st.integers(0, 60), max_size=30),
)
def test_every_origin_is_answered_once_and_in_order(
    count: int, crew: Crew, slow: frozenset[int], settled: frozenset[int]
) -> None:
    busy = Busy(slow=slow, settled=settled)
    expected = [f"{'settled' if origin in settled else 'worked'} {origin}" for origin in range(count)]
    assert list(in_order(range(count), busy.stages(), crew)) == expected
    assert sorted(busy.fetched) == list(range(count))
    for batch in busy.batches:
        assert len(batch) <= crew.batch
        assert len(batch) == 1 or sum(max(1, item % 11) for item in batch) <= crew.batch_weight
        assert batch == sorted(batch)
    assert busy.threads <= {threading.current_thread().name}


@settings(deadline=None, max_examples=30)
@given(crew=crews)
def test_what_is_held_stays_within_bounds_while_nobody_takes_answers(crew: Crew) -> None:
    busy = Busy()
    taken: list[int] = []

    def origins() -> Iterator[int]:
        for origin in range(10_000):
            taken.append(origin)
            yield origin

    answers = in_order(origins(), busy.stages(), crew)
    for expected in range(5):
        assert next(answers) == f"worked {expected}"
    time.sleep(0.01)
    begun = sorted(item for batch in busy.batches for item in batch)[5:]
    assert sum(max(1, item % 11) for item in begun[:-1]) <= crew.weight
    assert len(taken) <= 5 + 8 * crew.workers * crew.batch
    answers.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("faceid-")]


def test_an_only_origin_has_the_machine_for_itself() -> None:
    entered: list[str] = []

    @contextmanager
    def working() -> Iterator[None]:
        entered.append(threading.current_thread().name)
        yield

    crew = Crew(working=working)
    assert list(in_order([7], Busy().stages(), crew)) == ["worked 7"]
    assert entered == []
    assert len(list(in_order([7, 8], Busy().stages(), crew))) == 2
    assert entered
    assert all(name.startswith("faceid-work") for name in entered)


@pytest.mark.parametrize("stage", ["fetch", "settle", "weigh", "work"])
@pytest.mark.parametrize("at", [0, 7])
def test_what_a_stage_raises_ends_the_stream(stage: str, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Busy()
    original = getattr(busy, stage)

    def failing(*arguments: object) -> object:
        first = arguments[0]
        numbers = [origin for origin, _ in first] if isinstance(first, list) else [first]
        if at in numbers:
            raise RuntimeError("broken")
        return original(*arguments)

    monkeypatch.setattr(busy, stage, failing)
    answers: list[str] = []
    with pytest.raises(RuntimeError, match="broken"):
        answers.extend(in_order(range(20), busy.stages(), Crew(batch=2)))
    assert answers == [f"worked {number}" for number in range(len(answers))]
    assert len(answers) <= at
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("faceid-")]


def test_the_first_batches_are_small_and_all_workers_share_the_rest() -> None:
    busy = Busy(slow=frozenset(range(64)))
    list(in_order(range(64), busy.stages(), Crew(workers=2, batch=8)))
    sizes = [len(batch) for batch in sorted(busy.batches)]
    assert sizes[:2] == [1, 1]
    assert max(sizes) > 1


def test_no_more_is_begun_than_the_workers_will_soon_take() -> None:
    """What is settled early is settled by what is known early: whether a photo is new, say."""
    busy, settled, go_on = Busy(), list[int](), threading.Event()
    settle, work = busy.settle, busy.work

    def settling(origin: int, fetched: int) -> str | None:
        settled.append(origin)
        return settle(origin, fetched)

    def working(batch: Sequence[tuple[int, int]]) -> list[str]:
        go_on.wait(10)
        return work(batch)

    stages = Stages(busy.fetch, settling, busy.weigh, working)
    crew = Crew(workers=1, batch=2, batch_weight=1000, weight=10_000)
    answers: list[str] = []
    consumer = threading.Thread(target=lambda: answers.extend(in_order(range(20), stages, crew)))
    consumer.start()
    time.sleep(0.2)
    begun = len(settled)
    go_on.set()
    consumer.join(10)
    assert len(answers) == 20
    # One, then two: batches grow.
    assert 1 <= begun <= 3
