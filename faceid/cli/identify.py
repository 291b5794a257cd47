"""`faceid identify`: who is in these pictures?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from faceid.cli._options import Fmr, FmrAlike, Fpir, MinFace, Paths, Threshold, session_of, writable_directory
from faceid.cli._render import Output
from faceid.cli._thresholds import tell_threshold
from faceid.decision.decide import Target
from faceid.errors import UnreadableImage, implausible_pose
from faceid.results import IdentifyResult

NAME = "identify"


def run(
    context: typer.Context,
    paths: Paths,
    threshold: Threshold = None,
    fmr: Fmr = None,
    fmr_alike: FmrAlike = None,
    fpir: Fpir = None,
    top: Annotated[
        int,
        typer.Option(
            "--top", metavar="K", min=1, max=1000, help="Number of candidates to list for each face."
        ),
    ] = 5,
    min_face: MinFace = None,
    annotate: Annotated[
        Path | None,
        typer.Option(
            "--annotate",
            metavar="DIR",
            help="Write the pictures with boxes and names to DIR.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Find every face and name the enrolled person it matches, or none.

    The gallery's active policy (`faceid policy`) decides. Without one, the threshold holds FPIR at 1 % for the present
    number of identities: of a hundred searches for people who are not enrolled, one may return a name.
    """
    target = Target(threshold=threshold, fmr=fmr, fmr_alike=fmr_alike, fpir=fpir)
    session = session_of(context)
    output = session.output
    directory = writable_directory(annotate) if annotate is not None else None
    with session.open(min_face=min_face) as system:
        from faceid.app.matching import search
        from faceid.imaging import walk

        photos = list(walk(paths))
        seen = []
        for look, result in output.follow(
            search(system.services, photos, target, top=top), "identifying", len(photos)
        ):
            output.emit(result)
            weigh(output, result)
            seen.append(result)
            if directory is not None and look.image is not None:
                from faceid.imaging.annotate import write_annotated

                try:
                    output.note(f"wrote {write_annotated(look.image, result, directory)}")
                except UnreadableImage as error:
                    # There was memory to find the faces, but not for all pixels of a large photo.
                    output.error(error)
        system.services.advise_on_size()
    output.table(
        ["photo", "face", "decision", "name", "distance", "threshold", "fmr", "quality"],
        [row for result in seen for row in rows_of(result)],
    )
    if seen and seen[-1].policy is not None:
        tell_threshold(output, seen[-1].policy)
    raise typer.Exit(output.exit_code)


def weigh(output: Output, result: IdentifyResult) -> None:
    """Count one picture's outcome for the exit code, and print its problem and what else there is to know."""
    output.tell_turned(result.path, result.turned)
    for number, face in enumerate(result.faces, start=1):
        if face.reason is not None:
            output.note(f"{result.path}: face {number} was not compared: {implausible_pose(result.path)}")
    if result.problem is not None:
        output.problem(result.problem, result.path)
        output.count(3)
    elif any(face.decision != "match" for face in result.faces):
        output.count(1)


def rows_of(result: IdentifyResult) -> Iterator[tuple[object, ...]]:
    """The table rows of one picture: one per face, or one with the reason why there is none."""
    if result.status != "ok":
        yield (result.path, "-", result.status, None, None, None, None, None)
    for number, face in enumerate(result.faces, start=1):
        yield (
            result.path,
            number,
            face.decision,
            face.name,
            face.distance,
            face.threshold,
            face.fmr,
            face.quality,
        )
