"""Adds the examination of a gallery to the findings of a report."""

from __future__ import annotations

import platform
import shlex
import sys
from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import version

from faceid.distribution import VERSION
from faceid.evaluation.findings import Data, Findings
from faceid.evaluation.protocols.health import Bounds, Examination, Progress, Worst
from faceid.evaluation.statistics.caveats import Caveat
from faceid.types import ModelKey

REPORTED = 500
"""The greatest number of findings of one kind in a report."""


def with_health(findings: Findings, examination: Examination, progress: Progress | None = None) -> Findings:
    """`findings` about a gallery with the results of `examination`. Raises GalleryError."""
    worst = Worst(REPORTED)
    for found in examination.run(progress):
        worst.add(found)
    return replace(
        findings,
        health=worst.kept(),
        caveats=(*findings.caveats, *_caveats(worst, examination.bounds)),
    )


def health_findings(source: str, model: ModelKey | None, worst: Worst, bounds: Bounds) -> Findings:
    """The findings in `worst` about the gallery at `source`, with their caveats."""
    return Findings(
        title="Health of a gallery",
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        command=shlex.join(["faceid", *sys.argv[1:]]),
        versions={
            "faceid": VERSION,
            "numpy": version("numpy"),
            "platform": platform.platform(),
            "python": platform.python_version(),
        },
        model="-" if model is None else str(model),
        metric="-" if model is None else model.metric,
        data=Data(
            source=source,
            kind="gallery",
            identities=bounds.identities,
            photos=bounds.templates,
            templates=bounds.templates,
            lost={},
            mated=0,
            non_mated=0,
            duplicates=(),
            sha256="",
        ),
        caveats=_caveats(worst, bounds),
        health=worst.kept(),
    )


def _caveats(worst: Worst, bounds: Bounds) -> tuple[Caveat, ...]:
    caveats = []
    left_out = sum(worst.counts.values()) - len(worst.kept())
    if left_out:
        caveats.append(
            Caveat(
                "shortened",
                f"{left_out:,} lesser findings about the gallery are left out here; an examination of the"
                " gallery lists them all",
            )
        )
    if bounds.look_alikes_by_chance is not None and bounds.look_alikes_by_chance >= 2.0:
        caveats.append(
            Caveat(
                "by_chance",
                f"in a gallery of this size about {bounds.look_alikes_by_chance:,.0f} non-mated pairs are as close"
                " as look-alikes",
            )
        )
    rates = bounds.rates
    if rates is not None and rates.raises:
        caveats.append(
            Caveat(
                "similar_people",
                f"of {rates.comparisons:,} comparisons between {rates.people:,} people of the gallery"
                f" {100 * rates.observed:.2g} % are as near as {100 * rates.stated:g} % are by the card (at least"
                f" {100 * rates.low:.2g} %): searches use a stricter threshold",
            )
        )
    if bounds.templates and bounds.look_alike_within is None:
        caveats.append(
            Caveat("not_calibrated", "the model has no calibration: look-alikes were not searched for")
        )
    return tuple(caveats)
