"""Kill `faceid enroll --each-folder` again and again, restart it, and compare with an undisturbed run.

    python -m scripts.chaos.enrolment [--photos 3000] [--kills 10] [--seed 1] [--model NAME] [--json FILE]

The photos are those of LFW View 1; with `--model fake`, drawn squares. One run is undisturbed. Another one gets SIGKILL
at `--kills` random moments: before a result is printed, before a picture is decoded, inside a transaction, or (from
outside) at any time after a result. Each time the same command starts again; the last run is not killed.

Both galleries must then hold the same: names, attributes, hashes and sources, in one order of insertion under the same
ids, and boxes, qualities and vectors that are equal up to rounding. The last run must report of each photo what the
undisturbed run reported. After each kill the database must pass its own check, and no later run may decode a photo
again whose result was stored; the pipeline's window and one group bound the work in flight. `faceid index verify` must
agree, and no record of the interrupted run may be left. The script ends with 1 at the first violation and keeps the
galleries.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceid.app.factories import make_crew
from faceid.enrolment.run import GROUP
from scripts import command, machine
from scripts.benchmarks.bench_enrolment import copy_people, draw_people
from scripts.chaos.enrolment_oracle import Photo, Violation, decided_in, same_galleries, same_results
from scripts.datasets import lfw

WORKER = machine.run_module("scripts.chaos.enrolment_worker")
MOMENTS = ("line", "look", "store", "any")
LONGEST_DELAY_S = 1.0


@dataclass
class Ran:
    """One process: its results by path, and the photos that it decoded, as paths. `code` is -9 where it was killed."""

    code: int
    results: dict[str, dict[str, Any]]
    looks: list[str]
    seconds: float


@dataclass
class Trial:
    """The photos, and one gallery that they are enrolled in."""

    root: Path
    db: Path
    model: str
    photos: dict[str, Photo]
    runs: int = 0

    def run(self, moment: str = "never", number: int = 0, delay_s: float = 0.0) -> Ran:
        """Enrol until the end or until death."""
        self.runs += 1
        log = self.db.with_name(f"looks{self.runs}.txt")
        worker_moment = "never" if moment == "any" else moment
        arguments = [*WORKER, str(log), worker_moment, str(number), *self._options()]
        arguments += ["--json", "--quiet", "enroll", "--each-folder", str(self.root)]
        began = time.monotonic()
        results: dict[str, dict[str, Any]] = {}
        with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
            with subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=said, env=machine.environment(), text=True
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    told = json.loads(line) if line.endswith("\n") else {}
                    if "status" in told:
                        results[told["path"]] = told
                        if moment == "any" and len(results) == number:
                            time.sleep(delay_s)
                            process.kill()
            if process.returncode not in (0, 3, -signal.SIGKILL):
                said.seek(0)
                raise Violation(f"faceid ended with {process.returncode}: {said.read()[-2000:]}")
        looks = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return Ran(process.returncode, results, looks, time.monotonic() - began)

    def verify_index(self) -> None:
        """Raises Violation where the index or the database is not sound."""
        arguments = [*WORKER, os.devnull, "never", "0", *self._options(), "index", "verify"]
        ran = subprocess.run(
            arguments, capture_output=True, env=machine.environment(), text=True, check=False
        )
        if ran.returncode:
            raise Violation(f"index verify: exit {ran.returncode}: {ran.stdout}{ran.stderr}")

    def _options(self) -> list[str]:
        return ["--db", str(self.db), "--model", self.model, "--device", "cpu"]


@dataclass
class Disturbed:
    """A trial that is killed `kills` times at `moments`, and what was seen of it."""

    trial: Trial
    random: random.Random
    enrolled_share: float
    moments: tuple[str, ...] = MOMENTS
    deaths: Counter[str] = field(default_factory=Counter)
    looked_again: list[int] = field(default_factory=list)
    looks: Counter[str] = field(default_factory=Counter)

    def go(self, kills: int) -> Ran:
        """The last run, which is undisturbed. Raises Violation."""
        count = len(self.trial.photos)
        # Not in the last tenth: the process must still be there to be killed.
        targets = sorted(self.random.randint(1, max(1, count * 9 // 10)) for _ in range(kills))
        decided: set[Photo] = set()
        for target in targets:
            moment = self.random.choice(self.moments)
            number = max(1, target if moment in ("line", "any") else target - len(decided))
            if moment == "store":
                number = max(1, int(0.9 * self.enrolled_share * number))
            ran = self.trial.run(moment, number, self.random.uniform(0, LONGEST_DELAY_S))
            self._examine(ran, decided)
            if ran.code != -signal.SIGKILL:
                return ran
            self.deaths[moment] += 1
            before, decided = decided, decided_in(self.trial.db)
            if not before <= decided:
                raise Violation(f"{len(before - decided)} decisions are gone after {moment} {number}")
            self._bound(ran, decided)
        ran = self.trial.run()
        self._examine(ran, decided)
        return ran

    def _examine(self, ran: Ran, decided: set[Photo]) -> None:
        """Nothing that was decided before was decoded again."""
        again = [path for path in ran.looks if self.trial.photos[path] in decided]
        if again:
            raise Violation(f"{len(again)} photos were decided and decoded again, such as {again[0]}")
        self.looks.update(ran.looks)

    def _bound(self, ran: Ran, decided: set[Photo]) -> None:
        """What was decoded for nothing is what was in flight."""
        lost = [path for path in ran.looks if self.trial.photos[path] not in decided]
        crew = make_crew(self.trial.model, "cpu")
        window = GROUP + 8 * crew.workers * crew.batch
        if len(lost) > window:
            raise Violation(f"{len(lost)} photos were decoded and not decided, {window} may be")
        self.looked_again.append(len(lost))


def main(arguments: list[str] | None = None) -> None:
    options = parsed(arguments)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        report = chaos(directory, options)
    except Violation as violation:
        sys.exit(f"chaos_enrolment: {violation}\nkept: {directory} (--seed {options.seed})")
    shutil.rmtree(directory)
    print(", ".join(f"{name} {value}" for name, value in report.items()))
    command.write_report(options.json, report)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = command.parser(__doc__, data=True, report="bench/chaos_enrolment.json")
    parser.add_argument("--photos", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--moments", type=lambda text: tuple(text.split(",")), default=MOMENTS)
    parser.add_argument("--model", default="dlib-resnet")
    return parser.parse_args(arguments)


def chaos(directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Both runs and their comparison. Raises Violation."""
    root = directory / "people"
    if options.model == "fake":
        draw_people(root, options.photos)
        spoil(root)
    else:
        copy_people(lfw.data_directory(options.data), root, options.photos)
    photos = {
        str(path): (path.parent.name, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(root.glob("*/*"))
    }
    (directory / "calm").mkdir()
    (directory / "disturbed").mkdir()
    calm = Trial(root, directory / "calm" / "gallery.db", options.model, photos)
    reference = calm.run()
    enrolled = sum(result["status"] == "enrolled" for result in reference.results.values())
    trial = Trial(root, directory / "disturbed" / "gallery.db", options.model, photos)
    disturbed = Disturbed(trial, random.Random(options.seed), enrolled / len(photos), options.moments)
    last = disturbed.go(options.kills)
    same_results(reference.results, last.results)
    farthest = same_galleries(calm.db, trial.db)
    if left := decided_in(trial.db, stored=False):
        raise Violation(f"{len(left)} outcomes are kept after the run has ended")
    trial.verify_index()
    return {
        "photos": len(photos),
        "enrolled": enrolled,
        "refused": len(photos) - enrolled,
        "kills": disturbed.deaths.total(),
        "at": dict(disturbed.deaths),
        "in_flight": disturbed.looked_again,
        "decoded_twice": sum(count - 1 for count in disturbed.looks.values()),
        "decoded_most_often": max(disturbed.looks.values()),
        "largest_differences": farthest,
        "undisturbed_s": round(reference.seconds, 1),
        "seed": options.seed,
        "model": options.model,
    }


def spoil(root: Path) -> None:
    """Make every ninth file one that is no picture: so that some are refused."""
    for number, path in enumerate(sorted(root.glob("*/*"))[::9]):
        path.write_text(f"no picture {number}", encoding="utf-8")


if __name__ == "__main__":
    main()
