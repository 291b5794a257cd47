"""`faceid enroll`: store the templates of people's photos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from faceid.cli._enrolling import Report, final_table, tell_people, told, watched
from faceid.cli._options import MinFace, MultiFace, session_of, subject_from
from faceid.cli._render import counted, plain
from faceid.enrolment.checks.levels import MAX_TEMPLATES
from faceid.errors import UsageError

if TYPE_CHECKING:
    from faceid.enrolment.rules import OnConflict
    from faceid.sources import Photos

NAME = "enroll"


def run(
    context: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Photos of the person: files, directories (walked recursively), ZIP or TAR archives, or - for one "
            "image or a list of paths on stdin.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", metavar="NAME", help="The person on the photos.", show_default=False),
    ] = None,
    each_folder: Annotated[
        str | None,
        typer.Option(
            "--each-folder",
            metavar="ROOT",
            help="Enrol every sub-folder of ROOT, a folder or archive, under the folder's name.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            "--table",
            metavar="FILE",
            help="Enrol the photos that a CSV or Parquet file lists: path, name, and attributes of the person.",
            show_default=False,
        ),
    ] = None,
    min_face: MinFace = None,
    quality: Annotated[
        str,
        typer.Option(
            "--quality", metavar="off|standard|strict|Q", help="Refuse photos of lower quality; Q is 0..1."
        ),
    ] = "standard",
    subject: Annotated[
        str,
        typer.Option(
            "--subject",
            metavar="largest|centre|only|all",
            help="With several faces in a photo, take the one that is clearly the most prominent, the one nearest the "
            "middle, none, or the one on the person's other photos.",
        ),
    ] = "largest",
    multi_face: MultiFace = None,
    on_conflict: Annotated[
        str,
        typer.Option(
            "--on-conflict",
            metavar="refuse|ask|accept",
            help="What to do with a face that matches another identity, or disagrees with the person's other photos.",
        ),
    ] = "refuse",
    max_templates: Annotated[
        int,
        typer.Option(
            "--max-templates", metavar="K", min=1, help="The greatest number of templates of a person."
        ),
    ] = MAX_TEMPLATES,
    store_crops: Annotated[
        bool,
        typer.Option(
            "--store-crops",
            help="Keep the part of each photo around the face in the gallery, for `faceid re-embed`.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write the outcome of each photo to a CSV file.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Enrol people: one template for each photo, up to --max-templates.

    A duplicate photo is stored once. A photo is refused, with the reason, if it shows no face, or several and no clear
    subject; if the face is too small or too poor, nearer to another identity, or unlike the person's other photos.
    Repeat an interrupted command to continue it.
    """
    if [each_folder, name, table].count(None) != 2:
        raise UsageError("give one of --name NAME with photos, --each-folder ROOT, --table FILE")
    if (name is None) == bool(paths):
        raise UsageError("--name goes with photos, --each-folder and --table stand alone")
    rule = subject_from(subject, former=multi_face, all_photos=True)
    if on_conflict not in ("refuse", "ask", "accept"):
        raise UsageError(
            f"unknown value {on_conflict!r} of --on-conflict",
            remedy="one_of",
            known="refuse, ask, accept",
        )
    if on_conflict == "ask" and not sys.stdin.isatty():
        raise UsageError("--on-conflict ask needs a terminal", remedy="one_of", known="refuse, accept")
    from faceid.enrolment.rules import EnrolmentRules, quality_from

    rules = EnrolmentRules(
        quality_from(quality),
        rule,
        cast("OnConflict", on_conflict),
        max_templates,
    )
    session = session_of(context)
    output = session.output
    photos = _photos(name, paths or [], each_folder, table)
    with session.open(min_face=min_face) as system:
        with Report.opened(report) as rows, watched(output, photos.total) as watch:
            results = system.enroll_each(
                photos,
                rules,
                attributes=photos.attributes,
                store_crops=store_crops,
                ask=watch.ask,
                warn=watch.warn,
            )
            told(output, results, watch, rows, named=name is None)
        system.services.advise_on_size()
        totals = system.people.summary_of(watch.tally.totals, photos, name=name)
    told_totals = plain(totals)
    if not totals.already_enrolled:
        del told_totals["already_enrolled"]
    if totals.loose_photos is None:
        del told_totals["loose_photos"]
    output.emit({"summary": told_totals})
    final_table(output, watch.tally)
    output.line(
        f"{totals.enrolled:,} enrolled, {totals.skipped:,} skipped, {totals.failed:,} refused"
        f"{f', {totals.unconfirmed:,} unconfirmed' if totals.unconfirmed else ''}; "
        f"{counted(totals.templates, 'template')}{f' of {name}' if name else ''}"
    )
    tell_people(output, totals, photos.loose or ())
    raise typer.Exit(output.exit_code)


def _photos(name: str | None, paths: list[str], each_folder: str | None, table: str | None) -> Photos:
    """The photos of the named source. Raises UsageError and InputError before anything is enrolled."""
    from faceid.gallery.gallery import clean_name
    from faceid.sources import of_folders, of_person, of_table

    if each_folder is not None:
        return of_folders(each_folder)
    if table is not None:
        return of_table(table)
    assert name is not None
    return of_person(clean_name(name), paths)
