"""People enrolled from one clip, watched in the others: are the names right, steady and early?

    python -m scripts.studies.check_live [--model NAME] [--detector NAME]... [--clips DIR] [--frames N] [--fpir 0.01]
        [--markdown]

DIR holds clips and `index.csv` with `file` and `persons` (labels joined by +). A person is enrolled if one of their
clips shows nobody else and there are other clips; the photos come from the first such clip. Every other clip goes
through the loop of `faceid live`. So do pairs of clips of one folder and two people, one after the other as one stream.

A name is right if that person is visible at the time; wrong names are listed. A flicker is a name that a track changed
while the person stayed. `first` is the time from the first detection of a track to its first decision, for the first
track. "Non-mated" are names that the same looks get from a gallery without the people of the stream: each is wrong.
The labelled events (people who enter and leave, and the joints of two clips) are compared with the reported ones.
With several detectors, each enrols and watches by itself, and streams that are not told alike are listed.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from faceid.app.faceid import FaceID
from faceid.decision.decide import Policy, Target
from faceid.live.decision.evidence import Evidence, Outcome
from faceid.live.events import LiveEvent
from faceid.live.loop import DECIDING, Live
from faceid.live.source.addresses import VideoFile
from faceid.live.source.capture import Capture
from faceid.live.source.opening import open_reader
from faceid.live.source.readers import Grabbed, Reader
from faceid.live.watch import Watch
from faceid.types import Candidate, Embedding
from scripts import command

if TYPE_CHECKING:
    from faceid.types import Pixels, Vector

ENROLLED = 5

ENTERS = {"pyfeat/noface_face.mov": 100}
"""Number of the frame, about, at which the first face comes."""
LEAVES = {"pyfeat/face_noface.mov": 64}
"""Number of the frame, about, at which the last face goes."""
NEAR_FRAMES = 12
"""How far from it the event may be told: half a second."""


@dataclass(frozen=True)
class Clip:
    path: Path
    file: str
    fps: float
    persons: tuple[str, ...]


@dataclass
class WatchedClips:
    """What a stream showed and what was told of it."""

    file: str
    persons: tuple[str, ...]
    known: tuple[str, ...]
    frames: int = 0
    seconds: float = 0.0
    tracks: int = 0
    right: int = 0
    unknown: int = 0
    wrong: list[str] = field(default_factory=list)
    flickers: int = 0
    first_s: float | None = None
    first_frames: int | None = None
    non_mated: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    looks: int = 0


def main() -> None:
    arguments = _arguments()
    clips = read_clips(arguments.clips)
    # One picture at a time: threads inside of OpenCV would only get in each other's way.
    cv2.setNumThreads(1)
    found: dict[str, list[WatchedClips]] = {}
    report: dict[str, object] = {}
    for detector in arguments.detector or ["auto"]:
        with (
            tempfile.TemporaryDirectory() as directory,
            FaceID(
                db=Path(directory) / "gallery.db", model=arguments.model, device="cpu", detector=detector
            ) as system,
        ):
            homes = enrol(system, clips, arguments.frames)
            with system.services.request() as request:
                policy = request.policies.for_search(Target(fpir=arguments.fpir))
            watcher = Watcher(system, policy, set(homes), arguments.frames)
            streams = [[clip] for clip in clips if clip.file not in homes.values()] + spliced(clips, homes)
            rows = [
                watcher.watch(parts) for parts in progress(streams, description=f"watching with {detector}")
            ]
        print(f"detector: {detector}")
        if arguments.markdown:
            print(markdown(rows))
        else:
            show(rows)
        tell(rows, homes, policy)
        found[detector] = rows
        report[detector] = {"enrolled": homes, "rows": [asdict(row) for row in rows]}
    compare(found)
    command.write_report(arguments.json, report)


def _arguments() -> argparse.Namespace:
    parser = command.parser(__doc__, report="bench/live.json")
    parser.add_argument("--model", default="dlib-resnet")
    parser.add_argument("--detector", action="append", help="may be repeated; default: auto")
    parser.add_argument("--clips", type=Path, default=command.test_data() / "videos")
    parser.add_argument("--frames", type=int, default=100_000, help="of each clip at most")
    parser.add_argument("--fpir", type=float, default=0.01)
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
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
        pictures = list(frames(clip, min(most, 150)))
        enrolled = 0
        for place in np.linspace(0, len(pictures) - 1, 3 * ENROLLED).astype(int):
            if enrolled < ENROLLED:
                (result,) = system.enroll(person, [pictures[place]])
                enrolled += result.status == "enrolled"
        if enrolled:
            homes[person] = clip.file
    return homes


def frames(clip: Clip, most: int) -> Iterator[Pixels]:
    reader = open_reader(VideoFile(str(clip.path)))
    while most > 0 and (grabbed := reader.read()) is not None:
        yield grabbed.image.pixels
        most -= 1
    reader.close()


def spliced(clips: list[Clip], homes: dict[str, str]) -> list[list[Clip]]:
    """Pairs of clips of one folder that show different people, as one stream: person changes, scene may not."""
    alone = [clip for clip in clips if len(clip.persons) == 1 and clip.persons[0] in homes]
    rest = [clip for clip in alone if clip.file not in homes.values()]
    return [
        [first, second]
        for first, second in pairwise(rest)
        if first.persons != second.persons and first.path.parent == second.path.parent
    ]


class Joined:
    """Reads clips one after the other as if they were one; `starts` are the media times at which each begins."""

    def __init__(self, clips: list[Clip], most: int) -> None:
        self._clips, self._most = clips, most
        self._reader: Reader | None = None
        self._number = self._next = 0
        self._at_s = 0.0
        self.starts: list[float] = []

    def read(self) -> Grabbed | None:
        while True:
            if self._reader is None:
                if self._next == len(self._clips):
                    return None
                self._reader = open_reader(VideoFile(str(self._clips[self._next].path)))
                self._next, self._number = self._next + 1, 0
                self.starts.append(self._at_s)
            grabbed = self._reader.read() if self._number < self._most else None
            if grabbed is not None:
                at_s = self._at_s
                self._number += 1
                self._at_s += 1.0 / self._clips[self._next - 1].fps
                return Grabbed(grabbed.image, at_s, grabbed.passed_over)
            self.close()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None


class Shadowed(Evidence):
    """Evidence of the whole gallery that also keeps what a gallery without the people of the stream would say."""

    def __init__(self, watcher: Watcher, persons: tuple[str, ...], named: list[str]) -> None:
        super().__init__(watcher.search, watcher.policy, watcher.metric)
        self._shadow = Evidence(
            lambda vector: tuple(found for found in watcher.search(vector) if found.name not in persons),
            watcher.policy,
            watcher.metric,
        )
        self._named = named

    def add_look(self, vector: Vector, quality: float, time_s: float) -> Outcome:
        before = self._shadow.outcome.name
        after = self._shadow.add_look(vector, quality, time_s).name
        if after is not None and after != before:
            self._named.append(after)
        return super().add_look(vector, quality, time_s)


class Watcher:
    def __init__(self, system: FaceID, policy: Policy, enrolled: set[str], most: int) -> None:
        self._pipeline, self._gallery = system.services.current().pipeline, system.services.gallery()
        self._model = system.services.current().embedder.model
        self._enrolled, self._most = enrolled, most
        self.policy, self.metric = policy, self._model.metric

    def search(self, vector: Vector) -> tuple[Candidate, ...]:
        (found,) = self._gallery.search([Embedding(vector, self._model)], 10)
        return found

    def watch(self, parts: list[Clip]) -> WatchedClips:
        persons = tuple(person for clip in parts for person in clip.persons)
        known = tuple(person for person in persons if person in self._enrolled)
        seen = WatchedClips(" + ".join(clip.file for clip in parts), persons, known)
        joined = Joined(parts, self._most)
        watch = Watch(
            self._pipeline.detector,
            self._pipeline.embedder,
            lambda: Shadowed(self, persons, seen.non_mated),
        )
        events: list[LiveEvent] = []
        with Live(Capture(VideoFile(seen.file), opener=lambda address: joined), watch) as live:
            for moment in live:
                events += moment.events
        seen.frames, seen.looks = watch.counts.frames, watch.counts.looks
        seen.seconds = round(events[-1].time_s, 2)
        self._judge(seen, events, parts, joined.starts)
        return seen

    def _judge(
        self, seen: WatchedClips, events: list[LiveEvent], parts: list[Clip], starts: list[float]
    ) -> None:
        names: dict[int, str] = {}
        began: dict[int, LiveEvent] = {}
        for event in events:
            if event.track is None:
                continue
            seen.tracks += event.event == "appeared"
            began.setdefault(event.track, event)
            if event.event in DECIDING and seen.first_s is None:
                first = began[event.track]
                seen.first_s = round(event.time_s - first.time_s, 3)
                seen.first_frames = (event.frame or 0) - (first.frame or 0)
            seen.unknown += event.event == "unknown"
            if event.event == "identified" and event.name is not None:
                # Events tell milliseconds.
                there = parts[sum(event.time_s + 0.001 >= start for start in starts) - 1].persons
                right = event.name in there
                seen.names.append(event.name)
                seen.right += right
                if not right:
                    seen.wrong.append(f"{event.name} at {event.time_s:.1f} s")
                before = names.get(event.track)
                changed = before is not None and before in there
                seen.flickers += changed
                names[event.track] = event.name
        self._compare(seen, events, parts, starts)

    def _compare(
        self, seen: WatchedClips, events: list[LiveEvent], parts: list[Clip], starts: list[float]
    ) -> None:
        """Labelled events against those that were told."""
        fps = parts[0].fps
        wanted = [("appeared", ENTERS[clip.file] / fps, "enters") for clip in parts if clip.file in ENTERS]
        wanted += [("left", LEAVES[clip.file] / fps, "leaves") for clip in parts if clip.file in LEAVES]
        wanted += [("identified", start, "change of person") for start in starts[1:]]
        for kind, at_s, label in wanted:
            seen.expected.append(label)
            near_s = 1.0 if label == "change of person" else NEAR_FRAMES / fps
            if not any(event.event == kind and abs(event.time_s - at_s) <= near_s for event in events):
                seen.missed.append(f"{label} at {at_s:.1f} s")


HEADINGS = (
    "clip",
    "people",
    "seconds",
    "tracks",
    "right",
    "wrong",
    "unknown",
    "flickers",
    "first",
    "labelled events",
    "non-mated",
)


def cells(row: WatchedClips) -> list[str]:
    people = "+".join(person if person in row.known else f"({person})" for person in row.persons)
    first = "-" if row.first_s is None else f"{row.first_s:.2f} s, {row.first_frames} frames"
    told = f"{len(row.expected) - len(row.missed)} of {len(row.expected)}" if row.expected else "-"
    values: list[object] = [row.file, people, f"{row.seconds:.1f}", row.tracks, row.right, len(row.wrong)]
    values += [row.unknown, row.flickers, first, told, len(row.non_mated)]
    return [str(value) for value in values]


def show(rows: list[WatchedClips]) -> None:
    table = Table(*HEADINGS)
    for row in rows:
        table.add_row(*cells(row))
    Console(width=200).print(table)


def markdown(rows: list[WatchedClips]) -> str:
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tell(rows: list[WatchedClips], homes: dict[str, str], policy: Policy) -> None:
    firsts = [row.first_s for row in rows if row.first_s is not None]
    missing = [row.file for row in rows if row.known and not row.right]
    print(f"enrolled: {homes}")
    print(f"threshold {policy.threshold:.3f} for FPIR {policy.target:g}")
    print(
        f"{len(rows)} streams, {sum(row.frames for row in rows):,} frames:"
        f" {sum(row.right for row in rows)} right names, {sum(len(row.wrong) for row in rows)} wrong,"
        f" {sum(row.flickers for row in rows)} flickers; non-mated"
        f" {sum(len(row.non_mated) for row in rows)} names in {sum(bool(row.non_mated) for row in rows)} streams"
    )
    print(f"first decision after {np.median(firsts):.2f} s (median), {max(firsts):.2f} s (worst)")
    print(f"enrolled people never named in: {', '.join(missing) or 'no stream'}")
    for row in rows:
        for trouble in (*row.wrong, *row.missed):
            print(f"! {row.file}: {trouble}")
        if row.non_mated:
            print(f"  {row.file} non-mated: {', '.join(row.non_mated)}")


def compare(found: dict[str, list[WatchedClips]]) -> None:
    """Streams in which the detectors differ in the names, in their order, or in the labelled events."""
    (first, reference), *others = found.items()
    for detector, rows in others:
        unlike = 0
        for before, after in zip(reference, rows, strict=True):
            if (before.names, before.missed, before.non_mated) != (
                after.names,
                after.missed,
                after.non_mated,
            ):
                unlike += 1
                print(f"! {before.file}: {first} {before.names} {before.missed} {before.non_mated},")
                print(f"  {detector} {after.names} {after.missed} {after.non_mated}")
        print(f"{detector} tells {len(rows) - unlike} of {len(rows)} streams as {first} does")


if __name__ == "__main__":
    main()
