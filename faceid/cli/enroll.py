"""`faceid enroll`: store the templates of a person's photos."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from faceid.cli._options import MinFace, session_of
from faceid.cli._render import Output, counted, plain
from faceid.errors import UsageError
from faceid.results import EnrollResult, EnrollSummary

if TYPE_CHECKING:
    from faceid.admission import OnConflict

NAME = "enroll"


def run(
    context: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Photos of the person: files, directories (walked recursively), or - for one image on stdin.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", metavar="NAME", help="Whose photos they are.", show_default=False),
    ] = None,
    each_folder: Annotated[
        Path | None,
        typer.Option(
            "--each-folder",
            metavar="ROOT",
            help="Enrol every sub-folder of ROOT under the folder's name.",
            show_default=False,
        ),
    ] = None,
    min_face: MinFace = None,
    min_quality: Annotated[
        float | None,
        typer.Option(
            "--min-quality",
            metavar="Q",
            min=0.0,
            max=1.0,
            help="Refuse photos of less quality.",
            show_default=False,
        ),
    ] = None,
    on_conflict: Annotated[
        str,
        typer.Option(
            "--on-conflict",
            metavar="refuse|accept",
            help="What to do with a photo that matches somebody else's templates better than its own.",
        ),
    ] = "refuse",
    store_crops: Annotated[
        bool,
        typer.Option(
            "--store-crops",
            help="Keep the part of each photo around the face in the gallery, for `faceid re-embed`.",
        ),
    ] = False,
) -> None:
    """Enrol a person: one face a photo, one template a face.

    The same photo twice is a duplicate and stored once. Photos without a face, with several, too small, too
    poor, or nearer to another identity are refused, each with its reason.
    """
    if (each_folder is None) == (name is None):
        raise UsageError("give either --name NAME with photos, or --each-folder ROOT")
    if (each_folder is None) == (not paths):
        raise UsageError("--name goes with photos, --each-folder stands alone")
    if on_conflict not in ("refuse", "accept"):
        raise UsageError(f"unknown value {on_conflict!r} of --on-conflict", hint="choose refuse or accept")
    session = session_of(context)
    output = session.output
    from faceid.gallery import clean_name
    from faceid.imaging import walk

    batches: list[tuple[str, list[str]]]
    if each_folder is not None:
        folders = sub_folders(each_folder)
        batches = [(clean_name(folder.name), list(walk([str(folder)]))) for folder in folders]
    else:
        batches = [(clean_name(name or ""), list(walk(paths or [])))]
    with session.open(min_face=min_face) as system:
        from faceid.admission import MIN_QUALITY, Rules
        from faceid.enrolment import Photo
        from faceid.imaging import fetch

        rules = Rules(
            min_quality=MIN_QUALITY if min_quality is None else min_quality,
            on_conflict=cast("OnConflict", on_conflict),
        )
        listed = (Photo(path, person, partial(fetch, path)) for person, photos in batches for path in photos)
        results = system.enroll_each(listed, rules, store_crops=store_crops)
        total = sum(len(photos) for _, photos in batches)
        seen = list(report(output, output.follow(results, "enrolling", total), named=each_folder is not None))
        summary = summarise(seen, name, templates=system.gallery().template_count(name))
    output.emit({"summary": plain(summary)})
    if not output.json:
        rows = [(result.name, result.path, result.status, result.reason, result.quality) for result in seen]
        output.table(["name", "photo", "status", "reason", "quality"], rows)
        output.line(
            f"{summary.enrolled} enrolled, {summary.skipped} skipped, {summary.failed} refused; "
            f"{counted(summary.templates, 'template')}{f' of {name}' if name else ''}"
        )
    raise typer.Exit(output.exit_code)


def sub_folders(root: Path) -> list[Path]:
    """The folders in `root` that hold people, by name. Raises UsageError where there are none."""
    if not root.is_dir():
        raise UsageError(f"{root} is not a directory", code="not_found", path=str(root))
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not folders:
        raise UsageError(
            f"{root} has no sub-folders", hint="--each-folder wants one folder a person", path=str(root)
        )
    return folders


def report(output: Output, results: Iterable[EnrollResult], *, named: bool) -> Iterable[EnrollResult]:
    """Say each result as it comes, and hand it on."""
    for result in results:
        output.emit(as_object(result, named=named))
        if result.problem is not None:
            output.count(3)
            output.problem(result.problem, result.path)
        yield result


def as_object(result: EnrollResult, *, named: bool) -> dict[str, Any]:
    """The JSON of one photo; `name` belongs to it where several people are enrolled at once."""
    left_out = set() if named else {"name"}
    full = plain(result)
    return {field.name: full[field.name] for field in fields(result) if field.name not in left_out}


def summarise(results: list[EnrollResult], name: str | None, *, templates: int) -> EnrollSummary:
    """Count outcomes."""
    counts = dict.fromkeys(("enrolled", "duplicate", "rejected"), 0)
    for result in results:
        counts[result.status] += 1
    return EnrollSummary(name, counts["enrolled"], counts["duplicate"], counts["rejected"], templates)
