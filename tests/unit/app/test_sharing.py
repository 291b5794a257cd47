"""One FaceID object that many threads share: what is loaded once, and what nobody loses."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from faceid import FaceID
from faceid.app import factories
from faceid.errors import GalleryError
from faceid.recognition.detect.fake import LEVELS, draw_face
from faceid.recognition.embed.fake import FakeEmbedder
from faceid.results import IdentifyResult
from second_fake import OTHER, install

THREADS = 16
RED, GREEN, BLUE = (208, 80, 80), (80, 208, 80), (80, 80, 208)
COLOURS = [(r, g, b) for r in LEVELS[::2] for g in LEVELS[::2] for b in LEVELS[::2] if not r == g == b]


@pytest.fixture(autouse=True)
def second_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch.setattr)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[FaceID]:
    with FaceID(db=tmp_path / "gallery.db", model="fake", device="cpu") as opened:
        yield opened


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The networks and detectors that were loaded, in order. Loading takes a while, so that threads meet."""
    names: list[str] = []

    def counted(kind: str, make: Callable[..., object]) -> Callable[..., object]:
        def make_slowly(model: str, *arguments: object, **options: object) -> object:
            names.append(f"{kind} {model}")
            time.sleep(0.05)
            return make(model, *arguments, **options)

        return make_slowly

    monkeypatch.setattr(factories, "make_embedder", counted("network", factories.make_embedder))
    monkeypatch.setattr(factories, "make_detector", counted("detector", factories.make_detector))
    return names


def picture(colour: tuple[int, int, int] = RED, *, shade: int = 0) -> np.ndarray:
    canvas = np.zeros((160, 160, 3), np.uint8)
    draw_face(canvas, colour, 20, 20, 120)
    canvas[canvas > 0] += shade
    return canvas


def names(result: IdentifyResult) -> list[str | None]:
    return [face.name for face in result.faces]


def together(*work: Callable[[], object]) -> list[object]:
    """The results of functions that begin at the same moment, each in a thread of its own."""
    barrier = threading.Barrier(len(work))

    def run(function: Callable[[], object]) -> object:
        barrier.wait(10)
        return function()

    with ThreadPoolExecutor(len(work)) as threads:
        return [future.result(60) for future in [threads.submit(run, function) for function in work]]


def test_many_threads_load_a_network_once(system: FaceID, loaded: list[str]) -> None:
    system.enroll("ann", picture())
    system.close()
    loaded.clear()
    with FaceID(settings=system.services.settings) as shared:
        results = together(*[lambda: shared.identify(picture(shade=1))] * (THREADS // 2),
                           *[lambda: shared.verify("ann", picture(shade=2))] * (THREADS // 2))  # fmt: skip
        assert all(names(one) == ["ann"] for one in results[: THREADS // 2])  # type: ignore[arg-type]
    assert sorted(loaded) == ["detector fake", "network fake"]


def test_warmed_up_there_is_nothing_left_to_load(system: FaceID, loaded: list[str]) -> None:
    system.services.warm_up()
    assert sorted(loaded) == ["detector fake", "network fake"]
    system.enroll("ann", picture())
    system.services.warm_up()
    assert names(system.identify(picture(shade=1))) == ["ann"]
    assert len(loaded) == 2


def test_where_loading_fails_the_next_request_tries_again(
    system: FaceID, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = factories.make_embedder

    def fail(*arguments: object) -> object:
        monkeypatch.setattr(factories, "make_embedder", make)
        raise GalleryError("no room")

    monkeypatch.setattr(factories, "make_embedder", fail)
    with pytest.raises(GalleryError, match="no room"):
        system.compare(picture(), picture())
    assert system.compare(picture(), picture(shade=1)).verified


class Crowd:
    """Sixteen threads at one object, and what each of them must see."""

    ROUNDS = 6

    def __init__(self, system: FaceID) -> None:
        self.system = system
        self.moving = True

    def enrol(self, number: int) -> None:
        """People come and go; some stay. Each is found from enrolment to removal, and never afterwards."""
        for turn in range(self.ROUNDS):
            name, colour = f"guest {number}", COLOURS[8 + number]
            (result,) = self.system.enroll(name, picture(colour, shade=turn), store_crops=True)
            assert result.status == "enrolled", result
            assert names(self.system.identify(picture(colour, shade=7))) == [name]
            assert self.system.verify(name, picture(colour, shade=7)).verified
            self.system.remove(name)
            assert names(self.system.identify(picture(colour, shade=7))) == [None]
            (result,) = self.system.enroll(f"{name}, visit {turn}", picture(colour), store_crops=True)
            assert result.status == "enrolled", result
            self.system.people.remove(f"{name}, visit {turn}")
        self.system.enroll(f"guest {number}", picture(COLOURS[8 + number]), store_crops=True)

    def identify(self, number: int) -> None:
        """Somebody who stays is always found, one by one and in long streams."""
        colour = COLOURS[number]
        while self.moving:
            found = list(self.system.identify_each(picture(colour, shade=k % 8) for k in range(12)))
            assert [names(one) for one in found] == [[f"resident {number}"]] * 12

    def verify(self, number: int) -> None:
        while self.moving:
            assert self.system.verify(f"resident {number}", picture(COLOURS[number], shade=2)).verified
            assert not self.system.verify(f"resident {number}", picture(COLOURS[number + 1])).verified
            assert self.system.compare(picture(COLOURS[number]), picture(COLOURS[number], shade=3)).verified
            assert self.system.people.count() >= 8

    def move(self) -> None:
        for model in (OTHER, "fake", OTHER):
            assert self.system.transfer.reembed(model, drop_old=True).status == "switched"
            time.sleep(0.05)


def test_sixteen_threads_enrol_ask_remove_and_re_embed(system: FaceID) -> None:
    for number in range(8):
        system.enroll(f"resident {number}", picture(COLOURS[number]), store_crops=True)
    crowd = Crowd(system)

    def work() -> None:
        try:
            together(*[lambda number=number: crowd.enrol(number) for number in range(4)], crowd.move)
        finally:
            crowd.moving = False

    # 1 + 5 of them wait for others, 11 ask: sixteen that work.
    together(
        work,
        *[lambda number=number: crowd.identify(number) for number in range(6)],
        *[lambda number=number: crowd.verify(number) for number in range(5)],
    )
    expected = [f"guest {number}" for number in range(4)] + [f"resident {number}" for number in range(8)]
    assert sorted(person.name for person in system.people.list()) == expected
    assert system.services.gallery().model.name == OTHER  # type: ignore[union-attr]
    assert system.index.verify().status == "equal"
    for number in range(8):
        assert names(system.identify(picture(COLOURS[number], shade=1))) == [f"resident {number}"]
    with FaceID(db=system.services.settings.db.file, device="cpu") as other:
        assert other.people.count() == 12


def while_embedding(monkeypatch: pytest.MonkeyPatch, model: str, act: Callable[[], object]) -> None:
    """Have `act` happen once, after the next embedding by `model` and before its search."""
    embed = FakeEmbedder.embed
    acts = [act]

    def disturbed(self: FakeEmbedder, crops: list[object]) -> object:
        vectors = embed(self, crops)  # type: ignore[arg-type]
        if self.model.name == model and acts:
            acts.pop()()
        return vectors

    monkeypatch.setattr(FakeEmbedder, "embed", disturbed)


@pytest.mark.parametrize(
    "ask",
    [
        lambda system: names(system.identify(picture(shade=1))) == ["ann"],
        lambda system: (
            [names(one) for one in system.identify_each([picture(shade=k % 8) for k in range(20)])]
            == [["ann"]] * 20
        ),
        lambda system: system.verify("ann", picture(shade=1)).verified,
        lambda system: system.compare(picture(), picture(shade=1)).verified,
        lambda system: (
            [one.status for one in system.enroll("ben", [picture(GREEN), picture(GREEN, shade=1)])]
            == ["enrolled"] * 2
        ),
    ],
    ids=["identify", "identify_each", "verify", "compare", "enroll"],
)
def test_a_request_that_meets_a_re_embedding_finishes(
    system: FaceID, monkeypatch: pytest.MonkeyPatch, ask: Callable[[FaceID], bool]
) -> None:
    system.enroll("ann", picture(), store_crops=True)
    moved: list[str] = []

    def move() -> None:
        # In a thread of its own, and through to its end: the request cannot hold it up.
        mover = threading.Thread(target=lambda: moved.append(system.transfer.reembed(OTHER).status))
        mover.start()
        mover.join(30)

    while_embedding(monkeypatch, "fake", move)
    assert ask(system)
    assert moved == ["switched"]
    assert system.services.current().name == OTHER


def test_what_waits_for_others_says_that_the_model_changed(system: FaceID) -> None:
    """Photos can be read once, so `enroll_each` cannot begin anew. The repeated run goes on where it stopped."""
    from functools import partial

    from faceid.imaging import from_array
    from faceid.sources import Photo

    def photos() -> list[Photo]:
        return [
            Photo(f"{name}.png", name, partial(from_array, picture(COLOURS[at])))
            for at, name in enumerate(["ann", "ben", "cid"])
        ]

    results = system.enroll_each(photos(), store_crops=True)
    assert next(results).status == "enrolled"
    assert system.transfer.reembed(OTHER).status == "switched"
    with pytest.raises(GalleryError) as caught:
        list(results)
    assert caught.value.code == "model_mismatch"
    assert [one.status for one in system.enroll_each(photos())] == ["duplicate", "enrolled", "enrolled"]


def test_the_old_network_is_freed_with_the_last_request_that_uses_it(system: FaceID) -> None:
    for number, name in enumerate(["ann", "ben", "cid"]):
        system.enroll(name, picture(COLOURS[number]), store_crops=True)
    gc.collect()
    gc.disable()
    try:
        old = weakref.ref(system.services.current().embedder)
        running = system.identify_each(picture(COLOURS[number % 3], shade=1) for number in range(50))
        assert names(next(running)) == ["ann"]
        system.transfer.reembed(OTHER)
        assert old() is not None
        assert [names(one) for one in running][:5] == [["ben"], ["cid"], ["ann"], ["ben"], ["cid"]]
        assert old() is None
    finally:
        gc.enable()


def test_nobody_is_found_in_a_stream_after_the_removal(
    system: FaceID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the images were searched for together, before it."""
    system.enroll("ann", picture())
    gallery = system.services.gallery()
    search, sizes = gallery.search, []
    monkeypatch.setattr(
        gallery, "search", lambda probes, top: sizes.append(len(probes)) or search(probes, top)
    )
    results = system.identify_each(picture(shade=k % 4) for k in range(60))
    taken = 0
    while not sizes or sizes[-1] < 2:
        assert names(next(results)) == ["ann"]
        taken += 1
        # Meanwhile other images become ready, so that they are searched for together.
        time.sleep(0.05)
    system.remove("ann")
    assert [names(one) for one in results] == [[None]] * (60 - taken)


def test_images_that_are_ready_together_are_searched_for_in_one_call(
    system: FaceID, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.enroll("ann", picture())
    gallery = system.services.gallery()
    search, sizes = gallery.search, []
    monkeypatch.setattr(
        gallery, "search", lambda probes, top: sizes.append(len(probes)) or search(probes, top)
    )
    slow = (time.sleep(0.01) or one for one in [picture(shade=k % 4) for k in range(40)])
    results = []
    for result in system.identify_each(slow):
        results.append(names(result))
        time.sleep(0.05)
    assert results == [["ann"]] * 40
    assert sum(sizes) == 40
    assert len(sizes) < 30


def test_closing_waits_for_nobody_and_may_be_repeated(
    system: FaceID, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.enroll("ann", picture())
    running = system.identify_each(picture(shade=k % 4) for k in range(20))
    assert names(next(running)) == ["ann"]
    gallery = system.services.gallery()
    close, closed = gallery.close, []
    monkeypatch.setattr(gallery, "close", lambda: closed.append(1) or close())
    began = time.perf_counter()
    system.close()
    system.close()
    assert time.perf_counter() - began < 1.0
    assert closed == []
    # The running request goes on with the gallery that it has, and closes it.
    assert [names(one) for one in running] == [["ann"]] * 19
    assert closed == [1]
    # A new one opens the gallery again.
    assert names(system.identify(picture())) == ["ann"]
    assert system.services.gallery() is not gallery


def test_closing_in_many_threads_harms_no_request(system: FaceID) -> None:
    system.enroll("ann", picture())

    def ask() -> None:
        for shade in range(8):
            assert names(system.identify(picture(shade=shade))) == ["ann"]

    def close() -> None:
        for _ in range(20):
            system.close()
            time.sleep(0.005)

    together(*[ask] * 12, *[close] * 4)


@pytest.mark.parametrize("claim", [None, "ann"])
def test_a_watch_outlives_the_closing(system: FaceID, tmp_path: Path, claim: str | None) -> None:
    system.enroll("ann", picture())
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(12):
        # Another person from the middle on: her track begins after the closing.
        PilImage.fromarray(picture(RED if number < 6 else GREEN)).save(folder / f"{number:02}.png")
    frames = 0
    with system.watch(str(folder), claim) as live:
        for _ in live:
            frames += 1
            if frames == 2:
                system.close()
    assert frames > 2
