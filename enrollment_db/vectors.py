"""What every database checks of vectors and hashes, when they are written and when they are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from enrollment_db.errors import BadTemplate, Corrupt

_NORM_TOLERANCE = 1e-3
"""float32 rounding of a unit vector is below 1e-6; beyond this tolerance the caller forgot to normalise."""
_STORED_TOLERANCE = 2.1e-3
"""Of the squared length, a little wider than on writing: nothing that was stored is refused because of rounding."""


def check_vector(vector: NDArray[np.float32], dim: int, what: str) -> NDArray[np.float32]:
    """The vector as float32. Raises BadTemplate if it is no unit vector of `dim`; `what` names it in the error."""
    values = np.asarray(vector)
    if values.shape != (dim,):
        raise BadTemplate(f"{what} has shape {values.shape}, not ({dim},)", remedy="one_model")
    checked = values.astype(np.float32)
    if not np.isfinite(checked).all():
        raise BadTemplate(f"{what} has values that are not finite", remedy="compute_again")
    norm = float(np.linalg.norm(checked))
    if abs(norm - 1) > _NORM_TOLERANCE:
        raise BadTemplate(f"{what} has length {norm:.4g}, not 1", remedy="normalise")
    return checked


def check_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, d) vectors as contiguous float32. Raises BadTemplate if one is no unit vector."""
    checked = np.ascontiguousarray(vectors, dtype=np.float32)
    if checked.ndim != 2:
        raise BadTemplate(f"the templates have shape {checked.shape}, not (n, d)", remedy="one_row_each")
    # NaN and infinity make a norm that is not near 1 either.
    near = np.abs(np.linalg.norm(checked, axis=1) - 1) <= _NORM_TOLERANCE
    if not near.all():
        raise BadTemplate(
            f"template {int(np.argmin(near))} is not finite and of length 1", remedy="normalise_all"
        )
    return checked


def check_stored(vectors: NDArray[np.float32], template_ids: Sequence[int], location: str) -> None:
    """Raise Corrupt, which names the template, unless all of (n, d) vectors that were read are of unit length."""
    wrong = wrong_rows(vectors)
    if len(wrong):
        row = int(wrong[0])
        raise damaged(template_ids[row], what_is_wrong(vectors[row]), location)


def wrong_rows(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """The rows (n,) of (m, d) vectors that were read, ascending, that are not finite and of unit length."""
    squares = np.einsum("ij,ij->i", vectors, vectors)
    # NaN is near nothing.
    near = np.abs(squares - 1) <= _STORED_TOLERANCE
    return np.empty(0, np.int64) if near.all() else np.flatnonzero(~near)


def what_is_wrong(vector: NDArray[np.float32]) -> str:
    """In words, what is wrong with a vector of `wrong_rows`."""
    if not np.isfinite(vector).all():
        return "has values that are not finite"
    return f"has length {np.linalg.norm(vector.astype(np.float64)):.4g}, not 1"


def damaged(template_id: int, what: str, location: str) -> Corrupt:
    """The error for a stored template that cannot be used; `what` says what is wrong with it."""
    return Corrupt(
        f"template {template_id} of the gallery {location} {what}",
        remedy="damaged_template",
        path=location,
        template_id=template_id,
    )


def to_digest(sha256: str) -> bytes:
    """The 32 bytes of a hash in hex. Raises BadTemplate for anything else."""
    try:
        digest = bytes.fromhex(sha256)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise BadTemplate(f"{sha256[:80]!a} is no SHA-256", remedy="digits_of_hash")
    return digest
