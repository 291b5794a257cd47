"""How well passive liveness tells copies from live faces, and poses of a challenge are told apart, on a few pictures.

    python scripts/check_liveness.py [--data DIR] [--weights DIR] [--threshold T] [--json FILE]

Attacks and live faces of spoof_quality and CCtwelve: APCER by kind of attack, BPCER and ACER (ISO/IEC 30107-3). Told
apart, since nobody stood before the camera in question: found photos (turned, rotated, blurred, masked faces) and
frames of videos, two a second, whose faces are live as far as anybody knows. Of CCtwelve's poses: left, straight
or right. A smoke test and not a certification: six attacks are no sample of anything.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

import lfw
from faceid import backends
from faceid.calibrate.presentation import PresentationErrors, errors
from faceid.config import Settings
from faceid.imaging import from_array, read
from faceid.liveness.challenge import Limits
from faceid.liveness.passive import LIVE_THRESHOLD, open_detector
from faceid.liveness.pose import head_pose
from faceid.ports import Detector, LivenessDetector
from faceid.types import Face, Image

KINDS = {
    "image_F1": "print",
    "image_F2": "screen",
    "screen_rgb_fake": "screen",
    "doubango_spoof": "print or screen",
    "doubango_deepfake": "deepfake",
    "doubango_disguise": "disguise",
}
FOUND = ("pose", "rotated", "blur_eyes", "masked")
DIGITAL = ("deepfake", "disguise")
"""No copy is held before the camera in these: nothing that such a network could see."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument(
        "--weights", type=Path, help="where the weights are; default: where `models pull` puts them"
    )
    parser.add_argument("--threshold", type=float, default=LIVE_THRESHOLD)
    parser.add_argument("--json", type=Path, default=Path("bench/liveness.json"))
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    detector = backends.make_detector("mtcnn", "cpu")
    liveness = open_detector(device="cpu", weights_dir=arguments.weights or Settings.load().weights_dir)

    live, silent = scored(pictures([data / "spoof_quality" / "live", data / "cctwelve"]), detector, liveness)
    attacks: dict[str, list[float]] = {}
    for path in sorted((data / "spoof_quality" / "spoof").iterdir()):
        scores, missed = scored(pictures([path]), detector, liveness)
        attacks.setdefault(KINDS[path.stem], []).extend(scores.values())
        silent += missed
    copies = {kind: scores for kind, scores in attacks.items() if kind not in DIGITAL}
    held = errors(list(live.values()), copies, arguments.threshold)
    everything = errors(list(live.values()), attacks, arguments.threshold)
    others = dict(elsewhere(data, detector, liveness))
    turns = poses(data, detector)

    show(everything, held, silent, arguments.threshold, others, turns)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "threshold": arguments.threshold,
        "without_face": silent,
        "copies_before_a_camera": summary(held),
        "all_attacks": summary(everything),
        "live_scores": live,
        "attack_scores": attacks,
        "elsewhere": others,
        "poses": {f"{expected} shown as {found}": count for (expected, found), count in turns.items()},
    }
    arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"written to {arguments.json}")


def pictures(places: list[Path]) -> Iterator[Image]:
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
                yield read(str(path))


def frames(path: Path) -> Iterator[Image]:
    """Two a second."""
    capture = cv2.VideoCapture(str(path))
    step = max(1, round((capture.get(cv2.CAP_PROP_FPS) or 25.0) / 2))
    number = 0
    while capture.grab():
        if number % step == 0:
            kept, frame = capture.retrieve()
            if kept:
                pixels = np.ascontiguousarray(frame[:, :, ::-1])
                yield from_array(pixels, f"{path.parent.name}/{path.name}#{number}")
        number += 1
    capture.release()


def largest(detector: Detector, image: Image) -> Face | None:
    return max(detector.detect([image])[0], key=lambda face: face.size, default=None)


def scored(
    images: Iterator[Image], detector: Detector, liveness: LivenessDetector
) -> tuple[dict[str, float], int]:
    """The score of each picture's largest face, and how many pictures have none."""
    scores, silent = {}, 0
    for image in images:
        face = largest(detector, image)
        if face is None:
            silent += 1
        else:
            scores["/".join(Path(image.source).parts[-2:])] = float(liveness.scores(image, [face])[0])
    return scores, silent


def elsewhere(
    data: Path, detector: Detector, liveness: LivenessDetector
) -> Iterator[tuple[str, dict[str, float]]]:
    for name in FOUND:
        yield f"photos: {name}", scored(pictures([data / "spoof_quality" / name]), detector, liveness)[0]
    for folder in sorted(path for path in (data / "videos").iterdir() if path.is_dir()):
        scores: dict[str, float] = {}
        for path in sorted(folder.iterdir()):
            scores |= scored(frames(path), detector, liveness)[0]
        yield f"videos: {folder.name}", scores


def poses(data: Path, detector: Detector) -> Counter[tuple[str, str]]:
    """How often CCtwelve's left, front and right are shown as turned left, straight or turned right."""
    limits = Limits()
    counts: Counter[tuple[str, str]] = Counter()
    for image in pictures([data / "cctwelve"]):
        face = largest(detector, image)
        pose = head_pose(face.landmarks) if face is not None else None
        found = "no face"
        if pose is not None:
            found = "between"
            if abs(pose.yaw) <= limits.straight_yaw:
                found = "straight"
            elif abs(pose.yaw) >= limits.turned_yaw:
                found = "left" if pose.yaw < 0 else "right"
        counts[Path(image.source).stem.rpartition("_")[2], found] += 1
    return counts


def summary(found: PresentationErrors) -> dict[str, Any]:
    return {**asdict(found), "worst": found.worst.kind, "acer": found.acer}


def show(
    everything: PresentationErrors,
    held: PresentationErrors,
    silent: int,
    threshold: float,
    others: dict[str, dict[str, float]],
    turns: Counter[tuple[str, str]],
) -> None:
    table = Table("attack", "presentations", "taken for live", "APCER", "95 % interval")
    for attack in everything.attacks:
        interval = f"{attack.apcer.low:.1%} .. {attack.apcer.high:.1%}"
        rate = f"{attack.apcer.rate:.1%}"
        table.add_row(attack.kind, str(attack.count), str(attack.accepted), rate, interval)
    console = Console(width=120)
    console.print(table)
    bpcer = held.bpcer
    print(
        f"BPCER {bpcer.rate:.1%} ({bpcer.low:.1%} .. {bpcer.high:.1%}): {held.refused} of {held.count} refused"
    )
    print(f"ACER {held.acer:.1%} of copies before a camera, {everything.acer:.1%} with the others")
    print(f"threshold {threshold:g}; {silent} pictures without a face")
    table = Table("elsewhere", "faces", "below the threshold", "median score")
    for name, scores in others.items():
        values = np.array(list(scores.values()) or [np.nan])
        below = f"{int((values < threshold).sum())}"
        table.add_row(name, str(len(scores)), below, f"{np.median(values):.3f}")
    console.print(table)
    for (expected, found), count in sorted(turns.items()):
        print(f"CCtwelve {expected}: {count} shown as {found}")
    print("A smoke test and not a certification.")


if __name__ == "__main__":
    main()
