"""Omniglot (Lake, Salakhutdinov and Tenenbaum 2015, Science): drawings of characters, from folders or ZIP archives."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 28
"""What drawings of 105 pixels are reduced to, pixels."""

LABELS = "class_labels.txt"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Drawings:
    """`pixels` (n, SIDE, SIDE) uint8, ink 255 on 0, and the numbers of their characters, `labels` (n,) int64.

    Character k is called `characters[k]`, `alphabet/character`; they are sorted.
    """

    pixels: Pixels
    labels: NDArray[np.int64]
    characters: tuple[str, ...]

    @property
    def alphabets(self) -> tuple[str, ...]:
        """Their names, sorted."""
        return tuple(sorted({alphabet_of(character) for character in self.characters}))

    def of_alphabets(self, alphabets: Iterable[str]) -> Drawings:
        """The drawings of these alphabets only, with characters numbered anew."""
        wanted = set(alphabets)
        kept = [k for k, name in enumerate(self.characters) if alphabet_of(name) in wanted]
        chosen = np.isin(self.labels, kept)
        return Drawings(
            self.pixels[chosen],
            np.searchsorted(kept, self.labels[chosen]).astype(np.int64),
            tuple(self.characters[k] for k in kept),
        )


@dataclass(frozen=True, eq=False)
class Run:
    """A run of one-shot classification: `known` (n, SIDE, SIDE), one a character, and `asked` (m, SIDE, SIDE).

    `answers` (m,) int64 are the places in `known` of the characters asked.
    """

    known: Pixels
    asked: Pixels
    answers: NDArray[np.int64]


def read_drawings(paths: Iterable[Path]) -> Drawings:
    """The drawings of folders and archives, each found by its last folders: `alphabet/character/drawing.png`.

    An alphabet that is in several of them (Greek and Latin are in both of the small sets) is taken once. Raises
    ValueError where there is no drawing, and for one that lies in no alphabet.
    """
    found: dict[tuple[str, str], Callable[[], bytes]] = {}
    for path in paths:
        for inner, load in _members(path).items():
            if inner.suffix == ".png":
                if len(inner.parts) < 3:
                    raise ValueError(f"{path}: {inner} lies in no folder alphabet/character")
                found.setdefault(("/".join(inner.parts[-3:-1]), inner.name), load)
    if not found:
        raise ValueError(f"no drawings in {', '.join(map(str, paths))}")
    order = sorted(found)
    characters, labels = np.unique([character for character, _ in order], return_inverse=True)
    return Drawings(
        np.stack([reduced(found[key]()) for key in order]),
        labels.astype(np.int64),
        tuple(characters.tolist()),
    )


def read_runs(path: Path) -> list[Run]:
    """The runs below a folder or in an archive, each with its `class_labels.txt`: lines of an item and its class.

    Raises ValueError where there is none, or where a list names files that are not there.
    """
    members = _members(path)
    runs = []
    for listed in sorted(inner for inner in members if inner.name == LABELS):
        root = listed.parent.parent
        pairs = [line.split() for line in members[listed]().decode("utf-8").splitlines() if line.strip()]
        if missing := [name for pair in pairs for name in pair if root / name not in members]:
            raise ValueError(f"{path}: {listed} names {missing[0]}, which is not there")
        classes = sorted({known for _, known in pairs})
        runs.append(
            Run(
                np.stack([reduced(members[root / name]()) for name in classes]),
                np.stack([reduced(members[root / item]()) for item, _ in pairs]),
                np.array([classes.index(known) for _, known in pairs], dtype=np.int64),
            )
        )
    if not runs:
        raise ValueError(f"{path} holds no {LABELS}")
    return runs


def reduced(png: bytes) -> Pixels:
    """A drawing, black ink on white, as (SIDE, SIDE) uint8 means of its parts: ink 255, paper 0."""
    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return 255 - np.asarray(small, dtype=np.uint8)


def alphabet_of(character: str) -> str:
    """The alphabet in the name of a character."""
    return character.split("/")[0]


def _members(path: Path) -> dict[PurePosixPath, Callable[[], bytes]]:
    """The files of a folder or a ZIP archive by their paths in it, each to be read."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
        # The folder's own name may be the alphabet's, or the run's.
        return {PurePosixPath(file.relative_to(path.parent)): file.read_bytes for file in files}
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    return {PurePosixPath(name): lambda data=data: data for name, data in held.items()}
