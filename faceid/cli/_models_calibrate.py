"""`faceid models calibrate`: measure a network on the user's photos, so that it has thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from faceid.cli import _evaluation as shared
from faceid.cli._options import MinFace, Subject, session_of, subject_from

if TYPE_CHECKING:
    from faceid.cli._render import Output
    from faceid.results import CalibrationResult, MeasuredThreshold


def run(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The network: see `faceid models`, or onnx:FILE.")
    ],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder per person, or a pairs file (LFW's format, or CSV file1,file2,same).",
        ),
    ],
    images: shared.Images = None,
    attributes: shared.KindsOfPeople = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the calibration that the network has.")
    ] = False,
    seed: shared.Seed = 0,
    subject: Subject = "largest",
    min_face: MinFace = None,
) -> None:
    """Measure a network on photos of known people, and keep its thresholds.

    A network without a calibration gets the thresholds for --fmr, --fmr-alike, --fpir and the defaults. The photos
    should be of people whom the network was not trained on. Galleries keep the thresholds of their own policies.
    """
    import numpy as np

    from faceid.app.network_calibration import calibrate

    rule = subject_from(subject)
    session = session_of(context)
    output = session.output
    with output.progress("looking") as advance:
        result = calibrate(
            name,
            data,
            session.settings,
            np.random.default_rng(seed),
            images=images,
            attributes=attributes,
            replace=replace,
            subject=rule,
            min_face=min_face,
            progress=advance,
            warn=lambda caveat: output.note(caveat.message),
        )
    output.emit(result)
    _tell(output, result)


def _tell(output: Output, result: CalibrationResult) -> None:
    lost = ", ".join(f"{count:,} {reason}" for reason, count in sorted(result.lost.items()))
    output.line(
        f"{result.identities:,} people, {result.photos:,} photos, {result.templates:,} templates"
        f"{f' (lost: {lost})' if lost else ''}"
    )
    output.line(f"{result.mated:,} mated and {result.non_mated:,} non-mated comparisons of {result.name}")
    output.table(
        ["FMR", "95 %", "among alike", "threshold", "FNMR"],
        [_row(threshold) for threshold in result.thresholds if threshold.fmr <= 0.1],
    )
    output.line(f"stored in {result.path}")
    output.line(f"the lowest FMR that these photos carry is {result.least_fmr:g}")


def _row(threshold: MeasuredThreshold) -> tuple[object, ...]:
    return (
        f"{threshold.fmr:g}",
        f"{threshold.low:.1e} .. {threshold.high:.1e}",
        "-" if threshold.fmr_alike is None else f"{threshold.fmr_alike:.1e}",
        f"{threshold.distance:.4f}",
        "-" if threshold.fnmr is None else f"{threshold.fnmr:.2%}",
    )
