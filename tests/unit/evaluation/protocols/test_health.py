"""Every kind of finding is planted and found, and a gallery in order has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.records import NewTemplate
from faceid.cli.messages import advised
from faceid.decision.scores import identity_similarity
from faceid.evaluation.data import people as people_module
from faceid.evaluation.findings import Health
from faceid.evaluation.protocols.health import Examination, Worst
from faceid.evaluation.statistics.outliers import ENOUGH, far_from, from_the_rest, peel
from faceid.gallery.gallery import Gallery
from faceid.gallery.opening import open_gallery
from faceid.networks.registry import Calibration, CalibrationPoint
from faceid.types import ModelKey

DIM = 64
MODEL = ModelKey("net", "a" * 64, "dlib-150-v1", DIM, "cosine")
CALIBRATION = Calibration(
    data="none",
    date="2026-01-01",
    software="none",
    mated=1000,
    non_mated=10_000_000,
    ambiguity_margin=0.05,
    points=tuple(
        CalibrationPoint(fmr=fmr, distance=distance, low=fmr, high=fmr, count=1)
        for fmr, distance in ((1e-6, 0.2), (1e-4, 0.3), (1.0, 1.5))
    ),
)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    opened = open_gallery(tmp_path / "gallery.db", create=True)
    yield opened
    opened.close()


@pytest.fixture
def photo() -> Callable[[np.ndarray], np.ndarray]:
    """A template near somebody's direction: at a distance of about 0.04, two of them about 0.08 apart."""
    rng = np.random.default_rng(1)
    return lambda person: unit(person + 0.3 * unit(rng.normal(size=DIM)))


def unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def people(count: int) -> list[np.ndarray]:
    """Directions at right angles: nobody is like anybody else."""
    return list(np.eye(DIM)[:count])


_SERIAL = iter(range(1, 1_000_000))


def add(gallery: Gallery, name: str, *vectors: np.ndarray, quality: float | None = 0.9) -> list[int]:
    added = gallery._database.templates.add(
        name,
        [NewTemplate(vector, f"{next(_SERIAL):064x}", quality=quality) for vector in vectors],
        MODEL,
    )
    return [one.template_id for one in added]


def in_order(gallery: Gallery, photo: Callable, count: int = 12, each: int = 4) -> None:
    for number, person in enumerate(people(count)):
        add(gallery, f"person {number}", *(photo(person) for _ in range(each)))


def examined(gallery: Gallery, calibration: Calibration | None = CALIBRATION, **options) -> list[Health]:
    return list(Examination(gallery, calibration, least_quality=0.4, **options).run())


def test_a_gallery_in_order_has_no_findings(gallery: Gallery, photo: Callable) -> None:
    in_order(gallery, photo)
    examination = Examination(gallery, CALIBRATION, least_quality=0.4)
    assert list(examination.run()) == []
    bounds = examination.bounds
    assert (bounds.identities, bounds.templates) == (12, 48)
    # 66 pairs: FMR 1e-4 is the laxest that is asked for.
    assert bounds.look_alike_within == pytest.approx(0.3)
    assert bounds.look_alikes_by_chance == pytest.approx(66e-4)
    assert bounds.outlier_beyond is not None
    assert bounds.outlier_beyond >= 0.3


def test_a_group_of_people_is_one_question_to_the_database(
    gallery: Gallery, photo: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_order(gallery, photo, count=10, each=1)
    monkeypatch.setattr(people_module, "GROUP", 4)
    asked: list[str] = []
    query = type(gallery._database._connections).query

    def counted(session, sql, *parameters, **keywords):
        asked.append(sql)
        return query(session, sql, *parameters, **keywords)

    monkeypatch.setattr(type(gallery._database._connections), "query", counted)
    assert {item.kind for item in examined(gallery, None)} == {"single_template"}
    assert sum("t.vector" in sql for sql in asked) == 3
    assert len(asked) <= 3 + 5


def test_an_empty_gallery(gallery: Gallery) -> None:
    examination = Examination(gallery, CALIBRATION, least_quality=0.4)
    assert list(examination.run()) == []
    assert examination.bounds.templates == 0


def test_somebody_elses_photo_is_found_and_the_right_ones_are_not_blamed(
    gallery: Gallery, photo: Callable
) -> None:
    in_order(gallery, photo)
    (wrong,) = add(gallery, "person 3", photo(people(40)[39]))
    (found,) = examined(gallery)
    assert (found.kind, found.names, found.template_ids) == ("outlier_template", ("person 3",), (wrong,))
    assert found.value > 0.8
    assert f"faceid remove --template {wrong}" in advised(found).advice


def test_of_two_photos_nobody_can_say_which_is_wrong(gallery: Gallery, photo: Callable) -> None:
    in_order(gallery, photo)
    ids = add(gallery, "mixed", photo(people(40)[38]), photo(people(40)[39]))
    (found,) = examined(gallery)
    assert (found.kind, found.template_ids) == ("outlier_template", tuple(ids))
    assert "one probably" in advised(found).advice


def test_a_photo_that_verify_would_accept_is_no_outlier(gallery: Gallery) -> None:
    # All photos of a person alike, but for one that is a little off: far by the gallery's own measure only.
    for number, person in enumerate(people(10)):
        add(gallery, f"person {number}", *([person.astype(np.float32)] * 4))
    add(gallery, "person 0", unit(people(1)[0] + 0.5 * people(30)[29]))
    assert examined(gallery) == []
    (found,) = examined(gallery, None)
    assert found.kind == "outlier_template"


def test_photos_as_far_as_is_usual_here_are_no_outliers(gallery: Gallery) -> None:
    # All farther than `verify` would accept: then it is the threshold that should be looked at, not the photos.
    rng = np.random.default_rng(2)
    for number, person in enumerate(people(12)):
        add(gallery, f"person {number}", *(unit(person + unit(rng.normal(size=DIM))) for _ in range(4)))
    assert [item for item in examined(gallery) if item.kind == "outlier_template"] == []


@pytest.mark.parametrize("index", ["numpy", "faiss", "rabitq"])
def test_one_person_under_two_names(tmp_path: Path, photo: Callable, index: str) -> None:
    gallery = open_gallery(tmp_path / "gallery.db", create=True, index_kind=index)
    in_order(gallery, photo)
    ids = add(gallery, "alias", photo(people(12)[5]), photo(people(12)[5]))
    found = examined(gallery)
    gallery.close()
    assert [item.kind for item in found] == ["look_alike"]
    assert found[0].names == ("person 5", "alias")
    assert found[0].template_ids[0] in range(21, 25)
    assert found[0].template_ids[1] in ids
    assert found[0].value < 0.3


def test_a_crowd_of_own_templates_does_not_hide_a_look_alike(gallery: Gallery, photo: Callable) -> None:
    person, other = people(2)
    add(gallery, "often", *(photo(person) for _ in range(300)))
    add(gallery, "alias", photo(person), photo(person))
    add(gallery, "other", photo(other), photo(other))
    assert [item.names for item in examined(gallery) if item.kind == "look_alike"] == [("often", "alias")]


def test_look_alikes_come_nearest_first_and_once(gallery: Gallery, photo: Callable) -> None:
    in_order(gallery, photo)
    for alias in ("a", "b"):
        add(gallery, alias, photo(people(12)[7]), photo(people(12)[7]))
    found = examined(gallery)
    assert {item.names for item in found} == {("person 7", "a"), ("person 7", "b"), ("a", "b")}
    assert len(found) == 3
    assert [item.value for item in found] == sorted(item.value for item in found)


def test_the_larger_the_gallery_the_closer_look_alikes_must_be(gallery: Gallery) -> None:
    examination = Examination(gallery, CALIBRATION, least_quality=0.4)
    distances = [examination._look_alike_bound(count)[0] for count in (2, 1000, 100_000)]
    assert distances[0] == pytest.approx(0.3)
    assert distances[2] == pytest.approx(0.2)
    assert distances[2] < distances[1] < distances[0]
    assert examination._look_alike_bound(1000)[1] == pytest.approx(1.0)
    assert examination._look_alike_bound(100_000)[1] == pytest.approx(5000, rel=1e-3)


def test_lonely_poor_and_old_templates(gallery: Gallery, photo: Callable) -> None:
    in_order(gallery, photo)
    (lonely,) = add(gallery, "lonely", photo(people(40)[39]))
    (poor,) = add(gallery, "person 2", photo(people(12)[2]), quality=0.39)
    add(gallery, "person 2", photo(people(12)[2]), quality=0.4)
    add(gallery, "person 2", photo(people(12)[2]), quality=None)
    found = examined(gallery)
    assert [(item.kind, item.names, item.template_ids, item.value) for item in found] == [
        ("low_quality", ("person 2",), (poor,), 0.39),
        ("single_template", ("lonely",), (lonely,), None),
    ]
    later = datetime.now(timezone.utc) + timedelta(days=1825)
    assert len(examined(gallery, now=later)) == 2
    old = [item for item in examined(gallery, now=later + timedelta(days=2)) if item.kind == "stale"]
    assert len(old) == gallery.template_count()
    assert old[0].value == pytest.approx(1827, abs=0.2)
    assert len(examined(gallery, now=later, stale_days=1000)) == 2 + gallery.template_count()


def test_without_calibration_look_alikes_are_not_guessed(gallery: Gallery, photo: Callable) -> None:
    in_order(gallery, photo)
    add(gallery, "alias", photo(people(12)[5]), photo(people(12)[5]))
    examination = Examination(gallery, None, least_quality=0.4)
    assert list(examination.run()) == []
    assert examination.bounds.look_alike_within is None
    assert examination.bounds.outlier_beyond is not None


def test_templates_of_another_model_are_left_out(gallery: Gallery, photo: Callable) -> None:
    in_order(gallery, photo)
    (lonely,) = add(gallery, "lonely", photo(people(40)[39]))
    other = replace(MODEL, name="other")
    twin = gallery._database.migration.changeover(other)
    from enrollment_db.records import Twin

    twin.stage([Twin(lonely, people(1)[0].astype(np.float32))])
    assert [(item.kind, item.template_ids) for item in examined(gallery)] == [("single_template", (lonely,))]


def test_progress_ends_with_all(gallery: Gallery, photo: Callable) -> None:
    in_order(gallery, photo)
    seen: list[tuple[int, int]] = []
    list(
        Examination(gallery, CALIBRATION, least_quality=0.4).run(
            lambda done, total: seen.append((done, total))
        )
    )
    assert seen[-1] == (48, 48)


def test_euclidean_distances(tmp_path: Path, photo: Callable) -> None:
    gallery = open_gallery(tmp_path / "gallery.db", create=True)
    model = replace(MODEL, metric="euclidean")
    for number, person in enumerate([*people(8), people(8)[0]]):
        gallery._database.templates.add(
            f"person {number}",
            [NewTemplate(photo(person), f"{next(_SERIAL):064x}") for _ in range(2)],
            model,
        )
    wider = replace(
        CALIBRATION,
        points=tuple(replace(point, distance=(2 * point.distance) ** 0.5) for point in CALIBRATION.points),
    )
    found = examined(gallery, wider)
    gallery.close()
    assert [(item.kind, item.names) for item in found] == [("look_alike", ("person 0", "person 8"))]


def test_the_distance_to_the_rest_is_that_of_identification() -> None:
    rng = np.random.default_rng(3)
    vectors = np.stack([unit(rng.normal(size=8)) for _ in range(5)])
    expected = [1.0 - identity_similarity(vectors[k], np.delete(vectors, k, axis=0)) for k in range(5)]
    np.testing.assert_allclose(from_the_rest(vectors, "cosine"), expected, atol=1e-6)


def test_two_people_in_one_identity_are_taken_apart() -> None:
    one, other = people(2)
    vectors = np.stack([one, one, one, other]).astype(np.float32)
    assert [places for places, _ in peel(vectors, "cosine", 0.3)] == [(3,)]
    assert list(peel(vectors[:3], "cosine", 0.3)) == []


def test_few_distances_say_nothing_about_what_is_usual() -> None:
    few = np.full(ENOUGH - 1, 0.1)
    assert far_from(few, None) is None
    assert far_from(few, 0.3) == 0.3
    assert far_from(np.full(ENOUGH, 0.5), 0.3) == 0.5


def test_the_worst_are_kept_and_all_are_counted() -> None:
    worst = Worst(3)
    for number in range(20):
        worst.add(Health("low_quality", ("x",), (number,), number / 100, ""))
        worst.add(Health("stale", ("x",), (number,), float(number), ""))
        worst.add(Health("single_template", ("x",), (number,), None, ""))
    assert worst.counts["low_quality"] == worst.counts["stale"] == 20
    kept = [(item.kind, item.template_ids[0]) for item in worst.kept()]
    assert kept == [
        *(("single_template", number) for number in (0, 1, 2)),
        *(("low_quality", number) for number in (0, 1, 2)),
        *(("stale", number) for number in (19, 18, 17)),
    ]
