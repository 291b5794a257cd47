"""Finds the layout of an archive by its paths: the folders of people, or samples with labels."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, takewhile

from faceid.sources.entry import folders_of, is_picture

LABELS = ("json", "cls", "txt")
"""The kinds of files that carry the name of a WebDataset sample; the first that has one counts."""

_CAPTION = "txt"


class Survey:
    """The paths of one archive, or of several that belong together, in their order."""

    def __init__(self) -> None:
        self._pictures = 0
        self._labelled = 0
        self._captioned = 0
        self._common: tuple[str, ...] | None = None
        self._deepest = 0

    def add(self, paths: Iterable[str]) -> None:
        """The paths of one archive."""
        for _, files in groupby(filter(belongs_to_sample, paths), key=key_of):
            sample = list(files)
            kinds = {kind_of(inner) for inner in sample}
            pictures = [inner for inner in sample if is_picture(inner)]
            self._pictures += len(pictures)
            if not kinds.isdisjoint(LABELS):
                if kinds.isdisjoint(set(LABELS) - {_CAPTION}):
                    self._captioned += len(pictures)
                else:
                    self._labelled += len(pictures)
            for inner in pictures:
                folders = folders_of(inner)
                self._deepest = max(self._deepest, len(folders))
                self._common = folders if self._common is None else _shared(self._common, folders)

    @property
    def has_labels(self) -> bool:
        """Whether most pictures have a .json or a .cls of the same key next to them."""
        return 2 * self._labelled > self._pictures

    @property
    def has_samples(self) -> bool:
        """Whether most pictures have a label. A .txt counts only if all pictures lie in the same folder.

        In folders of people, a .txt is a caption.
        """
        in_one_folder = self._common is not None and self._deepest == len(self._common)
        return self.has_labels or (in_one_folder and 2 * (self._labelled + self._captioned) > self._pictures)

    @property
    def root(self) -> tuple[str, ...] | None:
        """The folder with the people's folders: the innermost one that holds all pictures.

        If all pictures lie directly in it, that folder is a person's, and the root is the folder above. () is the
        archive as a whole, also if it holds no picture; None means that no picture lies in a folder.
        """
        if self._common is None:
            return ()
        if self._deepest > len(self._common):
            return self._common
        return self._common[:-1] if self._common else None


def belongs_to_sample(inner: str) -> bool:
    """Whether it is a picture or a label."""
    return is_picture(inner) or kind_of(inner) in LABELS


def key_of(inner: str) -> str:
    """The key of the sample that a file belongs to: its path up to the first dot of the file name."""
    folder, _, file = inner.rpartition("/")
    return f"{folder}/{file.partition('.')[0]}"


def kind_of(inner: str) -> str:
    """The part of the file name after the key, in lower case."""
    return inner.rpartition("/")[2].partition(".")[2].lower()


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """The folders that both paths begin with."""
    pairs = zip(one, other, strict=False)
    return tuple(folder for folder, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
