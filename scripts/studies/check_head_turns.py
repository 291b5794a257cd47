"""Challenges played with clips of people who really turn and nod, and with prints that are moved.

    python -m scripts.studies.check_head_turns [--data DIR] [--detector NAME] [--only PART] [--json FILE]

The clips and what is seen in them are in `head_turns`. Every frame is detected and embedded once, with both networks;
CACHE keeps that.

    angles      pose in the labelled parts; limits chosen between them, from all clips and with one left out
    orders      all 36 orders to every clip, detected ten and five times a second from several first frames: the order
                in which the person moves must pass and every other one fail, also with the limits of the other clips;
                to the people who only speak, all must fail
    others      the first movement is another person's
    prints      straight looks as prints: turned, tilted, bent, brought nearer as asked for
    live        the live loop on the clips as they are, and on performances of the asked order made of their parts, at
                their own rate and thinned out to five frames a second
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np

from faceid.app import factories
from faceid.config import Settings
from faceid.evaluation.statistics.intervals import wilson
from faceid.imaging import from_array, read
from faceid.live.events import LiveEvent
from faceid.live.source.stream import Frame
from faceid.recognition.liveness.challenge import Action, Limits
from faceid.recognition.liveness.pose import HeadPose, head_pose
from faceid.types import Image
from scripts import command
from scripts.datasets import lfw
from scripts.studies.head_turns import (
    MOVES,
    ORDERS,
    PERFORMED,
    SEEN,
    SPEAKING,
    Doors,
    Look,
    RememberedDetector,
    RememberedEmbedder,
    Tools,
    doors,
    longest,
    sampled,
    thinned,
)
from scripts.studies.held_prints import held
from scripts.studies.performances import nearer, performance

NETWORKS = ("dlib-resnet", "mobilefacenet")
PACES = ((0.1, 3), (0.2, 5))
"""Seconds between two detections, and from how many first frames each is tried."""
BENDS = (0.0, 1.0, 2.0)
PARTS = ("angles", "orders", "others", "prints", "live")


@dataclass
class Peaks:
    """Degrees in the labelled parts of one clip: the most when straight, the peak of each movement."""

    straight_yaw: float = 0.0
    straight_pitch: float = 0.0
    left: list[float] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    up: list[float] = field(default_factory=list)
    down: list[float] = field(default_factory=list)


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/head_turns.json")
    parser.add_argument("--detector", default="mtcnn")
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    data = lfw.data_directory(arguments.data)
    settings = Settings.load()
    tools = Tools(
        RememberedDetector(
            factories.make_detector(
                NETWORKS[0], "cpu", detector=arguments.detector, weights_dir=settings.weights_dir
            )
        ),
        {name: RememberedEmbedder(factories.make_embedder(name, "cpu", settings)) for name in NETWORKS},
        arguments.cache / f"head_turns_{arguments.detector}",
    )
    wanted = PARTS if arguments.only is None else (arguments.only,)
    root = data / "video_turns"
    seen = {}
    if wanted != ("live",):
        seen = {name: tools.looks(tools.film(root / name)) for name in (*SEEN, *SPEAKING)}
    found: dict[str, object] = {}
    if "angles" in wanted:
        found["angles"] = angles(seen)
    if "orders" in wanted:
        found["orders"] = asked(seen)
    if "others" in wanted:
        found["others"] = put_in(seen)
    if "prints" in wanted:
        found["prints"] = printed(seen, data / "cctwelve", tools)
    if "live" in wanted:
        found["live"] = live(root, tools)
    command.write_report(arguments.json, found)


# -- angles and limits ---------------------------------------------------------------------------------------------


def peaks(clip: str, seen: Sequence[Look]) -> Peaks:
    """Movements up and down are measured from the straight part before, as the challenge does."""
    found, rest = Peaks(), 0.0
    for first, last, label in SEEN[clip]:
        poses = [pose for look in seen[first : last + 1] if (pose := clear(look)) is not None]
        yaw = np.array([pose.yaw for pose in poses])
        pitch = np.array([pose.pitch for pose in poses])
        if label == "straight":
            rest = float(np.median(pitch))
            found.straight_yaw = max(found.straight_yaw, float(np.abs(yaw).max()))
            found.straight_pitch = max(found.straight_pitch, float(np.abs(pitch - rest).max()))
        elif label == "left":
            found.left.append(round(-float(yaw.min()), 1))
        elif label == "right":
            found.right.append(round(float(yaw.max()), 1))
        elif label == "up":
            found.up.append(round(rest - float(pitch.min()), 1))
        else:
            found.down.append(round(float(pitch.max()) - rest, 1))
    return found


def clear(look: Look) -> HeadPose | None:
    pose = None if look.face is None else head_pose(look.face.landmarks)
    return pose if pose is not None and abs(pose.misfit) <= Limits().misfit else None


def limits_between(measured: Sequence[Peaks]) -> Limits:
    """Each limit half way between what clips show when straight and their smallest movement."""
    straight_yaw = max(each.straight_yaw for each in measured)
    straight_pitch = max(each.straight_pitch for each in measured)
    turned = (straight_yaw + min(min(each.left + each.right) for each in measured)) / 2
    down = (straight_pitch + min(min(each.down) for each in measured)) / 2
    up = (straight_pitch + min(min(each.up) for each in measured if each.up)) / 2
    return Limits(
        turned_yaw=round(turned, 1),
        straight_yaw=round((straight_yaw + turned) / 2, 1),
        nodded_down=round(down, 1),
        nodded_up=round(up, 1),
    )


def angles(seen: dict[str, list[Look]]) -> dict[str, object]:
    measured = {clip: peaks(clip, seen[clip]) for clip in SEEN}
    print("clip | most yaw, pitch when straight | left | right | up | down")
    for clip, each in measured.items():
        print(
            f"{clip} | {each.straight_yaw:.0f}, {each.straight_pitch:.0f}"
            f" | {each.left} | {each.right} | {each.up} | {each.down}"
        )
    print(f"between them: {shown(limits_between(list(measured.values())))}")
    apart = {}
    for clip in SEEN:
        limits = limits_between([each for name, each in measured.items() if name != clip])
        passed = Counter[bool]()
        for door in doors(NETWORKS, limits):
            for every_s, firsts in PACES:
                for first in range(firsts):
                    passed[right_order_only(door, clip, sampled(seen[clip], every_s, first))] += 1
        apart[clip] = {"limits": shown(limits), "right": passed[True], "of": passed.total()}
        print(f"without {clip}: {shown(limits)}: right in {passed[True]} of {passed.total()}")
    return {"peaks": {clip: asdict(each) for clip, each in measured.items()}, "apart": apart}


def shown(limits: Limits) -> str:
    names = ("straight_yaw", "turned_yaw", "nodded_down", "nodded_up")
    return ", ".join(f"{name} {getattr(limits, name)}" for name in names)


# -- orders --------------------------------------------------------------------------------------------------------


def right_order_only(door: Doors, clip: str, seen: Sequence[Look]) -> bool:
    """Whether the order in which the person moves passes, and no other of three movements does."""
    mine = PERFORMED[clip]
    others = [order for order in ORDERS if order != mine]
    return door.play(mine, seen).state == "passed" and not any(
        door.play(order, seen).state == "passed" for order in others
    )


def asked(seen: dict[str, list[Look]]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for clip in (*SEEN, *SPEAKING):
        for door in doors(NETWORKS):
            for every_s, firsts in PACES:
                for first in range(firsts):
                    part = sampled(seen[clip], every_s, first)
                    mine = PERFORMED.get(clip)
                    if mine is not None:
                        note(found, f"{clip}: as performed, every {every_s} s", door, mine, part)
                    kind = "speaking" if mine is None else "another order"
                    for order in ORDERS:
                        if order != mine:
                            note(found, kind, door, order, part)
    return told(found)


def note(
    found: dict[str, Counter[str]], what: str, door: Doors, order: Sequence[Action], part: Sequence[Look]
) -> None:
    progress = door.play(order, part)
    found.setdefault(what, Counter())[progress.reason or progress.state] += 1


def told(found: dict[str, Counter[str]]) -> dict[str, dict[str, int]]:
    for what, counts in found.items():
        share = wilson(counts["passed"], counts.total())
        rest = {reason: count for reason, count in counts.items() if reason != "passed"}
        print(
            f"{what}: {counts['passed']} of {counts.total()} passed ({share.low:.1%} .. {share.high:.1%}); {rest}"
        )
    return {what: dict(counts) for what, counts in found.items()}


# -- another person ------------------------------------------------------------------------------------------------


def put_in(seen: dict[str, list[Look]]) -> dict[str, dict[str, int]]:
    """A person looks straight, another does the first movement and the straight look after it, or only the movement."""
    found: dict[str, Counter[str]] = {}
    for one in SEEN:
        for other in SEEN:
            for action, numbers in MOVES[other].items():
                # Without the straight looks at both ends.
                inner = numbers[len(numbers) // 8 : -len(numbers) // 8 : 2]
                begin, end = longest(one)
                rest = seen[one][begin:end] * 3
                played = [*rest[:30], *(seen[other][number] for number in inner), *rest[:30]]
                timed = at_ten(played)
                kind = "the person's own" if one == other else "another's"
                for door in doors(NETWORKS):
                    note(found, f"{kind} {action}, {door.network}", door, (action,), timed)
    return told(found)


def at_ten(played: Sequence[Look]) -> list[Look]:
    """One after the other, ten a second."""
    return [Look(number / 10, look.image, look.face, look.vectors) for number, look in enumerate(played)]


# -- prints --------------------------------------------------------------------------------------------------------


def printed(seen: dict[str, list[Look]], photos: Path, tools: Tools) -> dict[str, object]:
    """A print that is moved as asked for: turned by up to 70 degrees and back, tilted, brought nearer."""
    stills = {clip: seen[clip][SEEN[clip][0][1] // 2].image for clip in SEEN}
    for folder in sorted(path for path in photos.iterdir() if path.is_dir()):
        stills[folder.name] = smaller(read(str(folder / "neutral_front.jpg")))
    there_and_back = [*range(0, 71, 10), *range(60, -1, -10)]
    found: dict[str, Counter[str]] = {}
    for still in stills.values():
        straight = looks_at(tools, [still]) * 4
        near = looks_at(tools, nearer(still, 20))
        for bend in BENDS:
            turned, tilted = (
                [
                    looks_at(tools, [held(still, sign * a, tilted=tilted, bend=bend) for a in there_and_back])
                    for sign in (1, -1)
                ]
                for tilted in (False, True)
            )
            for way in range(2):
                moves = {
                    "turn_left": turned[way],
                    "turn_right": turned[1 - way],
                    "nod": tilted[way],
                    "approach": near,
                }
                for door in doors(NETWORKS):
                    for order in ORDERS:
                        played = [
                            *straight,
                            *(look for action in order for look in (*moves[action], *straight)),
                        ]
                        kind = f"print, bend {bend}, {door.network}"
                        note(found, kind, door, order, at_ten(played))
    return dict(told(found))


def looks_at(tools: Tools, images: Sequence[Image]) -> list[Look]:
    return tools.looks([Frame(image, number, number / 10) for number, image in enumerate(images)])


def smaller(image: Image) -> Image:
    return from_array(
        np.asarray(cv2.resize(image.pixels, (400, 600), interpolation=cv2.INTER_AREA), np.uint8)
    )


# -- the live loop -------------------------------------------------------------------------------------------------


def live(root: Path, tools: Tools) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for place, clip in enumerate(SEEN):
        film = tools.film(root / clip)
        begin, end = longest(clip)
        (enrolled,) = tools.looks([film[(begin + end) // 2]])
        for turn, door in enumerate(doors(NETWORKS)):
            subject = enrolled.vectors[door.network]
            embedder = tools.embedders[door.network]
            for rate, fps in (("own rate", None), ("5 fps", 5.0)):
                shown = film if fps is None else list(thinned(film, fps))
                # Each clip and network has other orders, so that all are played at each rate.
                orders = [PERFORMED[clip], *ORDERS[2 * place + turn :: 2 * len(SEEN)]]
                for order in dict.fromkeys(orders):
                    mine = order == PERFORMED[clip]
                    kind = f"{clip}, {door.network}: as performed" if mine else "another order"
                    events = door.watch(order, shown, subject, tools.detector, embedder)
                    found.setdefault(f"{kind}, {rate}", Counter())[outcome(events)] += 1
                    played = performance(clip, film, order, fps=fps)
                    events = door.watch(order, played, subject, tools.detector, embedder)
                    found.setdefault(f"made of its parts, {rate}", Counter())[outcome(events)] += 1
    return told(found)


def outcome(events: Sequence[LiveEvent]) -> str:
    if any(event.event == "accepted" for event in events):
        return "passed"
    return next((event.reason for event in events if event.event == "spoof" and event.reason), "open")


if __name__ == "__main__":
    main()
