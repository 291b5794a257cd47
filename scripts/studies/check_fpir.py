"""Is the FPIR of a gallery what its policy promises? Searches with people who are not enrolled.

    python -m scripts.studies.check_fpir [--model NAME] [--identities 50] [--photos N] [--non-mated 500] [--data DIR]

The script enrols identities of LFW View 1 with all their photos but one, or with N of those. It leaves out the photos
that enrolment refuses (mostly for a second face), and identities without a photo. It then identifies the photos that it
left out, and photos of other people, with the settings of a fresh installation: FPIR 1 %. The default calibration was
made on LFW View 1 too, so another row has non-mated probes from celeba_wild, if that collection is there.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from faceid.app.faceid import FaceID
from faceid.evaluation.statistics.intervals import wilson
from scripts import command
from scripts.datasets import lfw


def main() -> None:
    parser = command.parser(__doc__, data=True, report="bench/fpir.json")
    parser.add_argument("--model", default="dlib-resnet")
    parser.add_argument("--identities", type=int, default=50)
    parser.add_argument("--photos", type=int, help="enrolled of each identity; default: all but one")
    parser.add_argument("--non-mated", type=int, default=500)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    rng = np.random.default_rng(arguments.seed)
    folders = sorted((data / "lfw" / "images").iterdir())
    several = [folder for folder in folders if len(list(folder.glob("*.jpg"))) >= 2]
    rng.shuffle(several)
    enrolled: set[Path] = set()

    rows = []
    with (
        tempfile.TemporaryDirectory() as directory,
        FaceID(db=Path(directory) / "gallery.db", model=arguments.model, device="cpu") as system,
    ):
        outcomes: Counter[str] = Counter()
        probes = []
        for folder in several:
            *photos, probe = sorted(map(str, folder.glob("*.jpg")))
            results = system.enroll(folder.name, photos[: arguments.photos])
            outcomes.update(result.reason or result.status for result in results)
            if any(result.status == "enrolled" for result in results):
                enrolled.add(folder)
                probes.append(probe)
            if len(enrolled) == arguments.identities:
                break
        tried = several.index(folder) + 1
        print(f"enrolled {len(enrolled)} of {tried} identities; photos: {dict(outcomes)}")
        others = [folder for folder in folders if folder not in enrolled]
        rows.append(run(system, "mated probes, LFW View 1", probes))
        first_photos = [str(sorted(folder.glob("*.jpg"))[0]) for folder in others]
        chosen = [first_photos[index] for index in rng.permutation(len(first_photos))[: arguments.non_mated]]
        rows.append(run(system, "non-mated probes, LFW View 1", chosen))
        wild = sorted(map(str, (data / "celeba_wild" / "dev").rglob("*.jpg")))
        if wild:
            chosen = [wild[index] for index in rng.permutation(len(wild))[: arguments.non_mated]]
            rows.append(run(system, "non-mated probes, celeba_wild", chosen))

    table = Table("probes", "photos", "faces", "named", "share", "95 % interval", "ambiguous", "right name")
    for row in rows:
        table.add_row(
            row["probes"],
            str(row["photos"]),
            str(row["faces"]),
            str(row["named"]),
            f"{row['share']:.2%}",
            f"{row['low']:.2%} .. {row['high']:.2%}",
            str(row["ambiguous"]),
            str(row["right"]),
        )
    Console(width=130).print(table)
    command.write_report(
        arguments.json, {"model": arguments.model, "tried": tried, "outcomes": outcomes, "rows": rows}
    )
    print(f"written to {arguments.json}")


def run(system: FaceID, probes: str, photos: Sequence[str]) -> dict[str, object]:
    """What the searches returned. A photo counts as named where any of its faces is."""
    named = ambiguous = right = faces = 0
    for result in system.identify_each(photos):
        decisions = [face.decision for face in result.faces]
        faces += len(decisions)
        named += "match" in decisions
        ambiguous += "ambiguous" in decisions and "match" not in decisions
        right += Path(result.path).parent.name in [face.name for face in result.faces]
    interval = wilson(named, len(photos))
    return {
        "probes": probes,
        "photos": len(photos),
        "faces": faces,
        "named": named,
        "share": interval.rate,
        "low": interval.low,
        "high": interval.high,
        "ambiguous": ambiguous,
        "right": right,
    }


if __name__ == "__main__":
    main()
