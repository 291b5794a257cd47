"""`faceid live` over time: speed beside loops over frames, delay, memory, and cameras that fail.

    python -m scripts.benchmarks.bench_live [--only speed,...] [--rivals] [--models NAME,...] [--detectors NAME,...]
        [--json FILE]

- `speed`: people of data/videos/asl_ccby (640x480, 30 frames a second) are enrolled from one clip each. Another clip is
  played forwards and backwards to `--frames` frames a person. Measured are frames a second, CPU time and names.
  `--rivals` adds simple loops over frames (live/contenders/), each in its own process; they take turns on the same
  files, and a rival that is missing has a row that says so. Every detector of `--detectors` is measured with every
  network. All other clips then show after how many frames a face is
  named, and accepted with `--claim`. A last recording plays at its own pace.
- `delay`: for `--minutes`, a camera sends `--source-fps` pictures of 1280x720 a second, more than any system can
  process (live/delay.py). A loop that reads and identifies every frame gets one minute.
- `memory`: resident memory and Python objects over `--memory-frames` frames of joined clips, with people who come and
  go.
- `kills`, `rtsp`: the command itself on an HTTP camera and on an RTSP server; the source is killed `--kills` times.

The times of `speed` include decoding, but neither imports nor the loading of weights. "Cores busy" is CPU time (user
and system, all threads) divided by wall-clock time and cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceid.app.faceid import FaceID
from scripts import command, machine
from scripts.benchmarks.bench_pipeline import listed, with_contenders
from scripts.benchmarks.live.contenders import NAIVE, RIVALS, faceid
from scripts.benchmarks.live.data import FPS, Person, enlarged, people, spliced, there_and_back, whole, write
from scripts.benchmarks.live.delay import delay, show_delay
from scripts.benchmarks.live.kills import Kills, killed, show_kills
from scripts.benchmarks.live.memory import memory, show_memory
from scripts.benchmarks.live.sources import Server
from scripts.benchmarks.live.speed import Recording, Turns, race, realtime, show_speed, soon
from scripts.benchmarks.pipeline.runs import System, start
from scripts.datasets import lfw

if TYPE_CHECKING:
    from faceid.types import Pixels

WORKER = "scripts.benchmarks.live.worker"
WIDTH, HEIGHT = 1280, 720
PICTURES = 1024
"""Of the camera, until they come again: the first picture may be so many old."""

WARM_UP = 60


@dataclass(frozen=True)
class Setting:
    """What all parts share."""

    arguments: argparse.Namespace
    scratch: Path
    cast: list[Person]

    @property
    def photos(self) -> dict[str, tuple[str, ...]]:
        return {person.name: person.photos for person in self.cast}

    def video(self, name: str, pictures: Iterable[Pixels], coding: str = "MJPG") -> str:
        """A recording of these pictures, by name."""
        return write(self.scratch / f"{name}.avi", pictures, coding)

    def system(self, stack: ExitStack) -> System:
        """The first of the networks, in a process."""
        spec = faceid(self.arguments.models[0], detector=self.arguments.detectors[0])
        return System.started(spec, self.arguments.cache, stack, WORKER)


def main() -> None:
    arguments = parsed()
    report: dict[str, Any] = {
        "machine": {
            "cpu": machine.processor(),
            "cores": machine.cores(),
            "python": platform.python_version(),
        },
        "parts": {},
    }
    arguments.cache.mkdir(parents=True, exist_ok=True)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.cache, prefix="live-") as directory:
        scratch = Path(directory)
        setting = Setting(arguments, scratch, people(arguments.videos, scratch))
        for name in arguments.only:
            run, show = PARTS[name]
            told = run(setting)
            report["parts"][name] = {"load": os.getloadavg()[0], **told}
            show(told)
            arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"written to {arguments.json}")


def speed_part(setting: Setting) -> dict[str, Any]:
    arguments = setting.arguments
    ours = [faceid(model, detector=name) for model in arguments.models for name in arguments.detectors]
    drawn = faceid(arguments.models[0], detector=arguments.detectors[0], drawn=True)
    rivals = [spec for spec in RIVALS if spec.name in arguments.rivals]
    looped = [
        Recording(person.name, setting.video(person.name, there_and_back(longest(person), arguments.frames)))
        for person in setting.cast
    ]
    clips = [Recording(person.name, str(clip.path)) for person in setting.cast for clip in person.clips]
    warm_up = setting.video(
        "warm-up", there_and_back(longest(setting.cast[0]), min(WARM_UP, arguments.frames))
    )
    with ExitStack() as stack:
        systems, absent = start([*ours, drawn, *rivals], arguments.cache, stack, WORKER)
        turns = Turns(setting.photos)
        raced = race(systems, looped, turns, warm_up)
        own = [system for system in systems if system.spec in ours]
        return {
            "frames": arguments.frames * len(looped),
            "means": {spec.name: spec.means for spec in (*ours, drawn, *rivals)},
            "systems": raced + absent,
            "soon": soon(own, clips, turns),
            "realtime": realtime(own, looped[0], turns),
        }


def delay_part(setting: Setting) -> dict[str, Any]:
    arguments = setting.arguments
    pictures = [enlarged(pixels, WIDTH, HEIGHT) for pixels in longest(setting.cast[0])]
    video = setting.video("camera", there_and_back(pictures, 2 * len(pictures) - 2))
    naive = replace(NAIVE, options={"model": arguments.models[0]})
    with ExitStack() as stack:
        systems = [
            (setting.system(stack), 60.0 * arguments.minutes),
            (System.started(naive, arguments.cache, stack, WORKER), 60.0 * min(1.0, arguments.minutes)),
        ]
        return delay(systems, video, arguments.source_fps, PICTURES, setting.photos)


def memory_part(setting: Setting) -> dict[str, Any]:
    arguments = setting.arguments
    turns = zip_longest(*(person.clips for person in setting.cast))
    mixed = [clip for turn in turns for clip in turn if clip is not None]
    video = setting.video("spliced", spliced(mixed, arguments.memory_frames), "mp4v")
    with ExitStack() as stack:
        return memory(setting.system(stack), video, arguments.memory_frames, setting.photos)


def kills_part(setting: Setting, *, rtsp: bool) -> dict[str, Any]:
    arguments, person = setting.arguments, setting.cast[0]
    pictures = longest(person)
    video = setting.video("killed", there_and_back(pictures, 2 * len(pictures) - 2))
    db = setting.scratch / "gallery.db"
    with FaceID(db=db, model=arguments.models[0], device="cpu") as system:
        for name, photos in setting.photos.items():
            system.enroll(name, photos)
    module, name = (
        ("scripts.chaos.rtsp_server", "RTSP") if rtsp else ("scripts.benchmarks.live.server", "HTTP")
    )
    with Server(module, video, "--port", str(free_port()), "--fps", f"{FPS:g}") as server:
        url = server.said if rtsp else json.loads(server.said)["url"]
        kills = Kills(arguments.kills, up_s=arguments.up)
        return {"person": person.name, "rows": [killed(name, server, url, str(db), kills)]}


PARTS: dict[str, tuple[Callable[[Setting], dict[str, Any]], Callable[[dict[str, Any]], None]]] = {
    "speed": (speed_part, show_speed),
    "delay": (delay_part, show_delay),
    "memory": (memory_part, show_memory),
    "kills": (partial(kills_part, rtsp=False), show_kills),
    "rtsp": (partial(kills_part, rtsp=True), show_kills),
}


def longest(person: Person) -> list[Pixels]:
    """The pictures of the person's longest clip."""
    return max(map(whole, person.clips), key=len)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def parsed() -> argparse.Namespace:
    parser = command.parser(__doc__, cache=True, report="bench/live_bench.json")
    parser.add_argument("--only", type=listed(tuple(PARTS)), default=list(PARTS))
    parser.add_argument("--videos", type=Path, help="default: videos in $FACEID_TEST_DATA or ../shared/data")
    parser.add_argument("--frames", type=int, default=300, help="speed: frames of each person")
    parser.add_argument("--minutes", type=float, default=10.0, help="delay: how long to watch")
    parser.add_argument(
        "--source-fps", type=float, default=200.0, help="delay: pictures that are sent a second"
    )
    parser.add_argument("--memory-frames", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--up", type=float, default=6.0, help="kills: seconds from a name to the next kill")
    parser.add_argument(
        "--detectors",
        type=lambda text: text.split(","),
        default=["auto"],
        help="the first also for the other parts; default: auto",
    )
    arguments = with_contenders(parser, [spec.name for spec in RIVALS])
    arguments.videos = arguments.videos or lfw.data_directory(None) / "videos"
    return arguments


if __name__ == "__main__":
    main()
