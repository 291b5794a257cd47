"""The examination of a gallery as findings for the report."""

from __future__ import annotations

import platform
import shlex
import sys
from datetime import datetime, timezone
from importlib.metadata import version

from faceid.calibrate.claims import Caveat
from faceid.calibrate.findings import Data, Findings
from faceid.calibrate.health import Bounds, Worst
from faceid.types import ModelKey


def health_findings(source: str, model: ModelKey | None, worst: Worst, bounds: Bounds) -> Findings:
    """What `worst` holds of the gallery at `source`, with what must be said beside it."""
    health = worst.kept()
    caveats = []
    left_out = sum(worst.counts.values()) - len(health)
    if left_out:
        caveats.append(
            Caveat(
                "shortened", f"{left_out:,} lesser findings are left out here; `faceid --json` lists them all"
            )
        )
    if bounds.look_alikes_by_chance is not None and bounds.look_alikes_by_chance >= 2.0:
        caveats.append(
            Caveat(
                "by_chance",
                f"in a gallery of this size about {bounds.look_alikes_by_chance:,.0f} pairs of strangers are as close"
                " as look-alikes",
            )
        )
    if model is not None and bounds.look_alike_within is None:
        caveats.append(
            Caveat("not_calibrated", "without a calibration of the model look-alikes were not looked for")
        )
    return Findings(
        title="Health of a gallery",
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        command=shlex.join(["faceid", *sys.argv[1:]]),
        versions={
            "faceid": version("faceid"),
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
        caveats=tuple(caveats),
        health=health,
    )
