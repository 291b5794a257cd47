"""Lists photos and clips of live faces and attacks, from a folder with `live` and `spoof` or from a CSV."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from faceid.errors import InputError
from faceid.imaging import walk

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".mpeg", ".webm", ".wmv"}
)
"""Suffixes of clips; every other file is a photo."""

PLAIN = "spoof"
"""The kind of attacks without a named kind."""

_LABELS = ("live", "spoof")


@dataclass(frozen=True, slots=True)
class Presentation:
    """One photo or clip: a live face if `kind` is None, else an attack of that kind."""

    path: str
    kind: str | None

    @property
    def is_clip(self) -> bool:
        """Whether it has several frames, by its suffix."""
        return Path(self.path).suffix.lower() in VIDEO_SUFFIXES


def read_presentations(data: Path) -> list[Presentation]:
    """The presentations in a folder or a CSV, live faces first, else in the order of the files.

    In a folder, sub-folders of `spoof` are kinds of attack, and files directly in it are of kind PLAIN. A CSV has the
    columns `file`, `label` (live or spoof) and, if wanted, `kind`; files are relative to its folder.

    Raises InputError: `unreadable`, `bad_presentations`, `not_found` for a listed file that is not there, `no_attacks`
    and `no_live_faces`.
    """
    found = _folder(data) if data.is_dir() else _csv(data)
    for there, code, what in (
        (any(one.kind is None for one in found), "no_live_faces", "live faces"),
        (any(one.kind is not None for one in found), "no_attacks", "attacks"),
    ):
        if not there:
            raise InputError(
                f"{data} holds no {what}", code=code, remedy="form_of_presentations", path=str(data)
            )
    return sorted(found, key=lambda one: one.kind is not None)


def _folder(root: Path) -> list[Presentation]:
    if missing := [name for name in _LABELS if not (root / name).is_dir()]:
        raise InputError(
            f"{root} has no folder {' and no '.join(missing)}",
            code="bad_presentations",
            remedy="form_of_presentations",
            path=str(root),
        )
    found = [Presentation(path, None) for path in _files(root / "live")]
    for path in _files(root / "spoof"):
        below = Path(path).relative_to(root / "spoof").parts
        found.append(Presentation(path, below[0] if len(below) > 1 else PLAIN))
    return found


def _files(folder: Path) -> list[str]:
    """The photos and clips below `folder`; hidden ones are skipped."""
    clips = [
        str(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    photos = [path for path in walk([str(folder)]) if Path(path) != folder]
    return list(dict.fromkeys([*photos, *clips]))


def _csv(path: Path) -> list[Presentation]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read {path}: {error}", code="unreadable", remedy="form_of_presentations", path=str(path)
        ) from error
    rows = csv.DictReader(text.splitlines())
    if missing := [name for name in ("file", "label") if name not in (rows.fieldnames or ())]:
        raise InputError(
            f"{path} has no column {' and no '.join(missing)}",
            code="bad_presentations",
            remedy="form_of_presentations",
            path=str(path),
        )
    found = []
    for number, row in enumerate(rows, start=2):
        label, name = (row["label"] or "").strip().lower(), (row["file"] or "").strip()
        if label not in _LABELS or not name:
            raise InputError(
                f"{path}, line {number}: wanted are a file and a label, live or spoof",
                code="bad_presentations",
                path=str(path),
            )
        kind = None if label == "live" else (row.get("kind") or "").strip() or PLAIN
        found.append(Presentation(str(path.parent / name), kind))
    if absent := [one.path for one in found if not Path(one.path).is_file()]:
        raise InputError(
            f"{path} names {len(absent):,} files of {len(found):,} that are not there, the first is {absent[0]}",
            code="not_found",
            path=str(path),
        )
    return found
