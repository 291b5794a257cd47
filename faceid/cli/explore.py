"""`faceid explore`: show and group the embeddings of faces."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from faceid.cli import _explore_groups as groups
from faceid.cli import _exploring as shared
from faceid.cli._options import MinFace, session_of
from faceid.cli._render import counted, plain

NAME = "explore"

NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}

app = typer.Typer(
    help="Explore embeddings: a picture of them, nearest neighbours, groups, near-duplicates.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command("project")
def project(
    context: typer.Context,
    data: shared.DataSet,
    output: shared.Picture,
    method: Annotated[
        Literal["pca", "tsne", "umap"],
        typer.Option(
            "--method",
            metavar="pca|tsne|umap",
            help="pca keeps distances, tsne and umap neighbours; umap needs umap-learn.",
        ),
    ] = "tsne",
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", min=3, help="Draw only N faces, chosen at random.", show_default=False
        ),
    ] = None,
    seed: shared.Seed = 0,
    min_face: MinFace = None,
) -> None:
    """Draw embeddings in two dimensions: a PNG, or a page on which hovering shows the face.

    The page also shows the distance of each face from the centre of its identity.
    """
    kind = shared.checked_picture(output)
    session = session_of(context)
    out = session.output
    with session.open(min_face=min_face) as system:
        import numpy as np

        from faceid.explore.files import replacing, writing
        from faceid.explore.projection import MANY, principal_components, to_centre
        from faceid.explore.projection import project as places_of

        with replacing(output) as file:
            faces = shared.load(session, system, data, least=3)
            total = len(faces)
            # The centre is that of all faces of a person, not only of those drawn.
            centre = to_centre(faces.vectors, faces.identities(), faces.metric)
            if limit is not None and limit < total:
                drawn = np.sort(np.random.default_rng(seed).choice(total, limit, replace=False))
                faces, centre = faces.at(drawn), centre[drawn]
            if method == "tsne" and len(faces) > MANY:
                out.note(
                    f"t-SNE of {len(faces):,} faces takes long: --method pca does not, and --limit {MANY}"
                    " draws some of them"
                )
            with out.waiting(f"projecting by {method}"):
                places = places_of(faces.vectors, method, seed)
            identity = faces.identities()
            people = int(identity.max()) + 1
            about = f"{counted(total, 'face')} of {data}"
            about = f"{len(faces):,} of {about}" if len(faces) < total else about
            about += f", {counted(people, 'identity', 'identities')}" if people else ""
            about += f", {faces.model}, {NAMES[method]}"
            share = principal_components(faces.vectors)[1] if method == "pca" else None
            if share is not None:
                about += f" ({share:.0%} of the variance)"
            title = f"Faces by {NAMES[method]}"
            if kind == "png":
                from faceid.explore.scatter import draw

                content = draw(places, faces.names, about)
            else:
                from faceid.explore.faces import thumbnails
                from faceid.explore.scatter_page import scatter_page

                shown = np.linspace(0, len(faces) - 1, min(shared.PICTURED, len(faces))).round().astype(int)
                pictures = thumbnails(faces, shown.tolist())
                if len(pictures) < len(faces):
                    out.note(f"{len(pictures):,} of {len(faces):,} faces have a thumbnail")
                content = scatter_page(faces, places, centre, pictures, title=title, about=about)
            with writing(output):
                file.write(content)
    known = centre[~np.isnan(centre)]
    out.emit(
        {
            "path": str(output),
            "method": method,
            "faces": total,
            "drawn": len(faces),
            "identities": people,
            "variance": share,
            "mean_to_centre": float(known.mean()) if known.size else None,
            "model": faces.model,
        }
    )
    out.line(f"{about}: {output}")
    raise typer.Exit(out.exit_code)


@app.command("retrieve")
def retrieve(
    context: typer.Context,
    data: shared.DataSet,
    output: shared.Picture,
    queries: Annotated[
        int, typer.Option("--queries", metavar="N", min=1, max=200, help="Number of faces to show.")
    ] = 12,
    seed: shared.Seed = 0,
    min_face: MinFace = None,
) -> None:
    """Show the ten nearest faces of some, right and wrong marked, and measure how often they are right.

    Precision at 1, 5 and 10 and mAP are means over all faces of people with two photos or more, not only over those
    shown.
    """
    kind = shared.checked_picture(output)
    session = session_of(context)
    out = session.output
    with session.open(min_face=min_face) as system:
        import numpy as np

        from faceid.explore import retrieval
        from faceid.explore.faces import thumbnails
        from faceid.explore.files import replacing, writing
        from faceid.explore.retrieval_grid import draw_grid, grid_page

        with replacing(output) as file:
            faces = shared.load(session, system, data, least=2)
            rng = np.random.default_rng(seed)
            identity = faces.identities()
            with out.waiting("ranking"):
                ranking = retrieval.rank(faces.vectors, identity, faces.photos())
            quality = retrieval.quality_of(ranking, identity, rng)
            rows = retrieval.draw_queries(faces, ranking, queries, rng)
            found = retrieval.nearest(faces, rows.tolist(), max(retrieval.RANKS))
            told = [f"{counted(len(faces), 'face')} of {data}, {faces.model}"]
            told += shared.ranked(quality)
            shown = {row for query in found for row in (query.row, *(each.row for each in query.neighbours))}
            pictures = thumbnails(faces, sorted(shown))
            if len(pictures) < len(shown):
                out.note(f"{len(pictures):,} of {len(shown):,} faces that are shown have a thumbnail")
            make = draw_grid if kind == "png" else grid_page
            content = make(faces, found, pictures, told)
            with writing(output):
                file.write(content)
    for query in found:
        out.emit(query, path=faces.sources[query.row], name=faces.names[query.row] or None)
    out.emit(
        {
            "summary": {
                "path": str(output),
                "faces": len(faces),
                "quality": None if quality is None else plain(quality),
                "model": faces.model,
            }
        }
    )
    for line in told:
        out.line(line)
    raise typer.Exit(out.exit_code)


app.command("cluster")(groups.cluster)
app.command("duplicates")(groups.duplicates)
