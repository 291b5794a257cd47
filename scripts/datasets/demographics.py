"""People of known sex and ethnic group, balanced over eight groups: for evaluation and calibration only.

The folder `demographics` holds `photos/PERSON/*.jpg` and `attributes.csv` with the columns identity, sex and group. The
labels are the authors' of the data set (Balanced Faces in the Wild), not the persons' own statement.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.app import factories
from faceid.config import Settings
from faceid.evaluation.data.photos import digest_of
from faceid.evaluation.protocols.cohorts import read_attributes
from faceid.evaluation.statistics.alike import measure_alike, of_one_kind
from faceid.evaluation.statistics.bootstrap import resample
from faceid.networks.calibration import AlikeCurve
from faceid.ports.networks import Embedder
from scripts.datasets import lfw

FOLDER = "demographics"


@dataclass(frozen=True, eq=False)
class Cohorts:
    """Templates of people with attributes: `sex` and `group` (k,) in the order of the identities of `templates`."""

    templates: lfw.Templates
    sex: tuple[str, ...]
    group: tuple[str, ...]

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """Sex and group of each person (k,)."""
        return list(zip(self.sex, self.group, strict=True))

    def part(self, people: NDArray[np.int64]) -> Cohorts:
        """The people with these numbers, ascending, numbered anew."""
        kept = np.isin(self.templates.identity, people)
        return Cohorts(
            lfw.Templates(
                model=self.templates.model,
                paths=tuple(path for path, chosen in zip(self.templates.paths, kept, strict=True) if chosen),
                identity=np.searchsorted(people, self.templates.identity[kept]),
                vectors=self.templates.vectors[kept],
                without_face=self.templates.without_face,
            ),
            tuple(self.sex[person] for person in people),
            tuple(self.group[person] for person in people),
        )


def cohorts(data: Path, model: str, cache: Path) -> Cohorts:
    """The templates of all photos with a face, and the attributes of their people. Exits if the data are not there."""
    return cohorts_by(factories.make_embedder(model, "cpu", Settings.load()), data, cache)


def cohorts_by(embedder: Embedder, data: Path, cache: Path) -> Cohorts:
    """`cohorts` by an embedder that is open already."""
    folder = data / FOLDER
    if not (folder / "attributes.csv").is_file():
        sys.exit(f"no people with attributes in {folder}: give --data, or set FACEID_TEST_DATA")
    templates = lfw.templates_by(embedder, lfw.folder_photos(folder / "photos", cache), cache)
    values = read_attributes(folder / "attributes.csv").values
    names = sorted({path.parent.name for path in templates.paths})
    numbers = {name: number for number, name in enumerate(names)}
    found = lfw.Templates(
        model=templates.model,
        paths=templates.paths,
        identity=np.array([numbers[path.parent.name] for path in templates.paths]),
        vectors=templates.vectors,
        without_face=templates.without_face,
    )
    sex, group = (tuple(values[column][name] for name in names) for column in ("sex", "group"))
    return Cohorts(found, sex, group)


def curve(found: Cohorts, *, program: str, replicates: int = 1000) -> AlikeCurve:
    """The FMR among people of one sex and ethnic group; intervals over people."""
    templates = found.templates
    return measure_alike(
        templates.vectors,
        templates.identity,
        templates.model.metric,
        of_one_kind(found.kinds),
        resample(len(found.sex), np.random.default_rng(2026), replicates),
        data=(
            f"Balanced Faces in the Wild, {len(templates.paths):,} photos of {len(found.sex):,} people in"
            f" {len(set(found.kinds))} groups, all pairs within a group"
        ),
        population="people of one sex and ethnic group, eight groups in equal parts",
        chosen_by="attributes",
        data_sha256=digest_of(
            (hashlib.sha256(path.read_bytes()).hexdigest(), path.parent.name) for path in templates.paths
        ),
        program=program,
    )
