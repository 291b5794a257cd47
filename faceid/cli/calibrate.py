"""`faceid calibrate`: find the threshold that meets a goal, on the user's data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from faceid.cli import _evaluation as shared
from faceid.cli._options import Fmr, Fpir, MinFace, Subject, session_of, subject_from
from faceid.cli.messages import advised

if TYPE_CHECKING:
    from faceid.app.faceid import FaceID

NAME = "calibrate"


def run(
    context: typer.Context,
    data: shared.DataSet = None,
    fmr: Fmr = None,
    fpir: Fpir = None,
    identities: Annotated[
        int | None,
        typer.Option(
            "--identities",
            metavar="N",
            help="The size of the gallery for --fpir. Default: the number of enrolled identities, else that in DATA.",
            show_default=False,
        ),
    ] = None,
    max_fnmr: Annotated[
        float | None,
        typer.Option(
            "--max-fnmr",
            metavar="F",
            help="The greatest false non-match rate (FNMR), at any FMR.",
            show_default=False,
        ),
    ] = None,
    cost: Annotated[
        float | None,
        typer.Option(
            "--cost",
            metavar="C",
            help="Find the least expected cost if a false match costs C times a false non-match.",
            show_default=False,
        ),
    ] = None,
    prior: Annotated[
        float | None,
        typer.Option(
            "--prior",
            metavar="P",
            help="With --cost: the share of non-mated attempts. Default: 0.5.",
            show_default=False,
        ),
    ] = None,
    attributes: shared.KindsOfPeople = None,
    images: shared.Images = None,
    put: Annotated[
        bool, typer.Option("--put", help="Activate the threshold for this gallery and its model.")
    ] = False,
    report: shared.Report = None,
    seed: shared.Seed = 0,
    subject: Subject = "largest",
    min_face: MinFace = None,
) -> None:
    """Find the threshold that meets a goal, and its error rates, on your own photos or scores.

    The FMR among people who are alike is measured too. With --put, both rates of the gallery's policy are your own.

    The default goal is FMR 1e-4. For a rate that DATA is too small to count, a fit to the tail is read at its strict
    end and marked, or the rate is refused. A report on the gallery itself includes the findings of `gallery-health`.
    """
    import numpy as np

    from faceid.errors import UsageError
    from faceid.evaluation.activation import activate_calibration
    from faceid.evaluation.data.material import GALLERY
    from faceid.evaluation.protocols.alike import alike_curve, at_threshold
    from faceid.evaluation.protocols.evaluation import calibrate
    from faceid.evaluation.protocols.goals import Goal
    from faceid.evaluation.report.health_report import with_health

    goal = Goal(fmr=fmr, fpir=fpir, max_fnmr=max_fnmr, cost=cost, identities=identities, prior=prior)
    rule = subject_from(subject)
    session = session_of(context)
    output = session.output
    rng = np.random.default_rng(seed)
    with session.open(min_face=min_face) as system:
        if put:
            # Before the photos are read: a missing gallery is an error of the request.
            system.services.gallery()
        material = shared.load(session, system, data, rng, images, subject=rule)
        size = identities or enrolled(system) or material.data.identities
        if fpir is not None and not size:
            raise UsageError("--fpir needs a size of gallery", remedy="fpir_without_size")
        findings = calibrate(material, goal, rng, command=shared.command_line(), identities=max(1, size))
        assert findings.proposed is not None
        curve, silent = alike_curve(material, attributes, rng)
        alike = None if curve is None else at_threshold(curve, findings.proposed.threshold)
        findings = replace(findings, alike=alike, caveats=(*findings.caveats, *silent))
        policy = (
            activate_calibration(
                system.services.gallery(),
                material,
                goal,
                findings,
                rng,
                identities=max(1, size),
                own=system.services.current().calibration,
                alike=curve,
            )
            if put
            else None
        )
        if report is not None and material.data.kind == GALLERY:
            with output.progress("examining") as advance:
                findings = with_health(findings, system.people.examination(), advance)
            findings = replace(findings, health=tuple(map(advised, findings.health)))
    shared.write_report(findings, report, output, system)
    output.emit(shared.summary(findings, policy=policy))
    if not output.json:
        shared.tell_data(output, findings)
        shared.tell_rates(output, findings)
        shared.tell_alike(output, findings)
        shared.tell_searches(output, findings)
        if policy is not None and findings.proposed is not None:
            output.line(f"active: policy {policy}, threshold {findings.proposed.threshold:.6g}")


def enrolled(system: FaceID) -> int:
    """The number of identities in the gallery; 0 without a gallery."""
    with system.services.existing_gallery() as gallery:
        return 0 if gallery is None else gallery.identity_count()
