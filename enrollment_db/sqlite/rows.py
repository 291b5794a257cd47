"""Between Python values and the columns of a row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrollment_db.errors import BadTemplate, Corrupt
from enrollment_db.records import Batch, Box, Identity, ModelKey, StoredPolicy, Template

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
    ),
    *("created_at", "active", "follows", "since"),
)
POLICY_COLUMNS = ", ".join(f"p.{name}" for name in _POLICY_FIELDS)

_STORED = np.dtype("<f4")
# float32 rounding of a unit vector is below 1e-6; beyond this somebody forgot to normalise.
_NORM_TOLERANCE = 1e-3


def to_blob(vector: NDArray[np.float32], dim: int, what: str) -> bytes:
    """The vector as stored, little-endian float32. Raises BadTemplate if it is no unit vector of `dim`.

    `what` names it in the error.
    """
    values = np.asarray(vector)
    if values.shape != (dim,):
        raise BadTemplate(f"{what} has shape {values.shape}, not ({dim},)", remedy="one_model")
    blob = values.astype(_STORED)
    if not np.isfinite(blob).all():
        raise BadTemplate(f"{what} has values that are not finite", remedy="compute_again")
    norm = float(np.linalg.norm(blob))
    if abs(norm - 1) > _NORM_TOLERANCE:
        raise BadTemplate(f"{what} has length {norm:.4g}, not 1", remedy="normalise")
    return blob.tobytes()


def to_blobs(vectors: NDArray[np.float32]) -> Iterator[bytes]:
    """The rows of (n, d) vectors as stored. Raises BadTemplate before the first if one is no unit vector."""
    stored = np.ascontiguousarray(vectors, dtype=_STORED)
    if stored.ndim != 2:
        raise BadTemplate(f"the templates have shape {stored.shape}, not (n, d)", remedy="one_row_each")
    # NaN and infinity make a norm that is not near 1 either.
    near = np.abs(np.linalg.norm(stored, axis=1) - 1) <= _NORM_TOLERANCE
    if not near.all():
        raise BadTemplate(
            f"template {int(np.argmin(near))} is not finite and of length 1", remedy="normalise_all"
        )
    size = stored.shape[1] * _STORED.itemsize
    data = stored.tobytes()
    return (data[start : start + size] for start in range(0, len(data), size))


def to_digest(sha256: str) -> bytes:
    """The 32 bytes of a hash in hex. Raises BadTemplate for anything else."""
    try:
        digest = bytes.fromhex(sha256)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise BadTemplate(f"{sha256[:80]!a} is no SHA-256", remedy="digits_of_hash")
    return digest


def to_identity(row: tuple[Any, ...]) -> Identity:
    """An identity from id, name, count of templates, time, and attributes as JSON or None."""
    id_, name, templates, created_at, attributes = row
    return Identity(id_, name, templates, created_at, {} if attributes is None else json.loads(attributes))


def to_json(values: Sequence[float] | NDArray[np.float32] | None) -> str | None:
    """Coordinates as people read them: to a hundredth of a pixel, which is finer than any detector."""
    return None if values is None else json.dumps(np.asarray(values, np.float64).round(2).tolist())


def to_vectors(blobs: Sequence[bytes], dim: int, path: str) -> NDArray[np.float32]:
    """(n, dim) float32 of n stored vectors. Raises Corrupt if one has another length."""
    if any(len(blob) != dim * _STORED.itemsize for blob in blobs):
        raise Corrupt(
            f"the gallery {path} holds a template of the wrong length",
            remedy="damaged_template",
            path=path,
        )
    stored = np.frombuffer(b"".join(blobs), _STORED).reshape(len(blobs), dim)
    return stored.astype(np.float32, copy=False)


def to_ids(values: Sequence[int]) -> NDArray[np.int64]:
    """(n,) int64."""
    return np.array(values, np.int64)


def to_batch(rows: Sequence[Sequence[Any]], model: ModelKey | None, path: str) -> Batch:
    """A Batch of rows (template id, identity id, vector). Raises Corrupt."""
    return Batch(
        model=model,
        template_ids=to_ids([row[0] for row in rows]),
        identity_ids=to_ids([row[1] for row in rows]),
        vectors=to_vectors([row[2] for row in rows], model.dim if model else 0, path),
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
    """A Template of: id, name, source, sha256, quality, box, landmarks, created_at, MODEL_COLUMNS."""
    id_, name, source, digest, quality, box, landmarks, created_at, *model = row
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
    )


def to_policy(row: Sequence[Any]) -> StoredPolicy:
    """A Policy of POLICY_COLUMNS, then MODEL_COLUMNS."""
    fields = dict(zip(_POLICY_FIELDS, row, strict=False))
    fields["by_hand"], fields["active"] = bool(fields["by_hand"]), bool(fields["active"])
    return StoredPolicy(model=to_model(row[len(_POLICY_FIELDS) :]), **fields)
