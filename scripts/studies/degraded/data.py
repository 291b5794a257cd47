"""People of LFW View 1 in three parts, and what worse cameras and masks make of their crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid.imaging import read
from faceid.networks.mining.splits import split
from faceid.networks.training.augment import compressed
from faceid.networks.training.masks import masked
from faceid.networks.training.samples import Samples
from faceid.recognition.align import ALIGNERS, align
from scripts.datasets import lfw

Pixels = NDArray[np.uint8]

ALIGNER = "dlib-150-v1"
VALIDATION, TEST = 0.1, 0.3
SHARE = 0.2
"""Of the sides of a crop: MTCNN's box is 121 pixels wide in the median crop of View 1, and 24 after that."""
QUALITY = 10
CLEAN, FAR, JPEG, MASK, MIXED = "clean", "24 px", "JPEG", "mask", "mixed"
DOMAINS = (CLEAN, FAR, JPEG, MASK, MIXED)


@dataclass(frozen=True, eq=False)
class Part:
    """The photos of some people: their crops by domain, whose they are (n,) from 0 on, in `files` by domain."""

    labels: NDArray[np.int64]
    files: dict[str, Path]

    @property
    def identities(self) -> int:
        """How many people."""
        return len(np.unique(self.labels))

    def samples(self, *domains: str) -> Samples:
        """The crops of these domains, one domain after another."""
        count = len(self.labels)
        return Samples(
            files=tuple(self.files[domain] for domain in domains),
            file_of=np.repeat(np.arange(len(domains)), count),
            rows=np.tile(np.arange(count), len(domains)),
            labels=np.tile(self.labels, len(domains)),
        )

    def for_training(self) -> Samples:
        """The clean crops, and once more those of people with one photo.

        Copies are degraded in different ways, and so are a mated pair.
        """
        alone = np.flatnonzero(np.bincount(self.labels)[self.labels] == 1)
        rows = np.concatenate([np.arange(len(self.labels)), alone])
        return Samples((self.files[CLEAN],), np.zeros_like(rows), rows, self.labels[rows])


@dataclass(frozen=True, eq=False)
class Parts:
    """No person is in two of them."""

    training: Part
    validation: Part
    test: Part


def parts_of_lfw(data: Path, cache: Path) -> Parts:
    """All photos of View 1 with a right label and a face, parted by name; crops are kept in `cache`."""
    rows = lfw.known_faces(lfw.lfw_photos(data, cache))
    drawn = split((name for name, _, _ in rows), seed=0, validation=VALIDATION, test=TEST)
    parts = []
    for part, domains in (("train", (CLEAN,)), ("validation", (CLEAN, MIXED)), ("test", DOMAINS)):
        numbers = {name: number for number, name in enumerate(getattr(drawn, part))}
        mine = [row for row in rows if row[0] in numbers]
        crops = [align(read(str(path)), face, ALIGNER).pixels for _, path, face in mine]
        labels = [numbers[name] for name, _, _ in mine]
        parts.append(part_of(crops, labels, [path.name for _, path, _ in mine], cache / part, domains))
    return Parts(*parts)


def part_of(
    crops: Sequence[Pixels], labels: Sequence[int], names: Sequence[str], folder: Path, domains: Sequence[str]
) -> Part:
    """Crops in each of the domains, written to `folder`; how one is degraded hangs on its name alone."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for domain in domains:
        files[domain] = folder / f"{domain.replace(' ', '')}.npy"
        changed = [degraded(crop, domain, name) for crop, name in zip(crops, names, strict=True)]
        np.save(files[domain], np.stack(changed))
    return Part(np.array(labels, dtype=np.int64), files)


def degraded(crop: Pixels, domain: str, name: str) -> Pixels:
    """A clean crop (150, 150, 3) uint8 as it would be in a domain.

    24 px: means of areas, enlarged again linearly. JPEG: of the whole crop, at quality 10. Mask: over mouth and nose.
    Mixed: one, two or all of these, each set as likely; the picture is compressed at the size it then has.
    """
    rng = np.random.default_rng([*name.encode(), DOMAINS.index(domain)])
    if domain == CLEAN:
        return crop
    chosen = {domain} if domain != MIXED else _some(rng)
    if MASK in chosen:
        landmarks = ALIGNERS[ALIGNER].template
        assert landmarks is not None
        crop = masked(crop, landmarks, rng)
    small = round(SHARE * len(crop)) if FAR in chosen else len(crop)
    seen = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
    if JPEG in chosen:
        seen = compressed(seen, QUALITY)
    shown = cv2.resize(seen, (len(crop), len(crop)), interpolation=cv2.INTER_LINEAR)
    return np.asarray(shown, dtype=np.uint8)


def _some(rng: np.random.Generator) -> set[str]:
    number = int(rng.integers(1, 8))
    return {domain for bit, domain in enumerate((FAR, JPEG, MASK)) if number >> bit & 1}
