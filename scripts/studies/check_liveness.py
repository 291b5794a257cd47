"""Error rates of passive liveness, and how well poses of a challenge are told apart, on a few pictures.

    python -m scripts.studies.check_liveness [--data DIR] [--weights DIR] [--threshold T] [--json FILE]

Attacks and live faces of spoof_quality and CCtwelve give APCER by kind of attack, BPCER and ACER (ISO/IEC 30107-3).
Two other groups are reported apart, because they were not made before the camera in question: found photos (turned,
rotated, blurred, masked faces), and frames of videos, two a second, whose faces are presumably live. The poses of
CCtwelve are left, straight or right. Six attacks make a smoke test, not a certification.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from faceid.app import factories
from faceid.config import Settings
from faceid.evaluation.data.presentation_files import Presentation
from faceid.evaluation.protocols.liveness import LivenessFindings, Looker, findings
from faceid.imaging import from_array, read, walk
from faceid.networks import registry
from faceid.ports.networks import Detector
from faceid.recognition.liveness.challenge import Limits
from faceid.recognition.liveness.passive import LIVE_THRESHOLD, open_detector
from faceid.recognition.liveness.pose import head_pose
from faceid.types import Face, Image
from scripts import command
from scripts.datasets import lfw

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
    parser = command.parser(__doc__, data=True, report="bench/liveness.json")
    parser.add_argument(
        "--weights", type=Path, help="where the weights are; default: where `models pull` puts them"
    )
    parser.add_argument("--threshold", type=float, default=LIVE_THRESHOLD)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    detector = factories.make_detector("mtcnn", "cpu")
    liveness = open_detector(device="cpu", weights_dir=arguments.weights or Settings.load().weights_dir)

    looker = Looker(detector, liveness, registry.card("dlib-resnet").aligner)
    listed = [
        *(
            Presentation(path, None)
            for path in walk([str(data / "spoof_quality" / "live"), str(data / "cctwelve")])
        ),
        *(
            Presentation(path, KINDS[Path(path).stem])
            for path in walk([str(data / "spoof_quality" / "spoof")])
        ),
    ]
    scored = list(looker.scored(listed))
    everything = findings("all attacks", scored, arguments.threshold)
    held = findings(
        "copies", [one for one in scored if one.presentation.kind not in DIGITAL], arguments.threshold
    )
    others = dict(elsewhere(data, looker))
    turns = poses(data, detector)

    show(everything, held, others, turns)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "copies_before_a_camera": asdict(held),
        "all_attacks": asdict(everything),
        "scores": {one.presentation.path: one.score for one in scored},
        "elsewhere": others,
        "poses": {f"{expected} shown as {found}": count for (expected, found), count in turns.items()},
    }
    arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"written to {arguments.json}")


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


def elsewhere(data: Path, looker: Looker) -> Iterator[tuple[str, list[float]]]:
    for name in FOUND:
        yield f"photos: {name}", scores(looker, map(read, walk([str(data / "spoof_quality" / name)])))
    for folder in sorted(path for path in (data / "videos").iterdir() if path.is_dir()):
        shown = (image for path in sorted(folder.iterdir()) for image in frames(path))
        yield f"videos: {folder.name}", scores(looker, shown)


def scores(looker: Looker, images: Iterable[Image]) -> list[float]:
    return [score for image in images if (score := looker.largest(image)) is not None]


def poses(data: Path, detector: Detector) -> Counter[tuple[str, str]]:
    """How often CCtwelve's left, front and right are shown as turned left, straight or turned right."""
    limits = Limits()
    counts: Counter[tuple[str, str]] = Counter()
    for image in map(read, walk([str(data / "cctwelve")])):
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


def show(
    everything: LivenessFindings,
    held: LivenessFindings,
    others: dict[str, list[float]],
    turns: Counter[tuple[str, str]],
) -> None:
    table = Table("attack", "presentations", "taken for live", "APCER", "95 % interval")
    for attack in everything.errors.attacks:
        interval = f"{attack.apcer.low:.1%} .. {attack.apcer.high:.1%}"
        rate = f"{attack.apcer.rate:.1%}"
        table.add_row(attack.kind, str(attack.count), str(attack.accepted), rate, interval)
    console = Console(width=120)
    console.print(table)
    errors, bpcer = held.errors, held.errors.bpcer
    print(
        f"BPCER {bpcer.rate:.1%} ({bpcer.low:.1%} .. {bpcer.high:.1%}): {errors.refused} of {errors.count} refused"
    )
    print(f"ACER {held.acer:.1%} of copies before a camera, {everything.acer:.1%} with the others")
    silent = sum(one.silent for one in everything.unanswered)
    print(f"threshold {errors.threshold:g}; {silent} pictures without a face")
    table = Table("elsewhere", "faces", "below the threshold", "median score")
    for name, found in others.items():
        below = sum(score < errors.threshold for score in found)
        table.add_row(name, str(len(found)), str(below), f"{np.median(found or [np.nan]):.3f}")
    console.print(table)
    for (expected, found), count in sorted(turns.items()):
        print(f"CCtwelve {expected}: {count} shown as {found}")
    print("A smoke test and not a certification.")


if __name__ == "__main__":
    main()
