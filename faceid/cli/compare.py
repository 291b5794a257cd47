"""`faceid compare`: do two photos show one person?"""

from __future__ import annotations

from typing import Annotated

import typer

from faceid.cli._options import Fmr, FmrAlike, MinFace, Subject, Threshold, session_of, subject_from
from faceid.cli._render import as_evidence
from faceid.cli._thresholds import tell_threshold
from faceid.decision.decide import Target

NAME = "compare"


def run(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="IMAGE", help="A photo of one person, or - for stdin.")],
    second: Annotated[str, typer.Argument(metavar="IMAGE", help="Another.")],
    threshold: Threshold = None,
    fmr: Fmr = None,
    fmr_alike: FmrAlike = None,
    subject: Subject = "largest",
    min_face: MinFace = None,
) -> None:
    """Compare two photos; needs no gallery.

    The gallery's active policy (`faceid policy`) decides. Without one, one non-mated pair in 10,000 matches (FMR 1e-4).
    """
    target = Target(threshold=threshold, fmr=fmr, fmr_alike=fmr_alike)
    rule = subject_from(subject)
    session = session_of(context)
    with session.open(min_face=min_face) as system:
        result = system.compare(first, second, target=target, subject=rule)
    session.output.emit(result)
    for path, degrees in zip(result.paths, result.turned, strict=True):
        session.output.tell_turned(path, degrees)
    session.output.table(
        ["first", "second", "decision", "distance", "threshold", "fmr"],
        [(*result.paths, result.decision, result.distance, result.threshold, result.fmr)],
    )
    if words := as_evidence(result.llr):
        session.output.line(words)
    tell_threshold(session.output, result.policy)
    raise typer.Exit(0 if result.verified else 1)
