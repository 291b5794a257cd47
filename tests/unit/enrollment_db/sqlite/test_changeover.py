"""Another model for a gallery that is in use: staged beside the old one, then switched in one transaction."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.errors import BadTemplate, OtherModel
from enrollment_db.records import FaceCrop, GallerySize, ModelKey, NewTemplate, Twin
from enrollment_db.registry import open_sqlite
from enrollment_db.search.index import open_index
from enrollment_db.search.mirror import Mirror
from enrollment_db.sqlite.database import SqliteDatabase
from faceid.cli.messages import hint_for

OLD = ModelKey("net", "a" * 64, "five-points", 4, "cosine")
NEW = ModelKey("better", "b" * 64, "five-points", 6, "euclidean")
CROP = FaceCrop(b"a picture", (1.0, 2.0, 30.0, 40.0), np.arange(10, dtype=np.float32).reshape(5, 2))


def photo(number: int, **fields: object) -> NewTemplate:
    digest = hashlib.sha256(bytes([number])).hexdigest()
    return NewTemplate(unit(number, 4), digest, source=f"{number}.jpg", **fields)


def unit(number: int, dim: int) -> np.ndarray:
    return np.eye(dim, dtype=np.float32)[number % dim]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gallery.db"


@pytest.fixture
def store(path: Path):
    with open_sqlite(path) as store:
        store.templates.add("Ann", [photo(1, quality=0.5, crop=CROP), photo(2)], OLD)
        store.templates.add("Bob", [photo(2), photo(3)], OLD)
        yield store
        assert store.check() == []


def stage_all(store: SqliteDatabase, *, but: tuple[int, ...] = (), to: ModelKey = NEW) -> int:
    """A whole pass; returns how many were staged."""
    changeover = store.migration.changeover(to)
    after, staged = 0, 0
    while some := changeover.pending(after, 2):
        after = some[-1].template_id
        staged += changeover.stage(
            [
                Twin(one.template_id, unit(one.template_id, to.dim))
                for one in some
                if one.template_id not in but
            ]
        )
    return staged


def move(store: SqliteDatabase, *, but: tuple[int, ...] = (), to: ModelKey = NEW) -> None:
    changeover = store.migration.changeover(to)
    start = changeover.start()
    stage_all(store, but=but, to=to)
    assert changeover.switch(start, 1000)


def seen(store: SqliteDatabase) -> dict[str, object]:
    """All that the templates of the active model show in."""
    return {
        "model": store.templates.model(),
        "counts": store.templates.counts(),
        "gallery_size": store.templates.gallery_size().identities,
        "people": [(one.name, one.templates) for one in store.templates.identities()],
        "loaded": [part.batch.template_ids.tolist() for part in store.changes.load_all()],
        "listed": [(part.total, part.names, part.vectors.shape) for part in store.templates.list_all()],
        "vectors": {id_: vectors.tolist() for id_, vectors in store.templates.vectors_of([1, 2]).items()},
        "shown": [(one.id, one.model) for name in ("Ann", "Bob") for one in store.templates.of(name)],
        "added": [change.added.template_ids.tolist() for change in store.changes.since(0)],
    }


def test_what_is_staged_is_seen_by_nobody(store):
    before = seen(store)
    assert stage_all(store) == 4
    assert seen(store) == before
    assert store.migration.changeover(NEW).staged() == 4


def test_the_switch_changes_everything_at_once(store):
    move(store)
    after = seen(store)
    assert after["model"] == NEW
    assert (after["counts"], after["gallery_size"]) == ((2, 4), 2)
    assert after["people"] == [("Ann", 2), ("Bob", 2)]
    assert after["loaded"] == [[5, 6, 7, 8]]
    assert after["listed"] == [(4, ["Ann", "Ann", "Bob", "Bob"], (4, 6))]
    assert after["shown"] == [(5, NEW), (6, NEW), (7, NEW), (8, NEW)]
    assert after["added"] == [[5, 6, 7, 8]]
    np.testing.assert_array_equal(store.templates.vectors_of([1])[1], [unit(1, 6), unit(2, 6)])
    np.testing.assert_array_equal(store.templates.vectors_of([1], OLD)[1], [unit(1, 4), unit(2, 4)])
    first = store.templates.of("Ann")[0]
    assert (first.source, first.sha256, first.quality) == ("1.jpg", photo(1).sha256, 0.5)


def test_the_way_back_is_open(store):
    before = seen(store)
    move(store)
    changeover = store.migration.changeover(OLD)
    assert changeover.pending(0, 10) == []
    assert changeover.switch(changeover.start(), 0)
    assert seen(store) == before


def test_what_is_pending_comes_by_id_with_its_crop(store):
    changeover = store.migration.changeover(NEW)
    first, second = changeover.pending(0, 2)
    assert (first.template_id, first.name, first.source, first.active) == (1, "Ann", "1.jpg", True)
    assert (first.crop.picture, first.crop.box) == (CROP.picture, CROP.box)
    np.testing.assert_array_equal(first.crop.landmarks, CROP.landmarks)
    assert (second.template_id, second.crop) == (2, None)
    assert [one.template_id for one in changeover.pending(2, 10)] == [3, 4]
    changeover.stage([Twin(3, unit(0, 6))])
    assert [one.template_id for one in changeover.pending(0, 10)] == [1, 2, 4]


def test_a_switch_waits_for_what_was_enrolled_meanwhile(store):
    changeover = store.migration.changeover(NEW)
    start = changeover.start()
    stage_all(store)
    store.templates.add("Cid", [photo(9)], OLD)
    assert not changeover.switch(start, 8)
    assert store.templates.model() == OLD
    assert stage_all(store) == 1
    assert changeover.switch(start, 10)
    assert store.templates.model() == NEW


@pytest.mark.parametrize("disturb", ["third model", "staged removed"])
def test_a_switch_does_not_rest_on_a_pass_that_is_void(store, disturb):
    changeover = store.migration.changeover(NEW)
    start = changeover.start()
    stage_all(store)
    if disturb == "third model":
        move(store, to=ModelKey("third", "c" * 64, "five-points", 4, "cosine"))
    else:
        # As by `drop_others` of another process.
        with store.templates.transaction():
            store._connections._writer.execute("DELETE FROM templates WHERE id = 8")
    active = store.templates.model()
    assert not changeover.switch(start, 1000)
    assert store.templates.model() == active


def test_a_photo_without_a_twin_is_shown_and_not_found(store):
    move(store, but=(3, 4))
    assert store.templates.counts() == (1, 2)
    assert [(one.name, one.templates) for one in store.templates.identities()] == [("Ann", 2), ("Bob", 0)]
    assert [(one.id, one.model) for one in store.templates.of("Bob")] == [(3, OLD), (4, OLD)]
    assert store.templates.vectors_of([2]) == {}
    changeover = store.migration.changeover(NEW)
    assert changeover.unfindable() == ["Bob"]
    assert [(one.template_id, one.active) for one in changeover.pending(0, 9)] == [(3, False), (4, False)]
    # Later its photo is back.
    changeover.stage([Twin(4, unit(0, 6))])
    assert [(one.id, one.model) for one in store.templates.of("Bob")] == [(3, OLD), (7, NEW)]
    assert changeover.unfindable() == []


def test_old_templates_are_dropped_where_they_have_a_twin(store, monkeypatch):
    monkeypatch.setattr("enrollment_db.sqlite.migration.DROPPED_AT_ONCE", 2)
    move(store, but=(4,))
    assert store.migration.changeover(NEW).drop_others() == 3
    assert [(one.id, one.model) for one in store.templates.of("Bob")] == [(7, NEW), (4, OLD)][::-1]
    # The crop is the photo's: what was made from it once can be made from it again.
    assert store.migration.changeover(OLD).pending(0, 1)[0].crop.picture == CROP.picture


@pytest.mark.parametrize("template_id", [1, 5])
def test_a_removed_photo_never_comes_back(store, template_id):
    stage_all(store)
    assert store.templates.remove_template(template_id) == "Ann"
    assert [one.id for one in store.templates.of("Ann")] == [2]
    changeover = store.migration.changeover(NEW)
    assert changeover.switch(changeover.start(), 1000)
    assert [one.id for one in store.templates.of("Ann")] == [6]
    assert store._connections.query("SELECT count(*) FROM crops") == [(0,)]


def test_a_removed_person_goes_with_all_models_and_crops(store):
    stage_all(store)
    assert store.templates.remove("Ann") == 2
    assert store._connections.query("SELECT count(*) FROM crops") == [(0,)]
    assert store._connections.query("SELECT DISTINCT identity_id FROM templates") == [(2,)]
    store.templates.remove("Bob")
    assert store.templates.model() is None


def test_the_last_photo_takes_its_identity_along(store):
    move(store, but=(3,))
    assert store.templates.remove_template(3) == "Bob"
    assert store.templates.identity("Bob").templates == 1
    assert store.templates.remove_template(store.templates.of("Bob")[0].id) == "Bob"
    assert [one.name for one in store.templates.identities()] == ["Ann"]


def test_a_template_that_was_removed_gets_no_twin(store):
    changeover = store.migration.changeover(NEW)
    (first,) = changeover.pending(0, 1)
    store.templates.remove_template(first.template_id)
    assert changeover.stage([Twin(first.template_id, unit(0, 6))]) == 0


def test_a_vector_of_another_dimension_is_not_staged(store):
    with pytest.raises(BadTemplate):
        store.migration.changeover(NEW).stage([Twin(1, unit(0, 6)), Twin(2, unit(0, 4))])
    assert store.migration.changeover(NEW).staged() == 0


def test_what_is_staged_lets_no_other_model_in(store):
    stage_all(store)
    with pytest.raises(OtherModel, match="holds templates of net"):
        store.templates.add("Ann", [NewTemplate(unit(0, 6), "f" * 64)], NEW)


def test_a_crop_is_kept_once(store):
    other = FaceCrop(b"another", CROP.box, CROP.landmarks)
    store.templates.add("Ann", [photo(1, crop=other), photo(2, crop=other)], OLD)
    assert store._connections.query("SELECT picture FROM crops ORDER BY id") == [
        (b"a picture",),
        (b"another",),
    ]


def test_a_reader_notices_the_switch(store, path):
    with open_sqlite(path, read_only=True) as reader:
        mirror = Mirror(reader.changes, open_index(4))
        assert mirror.sync() == 4
        stage_all(store)
        # What is staged moves the place in the log, and nothing else.
        assert (mirror.sync(), mirror.seq, len(mirror)) == (0, 8, 4)
        move(store)
        with pytest.raises(OtherModel) as caught:
            mirror.search(unit(0, 4)[None], 1)
        assert "--model better" in hint_for(caught.value)
        fresh = Mirror(reader.changes, open_index(6))
        assert fresh.search(unit(5, 6)[None], 1)[1].tolist() == [[5]]


def test_a_reader_that_is_behind_gets_its_own_model_s_changes(store):
    mirror = Mirror(store.changes, open_index(4))
    mirror.sync()
    move(store)
    store.templates.add("Cid", [NewTemplate(unit(0, 6), "f" * 64)], NEW)
    changeover = store.migration.changeover(OLD)
    (pending,) = changeover.pending(0, 9)
    changeover.stage([Twin(pending.template_id, unit(0, 4))])
    store.templates.remove_template(1)
    assert changeover.switch(changeover.start(), 1000)
    # Over to the new model and back again, unseen.
    assert mirror.sync() == 2
    assert sorted(mirror.search(unit(0, 4)[None], 9)[1][0].tolist())[-4:] == [2, 3, 4, 10]


def test_a_gallery_size_by_the_log_is_that_of_a_count(store):
    rng = np.random.default_rng(5)
    gallery_size: GallerySize | None = store.templates.gallery_size()
    for step in range(120):
        people = [one.name for one in store.templates.identities()]
        match int(rng.integers(6)):
            case 0 if people:
                store.templates.remove(str(rng.choice(people)))
            case 1 if people:
                templates = store.templates.of(str(rng.choice(people)))
                store.templates.remove_template(templates[0].id)
            case 2 if people:
                move(store, to=NEW if store.templates.model() == OLD else OLD, but=(int(rng.integers(200)),))
            case _:
                model = store.templates.model() or OLD
                digest = hashlib.sha256(bytes([int(rng.integers(40))])).hexdigest()
                store.templates.add(f"P{rng.integers(6)}", [NewTemplate(unit(0, model.dim), digest)], model)
        if step % 3 == 0:
            gallery_size = store.templates.gallery_size(gallery_size)
            assert (
                gallery_size.identities
                == store.templates.counts()[0]
                == store.templates.gallery_size().identities
            )


def kept_unconfirmed(store) -> int:
    return store.templates.add("Cid", [photo(8)], OLD, state="unconfirmed")[0].template_id


@pytest.mark.parametrize(
    "ask",
    [
        lambda store, before: store.templates.identity("Ann"),
        lambda store, before: store.templates.of("Ann"),
        lambda store, before: store.templates.vectors_of([1, 2]),
        lambda store, before: store.templates.enrolled([1, 2], OLD),
        lambda store, before: store.templates.identity_ids_of([1, 5]),
        lambda store, before: store.templates.holders_of(photo(2).sha256, OLD),
        lambda store, before: store.templates.gallery_size(before),
        lambda store, before: store.templates.unconfirmed([1, 2], OLD),
        lambda store, before: store.templates.confirm([kept_unconfirmed(store)]),
        lambda store, before: store.templates.add("Ann", [photo(7)], OLD),
        lambda store, before: store.templates.remove_template(1),
        lambda store, before: store.templates.remove("Bob"),
    ],
    ids=[
        "identity",
        "templates",
        "vectors",
        "enrolled",
        "owners",
        "holders",
        "gallery_size",
        "unconfirmed",
        "confirm",
        "add",
        "remove one",
        "remove",
    ],
)
def test_what_is_asked_of_few_does_not_read_all(store, path, ask):
    before = store.templates.gallery_size()
    stage_all(store)
    asked: list[str] = []
    with store._connections._reader() as reader:
        both = (store._connections._writer, reader)
    for connection in both:
        connection.set_trace_callback(asked.append)
    ask(store, before)
    for connection in both:
        connection.set_trace_callback(None)
    asked = [
        sql for sql in asked if sql.lstrip().startswith(("SELECT", "WITH", "UPDATE templates", "DELETE"))
    ]
    assert asked
    for sql in asked:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert not [step for step in plan if step.startswith(("SCAN t", "SCAN i", "SCAN c"))], (sql, plan)


def test_what_is_dropped_is_erased_from_snapshots_of_the_old_index(store, path):
    """Nobody need open the new index for that."""
    vector = np.array([0.1, -0.7, 0.5, 0.5], np.float32)
    store.templates.add("Cid", [NewTemplate(vector, "c" * 64)], OLD)
    snapshot = Mirror(store.changes, open_index(OLD.dim)).snapshot()
    assert snapshot is not None
    assert vector.tobytes() in snapshot.read_bytes()
    start = store.migration.changeover(NEW).start()
    stage_all(store)
    assert store.migration.changeover(NEW).switch(start, 5)
    assert store.migration.changeover(NEW).drop_others() == 5
    left = [file.read_bytes() for file in path.parent.rglob("*") if file.is_file()]
    assert not any(vector.tobytes() in content for content in left)
