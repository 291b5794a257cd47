"""What every database must do, port by port; a database in memory is the plain oracle."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from databases import DATABASES, DIM, MODEL, OTHER, digest, photo, vector
from enrollment_db.errors import (
    BadName,
    BadTemplate,
    DatabaseError,
    GalleryError,
    NameTaken,
    OtherModel,
    Refused,
    UnknownIdentity,
    UnknownPolicy,
    UnknownTemplate,
    UsageError,
)
from enrollment_db.ports import Database
from enrollment_db.records import NOWHERE, FaceCrop, NewPolicy, NewTemplate, Part, Place, Twin
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.mirror import Mirror

CROP = FaceCrop(b"a picture", (1, 2, 3, 4), np.arange(10, dtype=np.float32).reshape(5, 2))


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with closing(DATABASES[request.param](tmp_path)) as opened:
        yield opened


@pytest.fixture
def filled(database: Database) -> Database:
    database.templates.add("Ann", [photo(1), photo(2, crop=CROP)], MODEL)
    database.templates.add("Bob", [photo(3)], MODEL)
    return database


class TestTemplateRepository:
    def test_an_empty_one(self, database: Database) -> None:
        templates = database.templates
        assert (templates.model(), templates.counts(), templates.stored()) == (None, (0, 0), 0)
        assert (templates.identities(), list(templates.list_all()), templates.vectors_of([1])) == ([], [], {})

    def test_what_is_added_is_there(self, filled: Database) -> None:
        templates = filled.templates
        assert (templates.model(), templates.counts(), templates.stored()) == (MODEL, (2, 3), 3)
        assert [(one.id, one.name, one.templates) for one in templates.identities()] == [
            (1, "Ann", 2),
            (2, "Bob", 1),
        ]
        first, second = templates.of("Ann")
        assert (first.id, first.source, first.sha256, first.quality) == (1, "1.jpg", digest(1), 0.5)
        assert (second.id, first.box, first.landmarks, first.model) == (2, (0, 0, 9, 9), None, MODEL)
        np.testing.assert_array_equal(templates.vectors_of([1, 2, 9])[1], [vector(1), vector(2)])
        assert templates.holders_of(digest(3), MODEL) == {"Bob": 3}
        assert templates.identity_ids_of([3, 99, 1]).tolist() == [2, -1, 1]

    def test_a_photo_that_is_there_is_a_duplicate(self, filled: Database) -> None:
        results = filled.templates.add("Ann", [photo(2), photo(4), photo(4)], MODEL)
        assert [(one.template_id, one.duplicate) for one in results] == [(2, True), (4, False), (4, True)]
        assert [one.duplicate for one in filled.templates.add("Bob", [photo(2)], MODEL)] == [False]

    def test_owners_of_many_probes_at_once(self, filled: Database) -> None:
        found = filled.templates.owners_of([[3, 1, 2], [99, 2, -1], [-1, -1, -1]], MODEL, 5)
        assert found.of_probe == [[2, 1], [1], []]
        assert {id_: owner.name for id_, owner in found.owners.items()} == {1: "Ann", 2: "Bob"}
        np.testing.assert_array_equal(found.owners[1].vectors, [vector(1), vector(2)])
        assert filled.templates.owners_of([[3, 1]], MODEL, 1).of_probe == [[2]]
        # An identity with many templates stands before another.
        assert filled.templates.owners_of([[1, 2, 3], [99, 98, 1]], MODEL, 2).of_probe == [[1, 2], [1]]
        other = filled.templates.owners_of([[3, 1]], OTHER, 5)
        assert (other.of_probe, other.owners) == ([[2, 1]], {})

    def test_enrolled_and_listed(self, filled: Database) -> None:
        ann = filled.templates.enrolled([1, 9], MODEL)[1]
        assert (ann.name, ann.template_ids.tolist(), ann.qualities) == ("Ann", [1, 2], (0.5, 0.5))
        parts = list(filled.templates.list_all(2))
        assert [(part.total, part.names) for part in parts] == [(3, ["Ann", "Ann"]), (3, ["Bob"])]
        assert [part.sources for part in parts] == [["1.jpg", "2.jpg"], ["3.jpg"]]

    def test_a_unit_of_work_is_whole_or_nothing(self, filled: Database) -> None:
        with pytest.raises(RuntimeError), filled.templates.transaction():  # noqa: PT012
            filled.templates.remove("Ann")
            filled.policies.activate(policy(0.4))
            filled.journal.keep("run", "Cid", [(digest(9), "no_face")])
            assert [one.name for one in filled.templates.identities()] == ["Bob"]
            raise RuntimeError
        assert filled.templates.counts() == (2, 3)
        assert (filled.policies.all(), filled.journal.outcomes("run")) == ([], {})

    def test_an_inner_unit_is_undone_alone(self, filled: Database) -> None:
        with filled.templates.transaction():
            filled.templates.add("Cid", [photo(5)], MODEL)
            with pytest.raises(BadTemplate):
                filled.templates.add("Dee", [photo(6), NewTemplate(2 * vector(7), digest(7))], MODEL)
        assert [one.name for one in filled.templates.identities()] == ["Ann", "Bob", "Cid"]

    def test_no_other_thread_sees_an_open_unit(self, filled: Database) -> None:
        with ThreadPoolExecutor(1) as pool, filled.templates.transaction():
            filled.templates.add("Cid", [photo(5)], MODEL)
            assert filled.templates.counts() == (3, 4)
            assert pool.submit(filled.templates.counts).result(20) == (2, 3)
            assert pool.submit(filled.changes.place).result(20)[0].seq == 3
            # An index follows commits, whichever thread asks.
            assert filled.changes.place()[0].seq == 3
            assert list(filled.changes.since(3)) == []
            assert sum(len(part.batch) for part in filled.changes.load_all()) == 3
        assert filled.templates.counts() == (3, 4)

    def test_many_at_once(self, database: Database) -> None:
        vectors = np.stack([vector(number) for number in range(4)])
        part = Part(
            ["Ann", "Bob", "Ann", "Ann"], vectors, [digest(n) for n in (0, 1, 2, 0)], ["a", None, "c", "d"]
        )
        assert database.templates.add_many([part, part], MODEL) == 3
        assert database.templates.counts() == (2, 3)
        broken = Part(["Eve"], 2 * vectors[:1], [digest(9)], [None])
        with pytest.raises(BadTemplate):
            database.templates.add_many([Part(["Cid"], vectors[:1], [digest(8)], [None]), broken], MODEL)
        assert database.templates.counts() == (2, 3)

    def test_what_found_a_face_is_kept(self, filled: Database) -> None:
        templates = filled.templates
        templates.add(
            "Ann", [replace(photo(4), detector="mtcnn"), replace(photo(5), detector="yunet")], MODEL
        )
        templates.add("Ann", [replace(photo(6), detector="yunet")], MODEL, state="unconfirmed")
        # The stored template stays, so what found it does.
        templates.add("Ann", [replace(photo(1), detector="mtcnn")], MODEL)
        part = Part(["Cid", "Dee"], np.stack([vector(7), vector(8)]), [digest(7), digest(8)], [None, None])
        templates.add_many([replace(part, detectors=[None, "yunet"])], MODEL)
        templates.rename("Ann", "Anna")
        assert [one.detector for one in templates.of("Anna")] == [None, None, "mtcnn", "yunet", "yunet"]
        listed = [detector for part in templates.list_all(2) for detector in part.detectors]
        assert listed == [None, None, None, "mtcnn", "yunet", None, "yunet"]
        assert templates.detectors() == {None: 4, "mtcnn": 1, "yunet": 2}
        templates.remove("Anna")
        assert templates.detectors() == {None: 2, "yunet": 1}

    @pytest.mark.parametrize("name", ["", " mtcnn", "mt\x1b[31mcnn", "x" * 201])
    def test_a_name_that_no_detector_has_is_refused(self, filled: Database, name: str) -> None:
        part = Part(["Eve"], vector(9)[None], [digest(9)], [None], detectors=[name])
        with pytest.raises(BadTemplate):
            filled.templates.add("Eve", [replace(photo(9), detector=name)], MODEL)
        with pytest.raises(BadTemplate):
            filled.templates.add_many([part], MODEL)
        with pytest.raises(BadTemplate):
            filled.templates.add_many([replace(part, detectors=["mtcnn"] * 2)], MODEL)
        assert filled.templates.counts() == (2, 3)

    def test_rename_and_attributes(self, filled: Database) -> None:
        filled.templates.rename("Ann", "Anna")
        filled.templates.set_attributes("Anna", {"team": "red"})
        assert filled.templates.identity("Anna").attributes == {"team": "red"}
        assert filled.templates.identity("Anna").id == 1

    def test_removals(self, filled: Database) -> None:
        assert filled.templates.remove("Ann") == 2
        assert filled.templates.remove_template(3) == "Bob"
        assert (filled.templates.counts(), filled.templates.model()) == ((0, 0), None)
        # Ids are never used twice.
        assert filled.templates.add("Cid", [photo(1)], OTHER)[0].template_id == 4

    def test_the_size_of_a_gallery_by_what_has_changed(self, filled: Database) -> None:
        before = filled.templates.gallery_size()
        assert before.identities == 2
        filled.templates.add("Cid", [photo(5)], MODEL)
        filled.templates.remove("Ann")
        assert (
            filled.templates.gallery_size(before).identities
            == filled.templates.gallery_size().identities
            == 2
        )

    @pytest.mark.parametrize(
        ("act", "kind", "family"),
        [
            (lambda t: t.identity("Eve"), UnknownIdentity, Refused),
            (lambda t: t.of("Eve"), UnknownIdentity, Refused),
            (lambda t: t.remove("Eve"), UnknownIdentity, Refused),
            (lambda t: t.set_attributes("Eve", {}), UnknownIdentity, Refused),
            (lambda t: t.rename("Eve", "Ann"), UnknownIdentity, Refused),
            (lambda t: t.remove_template(99), UnknownTemplate, Refused),
            (lambda t: t.rename("Ann", "Bob"), NameTaken, Refused),
            (lambda t: t.identity("\0"), BadName, UsageError),
            (lambda t: t.add(" ", [photo(9)], MODEL), BadName, UsageError),
            (lambda t: t.add("Eve", [photo(9)], OTHER), OtherModel, GalleryError),
            (
                lambda t: t.add("Eve", [NewTemplate(vector(9)[:3], digest(9))], MODEL),
                BadTemplate,
                GalleryError,
            ),
            (lambda t: t.add("Eve", [NewTemplate(vector(9), "no hash")], MODEL), BadTemplate, GalleryError),
            (lambda t: t.holders_of("no hash", MODEL), BadTemplate, GalleryError),
        ],
    )
    def test_what_cannot_be_changes_nothing(self, filled: Database, act, kind, family) -> None:
        before = filled.changes.place()
        with pytest.raises(kind) as caught:
            act(filled.templates)
        assert isinstance(caught.value, DatabaseError)
        assert isinstance(caught.value, family)
        assert filled.changes.place() == before
        assert filled.templates.counts() == (2, 3)


class TestUnconfirmedTemplates:
    """No search and no score sees them, lists and removals do."""

    @pytest.fixture
    def kept(self, filled: Database) -> Database:
        (added,) = filled.templates.add("Ann", [photo(4, crop=CROP)], MODEL, state="unconfirmed")
        assert (added.template_id, added.duplicate, added.state) == (4, False, "unconfirmed")
        filled.templates.add("Cid", [photo(5)], MODEL, state="unconfirmed")
        return filled

    def test_no_read_for_a_search_or_a_score_sees_them(self, kept: Database) -> None:
        templates, changes = kept.templates, kept.changes
        assert (templates.counts(), templates.gallery_size().identities) == ((2, 3), 2)
        assert templates.identity_ids_of([4, 5, 1]).tolist() == [-1, -1, 1]
        found = templates.owners_of([[5, 4, 3, 1]], MODEL, 5)
        assert (found.of_probe, sorted(found.owners)) == ([[2, 1]], [1, 2])
        np.testing.assert_array_equal(found.owners[1].vectors, [vector(1), vector(2)])
        assert sorted(templates.vectors_of([1, 2, 3])) == [1, 2]
        assert len(templates.vectors_of([1])[1]) == 2
        assert templates.enrolled([1, 3], MODEL)[1].template_ids.tolist() == [1, 2]
        assert sorted(templates.enrolled([1, 3], MODEL)) == [1]
        assert [(part.total, part.names) for part in templates.list_all()] == [(3, ["Ann", "Ann", "Bob"])]
        assert [id_ for part in changes.load_all() for id_ in part.batch.template_ids.tolist()] == [1, 2, 3]
        assert changes.place()[0].seq == 3

    def test_lists_have_them(self, kept: Database) -> None:
        templates = kept.templates
        assert [(one.name, one.templates, one.unconfirmed) for one in templates.identities()] == [
            ("Ann", 2, 1),
            ("Bob", 1, 0),
            ("Cid", 0, 1),
        ]
        assert templates.identity("Cid").unconfirmed == 1
        assert [(one.id, one.state) for one in templates.of("Ann")] == [
            (1, "confirmed"),
            (2, "confirmed"),
            (4, "unconfirmed"),
        ]
        assert templates.holders_of(digest(5), MODEL) == {"Cid": 5}
        assert templates.holders_of(digest(5), MODEL, state="confirmed") == {}
        assert templates.holders_of(digest(5), MODEL, state="unconfirmed") == {"Cid": 5}
        assert templates.unconfirmed_counts() == {"Ann": 1, "Cid": 1}
        assert templates.stored() == 5
        found = templates.unconfirmed([1, 2, 3, 99], MODEL)
        assert sorted(found) == [1, 3]
        ann = found[1]
        assert (ann.name, ann.template_ids.tolist(), ann.sources) == ("Ann", [4], ("4.jpg",))
        assert (ann.digests, ann.qualities) == ((digest(4),), (0.5,))
        np.testing.assert_array_equal(ann.vectors, [vector(4)])
        assert templates.unconfirmed([1], OTHER) == {}

    def test_a_confirmed_one_is_found_from_then_on(self, kept: Database) -> None:
        mirror = Mirror(kept.changes, FlatIndex(DIM))
        assert mirror.sync() == 3
        before = kept.templates.gallery_size()
        assert mirror.search(vector(5)[None], 4)[1][0].tolist()[-1] == -1
        assert kept.templates.confirm([5, 99, 1]) == [5]
        found = mirror.search(vector(5)[None], 4)[1][0].tolist()
        assert (found[0], sorted(found)) == (5, [1, 2, 3, 5])
        assert kept.templates.gallery_size(before).identities == 3
        # After templates of greater ids.
        kept.templates.add("Dee", [photo(6)], MODEL)
        assert kept.templates.confirm([4]) == [4]
        assert mirror.search(vector(4)[None], 1)[1][0].tolist() == [4]
        assert kept.templates.gallery_size(before).identities == kept.templates.gallery_size().identities == 4
        assert [one.state for one in kept.templates.of("Ann")] == ["confirmed"] * 3
        assert (kept.templates.unconfirmed([1, 3], MODEL), kept.templates.confirm([4, 5])) == ({}, [])
        assert mirror.compare().equal

    def test_a_confirmation_that_is_undone_is_none(self, kept: Database) -> None:
        with pytest.raises(RuntimeError), kept.templates.transaction():  # noqa: PT012
            assert kept.templates.confirm([4, 5]) == [4, 5]
            assert kept.templates.counts() == (3, 5)
            raise RuntimeError
        assert (kept.templates.counts(), kept.changes.place()[0].seq) == ((2, 3), 3)

    def test_the_state_of_a_photo_that_is_there_stays(self, kept: Database) -> None:
        results = kept.templates.add("Ann", [photo(4), photo(1)], MODEL)
        assert [(one.template_id, one.duplicate, one.state) for one in results] == [
            (4, True, "unconfirmed"),
            (1, True, "confirmed"),
        ]
        results = kept.templates.add("Ann", [photo(1)], MODEL, state="unconfirmed")
        assert [(one.duplicate, one.state) for one in results] == [(True, "confirmed")]
        assert kept.templates.counts() == (2, 3)

    def test_removals_and_names(self, kept: Database) -> None:
        mirror = Mirror(kept.changes, FlatIndex(DIM))
        mirror.sync()
        kept.templates.rename("Cid", "Cyd")
        assert kept.templates.unconfirmed([3], MODEL)[3].name == "Cyd"
        before = kept.changes.place()
        assert kept.templates.remove("Cyd") == 1
        assert kept.templates.remove_template(4) == "Ann"
        # An index knew of neither.
        assert (kept.changes.place(), kept.changes.last_removal(0)) == (before, None)
        assert mirror.compare().equal
        assert (kept.templates.stored(), kept.check()) == (3, [])
        # The last confirmed one goes, an unconfirmed one stays: the person stays, and is not found.
        kept.templates.add("Bob", [photo(7)], MODEL, state="unconfirmed")
        kept.templates.remove_template(3)
        bob = kept.templates.identity("Bob")
        assert (bob.templates, bob.unconfirmed, kept.templates.counts()) == (0, 1, (1, 2))
        # Cid never had one, and nobody is Dan.
        known = [kept.templates.was_confirmed(name) for name in ("Ann", "Bob", "Cid", "Dan")]
        assert known == [True, True, False, False]
        kept.templates.remove("Ann")
        kept.templates.remove("Bob")
        assert (kept.templates.stored(), kept.templates.model()) == (0, None)

    def test_many_at_once(self, database: Database) -> None:
        vectors = np.stack([vector(number) for number in range(3)])
        part = Part(
            ["Ann", "Bob", "Ann"],
            vectors,
            [digest(n) for n in range(3)],
            [None] * 3,
            ["confirmed", "unconfirmed", "unconfirmed"],
        )
        assert database.templates.add_many([part], MODEL) == 3
        assert (database.templates.counts(), database.changes.place()[0].seq) == ((1, 1), 1)
        assert [one.unconfirmed for one in database.templates.identities()] == [1, 1]
        assert database.templates.add_many([Part(["Bob"], vectors[1:2], [digest(1)], [None])], MODEL) == 0
        assert database.templates.counts() == (1, 1)
        with pytest.raises(BadTemplate):
            database.templates.add_many(
                [Part(["Cid"], vectors[:1], [digest(9)], [None], ["confirmed"] * 2)], MODEL
            )

    def test_the_state_moves_to_another_model(self, kept: Database) -> None:
        changeover = kept.migration.changeover(OTHER)
        start = changeover.start()
        pending = changeover.pending(0, 9)
        assert [one.template_id for one in pending] == [1, 2, 3, 4, 5]
        crop = pending[3].crop
        assert crop is not None
        assert crop.picture == b"a picture"
        assert changeover.stage([Twin(one.template_id, vector(50 + one.template_id)) for one in pending]) == 5
        # Confirmed between staging and switching: the twin is confirmed with its template.
        assert kept.templates.confirm([5]) == [5]
        assert changeover.switch(start, 5)
        assert (kept.templates.counts(), changeover.drop_others(), changeover.unfindable()) == ((3, 4), 5, [])
        assert [(one.name, one.templates, one.unconfirmed) for one in kept.templates.identities()] == [
            ("Ann", 2, 1),
            ("Bob", 1, 0),
            ("Cid", 1, 0),
        ]
        mirror = Mirror(kept.changes, FlatIndex(DIM))
        assert sorted(mirror.search(vector(55)[None], 9)[1][0].tolist())[-4:] == [6, 7, 8, 10]
        assert kept.templates.confirm([9]) == [9]
        assert mirror.search(vector(54)[None], 1)[1][0].tolist() == [9]
        assert mirror.compare().equal


def policy(threshold: float, kind: str = "fmr", model=MODEL) -> NewPolicy:
    return NewPolicy(model, kind, 0.01, threshold, "measured", 1, 2, 0.0, 1.0, calibration="{}")  # type: ignore[arg-type]


class TestPolicyRepository:
    def test_the_last_that_was_put_is_active(self, database: Database) -> None:
        policies = database.policies
        assert (policies.all(), policies.active(MODEL, "fmr")) == ([], None)
        ids = [
            policies.activate(policy(0.4)),
            policies.activate(policy(0.5)),
            policies.activate(policy(0.6, "fpir")),
        ]
        assert ids == [1, 2, 3]
        assert [(one.id, one.active, one.follows) for one in policies.all()] == [
            (1, False, None),
            (2, True, 1),
            (3, True, None),
        ]
        active = policies.active(MODEL, "fmr")
        assert active is not None
        assert (active.threshold, active.calibration, active.by_hand, active.model) == (
            0.5,
            "{}",
            False,
            MODEL,
        )
        assert policies.active(OTHER, "fmr") is None

    def test_back_and_forth(self, database: Database) -> None:
        policies = database.policies
        first, second = policies.activate(policy(0.4)), policies.activate(policy(0.5))
        policies.withdraw(second)
        assert [one.id for one in policies.all() if one.active] == [first]
        policies.withdraw(first)
        assert policies.active(MODEL, "fmr") is None
        policies.restore(second)
        assert [one.id for one in policies.all() if one.active] == [second]

    @pytest.mark.parametrize(
        "act", [lambda p: p.restore(9), lambda p: p.withdraw(9), lambda p: p.withdraw(1)]
    )
    def test_what_is_not_there(self, database: Database, act) -> None:
        database.policies.activate(policy(0.4))
        database.policies.activate(policy(0.5))
        with pytest.raises(UnknownPolicy):
            act(database.policies)
        assert [one.id for one in database.policies.all() if one.active] == [2]


class TestEnrolmentJournal:
    def test_outcomes_by_run_name_and_photo(self, filled: Database) -> None:
        journal = filled.journal
        before = filled.changes.place()
        journal.keep("one", "Ann", [(digest(1), "no_face"), (digest(2), "low_quality")])
        journal.keep("one", "Ann", [(digest(2), "no_face")])
        journal.keep("two", "Bob", [(digest(1), "unreadable")])
        assert journal.outcomes("one") == {("Ann", digest(1)): "no_face", ("Ann", digest(2)): "no_face"}
        journal.forget("one", ["Bob"])
        assert len(journal.outcomes("one")) == 2
        journal.forget("one", ["Ann"])
        assert (journal.outcomes("one"), len(journal.outcomes("two"))) == ({}, 1)
        assert filled.changes.place() == before

    def test_a_removed_person_leaves_none(self, filled: Database) -> None:
        filled.journal.keep("run", "Ann", [(digest(1), "no_face")])
        filled.journal.keep("run", "Bob", [(digest(1), "no_face")])
        filled.templates.remove("Ann")
        assert filled.journal.outcomes("run") == {("Bob", digest(1)): "no_face"}


class TestChangeFeed:
    def test_places(self, filled: Database) -> None:
        changes = filled.changes
        place, model = changes.place()
        assert (place.seq, model, changes.model()) == (3, MODEL, MODEL)
        assert changes.has(NOWHERE)
        assert changes.has(place)
        assert not changes.has(Place(place.seq, place.mark ^ 1))
        assert not changes.has(Place(99, place.mark))
        assert len(changes.database_id) == 32
        assert changes.last_removal(0) is None
        filled.templates.remove_template(1)
        assert (changes.last_removal(0), changes.last_removal(4)) == (4, None)

    def test_what_is_told(self, filled: Database) -> None:
        filled.templates.remove_template(1)
        filled.templates.add("Cid", [photo(5)], MODEL)
        (found,) = filled.changes.since(0)
        assert (found.added.template_ids.tolist(), found.removed.tolist(), found.place.seq) == (
            [2, 3, 4],
            [1],
            5,
        )
        assert found.added.identity_ids.tolist() == [1, 2, 3]
        stretches = [(one.place.seq, one.removed.tolist()) for one in filled.changes.since(2, batch_size=2)]
        assert stretches == [(4, [1]), (5, [])]
        (foreign,) = filled.changes.since(0, OTHER)
        assert (len(foreign.added), len(foreign.removed), foreign.place.seq) == (0, 0, 5)
        assert list(filled.changes.since(5)) == []

    def test_a_load_of_all_is_of_one_moment(self, filled: Database) -> None:
        with closing(filled.changes.load_all(2)) as parts:
            first = next(parts)
            filled.templates.remove("Bob")
            filled.templates.add("Cid", [photo(5)], MODEL)
            rest = list(parts)
        found = [id_ for part in (first, *rest) for id_ in part.batch.template_ids.tolist()]
        assert (found, first.place.seq) == ([1, 2, 3], 3)

    def test_an_empty_one_has_a_place(self, database: Database) -> None:
        (part,) = database.changes.load_all()
        assert (part.place, part.batch.model, len(part.batch)) == (NOWHERE, None, 0)

    def test_what_is_held(self, filled: Database) -> None:
        assert filled.changes.holds_any(np.array([99, 3]))
        assert not filled.changes.holds_any(np.array([99]))
        assert not filled.changes.holds_any(np.array([], np.int64))

    def test_what_is_undone_is_not_told(self, filled: Database) -> None:
        before = filled.changes.place()
        with pytest.raises(RuntimeError), filled.templates.transaction():  # noqa: PT012
            filled.templates.remove("Ann")
            raise RuntimeError
        assert filled.changes.place() == before

    def test_a_mirror_follows(self, filled: Database) -> None:
        mirror = Mirror(filled.changes, FlatIndex(DIM))
        assert mirror.sync() == 3
        filled.templates.remove("Ann")
        filled.templates.add("Cid", [photo(5)], MODEL)
        found = mirror.search(vector(5)[None], 3)[1][0].tolist()
        assert (found[0], set(found)) == (4, {4, 3, -1})
        assert mirror.compare().equal


class TestModelMigration:
    def test_the_whole_way(self, filled: Database) -> None:
        changeover = filled.migration.changeover(OTHER)
        start = changeover.start()
        assert (changeover.staged(), changeover.shown()) == (0, 3)
        pending = changeover.pending(0, 2)
        assert [(one.template_id, one.name, one.active) for one in pending] == [
            (1, "Ann", True),
            (2, "Ann", True),
        ]
        assert pending[0].crop is None
        assert pending[1].crop is not None
        assert (pending[1].crop.picture, pending[1].sha256) == (b"a picture", digest(2))
        assert changeover.stage([Twin(one, vector(50 + one)) for one in (1, 2)]) == 2
        assert changeover.stage([Twin(1, vector(51))]) == 0
        assert not changeover.switch(start, 2)
        assert changeover.stage([Twin(3, vector(53)), Twin(99, vector(9))]) == 1
        # What is staged is not found yet.
        assert (filled.templates.counts(), filled.templates.stored(), filled.templates.model()) == (
            (2, 3),
            6,
            MODEL,
        )
        assert changeover.switch(start, 3)
        assert (filled.templates.counts(), filled.templates.model()) == ((2, 3), OTHER)
        assert [(one.id, one.model) for one in filled.templates.of("Ann")] == [(4, OTHER), (5, OTHER)]
        assert changeover.drop_others() == 3
        assert (filled.templates.stored(), changeover.unfindable()) == (3, [])

    def test_what_found_a_face_moves_with_its_landmarks(self, database: Database) -> None:
        placed = replace(photo(1), landmarks=CROP.landmarks, detector="mtcnn")
        imported = replace(photo(2), detector="mtcnn")
        database.templates.add("Ann", [placed, imported], MODEL)
        changeover = database.migration.changeover(OTHER)
        start = changeover.start()
        twins = [Twin(id_, vector(50 + id_), (1, 2, 3, 4), CROP.landmarks, "yunet") for id_ in (1, 2)]
        with pytest.raises(BadTemplate):
            changeover.stage([replace(twins[1], detector="")])
        assert changeover.stage(twins) == 2
        assert changeover.switch(start, 2)
        # Only the second face had to be found again.
        assert [one.detector for one in database.templates.of("Ann")] == ["mtcnn", "yunet"]

    def test_a_pass_that_something_was_removed_under_does_not_hold(self, filled: Database) -> None:
        changeover = filled.migration.changeover(OTHER)
        start = changeover.start()
        changeover.stage([Twin(one, vector(50 + one)) for one in (1, 2, 3)])
        filled.templates.remove("Bob")
        assert not changeover.switch(start, 3)
        assert changeover.switch(changeover.start(), 3)

    def test_who_is_left_behind(self, filled: Database) -> None:
        changeover = filled.migration.changeover(OTHER)
        start = changeover.start()
        changeover.stage([Twin(one, vector(50 + one)) for one in (1, 2)])
        assert changeover.switch(start, 3)
        assert (changeover.unfindable(), filled.templates.counts()) == (["Bob"], (1, 2))
        assert changeover.drop_others() == 2
        assert [one.model for one in filled.templates.of("Bob")] == [MODEL]
        assert filled.templates.was_confirmed("Bob")

    def test_an_unconfirmed_template_does_not_make_a_person_findable(self, filled: Database) -> None:
        filled.templates.add("Bob", [photo(7)], MODEL, state="unconfirmed")
        filled.templates.add("Cid", [photo(8)], MODEL, state="unconfirmed")
        changeover = filled.migration.changeover(OTHER)
        start = changeover.start()
        changeover.stage([Twin(one, vector(50 + one)) for one in (1, 2, 4, 5)])
        assert changeover.switch(start, 5)
        # Cid could not be found before.
        assert changeover.unfindable() == ["Bob"]

    def test_a_vector_of_another_length(self, filled: Database) -> None:
        with pytest.raises(BadTemplate):
            filled.migration.changeover(OTHER).stage([Twin(1, vector(1)), Twin(2, vector(2)[:3])])
        assert filled.migration.changeover(OTHER).staged() == 0
