"""Templates in and out of NumPy archives (.npz).

Arrays: `embeddings` float32 (n, d), `names` str (n), optional `sources` str (n); scalar strings `model` and
`metric`. Exports also carry `weights_sha256` and `aligner`, which an import compares where they are there, and
`photo_sha256` (n), by which a photo is known again after an import.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enrollment_db.records import NewTemplate
from faceid.errors import GalleryError, InputError
from faceid.gallery import Gallery, database_errors, other_model, record_of
from faceid.results import TransferResult
from faceid.types import ModelKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FORMAT = "see `faceid import --help` for the arrays"


def import_templates(gallery: Gallery, model: ModelKey, path: Path) -> TransferResult:
    """Store the templates of an archive, all of them or none; those that are there already are skipped.

    Vectors are brought to unit length. Raises InputError for a file that is not such an archive, GalleryError
    for templates of another model.
    """
    arrays = _load(path)
    _check_model(arrays, gallery, model, path)
    vectors = _unit_vectors(arrays["embeddings"], model.dim, path)
    names = [str(name) for name in arrays["names"]]
    sources = (
        [str(source) or None for source in arrays["sources"]] if "sources" in arrays else [None] * len(names)
    )
    if not len(vectors) == len(names) == len(sources):
        raise InputError(
            f"{path} has {len(vectors)} embeddings, {len(names)} names and {len(sources)} sources",
            code="bad_archive",
            hint=_FORMAT,
            path=str(path),
        )
    digests = _digests(arrays, vectors, path)
    by_name: dict[str, list[NewTemplate]] = defaultdict(list)
    for name, source, digest, vector in zip(names, sources, digests, vectors, strict=True):
        by_name[name].append(NewTemplate(vector=vector, sha256=digest, source=source))
    with database_errors(), gallery.store.transaction():
        added = [
            outcome
            for name, templates in by_name.items()
            for outcome in gallery.store.add(name, templates, record_of(model))
        ]
    skipped = sum(outcome.duplicate for outcome in added)
    return TransferResult("imported", str(path), len(by_name), len(added) - skipped, skipped, model.name)


def export_templates(gallery: Gallery, path: Path) -> TransferResult:
    """Write all templates to `path`, which is replaced only when everything is written.

    Raises GalleryError for an empty gallery, or a place that cannot be written.
    """
    import numpy as np

    model = gallery.model
    if model is None:
        raise GalleryError(
            "nothing is enrolled, so there is nothing to export", code="empty", hint="enrol first"
        )
    with database_errors():
        batches = [loaded.batch for loaded in gallery.store.load_all()]
        names = {who.id: who.name for who in gallery.store.identities()}
        stored = {
            template.id: template for name in names.values() for template in gallery.store.templates(name)
        }
    ids = np.concatenate([batch.template_ids for batch in batches])
    owners = np.concatenate([batch.identity_ids for batch in batches])
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # Templates are personal data: like the gallery itself, for its owner's eyes only.
        temporary.touch(mode=0o600)
        with temporary.open("wb") as file:
            np.savez(
                file,
                embeddings=np.concatenate([batch.vectors for batch in batches]),
                names=np.array([names[int(owner)] for owner in owners], dtype=np.str_),
                sources=np.array([stored[int(id_)].source or "" for id_ in ids], dtype=np.str_),
                photo_sha256=np.array([stored[int(id_)].sha256 for id_ in ids], dtype=np.str_),
                model=np.str_(model.name),
                metric=np.str_(model.metric),
                weights_sha256=np.str_(model.weights_sha256),
                aligner=np.str_(model.aligner),
            )
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise GalleryError(
            f"cannot write {path}: {error.strerror}",
            code="cannot_write",
            hint="choose another place",
            path=str(path),
        ) from error
    return TransferResult("exported", str(path), len(names), len(ids), 0, model.name)


def _load(path: Path) -> dict[str, NDArray[Any]]:
    import numpy as np

    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array")
            arrays = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}", code="unreadable", hint=_FORMAT, path=str(path)
        ) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is not an .npz archive of plain arrays: {error}",
            code="bad_archive",
            hint=_FORMAT,
            path=str(path),
        ) from error
    missing = [name for name in ("embeddings", "names", "model", "metric") if name not in arrays]
    if missing:
        raise InputError(
            f"{path} has no {' and no '.join(missing)}", code="bad_archive", hint=_FORMAT, path=str(path)
        )
    return arrays


def _check_model(arrays: dict[str, NDArray[Any]], gallery: Gallery, model: ModelKey, path: Path) -> None:
    expected = {
        "model": model.name,
        "metric": model.metric,
        "weights_sha256": model.weights_sha256,
        "aligner": model.aligner,
    }
    for field, value in expected.items():
        if field in arrays and str(arrays[field]) != value:
            raise GalleryError(
                f"{path} holds templates of {field} {arrays[field]}, not {value}",
                code="model_mismatch",
                hint=f"use --model {arrays['model']} and a gallery of that model",
                path=str(path),
            )
    pinned = gallery.model
    if pinned is not None and pinned != model:
        raise other_model(pinned, str(model))


def _digests(arrays: dict[str, NDArray[Any]], vectors: NDArray[np.float32], path: Path) -> list[str]:
    if "photo_sha256" not in arrays:
        # The photos are not at hand: the vector itself is what makes a second import of it a duplicate.
        return [hashlib.sha256(vector.tobytes()).hexdigest() for vector in vectors]
    digests = [str(digest) for digest in arrays["photo_sha256"]]
    if len(digests) != len(vectors) or not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests):
        raise InputError(
            f"{path} has photo_sha256 that are not one hash a template", code="bad_archive", path=str(path)
        )
    return digests


def _unit_vectors(embeddings: NDArray[Any], dim: int, path: Path) -> NDArray[np.float32]:
    import numpy as np

    problem = None
    if embeddings.ndim != 2 or embeddings.shape[1] != dim:
        problem = f"embeddings of shape {embeddings.shape}, where (n, {dim}) is needed"
    elif not np.issubdtype(embeddings.dtype, np.floating):
        problem = f"embeddings of type {embeddings.dtype}, where float32 is needed"
    else:
        lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or (lengths < 1e-6).any():
            problem = "embeddings that are not finite, or zero"
    if problem is not None:
        raise InputError(f"{path} has {problem}", code="bad_archive", hint=_FORMAT, path=str(path))
    return np.ascontiguousarray(embeddings / lengths, dtype=np.float32)
