"""How many identities can be found, without counting all of them each time."""

from __future__ import annotations

from enrollment_db.records import GallerySize
from enrollment_db.sqlite.connections import Connections
from enrollment_db.sqlite.models import ACTIVE

_MOST_CHANGES = 16_384
_NOW = f"""
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0),
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'templates'), 0),
    {ACTIVE}
"""
_COUNTED = f"SELECT {_NOW}, (SELECT count(DISTINCT identity_id) FROM templates WHERE model_id = {ACTIVE})"
# Parameters: seq, newest_id and model_id of the gallery_size before. An identity in the log since then has a template
# now, or has not; and had one before, or had not: one that is there still, or was removed meanwhile. Ids ascend, so
# those from before are at most newest_id.
_GAINED = f"""
    SELECT {_NOW}, (
        SELECT coalesce(sum(
            EXISTS (
                SELECT 1 FROM templates t WHERE t.identity_id = h.identity_id AND t.model_id = ?3
            ) - (h.removed OR EXISTS (
                SELECT 1 FROM templates t WHERE t.identity_id = h.identity_id AND t.model_id = ?3 AND t.id <= ?2
            ))
        ), 0)
        FROM (
            SELECT identity_id, max(op = 'remove' AND template_id <= ?2) AS removed FROM (
                SELECT op, template_id, identity_id, model_id FROM changes WHERE seq > ?1
                ORDER BY seq LIMIT {_MOST_CHANGES}
            ) WHERE model_id = ?3 GROUP BY identity_id
        ) h
    )
"""


def size_now(connections: Connections, before: GallerySize | None) -> GallerySize:
    """The size now; with the size of some time `before`, only the changes since are looked at."""
    if before is not None:
        ((seq, newest_id, model_id, gained),) = connections.query(_GAINED, before[:3])
        if model_id == before.model_id and 0 <= seq - before.seq <= _MOST_CHANGES:
            return GallerySize(seq, newest_id, model_id, before.identities + gained)
    ((seq, newest_id, model_id, identities),) = connections.query(_COUNTED)
    return GallerySize(seq, newest_id, model_id, identities)
