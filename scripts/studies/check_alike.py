"""How often do strangers who are alike pass, and what stands in for attributes where they are not known?

    python -m scripts.studies.check_alike [--data DIR] [--model NAME] [--splits 20]

1. At the thresholds of a card, the FMR among all, among people of one sex, of one sex and ethnic group, and among the
   nearest half, on LFW View 1, CelebA in the wild, and people of known attributes. LFW and CelebA here have no
   attributes.
2. Within each ethnic group alone: people of one sex, and the nearest half, against all of that group.
3. A curve among alike is measured on half of the people with attributes, and applied to the other half: observed FMR
   over the stated one. People are divided at random.
4. The photos with attributes are tight crops with black borders. Photos of LFW get the same borders: how does the FMR
   change?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.app import factories
from faceid.config import Settings
from faceid.decision.thresholds import fmr_at_distance, threshold_at_fmr
from faceid.evaluation.statistics.alike import nearest_half, of_one_kind
from faceid.evaluation.statistics.scores import distances
from faceid.imaging import read
from faceid.networks.registry import card
from faceid.recognition.align import align
from faceid.types import Face, Image, Metric
from scripts import command
from scripts.datasets import demographics, lfw

RATES = (1e-2, 1e-3, 1e-4)
PEOPLE_WITH_BORDERS = 1500
# Pixels as dark as this, connected to the edge of the picture, are border.
BLACK = 8

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rates:
    network: str
    data: str
    card_fmr: float
    among_all: float
    one_sex: float | None
    one_sex_and_group: float | None
    nearest_half: float


@dataclass(frozen=True)
class Split:
    network: str
    card_fmr: float
    median: float
    least: float
    most: float
    inside: int
    splits: int


@dataclass(frozen=True)
class Borders:
    network: str
    card_fmr: float
    whole: float
    bordered: float


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/alike.json")
    command.add_networks(parser)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    rates: list[Rates] = []
    splits: list[Split] = []
    borders: list[Borders] = []
    for model in arguments.model or command.NETWORKS:
        rng = np.random.default_rng(arguments.seed)
        known = demographics.cohorts(data, model, arguments.cache)
        press = lfw.lfw_photos(data, arguments.cache)
        thresholds = thresholds_of(model)
        for name, found in (
            ("LFW View 1", lfw.labelled(lfw.templates(press, model, arguments.cache))),
            (
                "celeba_wild",
                lfw.templates(
                    lfw.folder_photos(data / "celeba_wild" / "dev", arguments.cache), model, arguments.cache
                ),
            ),
        ):
            rates += at_thresholds(model, name, found, thresholds)
        rates += at_thresholds(model, "with attributes", known.templates, thresholds, known)
        for group in sorted(set(known.group)):
            part = known.part(np.flatnonzero(np.array(known.group) == group))
            rates += at_thresholds(model, f"with attributes, {group} only", part.templates, thresholds, part)
        splits += halves(model, known, thresholds, arguments.splits, rng)
        borders += with_borders(
            model,
            press,
            lfw.folder_photos(data / demographics.FOLDER / "photos", arguments.cache),
            thresholds,
            rng,
        )
    show("FMR at the card's thresholds", rates)
    show("Observed over stated FMR among alike, other people", splits)
    show("The same photos of LFW, and with the borders of the others", borders)
    command.write_report(
        arguments.json,
        {
            "rates": [asdict(row) for row in rates],
            "splits": [asdict(row) for row in splits],
            "borders": [asdict(row) for row in borders],
        },
    )


def thresholds_of(model: str) -> dict[float, float]:
    """The card's threshold for each of RATES."""
    calibration = card(model).calibration
    assert calibration is not None
    return {rate: threshold_at_fmr(calibration, rate) for rate in RATES}


def at_thresholds(
    model: str,
    data: str,
    found: lfw.Templates,
    thresholds: dict[float, float],
    known: demographics.Cohorts | None = None,
) -> list[Rates]:
    """The four rates at each threshold."""
    identity = np.unique(found.identity, return_inverse=True)[1].reshape(-1)
    relations = {"nearest_half": nearest_half(found.vectors, identity)}
    if known is not None:
        relations |= {"one_sex": of_one_kind(known.sex), "one_sex_and_group": of_one_kind(known.kinds)}
    shares = {
        name: fmr(found.vectors, identity, found.model.metric, list(thresholds.values()), relation)
        for name, relation in {"all": None, **relations}.items()
    }
    return [
        Rates(
            model,
            data,
            rate,
            shares["all"][place],
            shares["one_sex"][place] if known else None,
            shares["one_sex_and_group"][place] if known else None,
            shares["nearest_half"][place],
        )
        for place, rate in enumerate(thresholds)
    ]


def fmr(
    vectors: NDArray[np.float32],
    identity: NDArray[np.int64],
    metric: Metric,
    thresholds: Sequence[float],
    relation: Bools | None,
) -> list[float]:
    """FMR at each threshold among all non-mated pairs, or among those of a relation (k, k)."""
    matches, total = np.zeros(len(thresholds)), 0.0
    for start in range(0, len(vectors), 512):
        rows = np.arange(start, min(start + 512, len(vectors)))
        distance = distances(vectors[rows] @ vectors.T, metric)
        one, other = identity[rows][:, None], identity[None, :]
        later = np.arange(len(vectors))[None, :] > rows[:, None]
        weight = later & (one != other)
        if relation is not None:
            weight = weight * (relation[one, other].astype(float) + relation[other, one]) / 2.0
        total += float(weight.sum())
        matches += [float(weight[distance <= threshold].sum()) for threshold in thresholds]
    return [float(share) for share in matches / total]


def halves(
    model: str,
    known: demographics.Cohorts,
    thresholds: dict[float, float],
    count: int,
    rng: np.random.Generator,
) -> list[Split]:
    """Observed over stated rates, where the stated ones come from other people."""
    ratios = np.empty((count, len(thresholds)))
    for draw in range(count):
        chosen = np.zeros(len(known.sex), dtype=bool)
        for kind in sorted(set(known.kinds)):
            members = rng.permutation(np.array([k for k, own in enumerate(known.kinds) if own == kind]))
            chosen[members[: len(members) // 2]] = True
        stated = demographics.curve(known.part(np.flatnonzero(chosen)), program="check_alike", replicates=50)
        others = known.part(np.flatnonzero(~chosen))
        observed = fmr(
            others.templates.vectors,
            others.templates.identity,
            others.templates.model.metric,
            list(thresholds.values()),
            of_one_kind(others.kinds),
        )
        ratios[draw] = [
            rate / fmr_at_distance(stated, threshold)
            for rate, threshold in zip(observed, thresholds.values(), strict=True)
        ]
    return [
        Split(
            model,
            rate,
            float(np.median(ratios[:, place])),
            float(ratios[:, place].min()),
            float(ratios[:, place].max()),
            int(np.count_nonzero((ratios[:, place] >= 0.5) & (ratios[:, place] <= 2.0))),
            count,
        )
        for place, rate in enumerate(thresholds)
    ]


def with_borders(
    model: str,
    press: lfw.Photos,
    bordered: lfw.Photos,
    thresholds: dict[float, float],
    rng: np.random.Generator,
) -> list[Borders]:
    """One photo each of people of LFW: as it is, and moved into the frame of a photo with borders, borders included."""
    people = {name: (path, face) for name, path, face in reversed(lfw.known_faces(press))}
    faces = [people[name] for name in rng.permutation(sorted(people))[:PEOPLE_WITH_BORDERS]]
    frames = [
        (path, face) for path, face in zip(bordered.paths, bordered.faces, strict=True) if face is not None
    ]
    drawn = rng.integers(0, len(frames), len(faces))
    embedder = factories.make_embedder(model, "cpu", Settings.load())
    sets: list[list[NDArray[np.float32]]] = [[], []]
    for start in range(0, len(faces), lfw.BATCH):
        whole, framed = [], []
        for (path, face), frame in zip(
            faces[start : start + lfw.BATCH], drawn[start : start + lfw.BATCH], strict=True
        ):
            image = read(str(path))
            whole.append(align(image, face, embedder.model.aligner))
            place, at = frames[frame]
            framed.append(align(*moved(image, face, read(str(place)), at), embedder.model.aligner))
        for part, crops in zip(sets, (whole, framed), strict=True):
            part.append(embedder.embed(crops))
    identity = np.arange(len(faces))
    plain, changed = (
        fmr(np.concatenate(part), identity, embedder.model.metric, list(thresholds.values()), None)
        for part in sets
    )
    return [Borders(model, rate, plain[place], changed[place]) for place, rate in enumerate(thresholds)]


def moved(image: Image, face: Face, frame: Image, at: Face) -> tuple[Image, Face]:
    """`image` with its face where `frame` has its own, cut and blackened as `frame` is."""
    own, wanted = (points.landmarks.astype(np.float64) @ np.array([1, 1j]) for points in (face, at))
    from_middle, to_middle = own - own.mean(), wanted - wanted.mean()
    factor = (np.conj(from_middle) * to_middle).sum() / (np.abs(from_middle) ** 2).sum()
    shift = wanted.mean() - factor * own.mean()
    matrix = np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])
    pixels = cv2.warpAffine(image.pixels, matrix, (frame.width, frame.height), flags=cv2.INTER_AREA)
    dark = (frame.pixels.max(axis=2) < BLACK).astype(np.uint8)
    _, parts = cv2.connectedComponents(dark)
    edge = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    pixels[np.isin(parts, edge[edge > 0])] = 0
    place = factor * own + shift
    landmarks = np.stack([place.real, place.imag], axis=1).astype(np.float32)
    return Image(pixels, image.source, image.sha256), Face(at.box, landmarks, face.score)


def show(title: str, rows: Sequence[Rates | Split | Borders]) -> None:
    """Print the rows as a table."""
    table = Table(title=title, title_justify="left")
    for column in asdict(rows[0]):
        table.add_column(column)
    for row in rows:
        table.add_row(
            *(f"{value:.3g}" if isinstance(value, float) else str(value) for value in asdict(row).values())
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
