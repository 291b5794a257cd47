"""`faceid evaluate liveness`: how often are copies accepted as live, and live faces refused?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceid.cli import _evaluation as shared
from faceid.cli._liveness import listed, measured
from faceid.cli._options import MinFace, session_of
from faceid.cli._render import counted

if TYPE_CHECKING:
    from faceid.cli._render import Output
    from faceid.evaluation.protocols.liveness import LivenessFindings

NAME = "liveness"


def run(
    context: typer.Context,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="A folder with live/ and spoof/ (sub-folders of spoof are kinds of attack) of photos and clips, or a"
            " CSV file,label,kind where label is live or spoof.",
            show_default=False,
        ),
    ],
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="S",
            min=0.0,
            max=1.0,
            help="The lowest score of a live face. Default: the operating point of the installed networks.",
            show_default=False,
        ),
    ] = None,
    min_face: MinFace = None,
) -> None:
    """Measure passive liveness by ISO/IEC 30107-3: APCER of each kind of attack, BPCER and ACER.

    This is a smoke test with your pictures. A certification needs many attacks of each kind on your camera.
    """
    from faceid.app import factories
    from faceid.evaluation.data.presentation_files import read_presentations
    from faceid.evaluation.protocols.liveness import Looker, findings
    from faceid.networks.liveness_rule import LIVE_THRESHOLD

    session = session_of(context)
    output = session.output
    presentations = read_presentations(data)
    with session.open(min_face=min_face) as system:
        model = system.services.current().embedder.model
        detector = factories.make_liveness_detector(model.name, system.services.device, session.settings)
        networks = factories.liveness_networks(model.name, session.settings)
        rule = factories.liveness_rule(model.name, session.settings)
        looker = Looker(system.services.current().pipeline.detector, detector, model.aligner)
        with output.progress("looking") as advance:
            scored = list(looker.scored(presentations, advance))
    found = findings(str(data), scored, LIVE_THRESHOLD if threshold is None else threshold, networks)
    output.emit(found)
    _tell(output, found)
    output.line(f"judged by {listed(networks)}")
    if rule is not None:
        output.line(
            f"their operating point, {LIVE_THRESHOLD:g}, was measured with people apart: {measured(rule)}"
        )
    output.line("A smoke test and not a certification.")


def _tell(output: Output, found: LivenessFindings) -> None:
    output.table(
        ["attack", "presentations", "taken for live", "APCER", "95 %"],
        [(one.kind, one.count, one.accepted, *shared.cells(one.apcer)) for one in found.errors.attacks],
    )
    errors = found.errors
    output.line(
        f"BPCER {shared.rate(errors.bpcer.rate)} ({shared.span(errors.bpcer)}):"
        f" {errors.refused:,} of {counted(errors.count, 'live face')} refused"
    )
    output.line(
        f"ACER {shared.rate(found.acer)}, with the worst kind, {found.worst}; threshold {errors.threshold:g}"
    )
    for one in found.unanswered:
        if one.silent:
            name = "BPNRR of live faces" if one.kind is None else f"APNRR of {one.kind}"
            output.line(
                f"{name} {shared.rate(one.rate.rate)} ({shared.span(one.rate)}): {one.silent:,} of {one.count:,}"
                " without an answer (no face, or too few looks at one)"
            )
    for suggestion in found.suggestions:
        output.line(
            f"for APCER {suggestion.apcer:.0%}: --threshold {suggestion.threshold:.6g},"
            f" BPCER{1 / suggestion.apcer:.0f} {shared.rate(suggestion.bpcer.rate)} ({shared.span(suggestion.bpcer)})"
        )
    if not found.suggestions:
        output.line("no threshold suggested: APCER 10% takes 30 attacks of each kind, 5% takes 60")
    if found.unreadable:
        output.line(f"! {counted(found.unreadable, 'file')} cannot be read, counted nowhere")
