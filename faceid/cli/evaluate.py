"""`faceid evaluate`: measure error rates by the protocols of the field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceid.cli import _evaluation as shared
from faceid.cli import evaluate_liveness
from faceid.cli._options import Fmr, Fpir, MinFace, Subject, Threshold, session_of, subject_from
from faceid.cli._render import counted
from faceid.decision.decide import IDENTIFY_FPIR, Target

if TYPE_CHECKING:
    import numpy as np

    from faceid.cli._render import Output
    from faceid.evaluation.data.material import Material
    from faceid.evaluation.findings import Findings
    from faceid.evaluation.statistics.intervals import Ratio

NAME = "evaluate"

app = typer.Typer(
    help="Measure verification, identification, one-shot recognition, differences between groups, or liveness.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command(evaluate_liveness.NAME)(evaluate_liveness.run)


@app.command("verification")
def verification(
    context: typer.Context,
    data: shared.DataSet = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            metavar="K",
            help="Divide pairs without folds into K at random. Default: 10.",
            show_default=False,
        ),
    ] = None,
    images: shared.Images = None,
    report: shared.Report = None,
    seed: shared.Seed = 0,
    subject: Annotated[
        str | None,
        typer.Option(
            "--subject",
            metavar="largest|centre|only",
            help="As for `verify`. Default: centre for a list in LFW's format, whose photos are cut out around the "
            "labelled person; largest for any other.",
            show_default=False,
        ),
    ] = None,
    min_face: MinFace = None,
) -> None:
    """Verify listed pairs in K folds, as in LFW: each at the threshold that is best on the others.

    Every pair counts. A pair is an error where a photo of it has no template.
    """
    from faceid.evaluation.data.pair_files import in_lfw_format
    from faceid.evaluation.protocols import experiments

    output, findings = _evaluated(
        context,
        lambda material, rng, command: experiments.verification(material, folds, rng, command=command),
        data=data,
        images=images,
        report=report,
        seed=seed,
        subject=subject or ("centre" if in_lfw_format(data) else "largest"),
        min_face=min_face,
    )
    if findings.folds is not None:
        output.line(
            f"accuracy {findings.folds.mean:.2%}, standard error {findings.folds.standard_error:.2%}"
            f" over {len(findings.folds.accuracy)} folds of {findings.folds.pairs:,} pairs"
            + (f", {findings.folds.lost:,} of them lost and counted as errors" if findings.folds.lost else "")
        )
    shared.tell_rates(output, findings)


@app.command("identification")
def identification(
    context: typer.Context,
    data: shared.DataSet = None,
    gallery_photos: Annotated[
        int, typer.Option("--gallery-photos", metavar="K", min=1, help="Photos to enrol of each person.")
    ] = 1,
    strangers: Annotated[
        float,
        typer.Option(
            "--strangers", metavar="S", min=0.0, max=0.99, help="Share of people who are not enrolled."
        ),
    ] = 0.5,
    draws: Annotated[
        int, typer.Option("--draws", metavar="N", min=1, help="Number of galleries, drawn at random.")
    ] = 10,
    threshold: Threshold = None,
    fmr: Fmr = None,
    fpir: Fpir = None,
    report: shared.Report = None,
    seed: shared.Seed = 0,
    subject: Subject = "largest",
    min_face: MinFace = None,
) -> None:
    """Search an open set: other photos of the enrolled people, and people who are not enrolled. Default: FPIR 1 %."""
    from faceid.evaluation.protocols import experiments

    target = Target(threshold=threshold, fmr=fmr, fpir=fpir)
    output, findings = _evaluated(
        context,
        lambda material, rng, command: experiments.identification(
            material,
            Target(fpir=IDENTIFY_FPIR) if target == Target() else target,
            rng,
            photos=gallery_photos,
            strangers=strangers,
            draws=draws,
            command=command,
        ),
        data=data,
        report=report,
        seed=seed,
        subject=subject,
        min_face=min_face,
    )
    shared.tell_searches(output, findings)
    if (found := findings.open_set) is not None:
        output.line(
            f"{found.identities:,} people enrolled with {counted(found.photos, 'photo')} each, in"
            f" {counted(found.draws, 'draw')}:"
            f" {found.mated:,} mated and {found.non_mated:,} non-mated searches, rank 1 {found.rank_1:.2%}"
        )


@app.command("one-shot")
def one_shot(
    context: typer.Context,
    data: shared.DataSet = None,
    ways: Annotated[
        int, typer.Option("--ways", metavar="N", min=2, help="People to choose from, one photo each.")
    ] = 20,
    episodes: Annotated[int, typer.Option("--episodes", metavar="E", min=1, help="Number of trials.")] = 1000,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole",
            help="Use whole pictures as crops, without face detection.",
        ),
    ] = False,
    report: shared.Report = None,
    seed: shared.Seed = 0,
    subject: Subject = "largest",
    min_face: MinFace = None,
) -> None:
    """Recognise a photo among N people with one known photo each (N-way one-shot recognition)."""
    from faceid.evaluation.protocols import experiments

    output, findings = _evaluated(
        context,
        lambda material, rng, command: experiments.one_shot(
            material, rng, ways=ways, episodes=episodes, command=command
        ),
        data=data,
        report=report,
        seed=seed,
        subject=subject,
        min_face=min_face,
        whole=whole,
    )
    if (found := findings.one_shot) is not None:
        output.line(
            f"{found.ways}-way one-shot: {found.accuracy.rate:.2%} ({shared.span(found.accuracy)}) in"
            f" {found.episodes:,} episodes"
        )


@app.command("cohorts")
def cohorts(
    context: typer.Context,
    attributes: Annotated[
        Path,
        typer.Option(
            "--attributes",
            metavar="FILE.csv",
            help="A CSV with the attributes of people: the column identity, and one column per attribute.",
            show_default=False,
        ),
    ],
    data: shared.DataSet = None,
    across: Annotated[
        bool,
        typer.Option(
            "--across", help="Show the FMR across each two groups too, after the rows within groups."
        ),
    ] = False,
    threshold: Threshold = None,
    fmr: Fmr = None,
    report: shared.Report = None,
    seed: shared.Seed = 0,
    subject: Subject = "largest",
    min_face: MinFace = None,
) -> None:
    """Compare error rates between groups of people (demographic differentials).

    Groups are those of each attribute, and of all attributes crossed, such as sex x group. One threshold applies to all
    groups, by default that of FMR 1e-4 over all people.
    """
    from faceid.evaluation.protocols import experiments

    target = Target(threshold=threshold, fmr=fmr)
    output, findings = _evaluated(
        context,
        lambda material, rng, command: experiments.cohorts(
            material, attributes, target, rng, command=command, across=across
        ),
        data=data,
        report=report,
        seed=seed,
        subject=subject,
        min_face=min_face,
    )
    against = any(row.against is not None for row in findings.cohorts)
    output.table(
        [
            *("attribute", "group", *(["against"] if against else [])),
            *("people", "non-mated", "FMR", "95 %", "FNMR", "95 % "),
        ],
        [
            (
                row.attribute,
                row.group,
                *([row.against] if against else []),
                f"{row.identities:,}",
                f"{row.non_mated:,}",
                *shared.cells(row.fmr),
                *((None, None) if row.fnmr is None else shared.cells(row.fnmr)),
            )
            for row in findings.cohorts
        ],
    )
    shared.tell_alike(output, findings)
    for found in findings.differentials:
        equal = []
        for kind, ratio, worst in (
            ("FMR", found.fmr_ratio, found.fmr_worst),
            ("FNMR", found.fnmr_ratio, found.fnmr_worst),
        ):
            if worst:
                told = (
                    "no errors in the best group"
                    if ratio is None
                    else f"{ratio.value:.1f} times the best group's ({_ends(ratio)})"
                )
                output.line(f"{found.attribute}: worst {kind} in {worst}, {told}")
            elif kind == "FMR" or any(row.fnmr for row in findings.cohorts):
                equal.append(kind)
        if equal:
            output.line(f"{found.attribute}: no group differs in {' or '.join(equal)} beyond the intervals")


def _ends(ratio: Ratio) -> str:
    return f"{ratio.low:.1f} .. {'unbounded' if ratio.high is None else f'{ratio.high:.1f}'}"


def _evaluated(
    context: typer.Context,
    find: Callable[[Material, np.random.Generator, str], Findings],
    *,
    data: str | None,
    report: Path | None,
    seed: int,
    subject: str,
    min_face: float | None,
    images: Path | None = None,
    whole: bool = False,
) -> tuple[Output, Findings]:
    """Read DATA, run the protocol, write the report, and print a description of the data."""
    import numpy as np

    rule = subject_from(subject)
    session = session_of(context)
    output = session.output
    rng = np.random.default_rng(seed)
    with session.open(min_face=min_face) as system:
        material = shared.load(session, system, data, rng, images, subject=rule, whole=whole)
        findings = find(material, rng, shared.command_line())
    shared.write_report(findings, report, output, system)
    output.emit(shared.summary(findings))
    shared.tell_data(output, findings)
    return output, findings
