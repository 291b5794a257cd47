"""Measure a network's default calibration on LFW View 1 and write it into its model card.

    python -m scripts.studies.calibrate_card dlib-resnet [--data DIR] [--only-alike] [--dry-run]

All pairs of the photos of View 1 give three things: the distance at FMR 1e-6 ... 1, each with its count of false
matches, the 95 % interval of the rate and the FNMR; the likelihood ratio of a distance; and the margin below which two
identities are ambiguous. The FMR among people who are alike comes from the folder `demographics`: all pairs of people
of one sex and ethnic group. `--only-alike` measures that alone, and keeps the card's other figures. A network
that does not come with faceid has its card in the folder `models` of $FACEID_HOME.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from faceid.config import Settings
from faceid.evaluation.statistics.margin import AMBIGUOUS_FMR, gaps
from faceid.evaluation.statistics.measured import measure
from faceid.evaluation.statistics.metrics import threshold_at_fmr
from faceid.evaluation.statistics.scores import distances
from faceid.networks.registry import Calibration, card_path, weighted_card, write_calibration
from faceid.types import Metric
from scripts import command
from scripts.datasets import demographics, lfw

PROGRAM = "scripts/studies/calibrate_card.py"
POPULATION = "public figures in press photos (LFW)"


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True)
    parser.add_argument("model")
    parser.add_argument(
        "--only-alike",
        action="store_true",
        help="keep the card's calibration, and replace its curve among alike",
    )
    parser.add_argument(
        "--population",
        default=POPULATION,
        help="with --only-alike: the people of a calibration that does not name them; default: %(default)s",
    )
    parser.add_argument("--dry-run", action="store_true", help="print, write nothing")
    parser.add_argument(
        "--closest", type=int, default=0, metavar="N", help="also list the N closest non-mated pairs"
    )
    arguments = parser.parse_args()

    data = lfw.data_directory(arguments.data)
    alike = demographics.curve(demographics.cohorts(data, arguments.model, arguments.cache), program=PROGRAM)
    for point in alike.points:
        print(
            f"FMR among alike {point.fmr:8.1e} ({point.low:.1e} .. {point.high:.1e})  distance {point.distance:.4f}"
            f"  {point.count:>8,} false matches of {alike.non_mated:,}"
        )
    if arguments.only_alike:
        present = weighted_card(arguments.model, Settings.load().models_dir).calibration
        if present is None:
            parser.error(f"{arguments.model} has no calibration to add to")
        write(
            arguments.model,
            replace(present, population=present.population or arguments.population, alike=alike),
            dry=arguments.dry_run,
        )
        return
    photos = lfw.lfw_photos(data, arguments.cache)
    templates = lfw.labelled(lfw.templates(photos, arguments.model, arguments.cache))
    if arguments.closest:
        list_closest(templates, arguments.closest)

    calibration = calibrate(templates.vectors, templates.identity, templates.model.metric)
    for point in calibration.points:
        print(
            f"FMR {point.fmr:8.1e}  distance {point.distance:.4f}"
            f"  {point.count:>10,} false matches  FNMR {point.fnmr:.4f}"
        )
    for knot in calibration.evidence:
        print(f"distance {knot.distance:.4f}  likelihood ratio 10^{knot.log10_lr:.2f}")
    print(f"mated {calibration.mated:,}, non-mated {calibration.non_mated:,}")
    print(f"ambiguity margin {calibration.ambiguity_margin:.4f}")
    write(arguments.model, replace(calibration, alike=alike), dry=arguments.dry_run)


def write(model: str, calibration: Calibration, *, dry: bool) -> None:
    """Write the calibration into the card of `model`, whose weights were measured, unless `dry`."""
    if not dry:
        models_dir = Settings.load().models_dir
        path = card_path(model, models_dir)
        measured = replace(calibration, weights_sha256=weighted_card(model, models_dir).weights.sha256)
        write_calibration(path, measured)
        print(f"written to {path}")


def calibrate(vectors: NDArray[np.float32], identity: NDArray[np.int64], metric: Metric) -> Calibration:
    """The calibration from all pairs of (n, d) unit vectors with (n,) identities."""
    parts = [(distances(similarities, metric), same) for similarities, same in blocks(vectors, identity)]
    mated = np.concatenate([part[same] for part, same in parts])
    non_mated = np.concatenate([part[~same] for part, same in parts])
    threshold = threshold_at_fmr(non_mated, AMBIGUOUS_FMR)
    return measure(
        mated,
        non_mated,
        data=(
            f"LFW View 1, deep-funnelled, {len(vectors):,} photos of {len(set(identity.tolist())):,} identities,"
            " all pairs, labels corrected; intervals take comparisons as independent"
        ),
        ambiguity_margin=round(ambiguity_margin(vectors, identity, metric, threshold), 4),
        program=PROGRAM,
        population=POPULATION,
    )


def ambiguity_margin(
    vectors: NDArray[np.float32], identity: NDArray[np.int64], metric: Metric, threshold: float
) -> float:
    """How far apart two templates of one person mostly are, seen from a third photo of that person.

    The cases and the margin are those of `faceid.evaluation.statistics.margin`.

    Also printed: a probe, a template of the same person and one of another, both within the threshold. How often is
    the other nearer, and how often by more than the margin?
    """
    found = gaps(vectors, identity, metric, threshold)
    same_gap, other_gap, margin = found.same, found.other, found.margin
    print(
        f"ambiguity: {same_gap.size:,} cases of one person; {other_gap.size:,} of two, of which the wrong one is nearer"
        f" in {np.mean(other_gap < 0):.2%}, by more than the margin in {np.mean(other_gap < -margin):.2%}"
    )
    return margin


def blocks(
    vectors: NDArray[np.float32], identity: NDArray[np.int64], rows: int = 256
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Every pair once: similarities and whether they are mated, some rows at a time."""
    for start in range(0, len(vectors), rows):
        stop = min(start + rows, len(vectors))
        similarities = vectors[start:stop] @ vectors[start:].T
        upper = np.triu(np.ones(similarities.shape, dtype=bool), k=1)
        mated = identity[start:stop, None] == identity[None, start:]
        yield similarities[upper], mated[upper]


def list_closest(templates: lfw.Templates, count: int) -> None:
    """The non-mated pairs that look most alike: twins, or label errors."""
    similarities = np.triu(templates.vectors @ templates.vectors.T, k=1)
    similarities[templates.identity[:, None] == templates.identity[None, :]] = -1.0
    for flat in np.argsort(similarities, axis=None)[::-1][:count]:
        first, second = divmod(int(flat), len(templates.paths))
        print(f"{similarities[first, second]:.4f}", templates.paths[first].name, templates.paths[second].name)


if __name__ == "__main__":
    main()
