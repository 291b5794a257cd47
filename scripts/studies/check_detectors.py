"""MTCNN, and YuNet with MTCNN's O-Net: what they find, and how well the faces can be compared.

    python -m scripts.studies.check_detectors [--data DIR] [--model NAME ...] [--part faces|accuracy]

1. Faces: on WIDER FACE by the size of the face, on photos with a known number of faces, on photos without any, and the
   landmarks beside annotated ones (dlib's photos of Pascal VOC).
2. Accuracy on LFW View 1 and CelebA in the wild, the same photos for each detector: TMR at equal FMR, FMR and TMR at
   the thresholds of the cards, which were measured with MTCNN. Pairs without a face on either side do not count; photos
   without a face are counted. Differences to MTCNN are paired: over the photos in which both find a face, with the
   same people in each replicate.

Intervals are Wilson's for counts of faces, and over people (subset bootstrap) for rates. The constants of the detector
were chosen on half of the people of both collections and on other pictures of groups than WIDER FACE's.
"""

from __future__ import annotations

import csv
import json
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceid.config import Settings
from faceid.decision.thresholds import threshold_at_fmr
from faceid.evaluation.statistics.bootstrap import (
    at_fmr,
    fmr_interval,
    fnmr_interval,
    places_of,
    resample,
)
from faceid.evaluation.statistics.intervals import Interval, wilson
from faceid.evaluation.statistics.scores import compare_all, distances
from faceid.imaging import read
from faceid.networks import registry
from faceid.ports.networks import Detector
from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.recognition.detect.yunet import YunetDetector
from faceid.types import Image
from scripts import command
from scripts.benchmarks.bench_detect import YUNET_FILES, matched
from scripts.datasets import lfw
from scripts.datasets.lfw import Finder, Photos, Templates

RATES = (1e-3, 1e-4, 1e-5)
SIZES = (0, 10, 20, 30, 40, 60, 100, 10_000)
"""Bounds of the groups of faces by the shorter side, pixels."""
KEEP = 1_500_000

Floats = NDArray[np.float64]


def open_detector(name: str, data: Path, min_face: float | None = None) -> Detector:
    """The detector of that name as `auto` runs it here; YuNet's file is in the data."""
    if name == "mtcnn":
        return MtcnnDetector(min_face=min_face, runtime="auto")
    return YunetDetector(data / "models" / YUNET_FILES[name], min_face=min_face, runtime="auto")


@dataclass(frozen=True)
class Found:
    """How many of `faces` annotated faces were found, and `others` that are not annotated."""

    pictures: str
    detector: str
    min_face: str
    size: str
    faces: int
    found: int
    others: int | None = None

    def __str__(self) -> str:
        share = wilson(self.found, self.faces) if self.faces else None
        text = f"{self.found} of {self.faces}" + (f" ({_percent(share)})" if share else "")
        return text if self.others is None else f"{text}, others {self.others}"


@dataclass(frozen=True)
class Accuracy:
    """One detector, network and collection at one FMR: its own threshold, and the card's."""

    collection: str
    network: str
    detector: str
    without_face: int
    photos: int
    rate: float
    tmr: Interval
    difference: Interval | None
    card_fmr: Interval | None
    card_tmr: Interval | None


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/detectors.json")
    command.add_networks(parser)
    parser.add_argument("--part", choices=("faces", "accuracy"), help="default: both")
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    report: dict[str, Any] = {}
    if arguments.part != "accuracy":
        found = list(faces(data))
        for one in found:
            print(f"{one.pictures}, {one.detector}, faces from {one.min_face}, {one.size}: {one}", flush=True)
        report["faces"] = [asdict(one) for one in found]
        report["landmarks"] = landmarks(data)
    if arguments.part != "faces":
        rows = list(accuracy(data, arguments.cache, arguments.model or command.NETWORKS))
        report["accuracy"] = [asdict(row) for row in rows]
    command.write_report(arguments.json, report)
    print(f"written to {arguments.json}")


def faces(data: Path) -> Iterator[Found]:
    """What each detector finds, with its default smallest face and with one of 20 pixels."""
    folder = data / "detection"
    groups = {
        "WIDER FACE": list(wider(folder / "wider11")),
        "Pascal VOC": list(voc(folder / "dlib_voc")),
    }
    counts = [
        (read(str(folder / "groups_count" / row["file"])), int(row["faces"]))
        for row in csv.DictReader((folder / "groups_count" / "counts.csv").open(encoding="utf-8"))
    ]
    nothing = [read(str(path)) for path in sorted((folder / "noface").iterdir())]
    for min_face in (None, 20.0):
        least = "the default" if min_face is None else f"{min_face:g} px"
        for name in ("mtcnn", *YUNET_FILES):
            detector = open_detector(name, data, min_face)
            for pictures, annotated in groups.items():
                yield from by_size(pictures, name, least, detector, annotated)
            seen = [len(detector.detect([image])[0]) for image, _ in counts]
            known = [number for _, number in counts]
            hits = sum(map(min, seen, known))
            yield Found("groups of known number", name, least, "all", sum(known), hits, sum(seen) - hits)
            false = sum(len(detector.detect([image])[0]) for image in nothing)
            yield Found("13 pictures without a face", name, least, "all", 0, 0, false)


def by_size(
    pictures: str, name: str, least: str, detector: Detector, annotated: Sequence[tuple[Image, Floats]]
) -> Iterator[Found]:
    """Recall at an intersection over union of 0.5, by the size of the face."""
    sizes, hits, boxes = [], [], 0
    for image, truth in annotated:
        found = np.array([face.box for face in detector.detect([image])[0]]).reshape(-1, 4)
        hits += matched(truth, found)
        sizes += truth[:, 2:].min(axis=1).tolist()
        boxes += len(found)
    side, hit = np.array(sizes), np.array(hits)
    for low, high in pairwise(SIZES):
        chosen = (side >= low) & (side < high)
        if chosen.any():
            label = f"{low} to {high} px" if high < SIZES[-1] else f"from {low} px"
            yield Found(pictures, name, least, label, int(chosen.sum()), int(hit[chosen].sum()))
    large = side >= 40
    yield Found(pictures, name, least, "from 40 px", int(large.sum()), int(hit[large].sum()))
    yield Found(pictures, name, least, "all", side.size, int(hit.sum()), boxes - int(hit.sum()))


def wider(folder: Path) -> Iterator[tuple[Image, Floats]]:
    """Pictures with the x, y, width, height of their valid faces."""
    for name, entry in json.loads((folder / "gt_wider.json").read_text(encoding="utf-8")).items():
        valid = np.array(entry["invalid"]) == 0
        yield read(str(folder / name)), np.array(entry["boxes_xywh"], dtype=float).reshape(-1, 4)[valid]


def voc(folder: Path) -> Iterator[tuple[Image, Floats]]:
    """As `wider`, of the photos that dlib's examples annotate."""
    for image, boxes, _ in _voc(folder):
        yield image, boxes


def landmarks(data: Path) -> dict[str, Any]:
    """The mean distance of the five landmarks from annotated ones, in distances of the eyes."""
    report: dict[str, Any] = {}
    annotated = list(_voc(data / "detection" / "dlib_voc"))
    for name in ("mtcnn", *YUNET_FILES):
        detector = open_detector(name, data)
        errors = []
        for image, _, points in annotated:
            found = [face.landmarks for face in detector.detect([image])[0]]
            for truth in points:
                if found:
                    errors.append(min(error_of(marks, truth) for marks in found))
        near = np.array([error for error in errors if error < 0.5])
        middle, high = np.quantile(near, [0.5, 0.9])
        report[name] = {"faces": near.size, "median": float(middle), "90 %": float(high)}
        print(f"landmarks, {name}: {near.size} faces, median {middle:.3f}, 90 % {high:.3f} eye distances")
    return report


def error_of(marks: NDArray[np.float32], truth: Floats) -> float:
    """The mean distance of five landmarks from the true ones, in true distances of the eyes."""
    eyes = np.linalg.norm(truth[0] - truth[1])
    return float(np.linalg.norm(marks - truth, axis=1).mean() / eyes)


def _voc(folder: Path) -> Iterator[tuple[Image, Floats, list[Floats]]]:
    for file in ("testing_with_face_landmarks.xml", "training_with_face_landmarks.xml"):
        # A file of the collection itself, without entities.
        for entry in ElementTree.parse(folder / file).getroot().iter("image"):
            boxes, marks = [], []
            for box in entry.iter("box"):
                boxes.append([float(box.attrib[key]) for key in ("left", "top", "width", "height")])
                parts = {
                    int(part.attrib["name"]): (float(part.attrib["x"]), float(part.attrib["y"]))
                    for part in box.iter("part")
                }
                if len(parts) == 68:
                    places = np.array([parts[number] for number in range(68)])
                    marks.append(
                        np.stack(
                            [places[36:42].mean(0), places[42:48].mean(0), places[30], places[48], places[54]]
                        )
                    )
            yield read(str(folder / entry.attrib["file"])), np.array(boxes).reshape(-1, 4), marks


def accuracy(data: Path, cache: Path, networks: Sequence[str]) -> Iterator[Accuracy]:
    """All rows of both collections and of all networks."""
    finders = [
        lfw.MTCNN,
        *(Finder(f"{name} {_version()}", partial(open_detector, name, data)) for name in YUNET_FILES),
    ]
    collections = {
        "LFW View 1": lambda finder: lfw.lfw_photos(data, cache, finder),
        "celeba_wild": lambda finder: lfw.folder_photos(data / "celeba_wild" / "dev", cache, finder),
    }
    for collection, photos_of in collections.items():
        by_detector = {}
        for finder in finders:
            started = time.process_time()
            by_detector[finder.name.split()[0]] = photos_of(finder)
            print(
                f"{collection}, {finder.name}: {time.process_time() - started:.0f} s of CPU time", flush=True
            )
        agreement(collection, by_detector)
        for network in networks:
            yield from compared(collection, network, by_detector, cache)


def agreement(collection: str, by_detector: dict[str, Photos]) -> None:
    """Print how far the landmarks of the detectors are apart, in distances of the eyes."""
    reference = by_detector["mtcnn"].faces
    for name, photos in by_detector.items():
        both = [
            error_of(one.landmarks, other.landmarks.astype(np.float64))
            for one, other in zip(photos.faces, reference, strict=True)
            if one is not None and other is not None
        ]
        middle, high, top = np.quantile(both, [0.5, 0.9, 0.99])
        print(
            f"{collection}, {name}: no face in {sum(face is None for face in photos.faces)} photos; landmarks from"
            f" MTCNN's: {middle:.3f} (median), {high:.3f} (90 %), {top:.3f} (99 %) eye distances, n {len(both)}",
            flush=True,
        )


def compared(
    collection: str, network: str, by_detector: dict[str, Photos], cache: Path
) -> Iterator[Accuracy]:
    """The rows of one network on one collection."""
    settings = replace(Settings.load(), runtime="auto")
    card = registry.card(network, settings.models_dir)
    measured = {
        name: lfw.labelled(lfw.templates(photos, network, cache, settings))
        for name, photos in by_detector.items()
    }
    for name, templates in measured.items():
        pairs = compare_all(templates.vectors, templates.identity, templates.model.metric, keep=KEEP)
        people = resample(int(pairs.identity.max()) + 1, np.random.default_rng(2026))
        for rate in RATES:
            if rate * pairs.non_mated < 5:
                continue
            point = at_fmr(people, pairs, rate)
            threshold = threshold_at_fmr(card.calibration, rate) if card.calibration is not None else None
            row = Accuracy(
                collection,
                network,
                name,
                templates.without_face,
                len(by_detector[name].paths),
                rate,
                point.tmr,
                None if name == "mtcnn" else difference(measured["mtcnn"], measured[name], rate),
                None if threshold is None else fmr_interval(people, pairs, threshold),
                None if threshold is None else _inverse(fnmr_interval(people, pairs, threshold)),
            )
            print(_line(row), flush=True)
            yield row


def difference(reference: Templates, other: Templates, rate: float) -> Interval:
    """TMR of `other` minus TMR of `reference` at `rate`, with its 95 % interval.

    Over the photos that both have. Both see the same people in each replicate, and find their own thresholds there.
    """
    both = sorted(set(reference.paths) & set(other.paths))
    plain, drawn = [], []
    for templates in (reference, other):
        row = {path: number for number, path in enumerate(templates.paths)}
        chosen = np.array([row[path] for path in both])
        metric, vectors = templates.model.metric, templates.vectors[chosen]
        pairs = compare_all(vectors, templates.identity[chosen], metric, keep=KEEP)
        identity = pairs.identity
        people = resample(int(identity.max()) + 1, np.random.default_rng(2026))
        amounts = np.bincount(identity)
        near = pairs.nearest
        budget = rate * people.non_mated_total(amounts)
        places = places_of(people, identity[near.first], identity[near.second], budget)
        first, second = np.nonzero(np.triu(identity[:, None] == identity[None, :], k=1))
        distance = distances(np.einsum("nd,nd->n", vectors[first], vectors[second]), metric)
        matched_pairs = distance < near.distance[places][:, None]
        weights = people.draws[:, identity[first]]
        drawn.append((weights * matched_pairs).sum(axis=1) / people.mated_total(amounts))
        plain.append(float((distance < near.distance[int(rate * pairs.non_mated)]).mean()))
    low, high = np.quantile(drawn[1] - drawn[0], [0.025, 0.975])
    return Interval(plain[1] - plain[0], float(low), float(high))


def _inverse(rate: Interval) -> Interval:
    return Interval(1 - rate.rate, 1 - rate.high, 1 - rate.low)


def _percent(share: Interval) -> str:
    return f"{share.rate:.1%}, {share.low:.1%} .. {share.high:.1%}"


def _line(row: Accuracy) -> str:
    text = f"{row.collection}, {row.network}, {row.detector}, FMR {row.rate:.0e}: TMR {_percent(row.tmr)}"
    if row.difference is not None:
        one = row.difference
        text += f"; difference {one.rate:+.2%} ({one.low:+.2%} .. {one.high:+.2%})"
    if row.card_fmr is not None and row.card_tmr is not None:
        card = row.card_fmr
        text += f"; at the card's threshold FMR {card.rate:.1e} ({card.low:.1e} .. {card.high:.1e})"
        text += f", TMR {_percent(row.card_tmr)}"
    return text


def _version() -> str:
    """What the cached faces of YuNet depend on: its settings."""
    from faceid.recognition.detect import yunet, yunet_search

    chosen = (yunet_search.SOUGHT, yunet_search.SMALL, yunet_search.LEAST_SCORE, yunet.BOX_SHARE)
    return " ".join(map(str, chosen))


if __name__ == "__main__":
    main()
