"""The whole pipeline, from photo file to the templates of all faces, beside other systems in the same run.

    python -m scripts.benchmarks.bench_pipeline [--rivals] [--photos N] [--sets NAME,...] [--models NAME,...]
        [--detectors NAME,...]

The sets are photos of LFW View 1 (`lfw`, 250 pixels), 720p pictures with one face and with many (`one`, `many`), and
12-megapixel photos of a phone with one large face and with several small ones (`phone-large`, `phone-small`). All but
the first are made of LFW faces and photos without people (pipeline/data.py). A system that passes over the EXIF
orientation gets the pixels turned by Pillow, inside the time: its users have to do that.

Each system runs in its own process with its own default threads. The systems take turns on parts of each set, and wait
while another one works, so that noise hits all alike. Rivals are in pipeline/contenders/. If a rival needs libraries,
they are installed in bench/env-NAME and stay there. If a rival is missing or fails, its row says so.

The times include decoding, but neither imports nor the loading of weights. "Cores busy" is CPU time (user and system,
all threads) divided by wall-clock time and cores. On LFW, accuracy is that of each system's best threshold on the mated
and non-mated pairs among the photos, by the face nearest to the middle. A pair with a photo in which no face is found
is an error. In the other pictures, "found" is the share of the inserted faces, and "others" are boxes elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from faceid.config import Settings
from faceid.networks import registry
from scripts import command, machine
from scripts.benchmarks.pipeline.contenders import RIVALS, faceid
from scripts.benchmarks.pipeline.data import LAYOUTS, lfw_pictures, scenes
from scripts.benchmarks.pipeline.runs import race, start
from scripts.datasets import lfw

PHOTOS = {"lfw": 1000, "one": 96, "many": 96, "phone-large": 24, "phone-small": 24}


def main() -> None:
    arguments = parsed()
    data = lfw.data_directory(arguments.data)
    specs = [
        *(faceid(model, name) for model in arguments.models for name in arguments.detectors),
        *(spec for spec in RIVALS if spec.name in arguments.rivals),
    ]
    report: dict[str, Any] = {
        "machine": {
            "cpu": machine.processor(),
            "cores": machine.cores(),
            "python": platform.python_version(),
        },
        "systems": {spec.name: spec.means for spec in specs},
        "sets": [],
    }
    arguments.cache.mkdir(parents=True, exist_ok=True)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        scratch = Path(
            stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.cache, prefix="pipeline-"))
        )
        systems, absent = start(specs, arguments.cache, stack)
        for name in arguments.sets:
            most = min(PHOTOS[name], arguments.photos or PHOTOS[name])
            pictures = (
                lfw_pictures(data, most)
                if name == "lfw"
                else scenes(data, most, LAYOUTS[name], scratch / name)
            )
            print(f"{pictures.name}: {len(pictures.paths)} pictures", file=sys.stderr)
            rows = race(systems, pictures, arguments.rounds)
            report["sets"].append(
                {
                    "set": pictures.name,
                    "pictures": len(pictures.paths),
                    "faces": sum(map(len, pictures.spots)),
                    "pairs": len(pictures.pairs),
                    "load": os.getloadavg()[0],
                    "systems": rows + absent,
                }
            )
            show(report["sets"][-1])
            arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for spec in specs:
        print(f"{spec.name}: {spec.means}")
    print(f"written to {arguments.json}")


def parsed() -> argparse.Namespace:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/pipeline.json")
    parser.add_argument(
        "--photos",
        type=int,
        help="at most so many pictures of each set; default: "
        + ", ".join(f"{count} of {name}" for name, count in PHOTOS.items()),
    )
    parser.add_argument("--sets", type=listed(tuple(PHOTOS)), default=list(PHOTOS))
    parser.add_argument("--rounds", type=int, default=3, help="the systems take turns on so many parts")
    parser.add_argument(
        "--detectors",
        type=lambda text: text.split(","),
        default=["auto"],
        help="of faceid, each with every network; default: auto",
    )
    return with_contenders(parser, [spec.name for spec in RIVALS])


def with_contenders(parser: argparse.ArgumentParser, names: Sequence[str]) -> argparse.Namespace:
    """The arguments of a benchmark of faceid's networks beside rivals called `names`, as `models` and `rivals`."""
    parser.add_argument(
        "--rivals",
        nargs="*",
        choices=names,
        metavar="NAME",
        help=f"measure others too; without names all of them: {'; '.join(names)}",
    )
    parser.add_argument(
        "--models",
        type=lambda text: text.split(","),
        help="networks of faceid, the first for comparison; default: dlib-resnet, and mobilefacenet if installed",
    )
    arguments = parser.parse_args()
    arguments.rivals = [] if arguments.rivals is None else arguments.rivals or [*names]
    arguments.models = arguments.models or default_models()
    return arguments


def listed(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Reads names with commas between them, of those that are known."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"no {unknown[0]!r}; there are {', '.join(known)}")
        return names

    return read


def default_models() -> list[str]:
    weights = Settings.load().weights_dir
    installed = [card.name for card in registry.cards() if registry.status(card, weights) == "installed"]
    return [name for name in ("dlib-resnet", "mobilefacenet") if name in installed]


def show(told: dict[str, Any]) -> None:
    goodness = ("no face", "accuracy", "EER") if told["pairs"] else ("found", "others")
    known = f"{told['pairs']} pairs" if told["pairs"] else f"{told['faces']} faces"
    table = Table(
        "system",
        "photos/s",
        "ms a photo",
        "faceid is",
        "CPU ms a photo",
        "cores busy",
        *goodness,
        title=f"{told['set']}: {told['pictures']} pictures, {known}",
    )
    for row in told["systems"]:
        if row["status"] != "ok":
            continue
        good = (
            (str(row["without_face"]), f"{row['accuracy']:.1%}", f"{row['eer']:.1%}")
            if told["pairs"]
            else (f"{row['found']:.1%}", str(row["others"]))
        )
        table.add_row(
            row["system"],
            f"{row['photos_per_s']:.1f}",
            f"{row['ms_per_photo']:.1f}",
            f"{row['ratio']:.1f}x",
            f"{row['cpu_ms_per_photo']:.1f}",
            f"{row['cores_busy']:.0%}",
            *good,
        )
    Console(width=130).print(table)
    for row in told["systems"]:
        if row["status"] != "ok":
            print(f"{row['system']}: {row['status']}")


if __name__ == "__main__":
    main()
