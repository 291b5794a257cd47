"""`faceid verify`: does this photo show the claimed person?"""

from __future__ import annotations

from typing import Annotated

import typer

from faceid.cli._options import Fmr, FmrAlike, Fpir, MinFace, Subject, Threshold, session_of, subject_from
from faceid.cli._render import as_evidence
from faceid.cli._thresholds import tell_threshold
from faceid.decision.decide import Target

NAME = "verify"


def run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The claimed person.")],
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A photo of one person, or - for stdin.")],
    threshold: Threshold = None,
    fmr: Fmr = None,
    fmr_alike: FmrAlike = None,
    fpir: Fpir = None,
    subject: Subject = "largest",
    min_face: MinFace = None,
) -> None:
    """Check one photo against one enrolled person.

    The gallery's active policy (`faceid policy`) decides. Without one, one non-mated photo in 10,000 matches (FMR
    1e-4).
    """
    target = Target(threshold=threshold, fmr=fmr, fmr_alike=fmr_alike, fpir=fpir)
    rule = subject_from(subject)
    session = session_of(context)
    with session.open(min_face=min_face) as system:
        result = system.verify(name, image, target=target, subject=rule)
    session.output.emit(result)
    session.output.tell_turned(result.path, result.turned)
    session.output.table(
        ["photo", "name", "decision", "distance", "threshold", "fmr"],
        [(result.path, result.name, result.decision, result.distance, result.threshold, result.fmr)],
    )
    if words := as_evidence(result.llr):
        session.output.line(words)
    tell_threshold(session.output, result.policy)
    raise typer.Exit(0 if result.verified else 1)
