from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.records import Part, TemplateState, Twin
from faceid.cli.messages import exit_code_of, hint_for
from faceid.errors import FaceIDError, GalleryError, Refused, UsageError
from faceid.gallery.archive import import_templates
from faceid.gallery.gallery import Gallery
from faceid.gallery.opening import open_gallery
from faceid.types import Embedding, Face, ModelKey, Quality

MODEL = ModelKey("net", "a" * 64, "dlib-150-v1", 8, "cosine")
FACE = Face((0, 0, 50, 50), np.zeros((5, 2), np.float32), 0.9)
QUALITY = Quality(0.8, {"size": 0.8})


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    opened = open_gallery(tmp_path / "gallery.db", create=True)
    yield opened
    opened.close()


def vector(*values: float) -> np.ndarray:
    padded = np.zeros(8, np.float32)
    padded[: len(values)] = values
    return padded / np.linalg.norm(padded)


def add(
    gallery: Gallery,
    name: str,
    values: np.ndarray,
    photo: int,
    model: ModelKey = MODEL,
    state: TemplateState = "confirmed",
) -> int:
    embedding = Embedding(values, model)
    source, sha256 = f"{photo}.jpg", f"{photo:064x}"
    return gallery.add(name, embedding, sha256=sha256, source=source, face=FACE, quality=QUALITY, state=state)


OTHERS = {
    "name": replace(MODEL, name="other"),
    "weights": replace(MODEL, weights_sha256="b" * 64),
    "aligner": replace(MODEL, aligner="arcface-112-v1"),
    "metric": replace(MODEL, metric="euclidean"),
    "dimension": replace(MODEL, dim=9),
}


def archive(path: Path, vectors: np.ndarray, model: ModelKey) -> Path:
    fields = {field: getattr(model, field) for field in ("metric", "weights_sha256", "aligner")}
    np.savez(path, embeddings=vectors, names=np.array(["ben"]), model=model.name, **fields)
    return path


ENTRIES = {
    "search": lambda gallery, probe, path: gallery.search([probe], 1),
    "search, not the first": lambda gallery, probe, path: gallery.search(
        [Embedding(vector(1), MODEL), probe], 1
    ),
    "similarity_to": lambda gallery, probe, path: gallery.similarity_to("ann", probe),
    "add": lambda gallery, probe, path: add(gallery, "ben", probe.vector, 2, probe.model),
    "import": lambda gallery, probe, path: import_templates(
        gallery, MODEL, archive(path, probe.vector[None], probe.model)
    ),
    "import, asked for": lambda gallery, probe, path: import_templates(
        gallery, probe.model, archive(path, probe.vector[None], probe.model)
    ),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("kind", [*OTHERS, "length"])
def test_vectors_of_two_models_never_meet(gallery: Gallery, tmp_path: Path, entry: str, kind: str) -> None:
    """At every entry: another model, or a vector of another length that says it is of this one."""
    add(gallery, "ann", vector(1), 1)
    model = OTHERS.get(kind, MODEL)
    length = 9 if kind == "length" else model.dim
    foreign = np.ones(length, np.float32) / np.sqrt(np.float32(length))
    before = gallery._database.changes.place()[0].seq
    with pytest.raises(GalleryError) as caught:
        ENTRIES[entry](gallery, Embedding(foreign, model), tmp_path / "foreign.npz")
    assert (caught.value.code, exit_code_of(caught.value)) == ("model_mismatch", 4)
    assert hint_for(caught.value)
    assert gallery._database.changes.place()[0].seq == before
    assert [who.name for who in gallery.identities()] == ["ann"]


@pytest.mark.parametrize("kind", OTHERS)
def test_the_guard_knows_every_difference(gallery: Gallery, kind: str) -> None:
    add(gallery, "ann", vector(1), 1)
    gallery.guard(MODEL)
    with pytest.raises(GalleryError, match="holds templates of net"):
        gallery.guard(OTHERS[kind])


def test_every_entry_for_vectors_is_among_those_that_are_guarded() -> None:
    takes_vectors = {
        name
        for name, method in inspect.getmembers(Gallery, inspect.isfunction)
        if not name.startswith("_") and "Embedding" in str(inspect.signature(method))
    }
    assert takes_vectors == {"add", "search", "similarity_to"}


OTHER = replace(OTHERS["dimension"], name="other")


def move(gallery: Gallery) -> None:
    """To OTHER, under which everybody's vector is the same."""
    changeover = gallery._database.migration.changeover(OTHER)
    start = changeover.start()
    foreign = np.eye(9, dtype=np.float32)[0]
    changeover.stage([Twin(one.template_id, foreign) for one in changeover.pending(0, 100)])
    assert changeover.switch(start, 100)


def test_a_switch_by_another_is_noticed_at_the_next_search(gallery: Gallery, tmp_path: Path) -> None:
    add(gallery, "ann", vector(1), 1)
    reader = open_gallery(tmp_path / "gallery.db", read_only=True)
    old, new = Embedding(vector(1), MODEL), Embedding(np.eye(9, dtype=np.float32)[0], OTHER)
    assert [one.name for one in reader.search([old], 1)[0]] == ["ann"]
    move(gallery)
    with pytest.raises(GalleryError) as caught:
        reader.search([old], 1)
    assert (caught.value.code, "--model other" in str(hint_for(caught.value))) == ("model_mismatch", True)
    # Whoever has the new network as well goes on, on a fresh index.
    assert [one.name for one in reader.search([new], 1)[0]] == ["ann"]
    assert (reader.identity_count(), reader.indexed_count()) == (1, 1)
    reader.close()


@pytest.mark.parametrize("moment", ["changes.place", "templates.owners_of", "templates.model"])
def test_a_switch_in_the_middle_of_a_search_gives_no_half_answer(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    add(gallery, "ann", vector(1), 1)
    reader = open_gallery(tmp_path / "gallery.db", read_only=True)
    assert reader.indexed_count() == 1
    part, method = moment.split(".")
    asked_part = getattr(reader._database, part)
    ask = getattr(asked_part, method)
    moves = [move]

    def asked(*arguments: object) -> object:
        if moves:
            moves.pop()(gallery)
        return ask(*arguments)

    monkeypatch.setattr(asked_part, method, asked)
    with pytest.raises(GalleryError) as caught:
        reader.search([Embedding(vector(1), MODEL)], 1)
    assert caught.value.code == "model_mismatch"
    reader.close()


def test_the_number_of_identities_is_not_counted_anew_for_each_photo(gallery: Gallery) -> None:
    vectors = np.tile(vector(1), (3000, 1))
    digests = [f"{number:064x}" for number in range(3000)]
    part = Part([f"person {n // 2}" for n in range(3000)], vectors, digests, [None] * 3000)
    gallery._database.templates.add_many([part], MODEL)
    steps: list[None] = []
    with gallery._database._connections._reader() as connection:
        connection.set_progress_handler(lambda: steps.append(None), 100)

    def cost() -> int:
        """In hundreds of instructions of SQLite's machine."""
        steps.clear()
        gallery.identity_count()
        return len(steps)

    assert cost() > 100
    for number in range(3):
        assert cost() <= 3
        add(gallery, f"new {number}", vector(1), 9000 + number)
        add(gallery, "person 7", vector(1), 9100 + number)
        assert cost() <= 6
        assert gallery.identity_count() == 1501 + number
    gallery.remove("person 7")
    gallery.remove("new 1")
    assert cost() <= 20
    assert gallery.identity_count() == 1501


def test_an_emptied_gallery_takes_another_model(gallery: Gallery) -> None:
    add(gallery, "ann", vector(1), 1)
    gallery.remove("ann")
    add(gallery, "ben", vector(1), 2, replace(MODEL, name="other"))
    assert gallery.model == replace(MODEL, name="other")


def test_candidates_are_identities_nearest_first(gallery: Gallery) -> None:
    add(gallery, "far", vector(0, 0, 1), 1)
    add(gallery, "near", vector(1, 0.2), 2)
    add(gallery, "near", vector(1, -0.2), 3)
    add(gallery, "middle", vector(1, 1), 4)
    (candidates,) = gallery.search([Embedding(vector(1), MODEL)], top=3)
    assert [candidate.name for candidate in candidates] == ["near", "middle", "far"]
    assert candidates[1].similarity == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert candidates[1].distance == pytest.approx(1 - np.sqrt(0.5), abs=1e-6)
    # Twice nearer than either of its templates, since what is peculiar to each cancels out.
    single = 1 / np.sqrt(1.04)
    assert single < candidates[0].similarity < 1.0
    assert gallery.similarity_to("near", Embedding(vector(1), MODEL)) == pytest.approx(
        candidates[0].similarity
    )


def test_each_probe_gets_its_own_answer(gallery: Gallery) -> None:
    add(gallery, "ann", vector(1), 1)
    add(gallery, "ben", vector(0, 1), 2)
    found = gallery.search([Embedding(vector(0, 1), MODEL), Embedding(vector(1), MODEL)], top=1)
    assert [[candidate.name for candidate in one] for one in found] == [["ben"], ["ann"]]
    assert gallery.search([], top=1) == []


def test_an_identity_with_many_templates_does_not_hide_the_others(gallery: Gallery) -> None:
    for photo in range(100):
        add(gallery, "crowd", vector(1, 0.001 * photo), photo)
    for number in range(12):
        add(gallery, f"person {number}", vector(1, 0, 0.5 + number / 10), 1000 + number)
    (candidates,) = gallery.search([Embedding(vector(1), MODEL)], top=10)
    assert [candidate.name for candidate in candidates] == ["crowd", *(f"person {n}" for n in range(9))]


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda gallery: gallery.require("nobody"), Refused),
        (lambda gallery: gallery.templates("nobody"), Refused),
        (lambda gallery: gallery.remove("nobody"), Refused),
        (lambda gallery: gallery.remove_template(99), Refused),
        (lambda gallery: gallery.rename("nobody", "somebody"), Refused),
        (lambda gallery: gallery.rename("ann", "\0"), UsageError),
    ],
)
def test_errors_of_the_database_come_out_as_ours(gallery: Gallery, act, kind: type[FaceIDError]) -> None:
    add(gallery, "ann", vector(1), 1)
    with pytest.raises(kind):
        act(gallery)


def test_holders_and_counts(gallery: Gallery) -> None:
    template = add(gallery, "ann", vector(1), 1)
    assert gallery.holders_of(f"{1:064x}", MODEL) == {"ann": template}
    assert (gallery.identity_count(), gallery.template_count(), gallery.indexed_count()) == (1, 1, 1)
    assert (gallery.template_count("ann"), gallery.template_count("nobody")) == (1, 0)


def test_a_search_with_vectors_of_another_model_keeps_the_index(gallery: Gallery) -> None:
    add(gallery, "ann", vector(1), 1)
    kept = gallery._search.mirror(MODEL)
    with pytest.raises(GalleryError, match="holds templates of net"):
        gallery._search.search(vector(1)[None], OTHERS["weights"], 1)
    assert gallery._search.mirror(MODEL) is kept


def test_an_unconfirmed_template_is_in_no_search_and_no_score(gallery: Gallery, tmp_path: Path) -> None:
    other = open_gallery(tmp_path / "gallery.db")
    add(gallery, "ann", vector(1), 1)
    far = add(gallery, "ann", vector(0, 1), 2, state="unconfirmed")
    ben = add(gallery, "ben", vector(0, 0, 1), 3, state="unconfirmed")
    probe = Embedding(vector(0, 1), MODEL)
    for one in (gallery, other):
        assert [candidate.name for candidate in one.search([probe], 5)[0]] == ["ann"]
        assert one.similarity_to("ann", probe) == pytest.approx(0.0)
        with pytest.raises(Refused, match="no template of ben is confirmed"):
            one.similarity_to("ben", probe)
        assert (one.counts(), one.identity_count(), one.template_count("ben")) == ((1, 1), 1, 0)
        assert one.indexed_count() == 1
        assert len(one.vectors_of("ann", MODEL)) == 1
        assert one.vectors_of("ben", MODEL).shape == (0, 8)
        assert one.enrolled("ben", MODEL) is None
        assert one.owners()[0].tolist() == [1]
        assert [part.names for part in one.all_templates()] == [["ann"]]
        assert one.neighbours(probe.vector[None], 3)[1].tolist() == [[1, -1, -1]]
    kept = gallery.unconfirmed("ann", MODEL)
    assert kept is not None
    assert (kept.template_ids.tolist(), kept.sources) == ([far], ("2.jpg",))
    assert (gallery.unconfirmed("nobody", MODEL), gallery.unconfirmed_counts()) == (
        None,
        {"ann": 1, "ben": 1},
    )
    assert [(one.template_id, one.state) for one in gallery.templates("ann")] == [
        (1, "confirmed"),
        (far, "unconfirmed"),
    ]
    assert gallery.confirm([far, ben]) == [far, ben]
    for one in (gallery, other):
        found = one.search([probe, Embedding(vector(0, 0, 1), MODEL)], 1)
        assert [candidates[0].name for candidates in found] == ["ann", "ben"]
        assert one.similarity_to("ann", probe) > 0.5
        assert (one.identity_count(), one.indexed_count()) == (2, 3)
    other.close()
