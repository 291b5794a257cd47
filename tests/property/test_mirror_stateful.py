"""Every index behind a mirror, after any sequence of writes by two connections, against a plain dict."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from enrollment_db.errors import BadTemplate
from enrollment_db.records import GallerySize, ModelKey, NewTemplate, Part, TemplateState
from enrollment_db.registry import open_sqlite
from enrollment_db.search.index import VectorIndex
from enrollment_db.search.index.choice import rabitq
from enrollment_db.search.index.faiss import FaissFlatIndex
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.index.growing import GrowingIndex
from enrollment_db.search.mirror import Mirror

DIM = 8
MODEL = ModelKey("net", "a" * 64, "five-points", DIM, "cosine")
VECTORS = np.random.default_rng(0).standard_normal((40, DIM)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
HASHES = [hashlib.sha256(bytes([number])).hexdigest() for number in range(len(VECTORS))]

NAMES = st.sampled_from(["Ann", "Bob", "José", "Dora", "Eve"])
PHOTOS = st.integers(0, len(VECTORS) - 1)
EITHER = st.integers(0, 1)
STATES = st.sampled_from(["confirmed", "confirmed", "unconfirmed"])

# Half a step of 16 bits in each of 8 values moves a cosine by at most sqrt(8) / 65534.
COMPRESSED = 5e-5


def photo(number: int) -> NewTemplate:
    return NewTemplate(VECTORS[number], HASHES[number])


def part(people: list[tuple[str, int]], state: TemplateState = "confirmed") -> Part:
    numbers = [number for _, number in people]
    hashes = [HASHES[number] for number in numbers]
    names, states = [name for name, _ in people], [state] * len(people)
    return Part(names, VECTORS[numbers], hashes, [None] * len(people), states)


class Gallery(RuleBasedStateMachine):
    """Two connections that write, one mirror that lives on until it is opened anew, and the dict."""

    make: ClassVar[Callable[[], VectorIndex]]
    tolerance: ClassVar[float]

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.path = self.place / "gallery.db"
        self.people: dict[str, dict[int, int]] = {}  # name -> template id -> photo
        self.unconfirmed: set[int] = set()  # those of the ids that no search may find
        self.stores = [open_sqlite(self.path), open_sqlite(self.path)]
        self.mirror = Mirror(self.stores[0].changes, type(self).make())
        self.size: GallerySize | None = None

    def teardown(self) -> None:
        self.search(0)
        assert self.stores[1].check() == []
        for store in self.stores:
            store.close()
        shutil.rmtree(self.place)

    def held(self) -> dict[int, int]:
        return {id_: number for own in self.people.values() for id_, number in own.items()}

    def found(self) -> dict[int, int]:
        return {id_: number for id_, number in self.held().items() if id_ not in self.unconfirmed}

    @rule(who=EITHER, name=NAMES, numbers=st.lists(PHOTOS, min_size=1, max_size=5), state=STATES)
    def enrol(self, who: int, name: str, numbers: list[int], state: TemplateState) -> None:
        photos = [photo(number) for number in numbers]
        results = self.stores[who].templates.add(name, photos, MODEL, state=state)
        own = self.people.setdefault(name, {})
        for number, result in zip(numbers, results, strict=True):
            assert result.duplicate == (number in own.values())
            assert own.setdefault(result.template_id, number) == number
            if state == "unconfirmed" and not result.duplicate:
                self.unconfirmed.add(result.template_id)
            assert (result.state == "unconfirmed") == (result.template_id in self.unconfirmed)

    @rule(who=EITHER, data=st.data())
    def confirm(self, who: int, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from([*self.held(), 10**9]), max_size=4))
        wanted = sorted(self.unconfirmed & set(ids))
        assert self.stores[who].templates.confirm(ids) == wanted
        self.unconfirmed -= set(wanted)

    @rule(
        who=EITHER, people=st.lists(st.lists(st.tuples(NAMES, PHOTOS), max_size=20), max_size=3), state=STATES
    )
    def import_many(self, who: int, people: list[list[tuple[str, int]]], state: TemplateState) -> None:
        before = self.held()
        new = {one for some in people for one in some} - {
            (name, number) for name, own in self.people.items() for number in own.values()
        }
        # A part without anybody changes nothing; an import without any does not even pin the model.
        parts = [part(some, state) for some in people if some]
        assert (self.stores[who].templates.add_many(parts, MODEL) if parts else 0) == len(new)
        for name in {name for name, _ in new}:
            own = self.people.setdefault(name, {})
            for template in self.stores[who].templates.of(name):
                if template.id not in own:
                    assert template.id not in before
                    own[template.id] = HASHES.index(template.sha256)
                    self.unconfirmed |= {template.id} if state == "unconfirmed" else set()
        assert set(self.held().items()) >= set(before.items())
        assert len(self.held()) == len(before) + len(new)

    @rule(who=EITHER, people=st.lists(st.tuples(NAMES, PHOTOS), min_size=1, max_size=20))
    def import_what_is_broken(self, who: int, people: list[tuple[str, int]]) -> None:
        broken = Part(["Mallory"], 2 * VECTORS[:1], HASHES[:1], [None])
        with pytest.raises(BadTemplate):
            self.stores[who].templates.add_many([part(people), broken], MODEL)

    @precondition(lambda self: self.people)
    @rule(who=EITHER, data=st.data())
    def remove(self, who: int, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.people)))
        assert self.stores[who].templates.remove(name) == len(self.people[name])
        self.unconfirmed -= self.people.pop(name).keys()

    @precondition(lambda self: self.people)
    @rule(who=EITHER, data=st.data())
    def remove_template(self, who: int, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.people)))
        template_id = data.draw(st.sampled_from(sorted(self.people[name])))
        assert self.stores[who].templates.remove_template(template_id) == name
        del self.people[name][template_id]
        self.unconfirmed.discard(template_id)
        if not self.people[name]:
            del self.people[name]

    @precondition(lambda self: self.people)
    @rule(who=EITHER)
    def empty(self, who: int) -> None:
        with self.stores[who].templates.transaction():
            for name in self.people:
                self.stores[who].templates.remove(name)
        self.people, self.unconfirmed = {}, set()

    @precondition(lambda self: self.people)
    @rule(who=EITHER, new=NAMES, data=st.data())
    def rename(self, who: int, new: str, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(sorted(self.people)))
        if new not in self.people:
            self.stores[who].templates.rename(old, new)
            self.people[new] = self.people.pop(old)

    @rule()
    def snapshot(self) -> None:
        assert (self.mirror.snapshot() is not None) == bool(self.found())

    @rule()
    def snapshot_of_another_kind(self) -> None:
        Mirror(self.stores[1].changes, FlatIndex(DIM)).snapshot()

    @rule(snapshot_from=st.sampled_from([1, 10, 1000]))
    def reopen(self, snapshot_from: int) -> None:
        self.stores[0].close()
        self.stores[0] = open_sqlite(self.path)
        self.mirror = Mirror(self.stores[0].changes, type(self).make(), snapshot_from=snapshot_from)

    @rule()
    def compact(self) -> None:
        self.mirror.compact()
        assert self.mirror._index.dead == 0
        assert self.mirror.compare().equal

    @rule()
    def states(self) -> None:
        for store in self.stores:
            for who in store.templates.identities():
                kept = self.people[who.name].keys() & self.unconfirmed
                assert (who.templates, who.unconfirmed) == (len(self.people[who.name]) - len(kept), len(kept))
                found = store.templates.unconfirmed([who.id], MODEL)
                assert {id_ for one in found.values() for id_ in one.template_ids.tolist()} == kept
                assert {one.id for one in store.templates.of(who.name) if one.state == "unconfirmed"} == kept

    @rule(who=EITHER)
    def gallery_size(self, who: int) -> None:
        self.size = self.stores[who].templates.gallery_size(self.size)
        assert self.size.identities == sum(
            own.keys() > self.unconfirmed & own.keys() for own in self.people.values()
        )

    @rule(number=PHOTOS)
    def search(self, number: int) -> None:
        held = self.found()
        ids = np.array(sorted(held), np.int64)
        products = VECTORS[[held[id_] for id_ in sorted(held)]].astype(np.float64) * VECTORS[number]
        exact = np.clip(products.sum(axis=1), -1, 1).astype(np.float32)
        cosines, found = self.mirror.search(VECTORS[number][None], len(held) + 2)
        assert len(self.mirror) == len(held)
        assert (found[0, len(held) :] == -1).all()
        assert (cosines[0, len(held) :] == -np.inf).all()
        order = np.lexsort((ids, -exact))
        if self.tolerance:
            assert (np.diff(cosines[0, : len(held)]) <= 0).all()
            order = np.searchsorted(ids, found[0, : len(held)])
            np.testing.assert_array_equal(np.sort(found[0, : len(held)]), ids)
        else:
            np.testing.assert_array_equal(found[0, : len(held)], ids[order])
        np.testing.assert_allclose(cosines[0, : len(held)], exact[order], rtol=0, atol=self.tolerance)


@pytest.mark.parametrize(
    ("index", "bound"),
    [
        (lambda: FlatIndex(DIM, capacity=1), 0.0),
        (lambda: FaissFlatIndex(DIM), 0.0),
        (lambda: GrowingIndex(DIM, partial(rabitq, DIM), switch_at=12), COMPRESSED),
        (lambda: GrowingIndex(DIM, partial(rabitq, DIM), switch_at=1), COMPRESSED),
    ],
    ids=["numpy", "faiss", "growing", "rabitq"],
)
def test_a_mirror_is_what_the_dict_says(index, bound):
    class Own(Gallery):
        make = staticmethod(index)
        tolerance = bound

    run_state_machine_as_test(Own, settings=settings(max_examples=8, stateful_step_count=25))
