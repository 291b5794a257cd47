"""Search through an index on this machine, which mirrors the database."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from enrollment_db.search.index import GPU_FROM, gpu_count, open_index, reason_for
from faceid.decision.scores import IdentityScores, distance_from_similarity
from faceid.errors import DeviceError
from faceid.gallery.gallery import other_model
from faceid.types import Candidate, ModelKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from enrollment_db.records import Owner
    from enrollment_db.search.index import Kind
    from enrollment_db.search.mirror import Mirror
    from faceid.ports.storage import ChangeFeed, TemplateRepository


_UNSURE = 1e-3
"""More than the error of a cosine that an index returns."""


class MirrorSearch:
    """`IdentitySearch` by a `Mirror`: the index proposes templates; the database gives their identities and vectors.

    The index is opened at the first search. After a move of the gallery to another model, a new index is opened;
    running searches keep the old one, which does not change any more. Threads may share a MirrorSearch.
    """

    def __init__(
        self,
        templates: TemplateRepository,
        changes: ChangeFeed,
        *,
        index_kind: Kind = "auto",
        device: Callable[[], str] = lambda: "cpu",
    ) -> None:
        """`index_kind` is as for `enrollment_db.search.index.open_index`; `device` is the GPU of the index, or cpu."""
        self.templates = templates
        self.changes = changes
        self.index_kind = index_kind
        self._device = device
        self._mirror: Mirror | None = None
        self._mirrored: ModelKey | None = None
        self._lock = threading.Lock()

    def search(
        self, probes: NDArray[np.float32], model: ModelKey, top: int, *, within: float = -1.0
    ) -> list[tuple[Candidate, ...]]:
        """See `IdentitySearch.search`."""
        mirror = self.mirror(model)
        found: list[tuple[Candidate, ...]] = [() for _ in probes]
        # The score over all templates changes the order a little, so some more than `top` are scored.
        wanted = 2 * top + 8
        k = 4 * wanted
        farthest = _least_cosine(within)
        unfinished = list(range(len(probes)))
        while unfinished:
            cosines, ids = mirror.search(probes[unfinished], k)
            ids[cosines < farthest] = -1
            if (ids < 0).all():
                break
            # The list ends where the index does, or where no template is near enough.
            ended = ids[:, -1] < 0
            owners = self.templates.owners_of(ids, model, wanted)
            scores = IdentityScores({id_: owner.vectors for id_, owner in owners.owners.items()})
            crowded = []
            for place, near, is_all in zip(unfinished, owners.of_probe, ended.tolist(), strict=True):
                if len(near) >= wanted or is_all:
                    found[place] = _scored(probes[place], near, owners.owners, scores, model, top)
                else:
                    # A few identities with many templates fill the list: fetch more.
                    crowded.append(place)
            unfinished, k = crowded, 4 * k
        return found

    def neighbours(
        self, probes: NDArray[np.float32], model: ModelKey, k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `IdentitySearch.neighbours`. Leaves no snapshot."""
        return self.mirror(model, leave_snapshot=False).search(probes, k)

    def count(self, model: ModelKey) -> int:
        """See `IdentitySearch.count`."""
        mirror = self.mirror(model)
        mirror.sync()
        return len(mirror)

    def reason(self) -> str:
        """The index for a gallery of this size, and the reason, in words. Opens none."""
        model = self.templates.model()
        templates = self.templates.stored()
        return reason_for(
            0 if model is None else model.dim,
            self.index_kind,
            expected=templates,
            device=self._index_device(templates),
        )

    def mirror(self, model: ModelKey, *, leave_snapshot: bool = True) -> Mirror:
        """The index for `model`, not yet caught up with the database.

        If this call opens it and reads many templates, `leave_snapshot` decides whether a snapshot is left. Raises
        GalleryError (`model_mismatch`).
        """
        with self._lock:
            if self._mirror is None or self._mirrored != model:
                pinned = self.templates.model()
                if pinned is not None and pinned != model:
                    raise other_model(pinned, str(model))
                from enrollment_db.search.mirror import Mirror

                templates = self.templates.stored()
                device = self._index_device(templates)
                index = open_index(model.dim, self.index_kind, expected=templates, device=device)
                self._mirror = Mirror(self.changes, index, model=model, leave_snapshots=leave_snapshot)
                self._mirrored = model
            return self._mirror

    def _index_device(self, templates: int) -> str:
        """The device of the index. Raises DeviceError if a GPU was requested and there is none."""
        wants_gpu = self.index_kind.startswith("gpu")
        # Faiss is asked first: a small gallery needs no torch, whose import takes longer than a search.
        device = self._device() if (wants_gpu or templates >= GPU_FROM) and gpu_count() else "cpu"
        if wants_gpu and device == "cpu":
            raise DeviceError(f"the index {self.index_kind} needs a GPU", remedy="index_needs_gpu")
        return device


def _least_cosine(within: float) -> float:
    """The least cosine of the nearest template of an identity whose similarity is `within` or more.

    With a the mean cosine to the templates and m their mean, the similarity is a / sqrt(|m|). As |m| >= a, it is at
    most sqrt(a), and a is at most the largest cosine.
    """
    return within * within - _UNSURE if within > 0.0 else -math.inf


def _scored(
    probe: NDArray[np.float32],
    identities: Sequence[int],
    owners: Mapping[int, Owner],
    scores: IdentityScores,
    model: ModelKey,
    top: int,
) -> tuple[Candidate, ...]:
    held = [identity for identity in identities if identity in owners]
    scored = sorted(
        zip(scores.similarities(probe, held), held, strict=True), key=lambda pair: (-pair[0], pair[1])
    )
    return tuple(
        Candidate(owners[identity].name, distance_from_similarity(similarity, model.metric), similarity)
        for similarity, identity in scored[:top]
    )
