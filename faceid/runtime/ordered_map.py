"""Ordered parallel work on a stream of items, in bounded memory. Knows nothing of faces."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Generic, TypeVar

Origin = TypeVar("Origin")
Fetched = TypeVar("Fetched")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Crew:
    """The threads that a stream runs on.

    `readers` fetch. `workers` compute up to `batch` items of together `batch_weight` at once, inside `working`, which
    limits their threads. Fetched items without a taken answer weigh at most `weight` together; a single item may weigh
    more.
    """

    workers: int = 1
    readers: int = 2
    batch: int = 8
    batch_weight: int = 4_000_000
    weight: int = 64_000_000
    working: Callable[[], AbstractContextManager[object]] = nullcontext


@dataclass(frozen=True, slots=True)
class Stages(Generic[Origin, Fetched, Answer]):
    """The steps of an item.

    `fetch` reads from a disk or a network, on a reader. `settle`, in the caller's thread, returns the answer if it
    needs no work. `weigh` returns the memory cost of an item. `work` answers the other items, on a worker, in batches
    and in their order.
    """

    fetch: Callable[[Origin], Fetched]
    settle: Callable[[Origin, Fetched], Answer | None]
    weigh: Callable[[Fetched], int]
    work: Callable[[Sequence[tuple[Origin, Fetched]]], Sequence[Answer]]


def in_order(
    origins: Iterable[Origin], stages: Stages[Origin, Fetched, Answer], crew: Crew
) -> Iterator[Answer]:
    """The answer for each origin, in order, each as soon as it and those before it are ready.

    `origins` are taken in the caller's thread, some ahead of the answers. A single origin is also answered there,
    without `working`, since nothing else runs. An error of a stage ends the stream.
    """
    for (answer,) in _grouped(origins, stages, crew, most=1):
        yield answer


def in_groups(
    origins: Iterable[Origin], stages: Stages[Origin, Fetched, Answer], crew: Crew
) -> Iterator[list[Answer]]:
    """As `in_order`, but yields the answers that are ready at the same time together, at most a batch of the crew."""
    return _grouped(origins, stages, crew, most=crew.batch)


def _grouped(
    origins: Iterable[Origin], stages: Stages[Origin, Fetched, Answer], crew: Crew, *, most: int
) -> Iterator[list[Answer]]:
    remaining = iter(origins)
    first = list(islice(remaining, 2))
    if len(first) == 1:
        (only,) = first
        fetched = stages.fetch(only)
        settled = stages.settle(only, fetched)
        yield [stages.work([(only, fetched)])[0] if settled is None else settled]
    elif first:
        yield from _Stream(chain(first, remaining), stages, crew).run(most)


@dataclass(slots=True, eq=False)
class _Item(Generic[Origin, Fetched, Answer]):
    """One origin in work: fetched, then settled or the `place`-th of a batch."""

    origin: Origin
    fetched: Future[Fetched]
    settled: Answer | None = None
    batch: Future[Sequence[Answer]] | None = None
    place: int = 0
    weight: int = 0

    @property
    def answered(self) -> bool:
        """Whether the answer, or an error in its place, is available."""
        return self.settled is not None or (self.batch is not None and self.batch.done())

    @property
    def failed(self) -> bool:
        """Whether there is an error in place of the answer."""
        return self.batch is not None and self.batch.done() and self.batch.exception() is not None

    def answer(self) -> Answer:
        """The answer. Raises the error of a stage."""
        if self.settled is not None:
            return self.settled
        assert self.batch is not None
        return self.batch.result()[self.place]


@dataclass(slots=True, eq=False)
class _Stream(Generic[Origin, Fetched, Answer]):
    origins: Iterator[Origin]
    stages: Stages[Origin, Fetched, Answer]
    crew: Crew
    ended: bool = False
    submitted: int = 0
    held: int = 0
    """The weight of the items that were given to workers and not taken yet."""
    items: deque[_Item[Origin, Fetched, Answer]] = field(default_factory=deque)
    waiting: deque[_Item[Origin, Fetched, Answer]] = field(default_factory=deque)
    """The `items` that no worker has yet."""
    running: list[Future[Sequence[Answer]]] = field(default_factory=list)
    missing: list[Future[Fetched]] = field(default_factory=list)
    """The item that the next batch waits for, if it waits."""

    def run(self, most: int) -> Iterator[list[Answer]]:
        """The answers in order, in groups of up to `most` ready ones, not heavier than a batch."""
        readers = ThreadPoolExecutor(self.crew.readers, "faceid-read")
        workers = ThreadPoolExecutor(self.crew.workers, "faceid-work")
        try:
            while True:
                self._take(readers)
                while self._hand_on(workers):
                    pass
                if ready := self._ready(most):
                    yield [item.answer() for item in ready]
                elif not self.items and self.ended:
                    return
                else:
                    self._wait()
        finally:
            readers.shutdown(cancel_futures=True)
            workers.shutdown(cancel_futures=True)

    def _ready(self, most: int) -> list[_Item[Origin, Fetched, Answer]]:
        """The answered items at the front, which are no longer held."""
        ready: list[_Item[Origin, Fetched, Answer]] = []
        weight = 0
        while self.items and self.items[0].answered and len(ready) < most:
            weight += self.items[0].weight
            if ready and (weight > self.crew.batch_weight or self.items[0].failed):
                break
            ready.append(self.items.popleft())
        self.held -= sum(item.weight for item in ready)
        return ready

    def _take(self, readers: ThreadPoolExecutor) -> None:
        """Start to fetch the next origins, enough that no worker has to wait."""
        ahead = 2 * self.crew.workers * self.crew.batch
        while not self.ended and len(self.waiting) < ahead and len(self.items) < 4 * ahead:
            try:
                origin = next(self.origins)
            except StopIteration:
                self.ended = True
                return
            item = _Item[Origin, Fetched, Answer](origin, readers.submit(self.stages.fetch, origin))
            self.items.append(item)
            self.waiting.append(item)

    def _hand_on(self, workers: ThreadPoolExecutor) -> bool:
        """Give the workers one more batch; False if there is none, or if all workers are busy."""
        self.running = [batch for batch in self.running if not batch.done()]
        self.missing = []
        if len(self.running) >= 2 * self.crew.workers:
            return False
        # The first batches are small, so that the first answers come soon and all workers begin at once.
        size = min(self.crew.batch, 1 << min(30, self.submitted // self.crew.workers))
        batch, stopped = self._gather(size)
        # A batch that can still grow waits while all workers are busy.
        if not batch or (not stopped and len(batch) < size and len(self.running) >= self.crew.workers):
            return False
        for _ in batch:
            self.waiting.popleft()
        # The job holds the bytes, not the item: they are freed when the job is done.
        work = [(item.origin, item.fetched.result()) for item in batch]
        future = workers.submit(self._work, work)
        for place, item in enumerate(batch):
            item.fetched, item.batch, item.place = Future(), future, place
            self.held += item.weight
        self.running.append(future)
        self.submitted += 1
        return True

    def _gather(self, size: int) -> tuple[list[_Item[Origin, Fetched, Answer]], bool]:
        """Up to `size` next items that need work, and whether the batch is complete without further fetching."""
        batch: list[_Item[Origin, Fetched, Answer]] = []
        weight = 0
        while len(batch) < size and len(batch) < len(self.waiting):
            item = self.waiting[len(batch)]
            if not item.fetched.done():
                self.missing = [item.fetched]
                return batch, False
            if not item.weight:
                item.settled = self.stages.settle(item.origin, item.fetched.result())
                if item.settled is not None:
                    del self.waiting[len(batch)]
                    continue
                item.weight = max(1, self.stages.weigh(item.fetched.result()))
            if batch and weight + item.weight > self.crew.batch_weight:
                return batch, True
            if self.held + weight and self.held + weight + item.weight > self.crew.weight:
                return batch, True
            batch.append(item)
            weight += item.weight
        return batch, self.ended or len(batch) == size

    def _work(self, batch: Sequence[tuple[Origin, Fetched]]) -> Sequence[Answer]:
        with self.crew.working():
            return self.stages.work(batch)

    def _wait(self) -> None:
        """Wait until a batch is done, or the item that the next batch waits for is fetched."""
        pending: list[Future[Any]] = [*self.running, *self.missing]
        wait(pending, return_when=FIRST_COMPLETED)
