"""Error rates of passive liveness: which rule over the networks, and what it refuses elsewhere.

    python -m scripts.studies.check_liveness [--data DIR] [--weights DIR] [--tflite FILE] [--json FILE]

1. The rules of `liveness_rules` on `pad`, with people apart: each person is judged with the offset that the others
   give, half-way between the lowest live face and the highest attack. Photos and whole clips are counted.
2. The rules of faceid at their operating points, and that of 0.1.0 (mean probability of the two MiniFASNets, faces
   squeezed, threshold 0.6), by kind of attack: `pad`, `spoof_quality`, CCtwelve.
3. Live faces elsewhere that the same rules refuse: single looks, and tracks of clips by the rule of the live loop.
4. CPU milliseconds a face of each network, one thread, interleaved.

`--tflite` is FaceAntiSpoofing.tflite of syaringan357/Android-MobileFaceNet-MTCNN-FaceAntiSpoofing. It needs the package
ai-edge-litert and runs as published: the eyes level, the longer side of the box, 256 pixels, RGB 0..1; its score is the
sum of |class| * mask over the leaves of its tree. The publisher asks for 1,000 pixels of a Laplacian above 50, else the
picture is too blurred to judge. No rule of faceid uses it.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from faceid.app import factories
from faceid.config import Settings
from faceid.errors import InputError
from faceid.evaluation.data.presentation_files import VIDEO_SUFFIXES, Presentation, read_presentations
from faceid.evaluation.protocols.liveness import Looker
from faceid.evaluation.statistics.intervals import wilson
from faceid.imaging import walk
from faceid.live.liveness.passive import FIRST, PassiveCheck
from faceid.networks import loading, registry
from faceid.networks.card import LivenessCard
from faceid.networks.liveness_rule import LIVE_THRESHOLD
from faceid.recognition.liveness.passive import PassiveDetector, log_odds_of
from faceid.recognition.liveness.regions import region
from faceid.types import Face, Image
from scripts import command
from scripts.datasets import lfw
from scripts.studies import liveness_rules as rules
from scripts.studies.liveness_rules import CANDIDATES, SQUEEZED, TREE, Errors, Odds, Rule, Shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS = {
    "image_F1": "print",
    "image_F2": "screen",
    "screen_rgb_fake": "screen",
    "doubango_spoof": "screen",
    "doubango_deepfake": "deepfake",
    "doubango_disguise": "disguise",
}
FOUND = ("pose", "rotated", "blur_eyes", "masked")
BEFORE = "MiniFASNet x 2, squeezed, mean probability (0.1.0)"
SHARP, EDGE = 1000, 50
"""The publisher's gate of FaceAntiSpoofing: pixels of a Laplacian above EDGE."""


@dataclass(frozen=True)
class Judge:
    """A rule at an operating point: scores with `offset` of `threshold` and more are live."""

    name: str
    rule: Rule
    offset: float
    threshold: float


def main() -> None:
    parser = command.parser(__doc__, data=True, report="bench/liveness.json")
    parser.add_argument(
        "--weights", type=Path, help="where the weights are; default: where `models pull` puts them"
    )
    parser.add_argument("--tflite", type=Path, help="FaceAntiSpoofing.tflite; default: it is left out")
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    torch.set_num_threads(1)
    looker = Recorder(arguments.weights or Settings.load().weights_dir, arguments.tflite)
    report: dict[str, Any] = {}

    pad = list(shown_in(data / "pad", looker))
    report["rules"] = compare_rules(pad, with_tree=arguments.tflite is not None)
    judges = [Judge("0.1.0", CANDIDATES[BEFORE](()), 0.0, 0.6)]
    judges += [
        Judge(f"{len(one.networks)} networks", rules.votes(*one.votes)(()), one.offset, LIVE_THRESHOLD)
        for one in reversed(registry.liveness_rules())
    ]
    others = [
        *(
            Presentation(path, None)
            for path in walk([str(data / "spoof_quality/live"), str(data / "cctwelve")])
        ),
        *(Presentation(path, KINDS[Path(path).stem]) for path in walk([str(data / "spoof_quality/spoof")])),
    ]
    found = (looker.shown(listed, person_of(Path(listed.path))) for listed in others)
    report["kinds"] = {
        "pad": by_kind(pad, judges),
        "spoof_quality, cctwelve": by_kind([one for one in found if one is not None], judges),
    }
    if arguments.tflite is not None:
        blurred = [one for one in looker.sharpness if one < SHARP]
        print(
            f"FaceAntiSpoofing: {len(blurred)} of {len(looker.sharpness)} looks too blurred for its publisher"
        )
    report["elsewhere"] = elsewhere(data, looker, judges)
    report["milliseconds"] = looker.milliseconds()
    command.write_report(arguments.json, report)
    print(f"written to {arguments.json}")


class Recorder:
    """Keeps the log-odds of every look that a `Looker` takes.

    To the `Looker` it is a detector whose scores are places in the record: they only have to come back unchanged.
    """

    def __init__(self, weights_dir: Path, tflite: Path | None) -> None:
        first = registry.liveness_rules()[0]
        cards = [registry.liveness_card(name) for name in first.networks]
        self._networks = {card.name: (loading.load(card, weights_dir), card) for card in cards}
        self._detector = PassiveDetector(self._networks, first)
        self._tree = None if tflite is None else Tree(tflite)
        self.sharpness: list[int] = []
        self._record: list[Odds] = []
        self._spent_s: dict[str, list[float]] = defaultdict(list)
        self.faces = factories.make_detector("mtcnn", "cpu")
        self._looker = Looker(self.faces, self, "arcface-112-v1")

    def scores(self, image: Image, faces: Sequence[Face]) -> NDArray[np.float32]:
        begin = len(self._record)
        self._record += [self._odds(image, face) for face in faces]
        return np.arange(begin, len(self._record), dtype=np.float32)

    def tracks(self, path: str) -> list[list[Odds]]:
        """The looks of each track of a clip."""
        found = self._looker.tracks(path).values()
        return [[self._record[int(place)] for place in places] for places in found]

    def shown(self, listed: Presentation, person: str) -> Shown | None:
        """A presentation with its looks; None where nothing was found."""
        if listed.is_clip:
            looks = max(self.tracks(listed.path), key=len, default=[])
        else:
            (scored,) = self._looker.scored([listed])
            looks = [] if scored.score is None else [self._record[int(scored.score)]]
        if not looks:
            print(f"no look at {listed.path}")
            return None
        return Shown(person, listed.kind, listed.is_clip, looks)

    def milliseconds(self) -> dict[str, float]:
        medians = {name: 1e3 * float(np.median(spent)) for name, spent in self._spent_s.items()}
        for name, value in medians.items():
            print(f"{name}: {value:.1f} ms a face (median of {len(self._spent_s[name])}, CPU, one thread)")
        return medians

    def _odds(self, image: Image, face: Face) -> Odds:
        odds = {}
        for name, (network, card) in self._networks.items():
            begin = time.process_time()
            one = PassiveDetector({name: (network, card)}, self._detector.rule)
            odds[name] = float(one.log_odds(image, [face])[name][0])
            self._spent_s[name].append(time.process_time() - begin)
            if card.region == "inside":
                crop = squeezed(image, face, card)
                odds[name + SQUEEZED] = float(log_odds_of(network, crop[None])[0])
        if self._tree is not None:
            begin = time.process_time()
            odds[TREE], sharp = self._tree(image, face)
            self._spent_s[TREE].append(time.process_time() - begin)
            self.sharpness.append(sharp)
        return odds


def squeezed(image: Image, face: Face, card: LivenessCard) -> NDArray[np.uint8]:
    """The published crop: its sides are those of the box, each brought to the same length."""
    left, top, right, bottom = region(face.box, image.width, image.height, card.scale)
    part = image.pixels[top : bottom + 1, left : right + 1]
    return np.asarray(cv2.resize(part, (card.input_size,) * 2), dtype=np.uint8)


class Tree:
    """FaceAntiSpoofing.tflite in its publisher's runtime."""

    SIDE = 256

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._runner = Interpreter(str(path), num_threads=1)
        self._runner.allocate_tensors()
        self._input = self._runner.get_input_details()[0]["index"]
        self._outputs = {one["name"]: one["index"] for one in self._runner.get_output_details()}

    def __call__(self, image: Image, face: Face) -> tuple[float, int]:
        """Log-odds of a live face, and the number of sharp pixels."""
        crop = self._level(image, face)
        gray = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.int32)
        middle = gray[1:-1, 1:-1]
        edges = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4 * middle
        self._runner.set_tensor(self._input, crop[None].astype(np.float32) / 255)
        self._runner.invoke()
        classes, mask = (
            self._runner.get_tensor(self._outputs[name])[0] for name in ("Identity", "Identity_1")
        )
        attack = min(max(float((np.abs(classes) * mask).sum()), 0.001), 0.999)
        return float(np.log((1 - attack) / attack)), int((edges > EDGE).sum())

    def _level(self, image: Image, face: Face) -> NDArray[np.uint8]:
        eyes = face.landmarks[1] - face.landmarks[0]
        x, y = (float(value) for value in face.landmarks[:3].mean(0))
        turn = cv2.getRotationMatrix2D((x, y), float(np.degrees(np.arctan2(eyes[1], eyes[0]))), 1.0)
        x1, y1, x2, y2 = face.box
        middle = turn @ np.array([(x1 + x2) / 2, (y1 + y2) / 2, 1.0])
        factor = self.SIDE / max(x2 - x1, y2 - y1)
        turn *= factor
        turn[:, 2] += self.SIDE / 2 - factor * middle
        made = cv2.warpAffine(image.pixels, turn, (self.SIDE,) * 2, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(made, dtype=np.uint8)


def shown_in(pad: Path, looker: Recorder) -> Iterator[Shown]:
    for listed in read_presentations(pad / "presentations.csv"):
        person = re.search(r"(nuaa|td)_[0-9a-z]+", listed.path)
        assert person is not None, listed.path
        if found := looker.shown(listed, person.group()):
            yield found


def compare_rules(pad: Sequence[Shown], *, with_tree: bool) -> dict[str, Any]:
    table = Table("rule", "live refused", "prints taken", "replays taken", "offsets", "of all")
    report = {}
    for name, fit in CANDIDATES.items():
        if not with_tree and name in ("FaceAntiSpoofing", "three publishers"):
            continue
        errors, offsets = rules.apart(fit, pad)
        whole = rules.halfway(fit(pad), pad)
        cells = [share(errors[kind]) for kind in ("live", "print_photo", "screen_replay")]
        table.add_row(name, *cells, f"{offsets.min():.1f} .. {offsets.max():.1f}", f"{whole:.2f}")
        report[name] = {"errors": cells, "offsets": offsets.tolist(), "offset of all": whole}
    Console(width=150).print(table)
    return report


def person_of(path: Path) -> str:
    """CCtwelve has a folder for each person, spoof_quality a picture."""
    return path.stem if "spoof_quality" in path.parts else path.parent.name


def by_kind(shown: Sequence[Shown], judges: Sequence[Judge]) -> dict[str, list[str]]:
    found: list[dict[str, Errors]] = []
    for judge in judges:
        found.append(errors := {})
        for one in shown:
            rules.count(errors, one, judge.rule, judge.offset, judge.threshold)
    table = Table("wrong", "people", *(judge.name for judge in judges), "95 % of the last (Wilson)")
    report = {}
    for kind, last in found[-1].items():
        report[kind] = [share(errors[kind]) for errors in found]
        interval = wilson(last.wrong, last.count)
        table.add_row(
            kind, str(len(last.people)), *report[kind], f"{interval.low:.1%} .. {interval.high:.1%}"
        )
    Console(width=130).print(table)
    return report


def elsewhere(data: Path, looker: Recorder, judges: Sequence[Judge]) -> dict[str, Any]:
    """Live faces of other data: frames refused, and tracks that are ever called a spoof, by each judge."""
    groups = {f"photos: {name}": data / "spoof_quality" / name for name in FOUND}
    groups |= {f"clips: {path.name}": path for path in sorted((data / "videos").iterdir()) if path.is_dir()}
    groups["clips: video_turns"] = data / "video_turns"
    names = [judge.name for judge in judges]
    table = Table(
        "live faces",
        "looks",
        *(f"refused, {name}" for name in names),
        "tracks",
        *(f"spoof, {name}" for name in names),
    )
    report = {}
    for name, folder in groups.items():
        tracks = [track for path in sorted(folder.iterdir()) for track in tracks_of(path, looker)]
        looks = [odds for track in tracks for odds in track]
        long = [track for track in tracks if len(track) >= FIRST]
        refused = [
            sum(rules.score(judge.rule(odds), judge.offset) < judge.threshold for odds in looks)
            for judge in judges
        ]
        spoof = [sum(ever_a_spoof(track, judge) for track in long) for judge in judges]
        report[name] = [len(looks), *refused, len(long), *spoof]
        table.add_row(name, *map(str, report[name]))
    Console(width=150).print(table)
    return report


def tracks_of(path: Path, looker: Recorder) -> list[list[Odds]]:
    """The looks at each track of a clip, or at the largest face of a photo."""
    if path.suffix == ".md":
        return []
    try:
        if path.suffix.lower() in VIDEO_SUFFIXES:
            return looker.tracks(str(path))
        found = looker.shown(Presentation(str(path), None), path.stem)
    except InputError:
        return []
    return [] if found is None else [list(found.looks)]


def ever_a_spoof(track: Sequence[Odds], judge: Judge) -> bool:
    """Whether the live loop would call the track a spoof after any of its looks."""
    replayed = Replay([rules.score(judge.rule(odds), judge.offset) for odds in track])
    check = PassiveCheck(replayed, judge.threshold)
    face = Face((0.0, 0.0, 1.0, 1.0), np.zeros((5, 2), np.float32), 1.0)
    states = [check.update(replayed.picture, face, None, 0.0).state for _ in track]
    return "spoof" in states


class Replay:
    """Gives known scores again, one a look; satisfies the port."""

    picture: Any = None

    def __init__(self, scores: Sequence[float]) -> None:
        self._scores = iter(scores)

    def scores(self, image: Image, faces: Sequence[Face]) -> NDArray[np.float32]:
        return np.array([next(self._scores)], np.float32)


def share(entry: Errors) -> str:
    return f"{entry.wrong} of {entry.count} ({entry.wrong / entry.count:.1%})"


if __name__ == "__main__":
    main()
