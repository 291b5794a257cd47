"""A search without an index, for tests: it compares each probe with all templates."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from faceid.decision.scores import IdentityScores, distance_from_similarity
from faceid.gallery.gallery import other_model
from faceid.types import Candidate, ModelKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from enrollment_db.records import Owner
    from faceid.ports.storage import ChangeFeed, TemplateRepository


class ExactSearch:
    """`IdentitySearch` by brute force: exact, and so slow that it suits small galleries only.

    It is the plain oracle of the contract suite, and a fake for tests that want no faiss. Threads may share it.
    """

    def __init__(self, templates: TemplateRepository, changes: ChangeFeed) -> None:
        self._templates = templates
        self._changes = changes

    def search(
        self, probes: NDArray[np.float32], model: ModelKey, top: int, *, within: float = -1.0
    ) -> list[tuple[Candidate, ...]]:
        """See `IdentitySearch.search`."""
        ids, _ = self._stored(model)
        owners = self._templates.owners_of([ids.tolist()], model, len(ids)).owners
        scores = IdentityScores({id_: owner.vectors for id_, owner in owners.items()})
        nearest = [_nearest(probe, owners, scores, model, top) for probe in probes]
        return [tuple(one for one in found if one.similarity >= within) for found in nearest]

    def neighbours(
        self, probes: NDArray[np.float32], model: ModelKey, k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `IdentitySearch.neighbours`."""
        ids, vectors = self._stored(model)
        found_cosines = np.full((len(probes), k), -np.inf, np.float32)
        found_ids = np.full((len(probes), k), -1, np.int64)
        cosines = probes @ vectors.T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        found_cosines[:, : nearest.shape[1]] = np.take_along_axis(cosines, nearest, axis=1)
        found_ids[:, : nearest.shape[1]] = ids[nearest]
        return found_cosines, found_ids

    def count(self, model: ModelKey) -> int:
        """See `IdentitySearch.count`."""
        return len(self._stored(model)[0])

    def _stored(self, model: ModelKey) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Template ids (n,) and vectors (n, d). Raises GalleryError (`model_mismatch`)."""
        with closing(self._changes.load_all()) as parts:
            batches = [part.batch for part in parts]
        pinned = batches[0].model
        if pinned is None:
            return np.empty(0, np.int64), np.empty((0, model.dim), np.float32)
        if pinned != model:
            raise other_model(pinned, str(model))
        return (
            np.concatenate([batch.template_ids for batch in batches]),
            np.concatenate([batch.vectors for batch in batches]),
        )


def _nearest(
    probe: NDArray[np.float32], owners: Mapping[int, Owner], scores: IdentityScores, model: ModelKey, top: int
) -> tuple[Candidate, ...]:
    similarities = zip(scores.similarities(probe, [*owners]), owners.values(), strict=True)
    return tuple(
        Candidate(owner.name, distance_from_similarity(similarity, model.metric), similarity)
        for similarity, owner in sorted(similarities, key=lambda pair: -pair[0])[:top]
    )
