"""The number of identities that a search can find, without counting all of them each time."""

from __future__ import annotations

from enrollment_db.records import GallerySize
from enrollment_db.sqlite.connections import Connections
from enrollment_db.sqlite.models import ACTIVE, SEARCHED

_MOST_CHANGES = 16_384
_NOW = f"""
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0),
    {ACTIVE}
"""
_COUNTED = f"SELECT {_NOW}, (SELECT count(DISTINCT identity_id) FROM templates t WHERE {SEARCHED})"
# Parameters: seq and model_id of the size before. For each identity in the log since then: whether it has a template
# now, less whether it had one then, which is still stored or was removed since. The log adds an id once, so a template
# was there then if the log does not add it since.
_GAINED = f"""
    WITH since AS (
        SELECT op, template_id, identity_id FROM (
            SELECT op, template_id, identity_id, model_id FROM changes WHERE seq > ?1
            ORDER BY seq LIMIT {_MOST_CHANGES}
        ) WHERE model_id = ?2
    )
    SELECT {_NOW}, (
        SELECT coalesce(sum(
            EXISTS (
                SELECT 1 FROM templates t WHERE t.identity_id = h.identity_id AND t.model_id = ?2 AND t.confirmed
            ) - (h.removed OR EXISTS (
                SELECT 1 FROM templates t WHERE t.identity_id = h.identity_id AND t.model_id = ?2 AND t.confirmed
                AND t.id NOT IN (SELECT template_id FROM since WHERE op = 'add')
            ))
        ), 0)
        FROM (
            SELECT identity_id, max(
                op = 'remove' AND template_id NOT IN (SELECT template_id FROM since WHERE op = 'add')
            ) AS removed
            FROM since GROUP BY identity_id
        ) h
    )
"""


def size_now(connections: Connections, before: GallerySize | None) -> GallerySize:
    """The size now; with an earlier size `before`, reads only the changes since."""
    if before is not None:
        ((seq, model_id, gained),) = connections.query(_GAINED, before[:2])
        if model_id == before.model_id and 0 <= seq - before.seq <= _MOST_CHANGES:
            return GallerySize(seq, model_id, before.identities + gained)
    ((seq, model_id, identities),) = connections.query(_COUNTED)
    return GallerySize(seq, model_id, identities)
