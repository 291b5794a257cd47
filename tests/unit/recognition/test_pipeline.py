from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pillow

from faceid.errors import UnreadableImage
from faceid.imaging import from_array
from faceid.recognition.detect.fake import FakeDetector, draw_face
from faceid.recognition.embed.fake import FakeEmbedder
from faceid.recognition.pipeline import Pipeline, Source
from faceid.runtime.ordered_map import Crew
from faceid.types import Encoded, Face, Image, Undecoded

RED, GREEN = (208, 80, 80), (80, 208, 80)


def picture(*people: tuple[int, int, int]) -> Image:
    canvas = np.zeros((200, 40 + 160 * max(1, len(people)), 3), np.uint8)
    for number, colour in enumerate(people):
        draw_face(canvas, colour, 20 + 160 * number, 30, 120)
    return from_array(canvas)


def source(name: str, image: Image) -> Source:
    return Source(name, lambda: image)


def broken(name: str) -> Source:
    def fail() -> Image:
        raise UnreadableImage("no picture", path=name)

    return Source(name, fail)


class CountingDetector(FakeDetector):
    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        self.batches.append(len(images))
        return super().detect(images)


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline(CountingDetector(), FakeEmbedder())


def test_each_source_comes_out_once_in_order_with_its_own_faces(pipeline: Pipeline) -> None:
    pictures = [picture(RED), picture(), picture(GREEN, RED), picture(GREEN)]
    sources = [source(str(index), image) for index, image in enumerate(pictures)]
    sources.insert(2, broken("broken"))
    looks = list(pipeline.analyse(sources))
    assert [look.source for look in looks] == ["0", "1", "broken", "2", "3"]
    assert [len(look.observations) for look in looks] == [1, 0, 0, 2, 1]
    assert [len(look.embeddings) for look in looks] == [1, 0, 0, 2, 1]
    assert looks[2].image is None
    assert isinstance(looks[2].error, UnreadableImage)
    red, green = looks[0].embeddings[0].vector, looks[4].embeddings[0].vector
    assert looks[3].embeddings[0].vector @ green > 0.9
    assert looks[3].embeddings[1].vector @ red > 0.9


def test_batched_and_one_by_one_give_the_same(pipeline: Pipeline) -> None:
    pictures = [picture(RED, GREEN), picture(), picture(GREEN), picture(RED)]
    together = [
        embedding.vector
        for look in pipeline.analyse(source(str(index), image) for index, image in enumerate(pictures))
        for embedding in look.embeddings
    ]
    alone = [
        embedding.vector
        for image in pictures
        for look in pipeline.analyse([source("x", image)])
        for embedding in look.embeddings
    ]
    np.testing.assert_array_equal(together, alone)


def test_one_picture_given_twice_is_two_sources(pipeline: Pipeline) -> None:
    image = picture(RED)
    looks = list(pipeline.analyse([source("a", image), source("b", image), source("c", image)]))
    assert [(look.source, len(look.embeddings)) for look in looks] == [("a", 1), ("b", 1), ("c", 1)]


def test_unwanted_pictures_are_not_looked_at(pipeline: Pipeline) -> None:
    asked = []

    def wanted(origin: Source, sha256: str) -> bool:
        asked.append((origin.source, sha256))
        return origin.source == "b"

    red, green = picture(RED), picture(GREEN)
    looks = list(pipeline.analyse([source("a", red), source("b", green)], wanted))
    assert asked == [("a", red.sha256), ("b", green.sha256)]
    assert [(look.sha256, look.image, len(look.observations)) for look in looks] == [
        (red.sha256, None, 0),
        (green.sha256, green, 1),
    ]
    assert pipeline.detector.batches == [1]  # type: ignore[attr-defined]


def test_a_closer_look_is_for_images_without_a_face(pipeline: Pipeline) -> None:
    asked = []

    def closer(image: Image) -> bool:
        asked.append(image.source)
        return True

    looks = list(pipeline.analyse([source("a", picture(RED)), source("b", picture())], closer=closer))
    assert [look.too_small for look in looks] == [False, True]
    assert len(asked) == 1


def test_only_picked_faces_are_embedded(pipeline: Pipeline) -> None:
    pictures = [source("both", picture(RED, GREEN)), source("none", picture()), source("one", picture(RED))]
    looks = list(pipeline.analyse(pictures, closer=lambda image: True, pick=lambda faces, image: faces[1:]))
    assert [look.found for look in looks] == [2, 0, 1]
    assert [len(look.observations) for look in looks] == [len(look.embeddings) for look in looks] == [1, 0, 0]
    assert looks[0].observations[0].face.box[0] > 160
    assert [look.too_small for look in looks] == [False, True, False]


def test_files_are_decoded_on_the_way() -> None:
    buffer = BytesIO()
    Pillow.fromarray(picture(RED).pixels).save(buffer, "PNG")
    good, cut = Encoded.of(buffer.getvalue()), Encoded.of(buffer.getvalue()[:200])
    pipeline = Pipeline(CountingDetector(), FakeEmbedder())
    looks = list(pipeline.analyse([Source("good", lambda: good), Source("cut", lambda: cut)]))
    assert [look.sha256 for look in looks] == [good.sha256, cut.sha256]
    assert len(looks[0].observations) == 1
    assert isinstance(looks[1].error, UnreadableImage)
    assert all(set(look.timing_ms) == {"read", "detect", "embed"} for look in looks)


def test_a_photo_too_large_for_the_memory_spoils_only_its_own_result() -> None:
    class Exhausting(Undecoded):
        width, height = 360, 200

        def reduced(self, most: int) -> tuple[np.ndarray, int]:
            raise UnreadableImage("not enough memory to decode it", path="large")

    large = Image(Exhausting(), "large", "0" * 64)
    pipeline = Pipeline(CountingDetector(), FakeEmbedder(), Crew(readers=1, batch=3))
    sources = [source("a", picture(RED)), source("large", large), source("b", picture(GREEN))]
    looks = list(pipeline.analyse(sources))
    assert [(look.source, len(look.embeddings), look.error is None) for look in looks] == [
        ("a", 1, True),
        ("large", 0, False),
        ("b", 1, True),
    ]
    assert looks[1].sha256 == "0" * 64


def test_nothing_in_nothing_out(pipeline: Pipeline) -> None:
    assert list(pipeline.analyse([])) == []
