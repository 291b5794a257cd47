"""People and templates: what the store keeps, refuses and forgets."""

import hashlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.errors import BadName, BadTemplate, NameTaken, OtherModel, UnknownIdentity, UnknownTemplate
from enrollment_db.records import Added, ModelKey, NewTemplate
from enrollment_db.registry import open_sqlite
from faceid.cli.messages import hint_for

DIM = 16
MODEL = ModelKey("net", "a" * 64, "five-points", DIM, "cosine")
OTHER = ModelKey("better-net", "b" * 64, "five-points", DIM, "cosine")


def photo(seed: int, **fields: object) -> NewTemplate:
    vector = np.random.default_rng(seed).standard_normal(DIM)
    return NewTemplate(
        vector=(vector / np.linalg.norm(vector)).astype(np.float32),
        sha256=hashlib.sha256(str(seed).encode()).hexdigest(),
        **fields,
    )


@pytest.fixture
def store(tmp_path: Path):
    with open_sqlite(tmp_path / "gallery.db") as store:
        yield store
        assert store.check() == []


def test_what_was_enrolled_is_there(store):
    landmarks = np.arange(10, dtype=np.float32).reshape(5, 2)
    new = photo(1, source="ann.jpg", box=(1.0, 2.5, 30.0, 40.126), landmarks=landmarks, quality=0.8)
    assert store.templates.add("Ann", [new], MODEL) == [Added(1, False)]

    identity = store.templates.identity("Ann")
    assert (identity.name, identity.templates) == ("Ann", 1)
    assert identity.created_at.endswith("Z")
    (template,) = store.templates.of("Ann")
    assert (template.id, template.name, template.source) == (1, "Ann", "ann.jpg")
    assert (template.sha256, template.quality, template.model) == (new.sha256, 0.8, MODEL)
    assert template.box == (1.0, 2.5, 30.0, 40.13)
    np.testing.assert_array_equal(template.landmarks, landmarks)
    np.testing.assert_array_equal(store.templates.vectors_of([identity.id])[identity.id], [new.vector])


def test_what_is_not_known_of_a_template_stays_unknown(store):
    store.templates.add("Ann", [photo(1)], MODEL)
    (template,) = store.templates.of("Ann")
    assert (template.source, template.box, template.landmarks, template.quality) == (None,) * 4


def test_the_same_photo_again_is_a_duplicate(store):
    store.templates.add("Ann", [photo(1), photo(2)], MODEL)
    added = store.templates.add("Ann", [photo(2), photo(3), photo(3)], MODEL)
    assert added == [Added(2, True), Added(3, False), Added(3, True)]
    assert store.templates.counts() == (1, 3)


def test_the_same_photo_under_another_name_is_stored_and_all_its_holders_known(store):
    store.templates.add("Ann", [photo(1)], MODEL)
    assert store.templates.holders_of(photo(1).sha256, MODEL) == {"Ann": 1}
    assert store.templates.holders_of(photo(2).sha256, MODEL) == {}
    assert store.templates.holders_of(photo(1).sha256, OTHER) == {}
    assert store.templates.add("Bob", [photo(1)], MODEL) == [Added(2, False)]
    assert list(store.templates.holders_of(photo(1).sha256.upper(), MODEL).items()) == [
        ("Ann", 1),
        ("Bob", 2),
    ]


def test_identities_are_listed_by_name(store):
    store.templates.add("Bob", [photo(1)], MODEL)
    store.templates.add("Ann", [photo(2), photo(3)], MODEL)
    assert [(one.name, one.templates) for one in store.templates.identities()] == [("Ann", 2), ("Bob", 1)]


def test_adding_nothing_creates_nobody(store):
    assert store.templates.add("Ann", [], MODEL) == []
    assert store.templates.counts() == (0, 0)
    assert store.templates.model() is None


def test_several_people_are_read_at_once(store):
    store.templates.add("Ann", [photo(1, quality=0.8), photo(2)], MODEL)
    store.templates.add("Bob", [photo(3)], MODEL)
    store.templates.add("Cyd", [photo(4)], MODEL)
    store.templates.rename("Bob", "Rob")
    found = store.templates.enrolled(np.array([2, 1, 9]), MODEL)
    assert {id_: own.name for id_, own in found.items()} == {1: "Ann", 2: "Rob"}
    ann = found[1]
    assert (ann.template_ids.dtype, ann.template_ids.tolist()) == (np.int64, [1, 2])
    np.testing.assert_array_equal(ann.vectors, [photo(1).vector, photo(2).vector])
    assert ann.qualities == (0.8, None)
    assert ann.created_at == tuple(template.created_at for template in store.templates.of("Ann"))
    assert store.templates.enrolled([], MODEL) == store.templates.enrolled([1], OTHER) == {}


def test_ids_lead_to_identities_and_names(store):
    store.templates.add("Ann", [photo(1), photo(2)], MODEL)
    store.templates.add("Bob", [photo(3)], MODEL)
    owners = store.templates.identity_ids_of([3, 99, 1, 3])
    assert owners.dtype == np.int64
    assert owners.tolist() == [2, -1, 1, 2]
    assert {
        id_: owner.name for id_, owner in store.templates.owners_of([[3, 99, 1, 3]], MODEL, 9).owners.items()
    } == {1: "Ann", 2: "Bob"}
    assert {
        id_: len(vectors) for id_, vectors in store.templates.vectors_of(np.array([2, 1, 9])).items()
    } == {
        1: 2,
        2: 1,
    }
    assert store.templates.identity_ids_of([]).tolist() == []
    assert store.templates.vectors_of([]) == store.templates.owners_of([[]], MODEL, 9).owners == {}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("  Ann ", "Ann"),
        ("José", "José"),
        ("محمد", "محمد"),
        ("x" * 200, "x" * 200),
        ("O'Brien; --", "O'Brien; --"),
    ],
)
def test_names_are_stored_in_one_form(store, given, stored):
    store.templates.add(given, [photo(1)], MODEL)
    assert store.templates.identities()[0].name == stored
    assert store.templates.identity(given).name == stored


@pytest.mark.parametrize(
    "name",
    ["", " \t", "x" * 201, "x" * 10_000, "a\nb", "a\x00b", "a\x1bb", "a\u2028b", "a\ud800b", "a\u202eb"],
)
def test_names_that_cannot_be(store, name):
    with pytest.raises(BadName) as caught:
        store.templates.add(name, [photo(1)], MODEL)
    assert caught.value.code == "bad_name"
    assert hint_for(caught.value)
    assert len(str(caught.value)) < 100
    assert str(caught.value).isprintable()
    assert store.templates.counts() == (0, 0)


@pytest.mark.parametrize(
    "vector",
    [
        np.zeros(DIM, np.float32),
        np.full(DIM, np.nan, np.float32),
        np.full(DIM, np.inf, np.float32),
        np.ones(DIM, np.float32),
        np.eye(DIM, dtype=np.float32)[0, : DIM - 1],
        np.eye(DIM, dtype=np.float32)[:1],
    ],
)
def test_a_bad_vector_stores_none_of_its_batch(store, vector):
    with pytest.raises(BadTemplate):
        store.templates.add("Ann", [photo(1), NewTemplate(vector, "0" * 64)], MODEL)
    assert store.templates.counts() == (0, 0)


@pytest.mark.parametrize("sha256", ["", "0" * 63, "0" * 66, "z" * 64])
def test_a_bad_hash_is_refused(store, sha256):
    with pytest.raises(BadTemplate):
        store.templates.add("Ann", [NewTemplate(photo(1).vector, sha256)], MODEL)


def test_a_gallery_belongs_to_the_model_of_its_first_template(store):
    assert store.templates.model() is None
    store.templates.add("Ann", [photo(1)], MODEL)
    assert store.templates.model() == MODEL
    with pytest.raises(OtherModel) as caught:
        store.templates.add("Bob", [photo(2)], OTHER)
    assert caught.value.code == "model_mismatch"
    assert "net (aaaaaaaa, five-points)" in str(caught.value)
    assert "better-net (bbbbbbbb, five-points)" in str(caught.value)
    assert "--model net" in hint_for(caught.value)
    assert store.templates.counts() == (1, 1)


def test_the_same_network_with_other_weights_is_another_model(store):
    store.templates.add("Ann", [photo(1)], MODEL)
    with pytest.raises(OtherModel) as caught:
        store.templates.add("Ann", [photo(2)], ModelKey("net", "c" * 64, "five-points", DIM, "cosine"))
    assert "--model" not in hint_for(caught.value)


@pytest.mark.parametrize(
    "empty", [lambda store: store.templates.remove("Ann"), lambda store: store.templates.remove_template(1)]
)
def test_an_empty_gallery_may_take_another_model(store, empty):
    store.templates.add("Ann", [photo(1)], MODEL)
    empty(store)
    assert store.templates.model() is None
    store.templates.add("Ann", [photo(1)], OTHER)
    assert store.templates.model() == OTHER


def test_rename(store):
    store.templates.add("Ann", [photo(1)], MODEL)
    store.templates.add("Bob", [photo(2)], MODEL)
    store.templates.rename("Ann", " Anna ")
    assert [one.name for one in store.templates.identities()] == ["Anna", "Bob"]
    store.templates.rename("Anna", "Anna")
    with pytest.raises(NameTaken):
        store.templates.rename("Anna", "Bob")
    with pytest.raises(UnknownIdentity):
        store.templates.rename("Ann", "Carl")
    with pytest.raises(BadName):
        store.templates.rename("Bob", "")


def test_remove(store):
    store.templates.add("Ann", [photo(1), photo(2)], MODEL)
    store.templates.add("Bob", [photo(3)], MODEL)
    assert store.templates.remove("Ann") == 2
    assert store.templates.counts() == (1, 1)
    assert store.templates.identity_ids_of([1, 2, 3]).tolist() == [-1, -1, 2]
    for ask in (store.templates.remove, store.templates.identity, store.templates.of):
        with pytest.raises(UnknownIdentity, match="Ann"):
            ask("Ann")


def test_removing_the_last_template_removes_the_identity(store):
    store.templates.add("Ann", [photo(1), photo(2)], MODEL)
    assert store.templates.remove_template(1) == "Ann"
    assert store.templates.counts() == (1, 1)
    assert store.templates.remove_template(2) == "Ann"
    assert store.templates.counts() == (0, 0)
    with pytest.raises(UnknownTemplate):
        store.templates.remove_template(2)


def test_ids_are_never_used_again(store):
    store.templates.add("Ann", [photo(1), photo(2)], MODEL)
    ann = store.templates.identity("Ann").id
    store.templates.remove("Ann")
    assert store.templates.add("Ann", [photo(1)], MODEL) == [Added(3, False)]
    assert store.templates.identity("Ann").id > ann


def test_a_transaction_is_whole_and_its_parts_can_fail_alone(store):
    def fail() -> None:
        with store.templates.transaction():
            store.templates.add("Ann", [photo(1)], MODEL)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.templates.counts() == (0, 0)
    assert store.templates.model() is None

    with store.templates.transaction():
        store.templates.add("Ann", [photo(1)], MODEL)
        with pytest.raises(OtherModel):
            store.templates.add("Bob", [photo(2)], OTHER)
        store.templates.remove("Ann")
        store.templates.add("Carl", [photo(3)], MODEL)
    assert [one.name for one in store.templates.identities()] == ["Carl"]


def test_a_removed_template_leaves_no_trace_in_the_files(tmp_path):
    path = tmp_path / "gallery.db"
    with open_sqlite(path) as store:
        store.templates.add("Bob", [photo(2)], MODEL)
        store.templates.add("Ann", [photo(1, source="ann-secret.jpg")], MODEL)
        needles = [photo(1).vector.tobytes(), bytes.fromhex(photo(1).sha256), b"ann-secret.jpg"]

        def found() -> list[bool]:
            content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
            return [needle in content for needle in needles]

        assert found() == [True, True, True]
        store.templates.remove("Ann")
        assert found() == [False, False, False]


def test_a_reader_in_the_way_delays_the_purge_but_not_the_removal(tmp_path):
    path = tmp_path / "gallery.db"
    with open_sqlite(path) as store, open_sqlite(path, read_only=True) as reader:
        store.templates.add("Ann", [photo(1)], MODEL)
        parts = reader.changes.load_all()
        assert len(next(parts).batch) == 1
        store.templates.remove("Ann")
        assert store.templates.counts() == (0, 0)
        parts.close()
        store.templates.add("Bob", [photo(2)], MODEL)
        store.templates.remove("Bob")
        content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert photo(1).vector.tobytes() not in content


def test_a_removal_leaves_no_trace_while_other_threads_read(tmp_path):
    with open_sqlite(tmp_path / "gallery.db") as store:
        for number in range(40):
            store.templates.add(f"person {number}", [photo(number)], MODEL)
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                store.templates.owners_of([list(range(1, 41))], MODEL, 40)

        with ThreadPoolExecutor(8) as pool:
            reading = [pool.submit(read) for _ in range(8)]
            try:
                for number in range(20):
                    store.templates.remove(f"person {number}")
                    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
                    assert photo(number).vector.tobytes() not in content
            finally:
                done.set()
        assert [one.result() for one in reading] == [None] * 8


def test_what_a_long_read_kept_is_erased_by_the_next_commit(tmp_path):
    path = tmp_path / "gallery.db"
    with open_sqlite(path) as store:
        store.templates.add("Ann", [photo(1)], MODEL)
        store.templates.add("Bob", [photo(2)], MODEL)
        parts = store.changes.load_all()
        next(parts)
        store.templates.remove("Ann")
        parts.close()
        store.templates.add("Carl", [photo(3)], MODEL)
        content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert photo(1).vector.tobytes() not in content


def test_check_names_what_is_wrong(tmp_path):
    path = tmp_path / "gallery.db"
    with open_sqlite(path) as store:
        store.templates.add("Ann", [photo(1)], MODEL)
        store.templates.add("Bob", [photo(2)], MODEL)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE templates SET vector = x'00' WHERE id = 1")
    connection.execute("DELETE FROM templates WHERE id = 2")
    connection.execute("INSERT INTO models VALUES (7, 'x', 'x', 'x', 1, 'cosine')")
    connection.execute(
        "INSERT INTO templates VALUES (9, 99, 7, x'0000803f', NULL, zeroblob(32), '', '', 0, '', 1, NULL)"
    )
    connection.execute("INSERT INTO crops VALUES (3, 1, zeroblob(32), x'00', '', '')")
    connection.execute("UPDATE settings SET pinned_model_id = NULL")
    connection.commit()
    connection.close()
    with open_sqlite(path) as store:
        problems = store.check()
    assert len(problems) == 5, problems
    assert any("template 1 has 1 bytes, not 64" in problem for problem in problems)
    assert any("of identities that is not there" in problem for problem in problems)
    assert any("no model: no search finds 2 of them" in problem for problem in problems)
    assert any("crop 3 is of a photo that has no template" in problem for problem in problems)
    assert any("Bob has no template" in problem for problem in problems)
