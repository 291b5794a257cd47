"""The mirror after any sequence of events: it finds what the store holds, and nothing that was removed."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from enrollment_db.errors import Corrupt, NameTaken, OtherModel, UnknownIdentity
from enrollment_db.records import ModelKey, NewTemplate, TemplateState, Twin
from enrollment_db.registry import open_sqlite
from enrollment_db.search.index import VectorIndex, open_index
from enrollment_db.search.index.choice import hnsw, rabitq
from enrollment_db.search.index.faiss import FaissFlatIndex
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.index.growing import GrowingIndex
from enrollment_db.search.index.kept import find
from enrollment_db.search.mirror import Mirror
from enrollment_db.search.snapshot import map_kept, read_header
from enrollment_db.sqlite.changes import ChangeLog
from enrollment_db.sqlite.database import SqliteDatabase

DIM = 6
MODEL = ModelKey("net", "a" * 64, "five-points", DIM, "cosine")
OTHER = ModelKey("other", "b" * 64, "five-points", DIM, "cosine")
NAMES = st.sampled_from(["Ann", "Bob", "José", "Dora"])
STATES = st.sampled_from(["confirmed", "confirmed", "unconfirmed"])


def photo(number: int) -> NewTemplate:
    vector = np.random.default_rng(number).standard_normal(DIM)
    return NewTemplate(
        (vector / np.linalg.norm(vector)).astype(np.float32), hashlib.sha256(bytes([number])).hexdigest()
    )


def one_bit() -> VectorIndex:
    return GrowingIndex(DIM, partial(rabitq, DIM), switch_at=5)


def graph() -> VectorIndex:
    return GrowingIndex(DIM, partial(hnsw, DIM), switch_at=3)


MAKERS = st.sampled_from([partial(FlatIndex, DIM, capacity=1), partial(FaissFlatIndex, DIM), one_bit, graph])


class Gallery(RuleBasedStateMachine):
    """One writer, a mirror on the same store, and one on a reader's own connection."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.people: dict[str, dict[int, int]] = {}  # name -> template id -> photo number
        self.unconfirmed: set[int] = set()  # those of the ids that no search may find
        self.store = open_sqlite(self.place / "gallery.db")
        self.own = Mirror(self.store.changes, open_index(DIM))
        self.reader = open_sqlite(self.place / "gallery.db", read_only=True)
        self.other = Mirror(self.reader.changes, FlatIndex(DIM, capacity=1))

    def teardown(self) -> None:
        assert self.store.check() == []
        self.reader.close()
        self.store.close()
        shutil.rmtree(self.place)

    def found(self) -> dict[int, int]:
        return {
            id_: number
            for own in self.people.values()
            for id_, number in own.items()
            if id_ not in self.unconfirmed
        }

    @rule(name=NAMES, numbers=st.lists(st.integers(0, 20), max_size=4), state=STATES)
    def add(self, name: str, numbers: list[int], state: TemplateState) -> None:
        photos = [photo(number) for number in numbers]
        results = self.store.templates.add(name, photos, MODEL, state=state)
        for number, result in zip(numbers, results, strict=True):
            own = self.people.setdefault(name, {})
            assert result.duplicate == (number in own.values())
            if result.duplicate:
                assert own[result.template_id] == number
            else:
                assert all(result.template_id not in ids for ids in self.people.values())
                own[result.template_id] = number
                self.unconfirmed |= {result.template_id} if state == "unconfirmed" else set()

    @precondition(lambda self: self.unconfirmed)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        template_id = data.draw(st.sampled_from(sorted(self.unconfirmed)))
        assert self.store.templates.confirm([template_id]) == [template_id]
        self.unconfirmed.remove(template_id)

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        if name in self.people:
            assert self.store.templates.remove(name) == len(self.people[name])
            self.unconfirmed -= self.people.pop(name).keys()
        else:
            with pytest.raises(UnknownIdentity):
                self.store.templates.remove(name)

    @rule(old=NAMES, new=NAMES)
    def rename(self, old: str, new: str) -> None:
        if old not in self.people:
            with pytest.raises(UnknownIdentity):
                self.store.templates.rename(old, new)
        elif new in self.people and new != old:
            with pytest.raises(NameTaken):
                self.store.templates.rename(old, new)
        else:
            self.store.templates.rename(old, new)
            self.people[new] = self.people.pop(old)

    @precondition(lambda self: self.people)
    @rule(data=st.data())
    def remove_template(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.people)))
        template_id = data.draw(st.sampled_from(sorted(self.people[name])))
        assert self.store.templates.remove_template(template_id) == name
        del self.people[name][template_id]
        self.unconfirmed.discard(template_id)
        if not self.people[name]:
            del self.people[name]

    @precondition(lambda self: self.people)
    @rule(numbers=st.integers(0, 6))
    def stage(self, numbers: int) -> None:
        """Templates of another model appear, and are found by nobody."""
        changeover = self.store.migration.changeover(OTHER)
        changeover.stage(
            [Twin(one.template_id, photo(0).vector) for one in changeover.pending(0, numbers)]
            if numbers
            else []
        )

    @rule()
    def sync(self) -> None:
        self.own.sync()
        self.other.sync()
        assert self.own.sync() == self.other.sync() == 0

    @rule(make=MAKERS)
    def reopen(self, make: Callable[[], VectorIndex]) -> None:
        self.store.close()
        self.store = open_sqlite(self.place / "gallery.db")
        self.own = Mirror(self.store.changes, make())

    @rule()
    def compact(self) -> None:
        self.own.compact()
        assert self.own._index.dead == 0

    @rule()
    def rebuild(self) -> None:
        assert self.own.rebuild() == len(self.found())
        assert not list(self.place.glob("gallery.db-index/*"))

    @rule()
    def compare(self) -> None:
        for mirror in (self.own, self.other):
            found = mirror.compare()
            assert found.equal
            assert found.compared == len(self.found())

    @rule()
    def snapshot(self) -> None:
        path = self.own.snapshot()
        assert (path is not None) == bool(self.found())

    @rule(make=MAKERS)
    def reopen_the_reader(self, make: Callable[[], VectorIndex]) -> None:
        self.reader.close()
        self.reader = open_sqlite(self.place / "gallery.db", read_only=True)
        self.other = Mirror(self.reader.changes, make())

    @invariant()
    def no_snapshot_holds_who_was_removed_or_is_not_confirmed(self) -> None:
        held = self.found().keys()
        for path in self.place.glob("gallery.db-index/*"):
            with path.open("rb") as file:
                kept = map_kept(file, read_header(file))
            gone = set(kept.ids.tolist()) - held - {-1}
            # What cannot be erased from has been removed.
            assert not gone or find(kept, np.array(sorted(gone))).traces == []

    @rule(number=st.integers(0, 20))
    def search(self, number: int) -> None:
        probe = photo(number).vector[None]
        held = self.found()
        for mirror, store in ((self.own, self.store), (self.other, self.reader)):
            cosines, ids = mirror.search(probe, 100)
            found = ids[0, : len(held)].tolist()
            assert set(found) == held.keys()
            assert (ids[0, len(held) :] == -1).all()
            expected = [float(photo(held[id_]).vector @ probe[0]) for id_ in found]
            np.testing.assert_allclose(cosines[0, : len(held)], expected, atol=3e-5)
            owners = store.templates.owners_of([found], MODEL, 100).owners.values()
            names = [owner.name for owner in owners]
            assert set(names) == {name for name, own in self.people.items() if own.keys() & held.keys()}

    @invariant()
    def the_store_is_the_oracle(self) -> None:
        assert {one.name: (one.templates, one.unconfirmed) for one in self.reader.templates.identities()} == {
            name: (len(own.keys() - self.unconfirmed), len(own.keys() & self.unconfirmed))
            for name, own in self.people.items()
        }
        assert self.reader.templates.model() == (MODEL if self.people else None)


TestGallery = Gallery.TestCase
TestGallery.settings = settings(max_examples=30, stateful_step_count=25)


@pytest.fixture
def store(tmp_path: Path):
    with open_sqlite(tmp_path / "gallery.db") as store:
        yield store


def test_a_mirror_loads_once_and_follows_then(store):
    mirror = Mirror(store.changes, open_index(DIM))
    assert (mirror.seq, mirror.model, len(mirror)) == (None, None, 0)
    store.templates.add("Ann", [photo(1), photo(2)], MODEL)
    assert mirror.sync() == 2
    assert (mirror.seq, mirror.model, len(mirror)) == (2, MODEL, 2)
    store.templates.add("Bob", [photo(3)], MODEL)
    store.templates.remove_template(1)
    assert mirror.sync() == 2
    assert (mirror.seq, len(mirror)) == (4, 2)


def test_a_mirror_of_another_model_finds_nothing_at_all(store):
    mirror = Mirror(store.changes, open_index(DIM))
    store.templates.add("Ann", [photo(1)], MODEL)
    mirror.sync()
    store.templates.remove("Ann")
    store.templates.add("Ann", [photo(1)], OTHER)
    for _ in range(2):
        with pytest.raises(OtherModel):
            mirror.search(photo(1).vector[None], 1)
    fresh = Mirror(store.changes, open_index(DIM))
    assert fresh.sync() == 1
    assert fresh.model == OTHER


def test_an_index_of_another_dimension_is_refused(store):
    store.templates.add("Ann", [photo(1)], MODEL)
    with pytest.raises(OtherModel):
        Mirror(store.changes, open_index(DIM + 1)).sync()


def test_a_load_that_fails_halfway_leaves_nothing_behind(store, monkeypatch):
    store.templates.add("Ann", [photo(1), photo(2), photo(3)], MODEL)
    mirror = Mirror(store.changes, open_index(DIM))
    whole = ChangeLog.load_all

    def broken(self: SqliteDatabase):
        yield from whole(self, batch_size=2)
        raise Corrupt("the disk is dying")

    with monkeypatch.context() as patch:
        patch.setattr(ChangeLog, "load_all", broken)
        with pytest.raises(Corrupt):
            mirror.sync()
    store.templates.remove_template(2)
    assert mirror.sync() == 2
    assert sorted(mirror.search(photo(1).vector[None], 3)[1][0].tolist()) == [-1, 1, 3]


def test_rebuilding_forgets_what_the_index_had(store):
    store.templates.add("Ann", [photo(1), photo(2)], MODEL)
    mirror = Mirror(store.changes, open_index(DIM))
    mirror.sync()
    mirror.snapshot()
    mirror._index.remove(np.array([1]))
    mirror._index.add(np.array([9]), photo(9).vector[None])
    store.templates.add("Bob", [photo(3)], MODEL)
    assert mirror.rebuild() == 3
    assert (mirror.seq, len(mirror)) == (3, 3)
    assert mirror.compare().equal
    assert not store_files(store)


def test_rebuilding_an_empty_gallery(store):
    mirror = Mirror(store.changes, open_index(DIM))
    assert mirror.rebuild() == 0
    store.templates.add("Ann", [photo(1)], MODEL)
    assert mirror.sync() == 1


def store_files(store: SqliteDatabase) -> list[Path]:
    return list(Path(store.location).parent.glob("gallery.db-index/*"))


def test_compacting_says_how_much_was_dead(store):
    store.templates.add("Ann", [photo(number) for number in range(8)], MODEL)
    mirror = Mirror(store.changes, one_bit())
    mirror.sync()
    store.templates.remove_template(2)
    store.templates.remove_template(3)
    assert mirror.compact() == 2
    assert mirror.compact() == 0
    assert mirror.compare().equal
