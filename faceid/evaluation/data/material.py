"""Turns DATA of the command line into comparisons: a folder per identity, a pairs file, a gallery, or scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError, UsageError
from faceid.evaluation.data.crops import look_at_whole
from faceid.evaluation.data.pair_files import PairSet, from_pairs
from faceid.evaluation.data.photos import (
    Collection,
    Progress,
    analyse_photos,
    digest_of,
    from_folders,
    from_gallery,
)
from faceid.evaluation.data.score_files import ScoreSet, has_scores, read_scores
from faceid.evaluation.findings import Data
from faceid.evaluation.statistics.caveats import Caveat
from faceid.evaluation.statistics.comparisons import Comparisons, of_pairs, of_templates
from faceid.evaluation.statistics.scores import AllPairs, distances
from faceid.gallery.gallery import Gallery
from faceid.recognition.pipeline import Pipeline
from faceid.recognition.subject import SubjectRule
from faceid.types import Metric, ModelKey

GALLERY = "gallery"
"""The value of DATA that means the gallery itself; a folder of that name is `./gallery`."""


@dataclass(frozen=True, eq=False)
class Tools:
    """The tools that DATA may need, each created on demand: `pipeline` for photos, `gallery`, and the model of scores.

    `model` is the requested model or None, with the `metric` of similarities. `subject` chooses among the faces of a
    photo.
    """

    pipeline: Callable[[], Pipeline]
    gallery: Callable[[], Gallery]
    model: str | None
    metric: Callable[[], Metric]
    subject: SubjectRule = "largest"


@dataclass(frozen=True, eq=False)
class Material:
    """The comparisons in DATA.

    `key` is the model of the templates; scores have at most its name. `collection` and `pairs` are set for templates of
    people, `listed` for pairs from a file. `distance` and `mated` (n,) are the single comparisons of pairs and scores,
    in the order of the file.
    """

    data: Data
    comparisons: Comparisons
    model: str | None
    metric: Metric
    key: ModelKey | None
    caveats: tuple[Caveat, ...]
    collection: Collection | None = None
    pairs: AllPairs | None = None
    listed: PairSet | None = None
    distance: NDArray[np.float64] | None = None
    mated: NDArray[np.bool_] | None = None


def load(
    what: str | None,
    tools: Tools,
    rng: np.random.Generator,
    *,
    images: Path | None = None,
    whole: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Material:
    """Read DATA of one of the four kinds; None is the gallery.

    Raises UsageError for DATA of no known kind, InputError for DATA that cannot be used: one identity only, one photo
    each, missing files, scores that are no numbers. `tools.pipeline` embeds photos. `whole` takes the pictures of
    folders as crops, without face detection.
    """
    if images is not None and (what is None or Path(what).is_dir()):
        raise UsageError("a folder of images goes with a pairs file", remedy="images_without_pairs")
    if whole and (what is None or not Path(what).is_dir()):
        raise UsageError("whole pictures go with a folder per identity", remedy="whole_without_folder")
    try:
        return _load(what, tools, rng, images, whole, progress)
    except ValueError as error:
        raise InputError(f"{what or GALLERY}: {error}", code="too_few", remedy="two_people") from error


def _load(
    what: str | None,
    tools: Tools,
    rng: np.random.Generator,
    images: Path | None,
    whole: bool,
    progress: Progress | None,
) -> Material:
    if what is None or what == GALLERY:
        gallery = tools.gallery()
        detectors = ", ".join(sorted(filter(None, gallery.detectors()))) or None
        return of_collection(from_gallery(gallery, gallery.location), rng, detectors)
    path = Path(what)
    if path.is_dir():
        pipeline = tools.pipeline()
        look = (
            partial(look_at_whole, pipeline.embedder, progress=progress)
            if whole
            else partial(analyse_photos, pipeline, subject=tools.subject, progress=progress)
        )
        detector = None if whole else pipeline.detector_name
        return of_collection(from_folders(path, pipeline.embedder.model, look), rng, detector)
    if not path.exists():
        raise UsageError(
            f"{what}: no such file or folder",
            code="not_found",
            remedy="evaluation_data_not_found",
            path=what,
        )
    suffix = path.suffix.lower()
    if suffix == ".npz" or (suffix == ".csv" and has_scores(path)):
        metric = tools.metric()
        return of_scores(read_scores(path, metric), tools.model, metric, rng)
    if suffix in (".csv", ".txt", ""):
        pipeline = tools.pipeline()
        listed = from_pairs(path, images or path.parent, pipeline, tools.subject, progress)
        return of_listed(listed, rng, pipeline.detector_name)
    raise UsageError(
        f"{what} is no data to evaluate",
        remedy="not_evaluation_data",
        path=what,
    )


def of_collection(collection: Collection, rng: np.random.Generator, detector: str | None = None) -> Material:
    """All pairs of the templates. ValueError for one identity only, or one template each. `detector` as of Data."""
    comparisons, pairs = of_templates(
        collection.vectors, collection.names, collection.model.metric, rng, lost=collection.lost_of
    )
    caveats = []
    if collection.duplicates:
        first, second = collection.duplicates[0]
        caveats.append(
            Caveat(
                "duplicates",
                f"{_files(len(collection.duplicates))} in two identities and left out, the first in {first} and"
                f" {second}",
            )
        )
    if collection.repeated:
        copies = "a further copy" if collection.repeated == 1 else "further copies"
        caveats.append(Caveat("repeated", f"{_files(collection.repeated)} {copies} of a photo and left out"))
    data = Data(
        source=collection.source,
        kind=collection.kind,
        identities=len(set(collection.names)),
        photos=collection.photos,
        templates=len(collection.vectors),
        lost=collection.lost,
        mated=pairs.mated,
        non_mated=pairs.non_mated,
        duplicates=collection.duplicates,
        fta=sum(collection.lost.values()) / collection.photos,
        mated_lost=comparisons.mated_lost,
        non_mated_lost=comparisons.non_mated_lost,
        sha256=digest_of(zip(collection.digests, collection.names, strict=True)),
        detector=detector,
    )
    return Material(
        data=data,
        comparisons=comparisons,
        model=collection.model.name,
        metric=collection.model.metric,
        key=collection.model,
        caveats=tuple(caveats),
        collection=collection,
        pairs=pairs,
    )


def of_listed(listed: PairSet, rng: np.random.Generator, detector: str | None = None) -> Material:
    """The pairs of a file. ValueError where one kind is missing. `detector` as of Data."""
    distance = distances(listed.similarity, listed.model.metric)
    comparisons = of_pairs(
        distance,
        listed.mated,
        rng,
        identities=(listed.first, listed.second),
        mated_lost=int(listed.lost_mated.sum()),
        non_mated_lost=int((~listed.lost_mated).sum()),
    )
    caveats = []
    if listed.contradictions:
        caveats.append(
            Caveat(
                "contradictions",
                f"{listed.contradictions:,} pairs of different people are of one person by the mated pairs",
            )
        )
    data = Data(
        source=listed.source,
        kind="pairs",
        identities=len({*listed.first.tolist(), *listed.second.tolist()}),
        photos=listed.photos,
        templates=listed.photos - sum(listed.lost.values()),
        lost=listed.lost,
        mated=comparisons.mated.total,
        non_mated=comparisons.non_mated.total,
        duplicates=(),
        fta=sum(listed.lost.values()) / listed.photos,
        mated_lost=comparisons.mated_lost,
        non_mated_lost=comparisons.non_mated_lost,
        sha256=digest_of(
            (f"{first}\t{second}", str(int(mated)))
            for (first, second), mated in zip(listed.paths, listed.mated, strict=True)
        ),
        detector=detector,
    )
    return Material(
        data=data,
        comparisons=comparisons,
        model=listed.model.name,
        metric=listed.model.metric,
        key=listed.model,
        caveats=tuple(caveats),
        listed=listed,
        distance=distance,
        mated=listed.mated,
    )


def of_scores(scores: ScoreSet, model: str | None, metric: Metric, rng: np.random.Generator) -> Material:
    """Bare scores, of the model that the file names, else of `model`. ValueError if one kind is missing."""
    if scores.model is not None and model is not None and scores.model != model:
        raise UsageError(
            f"{scores.source} holds scores of {scores.model}, not of {model}",
            code="model_mismatch",
            remedy="scores_of_another_model",
            model=scores.model,
            path=scores.source,
        )
    comparisons = of_pairs(scores.distance, scores.mated, rng)
    data = Data(
        source=scores.source,
        kind="scores",
        identities=0,
        photos=0,
        templates=0,
        lost={},
        mated=comparisons.mated.total,
        non_mated=comparisons.non_mated.total,
        duplicates=(),
        sha256=scores.sha256,
    )
    caveat = Caveat(
        "independent",
        "the identities behind these scores are unknown: intervals take them as independent, and are too narrow",
    )
    return Material(
        data=data,
        comparisons=comparisons,
        model=scores.model or model,
        metric=metric,
        key=None,
        caveats=(caveat,),
        distance=scores.distance,
        mated=scores.mated,
    )


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count:,} files are"
