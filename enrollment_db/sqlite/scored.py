"""The reads of templates that scores are computed from: of confirmed templates, and of no others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from enrollment_db.records import Enrolled, ModelKey, Owner, Owners
from enrollment_db.sqlite import models
from enrollment_db.sqlite.connections import Connections
from enrollment_db.sqlite.rows import by_identity, model_parameters, to_ids, to_vectors

Ids: TypeAlias = Sequence[int] | NDArray[np.int64]

_WHOSE = "SELECT id, identity_id FROM templates WHERE id IN (SELECT value FROM json_each(?)) AND confirmed"


def identity_ids_of(connections: Connections, template_ids: Ids) -> NDArray[np.int64]:
    """The identity id of each of n templates, (n,); -1 for an id that is not stored or not confirmed."""
    wanted = [int(id_) for id_ in template_ids]
    found = dict(connections.query(_WHOSE, (json.dumps(wanted),)))
    return to_ids([found.get(id_, -1) for id_ in wanted])


def owners_of(
    connections: Connections,
    template_ids: Sequence[Sequence[int]] | NDArray[np.int64],
    model: ModelKey,
    most: int,
) -> Owners:
    """The first `most` identities of each row of (m, k) template ids, with their vectors. Raises Corrupt."""
    rows = np.asarray(template_ids, np.int64)
    with connections.reading() as connection:
        # As many ids are enough where each identity has one template.
        whose = dict(connection.execute(_WHOSE, (json.dumps(np.unique(rows[:, :most]).tolist()),)))
        of_probe = _first_identities(rows[:, :most], whose, most)
        if any(len(identities) < most for identities in of_probe) and rows.shape[1] > most:
            whose.update(connection.execute(_WHOSE, (json.dumps(np.unique(rows[:, most:]).tolist()),)))
            of_probe = _first_identities(rows, whose, most)
        wanted = sorted({identity for row in of_probe for identity in row})
        found = connection.execute(
            f"""
            SELECT i.id, t.id, t.vector, i.name FROM templates t JOIN identities i ON i.id = t.identity_id
            WHERE t.identity_id IN (SELECT value FROM json_each(?))
            AND t.model_id = (SELECT m.id FROM models m WHERE {models.SAME_MODEL}) AND t.confirmed ORDER BY t.id
            """,
            (json.dumps(wanted), *model_parameters(model)),
        ).fetchall()
    names = {row[0]: row[3] for row in found}
    vectors = by_identity(found, model.dim, connections.path)
    return Owners(of_probe, {identity: Owner(names[identity], own) for identity, own in vectors.items()})


def _first_identities(rows: NDArray[np.int64], whose: Mapping[int, int], most: int) -> list[list[int]]:
    """The first `most` identities of each row of template ids, by the identities of those that are known."""
    return [list(dict.fromkeys(whose[id_] for id_ in row if id_ in whose))[:most] for row in rows.tolist()]


def vectors_of(
    connections: Connections, identity_ids: Ids, model: ModelKey
) -> dict[int, NDArray[np.float32]]:
    """(n, d) float32 by identity id, in the order of template ids. Raises Corrupt."""
    rows = connections.query(
        """
        SELECT identity_id, id, vector FROM templates
        WHERE identity_id IN (SELECT value FROM json_each(?)) AND model_id = ? AND confirmed ORDER BY id
        """,
        (json.dumps([int(id_) for id_ in identity_ids]), models.row_of(connections, model)),
    )
    return by_identity(rows, model.dim, connections.path)


def enrolled(connections: Connections, identity_ids: Ids, model: ModelKey) -> dict[int, Enrolled]:
    """The templates by identity id, with quality and time, in one query. Raises Corrupt."""
    rows = connections.query(
        """
        SELECT i.id, i.name, t.id, t.vector, t.quality, t.created_at
        FROM templates t JOIN identities i ON i.id = t.identity_id
        WHERE t.identity_id IN (SELECT value FROM json_each(?)) AND t.model_id = ? AND t.confirmed
        ORDER BY t.id
        """,
        (json.dumps([int(id_) for id_ in identity_ids]), models.row_of(connections, model)),
    )
    own: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        own.setdefault(row[0], []).append(row)
    found = {}
    for id_, templates in own.items():
        _, names, ids, blobs, qualities, times = zip(*templates, strict=True)
        vectors = to_vectors(blobs, ids, model.dim, connections.path)
        found[id_] = Enrolled(names[0], to_ids(ids), vectors, qualities, times)
    return found
