"""`faceid embed`: compute the embeddings of photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceid.cli._options import MinFace, Paths, session_of
from faceid.cli._render import counted

if TYPE_CHECKING:
    from faceid.explore.embedding import EmbedResult

NAME = "embed"

SHOWN = 40
"""The most photos that the table lists one by one."""


def run(
    context: typer.Context,
    paths: Paths,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.npz",
            help="The file to write; it is replaced only when the new file is complete.",
            show_default=False,
        ),
    ],
    min_face: MinFace = None,
) -> None:
    """Write the embeddings of all faces on photos to a NumPy archive, one row per face.

    Arrays: `embeddings` float32 (n, d), `sources`, `photo_sha256`, `boxes`, `quality`; scalar strings `model` and
    `metric`. A photo in a sub-folder of a PATH has that folder's name, which is in `names` if the photo shows one face.
    `faceid import` takes a file with `names`.
    """
    session = session_of(context)
    out = session.output
    with session.open(min_face=min_face) as system:
        from faceid.explore.archive_writer import ArchiveWriter
        from faceid.explore.embedding import Tally, embedded
        from faceid.explore.photos import of_paths

        photos = of_paths(paths)
        tally = Tally()
        listed: list[EmbedResult] = []
        with ArchiveWriter(output) as archive:
            results = embedded(system.services.current().pipeline, photos, archive.add, tally)
            for result in out.follow(results, "embedding", photos.total):
                out.emit(result)
                if result.problem is not None:
                    out.problem(result.problem, result.path)
                    out.count(3)
                if len(listed) <= SHOWN:
                    listed.append(result)
            tally.require(" ".join(paths))
            pipeline = system.services.current().pipeline
            model = pipeline.embedder.model
            archive.write(model, pipeline.detector_name)
    if len(listed) <= SHOWN:
        out.table(
            ["photo", "status", "name", "faces"],
            [(result.path, result.status, result.name, len(result.faces)) for result in listed],
        )
    out.emit(
        {
            "summary": {
                "path": str(output),
                "photos": tally.photos,
                "faces": tally.faces,
                "named": tally.named,
                "lost": dict(tally.lost),
                "model": model.name,
                "dim": model.dim,
            }
        }
    )
    lost = ", ".join(f"{count:,} {reason}" for reason, count in tally.lost.most_common())
    out.line(
        f"{counted(tally.faces, 'face')} of {counted(tally.photos, 'photo')}, {tally.named:,} with a name"
        f"{f' (lost: {lost})' if lost else ''}, by {model.name} in {output}"
    )
    if tally.crowds:
        out.note(
            f"{counted(tally.crowds, 'photo')} of a person's folder with several faces: those faces have no name,"
            " because no one of them is known to be the person's"
        )
    raise typer.Exit(out.exit_code)
