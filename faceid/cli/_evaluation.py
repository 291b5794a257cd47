"""The common parts of `faceid calibrate` and `faceid evaluate`: options, reading DATA, printing the findings."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceid.cli._options import Session
from faceid.cli._render import Output, plain

if TYPE_CHECKING:
    import numpy as np

    from faceid.app.faceid import FaceID
    from faceid.config import Settings
    from faceid.evaluation.data.material import Material
    from faceid.evaluation.findings import Findings, OperatingRow
    from faceid.evaluation.statistics.intervals import Interval
    from faceid.recognition.subject import SubjectRule
    from faceid.types import Metric

DataSet = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="A folder per identity, a pairs file (LFW's format, or CSV file1,file2,same), scores (CSV or NPZ:"
        " distance or similarity, and mated), or `gallery`: the gallery itself, which is the default.",
        show_default=False,
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="ROOT",
        help="Where the photos of a pairs file are. Default: beside it.",
        show_default=False,
    ),
]
KindsOfPeople = Annotated[
    Path | None,
    typer.Option(
        "--attributes",
        metavar="FILE.csv",
        help=(
            "A CSV with the column identity, and columns such as sex and group: people with equal values are alike."
            " Default: the half of the others whose templates are nearest to each person."
        ),
        show_default=False,
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write a report: HTML, or JSON by the suffix .json.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of all random draws.")]


def load(
    session: Session,
    system: FaceID,
    what: str | None,
    rng: np.random.Generator,
    images: Path | None,
    *,
    subject: SubjectRule,
    whole: bool = False,
) -> Material:
    """Read DATA, with a progress bar while photos are processed."""
    from faceid.evaluation.data import material as data_sets

    asked = session.settings.model
    tools = data_sets.Tools(
        pipeline=lambda: system.services.current().pipeline,
        gallery=system.services.gallery,
        model=asked,
        metric=lambda: _metric(session.settings),
        subject=subject,
    )
    with session.output.progress("looking") as advance:
        return data_sets.load(what, tools, rng, images=images, whole=whole, progress=advance)


def command_line() -> str:
    """The command line of the user."""
    return shlex.join(["faceid", *sys.argv[1:]])


def write_report(findings: Findings, path: Path | None, output: Output, system: FaceID) -> None:
    """Write the requested report, if any, with the faces. Raises UsageError if it cannot be written."""
    if path is None:
        return
    from faceid.evaluation.report.pairs import with_thumbnails
    from faceid.evaluation.report.render import write_report as write

    write(with_thumbnails(findings, lambda: system.services.current().pipeline.detector), path)
    output.note(f"wrote {path}")


def summary(findings: Findings, **extra: Any) -> dict[str, Any]:
    """The findings for programs, without the parts that only a report draws: curves, histogram, thumbnails."""
    fields = plain(findings)
    for name in ("det", "histogram"):
        del fields[name]
    if fields["open_set"] is not None:
        del fields["open_set"]["curve"]
    for name in ("nearest", "farthest"):
        for pair in fields[name]:
            del pair["thumbnails"]
    return {**fields, **extra}


def tell_data(output: Output, findings: Findings) -> None:
    """Print the evaluated data, and the caveats."""
    data = findings.data
    if data.photos:
        lost = ", ".join(f"{count:,} {reason}" for reason, count in sorted(data.lost.items()))
        output.line(
            f"{data.identities:,} identities, {data.photos:,} photos, {data.templates:,} templates"
            f"{f' (lost: {lost})' if lost else ''}"
        )
    output.line(f"{data.mated:,} mated and {data.non_mated:,} non-mated comparisons of {findings.model}")
    if data.mated_lost or data.non_mated_lost:
        output.line(
            f"failures to acquire: {data.fta:.2%} of the photos, which lose"
            f" {data.mated_lost:,} mated and {data.non_mated_lost:,} non-mated comparisons"
        )
    for caveat in findings.caveats:
        output.line(f"! {caveat.message}")


def tell_rates(output: Output, findings: Findings) -> None:
    """The operating points, and the measures that need no threshold."""
    rows = findings.rows if findings.proposed is None else (*findings.rows, findings.proposed)
    output.table(
        ["asked for", "threshold", "FMR", "95 %", "FNMR", "95 % ", "FRR", "from"],
        [_operating(row) for row in rows],
    )
    parts = [
        f"{name} {value:.{digits}f}"
        for name, value, digits in (
            ("EER", findings.eer, 4),
            ("AUC", findings.auc, 5),
            ("d'", findings.d_prime, 2),
            ("Cllr", findings.cllr, 4),
            ("least Cllr", findings.min_cllr, 4),
        )
        if value is not None
    ]
    if parts:
        output.line(", ".join(parts))


def tell_alike(output: Output, findings: Findings) -> None:
    """The FMR among people who are alike, at the proposed threshold."""
    found = findings.alike
    if found is None or findings.proposed is None:
        return
    value, ends = cells(found.fmr)
    output.line(f"FMR among alike at threshold {findings.proposed.threshold:.4f}: {value} ({ends})")
    output.paragraph(
        f"{found.population}; {found.non_mated:,} non-mated comparisons of {found.people:,} people", indent=2
    )


def tell_searches(output: Output, findings: Findings) -> None:
    """FPIR by the size of the gallery, predicted and observed."""
    output.table(
        ["gallery of", "threshold", "", "FPIR", "95 %", "FNIR", "95 % "],
        [
            (
                f"{point.identities:,}",
                f"{point.threshold:.4f}",
                "observed" if point.observed else "predicted",
                *cells(point.fpir),
                *((None, None) if point.fnir is None else cells(point.fnir)),
            )
            for point in findings.by_size
        ],
    )


def rate(value: float) -> str:
    """A single rate."""
    return _rate(value, value)


def cells(interval: Interval) -> tuple[str, str]:
    """A rate and the ends of its interval in one format: per cent, or powers of ten if all are small."""
    low, high = (_rate(bound, interval.high) for bound in (interval.low, interval.high))
    return _rate(interval.rate, interval.high), f"{low} .. {high}"


def span(interval: Interval) -> str:
    """The ends of an interval."""
    return cells(interval)[1]


def _rate(value: float, largest: float) -> str:
    return f"{value:.1e}" if 0 < largest < 5e-3 else f"{value:.2%}"


def _operating(row: OperatingRow) -> tuple[object, ...]:
    return (
        row.asked,
        f"{row.threshold:.4f}",
        *cells(row.fmr),
        *cells(row.fnmr),
        rate(row.frr),
        "fit, strict end" if row.extrapolated else "counted",
    )


def _metric(settings: Settings) -> Metric:
    from faceid.networks import registry

    model = settings.model
    return "cosine" if model is None else registry.card(model, settings.models_dir).metric
