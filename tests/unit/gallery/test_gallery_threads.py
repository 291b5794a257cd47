"""One gallery, many threads; and how often a search asks the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.records import NewTemplate, Twin
from enrollment_db.registry import open_sqlite
from enrollment_db.sqlite import connections
from enrollment_db.sqlite.database import SqliteDatabase
from faceid.errors import GalleryError, Refused
from faceid.gallery.gallery import Gallery
from faceid.gallery.opening import gallery_of
from faceid.types import Embedding, ModelKey

DIM = 16
OLD = ModelKey("net", "a" * 64, "dlib-150-v1", DIM, "cosine")
NEW = replace(OLD, name="other", weights_sha256="b" * 64)
COUNT = 40
RNG = np.random.default_rng(3)


def units(count: int) -> np.ndarray:
    vectors = RNG.standard_normal((count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


VECTORS = {OLD: units(COUNT), NEW: units(COUNT)}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with open_sqlite(tmp_path / "gallery.db") as opened:
        with opened.templates.transaction():
            for number, vector in enumerate(VECTORS[OLD]):
                opened.templates.add(f"p{number}", [NewTemplate(vector, f"{number:064x}")], OLD)
        yield opened


@pytest.fixture
def gallery(database: SqliteDatabase) -> Gallery:
    return gallery_of(database)


def probe(number: int, model: ModelKey = OLD) -> Embedding:
    return Embedding(VECTORS[model][number], model)


def far(model: ModelKey) -> np.ndarray:
    """A vector that is near none of the others."""
    vector = -VECTORS[model].sum(axis=0)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def move(gallery: Gallery, model: ModelKey) -> None:
    changeover = gallery.changeover(model)
    start, after_id = changeover.start(), 0
    while True:
        while pending := changeover.pending(after_id, 1000):
            after_id = pending[-1].template_id
            changeover.stage(
                [
                    Twin(
                        one.template_id,
                        VECTORS[model][int(one.name[1:])] if one.name.startswith("p") else far(model),
                    )
                    for one in pending
                ]
            )
        if changeover.switch(start, after_id):
            break
        if not changeover.pending(after_id, 1):
            start, after_id = changeover.start(), 0
    changeover.drop_others()


@pytest.fixture
def queries(database: SqliteDatabase) -> list[str]:
    """The SQL of this thread's reads, as it is asked."""
    asked: list[str] = []
    with database._connections._reader() as reader:
        reader.set_trace_callback(asked.append)
    return asked


def test_a_search_asks_as_often_for_many_probes_as_for_one(gallery: Gallery, queries: list[str]) -> None:
    gallery.search([probe(0)], 1)
    counts = []
    for probes in (1, 10, 40):
        queries.clear()
        found = gallery.search([probe(number) for number in range(probes)], 1)
        counts.append(len(queries))
        assert [candidates[0].name for candidates in found] == [f"p{number}" for number in range(probes)]
    assert counts[0] == counts[1] == counts[2] > 0


def test_a_crowd_around_some_probes_costs_rounds_not_probes(gallery: Gallery, queries: list[str]) -> None:
    crowd = VECTORS[OLD][0] + 0.001 * units(300)
    crowd /= np.linalg.norm(crowd, axis=1, keepdims=True)
    photos = [NewTemplate(vector, f"{9000 + number:064x}") for number, vector in enumerate(crowd)]
    gallery._database.templates.add("p0", photos, OLD)
    gallery.search([probe(0)], 3)
    counts = []
    for probes in (1, 20):
        queries.clear()
        gallery.search([probe(0)] * probes, 3)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert [len(found) for found in gallery.search([probe(0), probe(1)], 3)] == [3, 3]


def test_one_search_for_many_probes_finds_what_many_searches_find(gallery: Gallery) -> None:
    probes = [probe(number) for number in range(COUNT)]
    assert gallery.search(probes, 5) == [gallery.search([one], 5)[0] for one in probes]


def test_readers_wait_neither_for_a_writer_nor_for_each_other(gallery: Gallery) -> None:
    """All readers are inside at once, while a write transaction is open."""
    together = threading.Barrier(connections.MOST_READERS)

    def read() -> int:
        with gallery._database._connections.reading() as connection:  # type: ignore[attr-defined]
            together.wait(20)
            return int(connection.execute("SELECT count(*) FROM templates").fetchone()[0])

    with ThreadPoolExecutor(connections.MOST_READERS) as pool, gallery.transaction():
        gallery._database.templates.add("new", [NewTemplate(VECTORS[OLD][0], "f" * 64)], OLD)
        found = [future.result(20) for future in [pool.submit(read) for _ in range(together.parties)]]
        # The writer sees its own writes, and nobody else does.
        assert gallery.template_count() == COUNT + 1
        assert found == [COUNT] * together.parties
        assert pool.submit(gallery.template_count, None).result(20) == COUNT
    assert gallery.template_count() == COUNT + 1


def test_more_readers_than_connections_take_turns(gallery: Gallery) -> None:
    with ThreadPoolExecutor(3 * connections.MOST_READERS) as pool:
        assert set(pool.map(lambda _: gallery.template_count(), range(400))) == {COUNT}
    assert gallery._database._connections._readers._opened <= connections.MOST_READERS  # type: ignore[attr-defined]


def test_closing_waits_for_a_read(database: SqliteDatabase) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def read() -> int:
        with database._connections.reading() as connection:
            inside.set()
            go_on.wait(20)
            return int(connection.execute("SELECT count(*) FROM templates").fetchone()[0])

    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(read)
        inside.wait(20)
        closing = pool.submit(database.close)
        assert not closing.done()
        go_on.set()
        assert reading.result(20) == COUNT
        closing.result(20)
    with pytest.raises(Exception, match="closed database"):
        database.templates.counts()


def test_what_is_undone_is_not_counted(gallery: Gallery) -> None:
    assert gallery.identity_count() == COUNT
    with pytest.raises(RuntimeError), gallery.transaction():  # noqa: PT012
        gallery._database.templates.add("new", [NewTemplate(VECTORS[OLD][0], "f" * 64)], OLD)
        assert gallery.identity_count() == COUNT + 1
        raise RuntimeError
    # As many changes as were undone, of which none adds an identity.
    gallery._database.templates.add("p0", [NewTemplate(VECTORS[OLD][1], "e" * 64)], OLD)
    assert gallery.identity_count() == COUNT


def test_sixteen_threads_search_enrol_remove_and_change_the_model(gallery: Gallery) -> None:
    """Each answer is that of one model, and each refusal says that the model is another."""
    stop = threading.Event()
    wrong: list[str] = []
    answers = {OLD: 0, NEW: 0}
    refused = [0]

    def searching(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while not stop.is_set():
            numbers = rng.integers(0, COUNT, 4).tolist()
            model = (OLD, NEW)[int(rng.integers(2))]
            try:
                found = gallery.search([probe(number, model) for number in numbers], 1)
            except GalleryError as error:
                refused[0] += 1
                if error.code != "model_mismatch":
                    wrong.append(f"{error.code}: {error}")
                continue
            answers[model] += 1
            for number, candidates in zip(numbers, found, strict=True):
                if not candidates or candidates[0].name != f"p{number}" or candidates[0].similarity < 0.999:
                    wrong.append(f"p{number} of {model.name}: {candidates}")

    def changing(seed: int) -> None:
        name, number = f"x{seed}", 0
        while not stop.is_set():
            number += 1
            try:
                model = gallery.model or OLD
                digest = f"{seed:032x}{number:032x}"
                gallery._database.templates.add(name, [NewTemplate(far(model), digest)], model)
                gallery.remove(name)
            except GalleryError as error:
                if error.code != "model_mismatch":
                    wrong.append(f"{error.code}: {error}")
            except Refused as error:
                wrong.append(str(error))

    def moving() -> None:
        for number in range(6):
            move(gallery, (NEW, OLD)[number % 2])

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            wrong.append(repr(error))
            raise

    threads = [threading.Thread(target=guarded, args=(lambda n=n: searching(n),)) for n in range(11)]
    threads += [threading.Thread(target=guarded, args=(lambda n=n: changing(n),)) for n in range(4)]
    mover = threading.Thread(target=guarded, args=(moving,))
    for thread in [*threads, mover]:
        thread.start()
    mover.join(120)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in [*threads, mover])
    assert wrong == []
    assert min(answers.values()) > 0
    assert refused[0] > 0
    assert gallery.check() == []
