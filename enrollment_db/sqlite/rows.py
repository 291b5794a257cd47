"""Conversion between Python values and the columns of a row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrollment_db.records import Batch, Box, Identity, ModelKey, StoredPolicy, Template, TemplateState
from enrollment_db.vectors import check_stored, check_vector, check_vectors, damaged

MODEL_COLUMNS = "m.name, m.weights_sha256, m.aligner, m.dim, m.metric"

_POLICY_FIELDS = (
    *(
        "id",
        "kind",
        "target",
        "threshold",
        "data",
        "mated",
        "non_mated",
        "low",
        "high",
        "calibration",
        "by_hand",
        "alike",
    ),
    *("created_at", "active", "follows", "since"),
)
POLICY_COLUMNS = ", ".join(f"p.{name}" for name in _POLICY_FIELDS)

_STORED = np.dtype("<f4")


def to_blob(vector: NDArray[np.float32], dim: int, what: str) -> bytes:
    """The vector as stored, little-endian float32. Raises BadTemplate if it is not a unit vector of `dim`.

    `what` names it in the error.
    """
    return check_vector(vector, dim, what).astype(_STORED, copy=False).tobytes()


def to_blobs(vectors: NDArray[np.float32]) -> Iterator[bytes]:
    """The rows of (n, d) vectors as stored. Raises BadTemplate at once if any is not a unit vector."""
    stored = check_vectors(vectors).astype(_STORED, copy=False)
    size = stored.shape[1] * _STORED.itemsize
    data = stored.tobytes()
    return (data[start : start + size] for start in range(0, len(data), size))


def to_state(confirmed: bool | int) -> TemplateState:
    """The state of a template from the column `confirmed`."""
    return "confirmed" if confirmed else "unconfirmed"


def to_identity(row: tuple[Any, ...]) -> Identity:
    """An identity of: id, name, count of templates, time, attributes as JSON or None, count of unconfirmed ones."""
    id_, name, templates, created_at, attributes, unconfirmed = row
    known = {} if attributes is None else json.loads(attributes)
    return Identity(id_, name, templates, created_at, known, unconfirmed)


def to_json(values: Sequence[float] | NDArray[np.float32] | None) -> str | None:
    """Coordinates as JSON, to a hundredth of a pixel, which is finer than any detector."""
    return None if values is None else json.dumps(np.asarray(values, np.float64).round(2).tolist())


def to_vectors(
    blobs: Sequence[bytes], template_ids: Sequence[int], dim: int, path: str
) -> NDArray[np.float32]:
    """(n, dim) float32 of n stored vectors.

    Raises Corrupt, which names the template, if one has another length or is no unit vector.
    """
    size = dim * _STORED.itemsize
    if any(len(blob) != size for blob in blobs):
        wrong = next(id_ for id_, blob in zip(template_ids, blobs, strict=True) if len(blob) != size)
        raise damaged(wrong, "is a vector of the wrong length", path)
    stored = np.frombuffer(b"".join(blobs), _STORED).reshape(len(blobs), dim)
    vectors = stored.astype(np.float32, copy=False)
    check_stored(vectors, template_ids, path)
    return vectors


def by_identity(rows: Sequence[Sequence[Any]], dim: int, path: str) -> dict[int, NDArray[np.float32]]:
    """(n, dim) vectors by identity id, of rows that begin with identity id, template id, vector. Raises Corrupt."""
    vectors = to_vectors([row[2] for row in rows], [row[1] for row in rows], dim, path)
    places: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row[0], []).append(place)
    return {identity: vectors[own] for identity, own in places.items()}


def to_ids(values: Sequence[int]) -> NDArray[np.int64]:
    """(n,) int64."""
    return np.array(values, np.int64)


def to_batch(rows: Sequence[Sequence[Any]], model: ModelKey | None, path: str) -> Batch:
    """A Batch of rows (template id, identity id, vector). Raises Corrupt."""
    ids = [row[0] for row in rows]
    return Batch(
        model=model,
        template_ids=to_ids(ids),
        identity_ids=to_ids([row[1] for row in rows]),
        vectors=to_vectors([row[2] for row in rows], ids, model.dim if model else 0, path),
    )


def to_model(row: Sequence[Any]) -> ModelKey:
    """A ModelKey of MODEL_COLUMNS."""
    return ModelKey(*row)


def model_parameters(model: ModelKey) -> tuple[str, str, str, int, str]:
    """The values that belong to MODEL_COLUMNS."""
    return model.name, model.weights_sha256, model.aligner, model.dim, model.metric


def to_box(text: str) -> Box:
    """A box as `to_json` wrote it."""
    x1, y1, x2, y2 = json.loads(text)
    return x1, y1, x2, y2


def to_landmarks(text: str) -> NDArray[np.float32]:
    """(5, 2) float32 as `to_json` wrote them."""
    return np.array(json.loads(text), np.float32)


def to_template(row: Sequence[Any]) -> Template:
    """A Template of: id, name, source, sha256, quality, box, landmarks, created_at, confirmed, detector, then
    MODEL_COLUMNS.
    """
    id_, name, source, digest, quality, box, landmarks, created_at, confirmed, detector, *model = row
    return Template(
        id=id_,
        name=name,
        source=source,
        sha256=digest.hex(),
        quality=quality,
        model=to_model(model),
        box=None if box is None else to_box(box),
        landmarks=None if landmarks is None else to_landmarks(landmarks),
        created_at=created_at,
        state=to_state(confirmed),
        detector=detector,
    )


def to_policy(row: Sequence[Any]) -> StoredPolicy:
    """A Policy of POLICY_COLUMNS, then MODEL_COLUMNS."""
    fields = dict(zip(_POLICY_FIELDS, row, strict=False))
    for name in ("by_hand", "alike", "active"):
        fields[name] = bool(fields[name])
    return StoredPolicy(model=to_model(row[len(_POLICY_FIELDS) :]), **fields)
