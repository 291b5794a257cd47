"""Policies in force, in and out of JSON files.

One object: `format` ("faceid-policies"), `version` (1), `exported_at`, `software`, `model` (name, weights_sha256,
aligner, dim, metric) and `policies`: kind, target, threshold, by_hand, data, mated, non_mated, low, high, created_at,
and `calibration` where the policy was measured on data of the owner's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from enrollment_db.records import Metric, Model, NewPolicy, Policy, TargetKind
from enrollment_db.sqlite.schema import now
from faceid.distribution import VERSION
from faceid.errors import GalleryError, InputError, Refused
from faceid.gallery.gallery import Gallery, key_of, record_of
from faceid.networks.calibration import read_calibration, to_json
from faceid.networks.errors import BadCard
from faceid.networks.files import write_whole
from faceid.networks.table import Table
from faceid.policies.stored import check_model, put_all
from faceid.results import PolicyTransfer
from faceid.types import ModelKey

FORMAT = "faceid-policies"

_KINDS: tuple[TargetKind, ...] = get_args(TargetKind)
_METRICS: tuple[Metric, ...] = get_args(Metric)
_MODEL = ("name", "weights_sha256", "aligner", "dim", "metric")
_FIELDS = (
    "kind",
    "target",
    "threshold",
    "by_hand",
    "data",
    "mated",
    "non_mated",
    "low",
    "high",
    "created_at",
)


def export_policies(gallery: Gallery, model: ModelKey, path: Path) -> PolicyTransfer:
    """Write the policies in force for `model` to `path`, whole or not at all.

    Raises Refused where none is in force, GalleryError where the file cannot be written.
    """
    stored_model = record_of(model)
    policies = [row for row in gallery.store.policies() if row.active and row.model == stored_model]
    if not policies:
        raise Refused(
            "no policy is in force, so there is nothing to export",
            code="no_policy",
            hint="put one in force with `faceid policy set`",
        )
    document = {
        "format": FORMAT,
        "version": 1,
        "exported_at": now(),
        "software": f"faceid {VERSION}",
        "model": {name: getattr(stored_model, name) for name in _MODEL},
        "policies": [_to_dict(policy) for policy in policies],
    }
    try:
        write_whole(path, [json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"])
    except OSError as error:
        raise GalleryError(
            f"cannot write {path}: {error.strerror}",
            code="cannot_write",
            hint="choose another place",
            path=str(path),
        ) from error
    return PolicyTransfer("exported", str(path), len(policies), model.name)


def import_policies(gallery: Gallery, model: ModelKey, path: Path) -> PolicyTransfer:
    """Put the policies of a file in force, all of them or none.

    Raises InputError for what is no such file, GalleryError (`model_mismatch`) for policies of another model.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        table = Table(document if isinstance(document, dict) else {}, path.name)
        table.choice("format", (FORMAT,))
        found = _read_model(table.table("model"))
        rows = [_read_policy(row, found) for row in table.tables("policies")]
        if not rows:
            raise table.bad("policies", "must not be empty")
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", code="unreadable", path=str(path)
        ) from error
    except (ValueError, BadCard) as error:
        raise InputError(
            f"{path} is no file of policies: {error}",
            code="bad_policy",
            hint="`faceid policy export` writes such files",
            path=str(path),
        ) from error
    check_model(gallery, key_of(found))
    if key_of(found) != model:
        raise GalleryError(
            f"the policies of {path} are for {found}, not for {model}",
            code="model_mismatch",
            hint="calibrate this model: a threshold means nothing to another",
            path=str(path),
        )
    put_all(gallery, rows)
    return PolicyTransfer("imported", str(path), len(rows), model.name)


def _to_dict(policy: Policy) -> dict[str, object]:
    fields: dict[str, object] = {name: getattr(policy, name) for name in _FIELDS}
    if policy.calibration is not None:
        fields["calibration"] = json.loads(policy.calibration)
    return fields


def _read_model(table: Table) -> Model:
    return Model(
        name=table.text("name"),
        weights_sha256=table.text("weights_sha256"),
        aligner=table.text("aligner"),
        dim=table.integer("dim", least=1),
        metric=table.choice("metric", _METRICS),
    )


def _read_policy(table: Table, model: Model) -> NewPolicy:
    own = table.optional_table("calibration")
    policy = NewPolicy(
        model=model,
        kind=table.choice("kind", _KINDS),
        target=table.number("target"),
        threshold=table.number("threshold"),
        data=table.text("data"),
        mated=table.integer("mated"),
        non_mated=table.integer("non_mated"),
        low=table.number("low"),
        high=table.number("high"),
        calibration=None if own is None else to_json(read_calibration(own)),
        by_hand=table.boolean("by_hand"),
    )
    if not 0.0 < policy.target <= 1.0:
        raise table.bad("target", "must be a rate above 0")
    return policy
