"""How many people end up without a template, and why, when the folders of an operator are messy.

    python -m scripts.studies.messy_folders [--model NAME ...] [--people 300] [--seed 1] [--data DIR]

Folders of real people, two thirds from LFW View 1 and one third from CelebA in the wild, with at most six photos each,
are made messy by known means, one a folder, in turn. They are enrolled as `faceid enroll --each-folder` enrols them,
into a new gallery for each network. Beside the folders lie a few loose photos, and a few folders are empty. The tables
say for each means how many people end up without a template and why, what became of the photos, and how many photos of
strangers were stored under the name of the folder.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures
from rich.console import Console
from rich.table import Table

from faceid.app.faceid import FaceID
from faceid.results import EnrollResult, EnrollSummary
from faceid.sources import of_folders
from scripts import command
from scripts.datasets import lfw, photo_faces

PHOTOS, LOOSE, EMPTY = 6, 8, 5
STRANGER = "stranger-"

Mess = Callable[[Path, Sequence[Path], np.random.Generator], None]


def main() -> None:
    parser = command.parser(__doc__, data=True, report="bench/messy_folders.json")
    command.add_networks(parser)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    report: dict[str, Any] = {"people": arguments.people, "seed": arguments.seed}
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "people"
        made = make(root, data, arguments.people, np.random.default_rng(arguments.seed))
        for network in arguments.model or command.NETWORKS:
            summary, results = enrolled(root, Path(directory) / f"{network}.db", network)
            report[network] = show(network, made, summary, results)
    command.write_report(arguments.json, report)
    print(f"written to {arguments.json}")


@dataclass(frozen=True)
class Made:
    """By which means a folder was made messy, and how many photos it held before."""

    means: str
    photos: int


# -- the folders ---------------------------------------------------------------------------------------------------


def make(root: Path, data: Path, people: int, rng: np.random.Generator) -> dict[str, Made]:
    """Folders below `root`, by name."""
    lfw_people, wild_people = (
        by_person(paths) for paths in (photo_faces.lfw_paths(data), photo_faces.wild_paths(data))
    )
    wild = min(len(wild_people), people // 3)
    chosen = [*draw(lfw_people, people - wild, rng), *draw(wild_people, wild, rng)]
    taken = {name for name, _ in chosen}
    strangers = [paths[0] for name, paths in lfw_people.items() if name not in taken]
    made = {}
    for number, (name, paths) in enumerate(chosen):
        folder = root / name
        folder.mkdir(parents=True)
        for path in paths[:PHOTOS]:
            shutil.copy(path, folder)
        means = list(MEANS)[number % len(MEANS)]
        MEANS[means](folder, strangers, rng)
        made[name] = Made(means, len(paths[:PHOTOS]))
    for number in range(LOOSE):
        shutil.copy(pick(strangers, rng), root / f"loose-{number}.jpg")
    for number in range(EMPTY):
        name = f"empty-{number}"
        (root / name).mkdir()
        made[name] = Made("empty folder", 0)
    return made


def by_person(paths: Sequence[Path]) -> dict[str, list[Path]]:
    people: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        people[lfw.SAME_PERSON.get(path.parent.name, path.parent.name)].append(path)
    return people


def draw(
    people: dict[str, list[Path]], number: int, rng: np.random.Generator
) -> list[tuple[str, list[Path]]]:
    names = sorted(people)
    return [(names[index], people[names[index]]) for index in rng.permutation(len(names))[:number]]


def pick(paths: Sequence[Path], rng: np.random.Generator) -> Path:
    return paths[int(rng.integers(len(paths)))]


def photos_in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def half_of(folder: Path) -> list[Path]:
    """The photos that are spoilt: every other one, of one photo that one."""
    return photos_in(folder)[::2]


def changed(change: Callable[[Pictures.Image], Pictures.Image]) -> Mess:
    """Every other photo of a folder, changed."""

    def mess(folder: Path, strangers: Sequence[Path], rng: np.random.Generator) -> None:
        for path in half_of(folder):
            with Pictures.open(path) as picture:
                result = change(picture.convert("RGB"))
            result.save(path, quality=90)

    return mess


def stranger_added(folder: Path, strangers: Sequence[Path], rng: np.random.Generator) -> None:
    shutil.copy(pick(strangers, rng), folder / f"{STRANGER}1.jpg")


def stranger_instead(folder: Path, strangers: Sequence[Path], rng: np.random.Generator) -> None:
    photos_in(folder)[0].unlink()
    stranger_added(folder, strangers, rng)


def group(folder: Path, strangers: Sequence[Path], rng: np.random.Generator) -> None:
    """The person between two others, all in one size, in every other photo."""
    for path in half_of(folder):
        parts = []
        for one in (pick(strangers, rng), path, pick(strangers, rng)):
            with Pictures.open(one) as picture:
                parts.append(picture.convert("RGB").resize((250, 250)))
        canvas = Pictures.new("RGB", (750, 250))
        for place, part in enumerate(parts):
            canvas.paste(part, (250 * place, 0))
        canvas.save(path, quality=90)


def copies(folder: Path, strangers: Sequence[Path], rng: np.random.Generator) -> None:
    for path in photos_in(folder):
        shutil.copy(path, path.with_name(f"copy of {path.name}"))


def cut_off(folder: Path, strangers: Sequence[Path], rng: np.random.Generator) -> None:
    for path in half_of(folder):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 3])


def nothing(folder: Path, strangers: Sequence[Path], rng: np.random.Generator) -> None:
    return


def shrunken(picture: Pictures.Image) -> Pictures.Image:
    return picture.resize((picture.width // 5, picture.height // 5))


MEANS: dict[str, Mess] = {
    "clean": nothing,
    "a stranger's photo added": stranger_added,
    "a photo replaced by a stranger's": stranger_instead,
    "group photos": group,
    "dark": changed(lambda picture: picture.point(lambda value: value // 12)),
    "tiny": changed(shrunken),
    "turned by 90 degrees": changed(lambda picture: picture.rotate(90, expand=True)),
    "copies": copies,
    "cut-off files": cut_off,
}
"""What is done to every other photo of a folder, or to the folder."""


# -- the enrolment -------------------------------------------------------------------------------------------------


def enrolled(root: Path, db: Path, network: str) -> tuple[EnrollSummary, list[EnrollResult]]:
    with FaceID(db=db, model=network, device="cpu") as system:
        photos = of_folders(str(root))
        results = list(system.enroll_each(photos))
        return system.people.enrolment_summary(results, photos), results


def show(
    network: str, made: dict[str, Made], summary: EnrollSummary, results: Sequence[EnrollResult]
) -> dict[str, Any]:
    """Tables and the report of one network. It counts whatever statuses and reasons come."""
    without = set(summary.people_without_template)
    table = Table(
        *("means", "people", "of one photo", "without a template", "of one photo"),
        *("photos by outcome", "strangers stored"),
    )
    rows = []
    for means in dict.fromkeys(one.means for one in made.values()):
        names = {name for name, one in made.items() if one.means == means}
        single = {name for name in names if made[name].photos == 1}
        own = [result for result in results if result.name in names]
        outcomes = Counter(result.reason or result.status for result in own)
        strange = [result for result in own if Path(result.path).name.startswith(STRANGER)]
        stored = sum(result.status == "enrolled" for result in strange)
        row = {
            "means": means,
            "people": len(names),
            "single": len(single),
            "without_template": len(names & without),
            "single_without_template": len(single & without),
            "photos": dict(outcomes.most_common()),
            "strangers": len(strange),
            "strangers_stored": stored,
        }
        rows.append(row)
        table.add_row(
            means,
            *(str(len(part)) for part in (names, single, names & without, single & without)),
            ", ".join(f"{count} {kind}" for kind, count in outcomes.most_common()),
            f"{stored} of {len(strange)}" if strange else "",
        )
    console = Console(width=150)
    console.print(f"{network}: {len(without)} of {len(made)} people have no template")
    console.print(summary.reasons_without_template, f"loose photos {summary.loose_photos}")
    console.print(table)
    return {"rows": rows, "summary": asdict(summary)}


if __name__ == "__main__":
    main()
