"""People enrolled from one clip, watched in the others: are the names right, steady and soon?

    python scripts/check_live.py [--model NAME] [--clips DIR] [--frames 150] [--interval 3] [--fpir 0.01]

DIR holds `index.csv` with `file`, `persons` (labels joined by +) and clips. Of everybody who is alone in one clip and
in several clips at all, photos from the first clip are enrolled; every other clip goes through detector, tracks and
evidence as a stream would, and so do pairs of clips of one folder and two people, one after the other as if they were
one. A name is right where it is among the labels of its clip; a track is `unknown` or `undecided` at its end. A flicker
is a name that a track lost or changed, other than by a switch of person. `as strangers` are names that the same looks
are given where nobody of the clip is in the gallery: each of them is wrong. The table and `--json` have those, the
seconds of media from the beginning of a track to its name, the numbers of tracks and of faces tracked at once, the
frames before which a hard cut was found, and the number of faces embedded.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from faceid.align import align
from faceid.api import FaceID
from faceid.decide import Policy, Target
from faceid.live.evidence import Evidence
from faceid.live.tracks import Tracker, Tracking
from faceid.live.worth import Glance, Worth
from faceid.pipeline import Observation
from faceid.quality import assess
from faceid.types import Candidate, Embedding, Image

if TYPE_CHECKING:
    from faceid.types import Pixels, Vector

ENROLLED = 5
HEADINGS = (
    "clip",
    "persons",
    "frames",
    "tracks",
    "at once",
    "cuts",
    "right",
    "wrong",
    "unknown",
    "undecided",
    "flickers",
    "named after s",
    "embedded",
)


@dataclass(frozen=True)
class Clip:
    path: Path
    file: str
    fps: float
    persons: tuple[str, ...]


@dataclass
class Seen:
    """What a stream showed; `first_s` is from the beginning of a track to its first name."""

    file: str
    persons: tuple[str, ...]
    frames: int = 0
    tracks: int = 0
    most_at_once: int = 0
    cuts: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    right: int = 0
    wrong: int = 0
    unknown: int = 0
    undecided: int = 0
    flickers: int = 0
    first_s: list[float] = field(default_factory=list)
    looks: int = 0
    strangers: list[str] = field(default_factory=list)


def main() -> None:
    arguments = _arguments()
    clips = read_clips(arguments.clips)
    # Embeddings and detections of one picture at a time: threads would only get in each other's way.
    cv2.setNumThreads(1)
    with (
        tempfile.TemporaryDirectory() as directory,
        FaceID(db=Path(directory) / "gallery.db", model=arguments.model, device="cpu") as system,
    ):
        homes = enrol(system, clips, arguments.frames)
        policy = system.policies.for_search(Target(fpir=arguments.fpir))
        watcher = Watcher(system, policy, Tracking(interval=arguments.interval))
        streams = [
            (clip.file, clip.persons, [clip]) for clip in clips if clip.file not in homes.values()
        ] + spliced(clips, homes)
        rows = [
            watcher.watch(file, persons, frames(parts, arguments.frames), set(homes))
            for file, persons, parts in streams
        ]
    show(rows, homes, policy)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(
        json.dumps({"enrolled": homes, "rows": [asdict(row) for row in rows]}, indent=1)
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="dlib-resnet")
    parser.add_argument("--clips", type=Path, default=Path("../shared/data/videos"))
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--interval", type=int, default=3)
    parser.add_argument("--fpir", type=float, default=0.01)
    parser.add_argument("--json", type=Path, default=Path("bench/live.json"))
    return parser.parse_args()


def read_clips(root: Path) -> list[Clip]:
    """The clips of the list that are there."""
    with (root / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Clip(root / row["file"], row["file"], float(row["fps"]), tuple(row["persons"].split("+")))
        for row in rows
        if (root / row["file"]).exists()
    ]


def enrol(system: FaceID, clips: list[Clip], most: int) -> dict[str, str]:
    """Name -> the clip whose photos were enrolled: up to ENROLLED frames, evenly spaced, one face in each."""
    appears = Counter(person for clip in clips for person in clip.persons)
    homes: dict[str, str] = {}
    for clip in clips:
        person = clip.persons[0]
        if len(clip.persons) > 1 or appears[person] < 2 or person in homes:
            continue
        pictures = [pixels for pixels, _ in frames([clip], most)]
        photos = [pictures[place] for place in np.linspace(0, len(pictures) - 1, 3 * ENROLLED).astype(int)]
        enrolled = 0
        for photo in photos:
            if enrolled < ENROLLED:
                (result,) = system.enroll(person, [photo])
                enrolled += result.status == "enrolled"
        if enrolled:
            homes[person] = clip.file
    return homes


def spliced(clips: list[Clip], homes: dict[str, str]) -> list[tuple[str, tuple[str, ...], list[Clip]]]:
    """Pairs of clips of one folder that show different people, as one stream: person changes, scene may not."""
    alone = [clip for clip in clips if len(clip.persons) == 1 and clip.persons[0] in homes]
    rest = [clip for clip in alone if clip.file not in homes.values()]
    pairs = [
        (first, second)
        for first, second in pairwise(rest)
        if first.persons != second.persons and first.path.parent == second.path.parent
    ]
    return [
        (f"{first.file} + {second.path.name}", first.persons + second.persons, [first, second])
        for first, second in pairs
    ]


def frames(clips: list[Clip], most: int) -> Iterator[tuple[Pixels, float]]:
    """RGB pixels and media seconds of up to `most` frames of each clip, one clip after the other."""
    start = 0.0
    for clip in clips:
        capture = cv2.VideoCapture(str(clip.path))
        number = 0
        while number < most:
            read, pixels = capture.read()
            if not read:
                break
            yield cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), start + number / clip.fps
            number += 1
        capture.release()
        start += number / clip.fps


class Watcher:
    def __init__(self, system: FaceID, policy: Policy, tracking: Tracking) -> None:
        self._pipeline, self._gallery = system.pipeline, system.gallery()
        self._model = system.embedder.model
        self._policy, self._tracking = policy, tracking

    def watch(
        self,
        file: str,
        persons: tuple[str, ...],
        pictures: Iterator[tuple[Pixels, float]],
        known: set[str],
    ) -> Seen:
        seen = Seen(file, persons)
        tracker, worth = Tracker(self._tracking), Worth()
        evidence: dict[int, Evidence] = {}
        without: dict[int, Evidence] = {}
        began: dict[int, float] = {}

        def others(vector: Vector) -> tuple[Candidate, ...]:
            return tuple(found for found in self._search(vector) if found.name not in persons)

        for pixels, time_s in pictures:
            image = Image(np.ascontiguousarray(pixels), file, "")
            tracked = tracker.advance(
                image.pixels, time_s, partial(lambda image: self._pipeline.detector.detect([image])[0], image)
            )
            if tracked.cut:
                seen.cuts.append(seen.frames)
            seen.frames += 1
            seen.most_at_once = max(seen.most_at_once, len(tracked.tracks))
            worth.forget(track.number for track in tracked.ended)
            observed = {}
            for track in tracked.tracks:
                began.setdefault(track.number, time_s)
                if track.detected:
                    crop = align(image, track.face, self._model.aligner)
                    observed[track.number] = Observation(track.face, crop, assess(crop, track.face))
            glances = [Glance(number, observation.quality.score) for number, observation in observed.items()]
            for number in worth.choose(glances, time_s):
                one = evidence.setdefault(number, Evidence(self._search, self._policy, self._model.metric))
                before = one.outcome
                (vector,) = self._pipeline.embedder.embed([observed[number].crop])
                after = one.look(vector, observed[number].quality.score, time_s)
                seen.looks += 1
                masked = without.setdefault(number, Evidence(others, self._policy, self._model.metric))
                unmasked = masked.outcome.name
                named = masked.look(vector, observed[number].quality.score, time_s).name
                if named is not None and named != unmasked:
                    seen.strangers.append(f"{number}:{named}")
                if after.doubted or (before.state != "undecided" and after.state == "undecided"):
                    worth.renew(number)
                if before.name is not None and after.name != before.name and not before.doubted:
                    seen.flickers += 1
                if after.name is not None and after.name != before.name:
                    seen.names.append(f"{number}:{after.name}")
                    seen.first_s.append(round(time_s - began[number], 3))
                    right = after.name in persons or (persons == ("many",) and after.name not in known)
                    seen.right, seen.wrong = seen.right + right, seen.wrong + (not right)
        last = Counter(one.outcome.state for one in evidence.values())
        seen.tracks = len(began)
        seen.unknown = last["unknown"]
        seen.undecided = last["undecided"] + len(began) - len(evidence)
        return seen

    def _search(self, vector: Vector) -> tuple[Candidate, ...]:
        (found,) = self._gallery.search([Embedding(vector, self._model)], 10)
        return found


def show(rows: list[Seen], homes: dict[str, str], policy: Policy) -> None:
    table = Table(*HEADINGS)
    for row in rows:
        known = "+".join(person if person in homes else f"({person})" for person in row.persons)
        values = [row.file, known, row.frames, row.tracks, row.most_at_once, row.cuts or "-", row.right]
        values += [
            row.wrong,
            row.unknown,
            row.undecided,
            row.flickers,
            len(row.strangers),
            row.first_s or "-",
            row.looks,
        ]
        table.add_row(*map(str, values))
    console = Console(width=200)
    console.print(table)
    console.print(f"enrolled: {homes}")
    console.print(
        f"threshold {policy.threshold:.3f}; right {sum(row.right for row in rows)},"
        f" wrong {sum(row.wrong for row in rows)}, flickers {sum(row.flickers for row in rows)} in {len(rows)} streams;"
        f" as strangers {sum(len(row.strangers) for row in rows)}"
    )


if __name__ == "__main__":
    main()
