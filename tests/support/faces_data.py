"""Made-up faces for the tests of `faceid explore`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faceid.explore.faces import Faces


def made_up(
    names: Sequence[str], dim: int = 16, spread: float = 0.1, seed: int = 0, **fields: object
) -> Faces:
    """Faces near one direction a name; those of nobody anywhere."""
    rng = np.random.default_rng(seed)
    known = {name: rng.normal(size=dim) for name in sorted({*names} - {""})}
    rows = np.array([known.get(name, rng.normal(size=dim)) + spread * rng.normal(size=dim) for name in names])
    count = len(names)
    whole = {
        "source": "made up",
        "kind": "archive",
        "model": "fake",
        "metric": "cosine",
        "vectors": (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32),
        "names": tuple(names),
        "sources": tuple(f"{row}.jpg" for row in range(count)),
        "digests": tuple(f"{row:064x}" for row in range(count)),
        "boxes": np.full((count, 4), np.nan, np.float32),
        "quality": np.full(count, np.nan, np.float32),
        "outside": np.full(count, np.nan, np.float32),
        "thumbnails": (None,) * count,
        "lost": {},
    }
    return Faces(**{**whole, **fields})  # type: ignore[arg-type]
