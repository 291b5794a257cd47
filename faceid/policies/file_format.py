"""Export and import of active policies as JSON files.

One object: `format` ("faceid-policies"), `version` (1), `exported_at`, `software`, `model` (name, weights_sha256,
aligner, dim, metric) and `policies`: kind, target, threshold, by_hand, alike, data, mated, non_mated, low, high,
created_at, and `calibration` if the policy was measured on the gallery owner's data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from enrollment_db.records import Metric, NewPolicy, StoredPolicy, TargetKind, now
from faceid.distribution import VERSION
from faceid.documents import Amount, BadDocument, Count, Positive, Text, as_type, parse_json, read_text
from faceid.errors import GalleryError, InputError, Refused
from faceid.gallery.gallery import Gallery
from faceid.networks.calibration import Calibration, check_calibration, to_json
from faceid.networks.files import write_whole
from faceid.policies.stored import activate_all, check_model
from faceid.results import PolicyTransfer
from faceid.types import ModelKey

FORMAT = "faceid-policies"


@dataclass(frozen=True, slots=True)
class _Model:
    name: Text
    weights_sha256: Text
    aligner: Text
    dim: Positive
    metric: Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class _Policy:
    kind: TargetKind
    target: Annotated[float, Meta(gt=0.0, le=1.0, description="a rate above 0, at most 1")]
    threshold: Amount
    by_hand: bool
    data: Text
    mated: Count
    non_mated: Count
    low: Amount
    high: Amount
    created_at: str | None = None
    alike: bool = False
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    format: Literal["faceid-policies"]
    version: Literal[1] = 1
    exported_at: str | None = None
    software: str | None = None
    model: _Model
    policies: Annotated[
        tuple[_Policy, ...], Meta(min_length=1, description="an array of tables that is not empty")
    ]


_MODEL = tuple(field.name for field in fields(_Model))
_FIELDS = tuple(field.name for field in fields(_Policy) if field.name != "calibration")


def export_policies(gallery: Gallery, model: ModelKey, path: Path) -> PolicyTransfer:
    """Write the active policies of `model` to `path`; the file appears complete or not at all.

    Raises Refused if none is active, GalleryError if the file cannot be written.
    """
    policies = [row for row in gallery.policies() if row.active and row.model == model]
    if not policies:
        raise Refused(
            "no policy is active, so there is nothing to export", code="no_policy", remedy="set_policy"
        )
    document = {
        "format": FORMAT,
        "version": 1,
        "exported_at": now(),
        "software": f"faceid {VERSION}",
        "model": {name: getattr(model, name) for name in _MODEL},
        "policies": [_to_dict(policy) for policy in policies],
    }
    try:
        write_whole(path, [json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"])
    except OSError as error:
        raise GalleryError(
            f"cannot write {path}: {error.strerror}",
            code="cannot_write",
            remedy="choose_another_place",
            path=str(path),
        ) from error
    return PolicyTransfer("exported", str(path), len(policies), model.name)


def import_policies(gallery: Gallery, model: ModelKey, path: Path) -> PolicyTransfer:
    """Make the policies of a file the active ones, all of them or none.

    Raises InputError for a file without policies, GalleryError (`model_mismatch`) for policies of another model.
    """
    document = _read(path)
    found = ModelKey(**{name: getattr(document.model, name) for name in _MODEL})
    check_model(gallery, found)
    if found != model:
        raise GalleryError(
            f"the policies of {path} are for {found}, not for {model}",
            code="model_mismatch",
            remedy="calibrate_this_model",
            path=str(path),
        )
    activate_all(gallery, [_to_row(policy, found) for policy in document.policies])
    return PolicyTransfer("imported", str(path), len(document.policies), model.name)


def _to_dict(policy: StoredPolicy) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(policy, name) for name in _FIELDS}
    if policy.calibration is not None:
        values["calibration"] = json.loads(policy.calibration)
    return values


def _read(path: Path) -> _Document:
    try:
        document = as_type(parse_json(read_text(path), path.name), _Document, path.name)
        for number, policy in enumerate(document.policies):
            if policy.calibration is not None:
                check_calibration(policy.calibration, f"{path.name}: policies[{number}].calibration.")
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", code="unreadable", path=str(path)
        ) from error
    except BadDocument as error:
        raise InputError(
            f"{path} is no file of policies: {error}",
            code="bad_policy",
            remedy="export_policies",
            path=str(path),
        ) from error
    return document


def _to_row(policy: _Policy, model: ModelKey) -> NewPolicy:
    own = policy.calibration
    return NewPolicy(
        model=model,
        kind=policy.kind,
        target=policy.target,
        threshold=policy.threshold,
        data=policy.data,
        mated=policy.mated,
        non_mated=policy.non_mated,
        low=policy.low,
        high=policy.high,
        calibration=None if own is None else to_json(own),
        by_hand=policy.by_hand,
        alike=policy.alike,
    )
