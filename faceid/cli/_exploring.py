"""The common parts of the commands of `faceid explore`: DATA, the output file, and reading faces with progress."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceid.cli._options import Session
from faceid.cli._render import counted

if TYPE_CHECKING:
    from faceid.app.faceid import FaceID
    from faceid.explore.cluster_quality import ClusterQuality
    from faceid.explore.embedding import EmbedResult
    from faceid.explore.faces import Faces
    from faceid.explore.retrieval import RetrievalQuality

PICTURED = 4000
"""The most faces of a page with thumbnails: browsers open larger files slowly."""

DataSet = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A folder of photos, or of one folder a person (or an archive of these), an .npz of `faceid embed` or"
        " `faceid export`, or `gallery`.",
        show_default=False,
    ),
]
Picture = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="The file to write: FILE.png or FILE.html.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of all random draws.")]


def load(session: Session, system: FaceID, what: str, *, least: int = 1) -> Faces:
    """Read DATA, with a progress bar while photos are processed; photos without a face are reported (exit code 3)."""
    from faceid.explore import data

    output = session.output
    with output.progress("looking") as advance:
        done = 0

        def report(result: EmbedResult, total: int | None) -> None:
            nonlocal done
            done += 1
            if result.problem is not None:
                output.problem(result.problem, result.path)
                output.count(3)
            advance(done, total)

        return data.load(
            what, lambda: system.services.current().pipeline, system.services.gallery, report, least
        )


def checked_picture(path: Path) -> str:
    """The format, `png` or `html`. Raises UsageError for another suffix."""
    from faceid.errors import UsageError

    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "html"):
        raise UsageError(
            f"{path} is neither .png nor .html",
            remedy="output_suffix",
            path=str(path),
        )
    return kind


def agreement(quality: ClusterQuality) -> list[str]:
    """How well groups agree with known names, in two lines."""
    return [
        f"pairs: precision {_share(quality.pair_precision)}, recall {_share(quality.pair_recall)}, over"
        f" {counted(quality.faces, 'face')} of {counted(quality.identities, 'known identity', 'known identities')}",
        f"B-cubed: precision {_share(quality.b_cubed_precision, quality.b_cubed_precision_interval)},"
        f" recall {_share(quality.b_cubed_recall, quality.b_cubed_recall_interval)}, F {quality.b_cubed_f:.3f}",
    ]


def ranked(quality: RetrievalQuality | None) -> list[str]:
    """Print how often the nearest faces are right, in two lines."""
    if quality is None:
        return ["no person has two photos with a name: there is nothing to measure"]
    precision = ", ".join(
        f"at {k} {_share(value, quality.precision_interval[k])}"
        + (f" of at most {quality.possible[k]:.3f}" if quality.possible[k] < 0.9995 else "")
        for k, value in quality.precision.items()
    )
    return [
        f"precision {precision}",
        f"mAP {_share(quality.mean_average_precision, quality.mean_average_precision_interval)}, over"
        f" {quality.queries:,} queries of {counted(quality.identities, 'person', 'people')} among"
        f" {counted(quality.candidates, 'other face')}",
    ]


def _share(value: float | None, interval: tuple[float, float] | None = None) -> str:
    span = "" if interval is None else f" ({interval[0]:.3f} .. {interval[1]:.3f})"
    return "-" if value is None else f"{value:.3f}{span}"
