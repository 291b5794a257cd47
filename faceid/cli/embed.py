"""`faceid embed`: photos in, embeddings out."""

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
"""Photos that the table lists one by one."""


def run(
    context: typer.Context,
    paths: Paths,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.npz",
            help="Where to; replaced only when all is written.",
            show_default=False,
        ),
    ],
    min_face: MinFace = None,
) -> None:
    """Write the embeddings of all faces on photos to a NumPy archive, one row a face.

    Arrays: `embeddings` float32 (n, d), `sources`, `photo_sha256`, `boxes`, `quality`; scalar strings `model` and
    `metric`. A photo in a sub-folder of a PATH has that folder's name, which is in `names` where the photo shows one
    face: then `faceid import` takes the file.
    """
    session = session_of(context)
    out = session.output
    with session.open(min_face=min_face) as system:
        from faceid.explore.archive import write_archive
        from faceid.explore.embedding import Rows, embedded
        from faceid.explore.files import replacing
        from faceid.explore.photos import of_paths

        photos = of_paths(paths)
        rows = Rows()
        listed: list[EmbedResult] = []
        with replacing(output) as temporary:
            for result in out.follow(embedded(system.pipeline, photos, rows), "embedding", photos.total):
                out.emit(result)
                if result.problem is not None:
                    out.problem(result.problem, result.path)
                    out.count(3)
                if len(listed) <= SHOWN:
                    listed.append(result)
            model = system.pipeline.embedder.model
            write_archive(temporary, rows.faces(model, " ".join(paths)), model)
    if len(listed) <= SHOWN:
        out.table(
            ["photo", "status", "name", "faces"],
            [(result.path, result.status, result.name, len(result.faces)) for result in listed],
        )
    named = sum(bool(name) for name in rows.names)
    out.emit(
        {
            "summary": {
                "path": str(output),
                "photos": rows.photos,
                "faces": len(rows.vectors),
                "named": named,
                "lost": dict(rows.lost),
                "model": model.name,
                "dim": model.dim,
            }
        }
    )
    lost = ", ".join(f"{count:,} {reason}" for reason, count in rows.lost.most_common())
    out.line(
        f"{counted(len(rows.vectors), 'face')} of {counted(rows.photos, 'photo')}, {named:,} with a name"
        f"{f' (lost: {lost})' if lost else ''}, by {model.name} in {output}"
    )
    if rows.crowds:
        out.note(
            f"{counted(rows.crowds, 'photo')} of a person's folder with several faces: those faces have no name,"
            " since nobody says which is whose"
        )
    raise typer.Exit(out.exit_code)
