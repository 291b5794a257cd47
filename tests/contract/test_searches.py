"""What every search of identities must do, and what an operator may ask of its index, on every database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from databases import DATABASES, DIM, MODEL, OTHER, vector
from enrollment_db.ports import Database
from enrollment_db.records import NewTemplate, Twin
from faceid.decision.scores import distance_from_similarity, identity_similarity
from faceid.errors import GalleryError, UsageError
from faceid.gallery.exact_search import ExactSearch
from faceid.gallery.gallery import Gallery
from faceid.gallery.maintenance import MirrorMaintenance, index_status
from faceid.gallery.search import MirrorSearch
from faceid.ports.search import IdentitySearch, IndexMaintenance
from faceid.ports.storage import ChangeFeed, TemplateRepository
from late_feed import LateFeed

SEARCHES: dict[str, Callable[[TemplateRepository, ChangeFeed], IdentitySearch]] = {
    "mirror": MirrorSearch,
    "exact": ExactSearch,
}


@dataclass(frozen=True)
class Searched:
    """A search over a database; what the search follows can be made late."""

    database: Database
    feed: LateFeed
    search: IdentitySearch

    def names(self, probe: NDArray[np.float32], top: int = 10) -> list[str]:
        return [one.name for one in self.search.search(probe[None], MODEL, top)[0]]


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with closing(DATABASES[request.param](tmp_path)) as opened:
        yield opened


@pytest.fixture(params=SEARCHES)
def searched(request: pytest.FixtureRequest, database: Database) -> Searched:
    feed = LateFeed(database.changes)
    return Searched(database, feed, SEARCHES[request.param](database.templates, feed))


def near(number: int, seed: int, noise: float = 0.2) -> NDArray[np.float32]:
    """One of the templates of person `number`."""
    values = vector(number) + noise * np.random.default_rng(seed).standard_normal(DIM)
    return (values / np.linalg.norm(values)).astype(np.float32)


def add(database: Database, name: str, *vectors: NDArray[np.float32], model=MODEL) -> None:
    hashes = [hashlib.sha256(name.encode() + one.tobytes()).hexdigest() for one in vectors]
    database.templates.add(
        name, [NewTemplate(one, hash_) for one, hash_ in zip(vectors, hashes, strict=True)], model
    )


def fill(database: Database, people: int = 12) -> None:
    for number in range(people):
        templates = [near(number, 100 * number + photo) for photo in range(1 + number % 3)]
        add(database, f"person {number}", *templates)


PROBES = np.stack([near(number, 9000 + number, 0.3) for number in range(12)])


class TestIdentitySearch:
    def test_an_empty_gallery_has_no_candidates(self, searched: Searched) -> None:
        assert searched.search.search(PROBES[:2], MODEL, 5) == [(), ()]
        assert searched.search.count(MODEL) == 0
        cosines, ids = searched.search.neighbours(PROBES[:2], MODEL, 3)
        assert (cosines.tolist(), ids.tolist()) == (2 * [3 * [-np.inf]], 2 * [3 * [-1]])

    @pytest.mark.parametrize("top", [1, 3, 50])
    def test_scores_are_exact_over_all_templates_of_an_identity(self, searched: Searched, top: int) -> None:
        fill(searched.database)
        identities = searched.database.templates.identities()
        templates = searched.database.templates.vectors_of([one.id for one in identities])
        for probe, found in zip(PROBES, searched.search.search(PROBES, MODEL, top), strict=True):
            scores = {one.name: identity_similarity(probe, templates[one.id]) for one in identities}
            expected = sorted(scores, key=lambda name: -scores[name])[:top]
            assert [one.name for one in found] == expected
            assert [one.similarity for one in found] == [scores[name] for name in expected]
            assert [one.distance for one in found] == [
                distance_from_similarity(scores[name], "cosine") for name in expected
            ]

    def test_many_probes_in_one_call_are_as_many_calls(self, searched: Searched) -> None:
        fill(searched.database)
        one_by_one = [searched.search.search(probe[None], MODEL, 4)[0] for probe in PROBES]
        assert searched.search.search(PROBES, MODEL, 4) == one_by_one
        assert searched.search.search(PROBES[:0], MODEL, 4) == []

    def test_many_templates_of_one_identity_hide_no_other(self, searched: Searched) -> None:
        for name, number in (("crowd", 0), ("second crowd", 1)):
            add(searched.database, name, *(near(0, 100 * number + seed, 0.01) for seed in range(90)))
        for number in range(1, 40):
            add(searched.database, f"person {number}", near(number, number))
        (found,) = searched.search.search(vector(0)[None], MODEL, 10)
        assert len({one.name for one in found}) == 10
        assert {one.name for one in found[:2]} == {"crowd", "second crowd"}
        assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)

    def test_changes_are_seen_by_the_next_search(self, searched: Searched) -> None:
        fill(searched.database)
        assert searched.names(vector(5))[0] == "person 5"
        searched.database.templates.remove("person 5")
        assert "person 5" not in searched.names(vector(5), 50)
        add(searched.database, "new", vector(5))
        searched.database.templates.rename("person 6", "other name")
        assert searched.names(vector(5))[0] == "new"
        assert searched.names(vector(6))[0] == "other name"

    def test_a_removed_person_is_not_found_by_a_late_index(self, searched: Searched) -> None:
        fill(searched.database)
        assert searched.names(vector(5))[0] == "person 5"
        searched.feed.stop()
        searched.database.templates.remove("person 5")
        for top in (1, 50):
            assert "person 5" not in searched.names(vector(5), top)
        assert len(searched.names(vector(5), 50)) == 11
        searched.feed.go_on()
        assert "person 5" not in searched.names(vector(5), 50)

    def test_removed_templates_in_a_late_index_crowd_nobody_out(self, searched: Searched) -> None:
        fill(searched.database)
        add(searched.database, "crowd", *(near(0, seed, 0.01) for seed in range(90)))
        assert "crowd" in searched.names(vector(0))[:2]
        searched.feed.stop()
        searched.database.templates.remove("crowd")
        assert len(searched.names(vector(0), 5)) == 5

    def test_names_and_vectors_are_those_of_the_database(self, searched: Searched) -> None:
        fill(searched.database)
        assert searched.names(vector(3))[0] == "person 3"
        searched.feed.stop()
        searched.database.templates.rename("person 3", "other name")
        add(searched.database, "other name", near(3, 777))
        (found,) = searched.search.search(PROBES[3:4], MODEL, 1)
        identity = searched.database.templates.identity("other name")
        templates = searched.database.templates.vectors_of([identity.id])[identity.id]
        assert len(templates) == 2
        assert (found[0].name, found[0].similarity) == (
            "other name",
            identity_similarity(PROBES[3], templates),
        )

    def test_neighbours_are_templates_nearest_first(self, searched: Searched) -> None:
        fill(searched.database)
        (batch,) = [part.batch for part in searched.database.changes.load_all()]
        cosines, ids = searched.search.neighbours(PROBES, MODEL, 5)
        exact = PROBES @ batch.vectors.T
        np.testing.assert_array_equal(ids, batch.template_ids[np.argsort(-exact, axis=1)[:, :5]])
        np.testing.assert_allclose(cosines, -np.sort(-exact, axis=1)[:, :5], atol=1e-6)
        count = searched.search.count(MODEL)
        assert count == len(batch.template_ids)
        cosines, ids = searched.search.neighbours(PROBES[:1], MODEL, count + 3)
        assert (cosines[0, count:].tolist(), ids[0, count:].tolist()) == (3 * [-np.inf], 3 * [-1])

    @pytest.mark.parametrize("other", [OTHER, replace(MODEL, weights_sha256="b" * 64)])
    def test_vectors_of_another_model_are_refused(self, searched: Searched, other) -> None:
        fill(searched.database)
        for ask in (
            lambda: searched.search.search(PROBES, other, 1),
            lambda: searched.search.neighbours(PROBES, other, 1),
            lambda: searched.search.count(other),
        ):
            with pytest.raises(GalleryError) as caught:
                ask()
            assert caught.value.code == "model_mismatch"
            assert searched.names(vector(5))[0] == "person 5"

    def test_a_gallery_that_goes_over_to_another_model(self, searched: Searched) -> None:
        fill(searched.database)
        assert searched.names(vector(5))[0] == "person 5"
        way = searched.database.migration.changeover(OTHER)
        start, pending = way.start(), way.pending(0, 100)
        way.stage([Twin(one.template_id, vector(1000 + one.template_id)) for one in pending])
        assert way.switch(start, pending[-1].template_id)
        with pytest.raises(GalleryError) as caught:
            searched.search.search(PROBES, MODEL, 1)
        assert caught.value.code == "model_mismatch"
        (found,) = searched.search.search(vector(1001)[None], OTHER, 1)
        assert (found[0].name, round(found[0].similarity, 6)) == ("person 0", 1.0)


@dataclass(frozen=True)
class Maintained:
    """An index with its maintenance; `spoil` takes one template (id) out of the index alone."""

    database: Database
    search: IdentitySearch
    maintenance: IndexMaintenance
    spoil: Callable[[int], None]


def mirrored(database: Database) -> Maintained:
    search = MirrorSearch(database.templates, database.changes)

    def spoil(template_id: int) -> None:
        search.mirror(MODEL)._index.remove(np.array([template_id]))

    return Maintained(database, search, MirrorMaintenance(search), spoil)


MAINTENANCES: dict[str, Callable[[Database], Maintained]] = {"mirror": mirrored}


@pytest.fixture(params=MAINTENANCES)
def maintained(request: pytest.FixtureRequest, database: Database) -> Maintained:
    return MAINTENANCES[request.param](database)


class TestIndexMaintenance:
    def test_an_empty_gallery(self, maintained: Maintained) -> None:
        status = maintained.maintenance.status()
        assert (status.model, status.templates, status.changes, status.snapshot) == (None, 0, 0, None)
        verification = maintained.maintenance.verify()
        assert (verification.status, verification.compared, verification.differences) == ("equal", 0, ())
        for result in (maintained.maintenance.rebuild(), maintained.maintenance.compact()):
            assert (result.templates, result.snapshot) == (0, None)

    def test_status_counts_what_can_be_found_and_what_was_changed(self, maintained: Maintained) -> None:
        fill(maintained.database)
        maintained.database.templates.remove("person 1")
        status = maintained.maintenance.status()
        assert (status.model, status.templates, status.changes) == (str(MODEL), 22, 26)
        assert maintained.search.count(MODEL) == 22

    def test_an_index_that_follows_is_equal(self, maintained: Maintained) -> None:
        fill(maintained.database)
        maintained.search.count(MODEL)
        maintained.database.templates.remove("person 1")
        add(maintained.database, "new", vector(77))
        verification = maintained.maintenance.verify()
        assert (verification.status, verification.compared, verification.differences) == ("equal", 23, ())

    def test_a_difference_is_found_and_a_rebuild_ends_it(self, maintained: Maintained) -> None:
        fill(maintained.database)
        maintained.search.count(MODEL)
        maintained.spoil(4)
        verification = maintained.maintenance.verify()
        assert (verification.status, verification.compared) == ("differs", 23)
        assert [(one.template_id, one.difference) for one in verification.differences] == [(4, "missing")]
        rebuilt = maintained.maintenance.rebuild()
        assert (rebuilt.status, rebuilt.templates) == ("rebuilt", 24)
        assert maintained.maintenance.verify().status == "equal"

    def test_compacting_changes_no_answer(self, maintained: Maintained) -> None:
        fill(maintained.database)
        maintained.search.count(MODEL)
        for number in (1, 2, 5):
            maintained.database.templates.remove(f"person {number}")
        before = maintained.search.search(PROBES, MODEL, 5)
        compacted = maintained.maintenance.compact()
        assert (compacted.status, compacted.templates) == ("compacted", 16)
        assert maintained.search.search(PROBES, MODEL, 5) == before
        assert maintained.maintenance.verify().status == "equal"


def test_a_search_without_an_index_needs_no_maintenance(database: Database) -> None:
    gallery = Gallery(database, ExactSearch(database.templates, database.changes))
    with pytest.raises(UsageError) as caught:
        index_status(gallery)
    assert caught.value.code == "no_index"
