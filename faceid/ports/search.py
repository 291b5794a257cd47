"""Finding the enrolled who are nearest to a probe, as Protocols: implementations need not import this file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from faceid.results import IndexResult, IndexStatus, IndexVerification
    from faceid.types import Candidate, ModelKey


class IdentitySearch(Protocol):
    """Proposes identities by an index, and scores them by what the database holds."""

    def search(self, probes: NDArray[np.float32], model: ModelKey, top: int) -> list[tuple[Candidate, ...]]:
        """The `top` nearest identities of each of (m, d) unit probes of `model`, nearest first, one an identity.

        An index, or an external engine, only proposes. Owners and vectors come from the database, in one round trip for
        all probes, and each score is computed exactly from all templates of an identity. So an identity that was
        removed before the call is never found. Threads may search at once.

        Raises GalleryError: `model_mismatch` where the gallery holds, or goes over to, templates of another model.
        """
        ...

    def neighbours(
        self, probes: NDArray[np.float32], model: ModelKey, k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest templates as the index sees them: cosines (m, k) falling, template ids (m, k).

        Where there are fewer, the rest is -inf and -1. Raises GalleryError (`model_mismatch`).
        """
        ...

    def count(self, model: ModelKey) -> int:
        """How many templates of `model` a search looks through now."""
        ...


class IndexMaintenance(Protocol):
    """What an operator asks of an index: an optional capability, which an external engine need not have."""

    def status(self) -> IndexStatus:
        """What the index is and what lies on the disk. Reads headers and counters only."""
        ...

    def rebuild(self) -> IndexResult:
        """Throw away what is on the disk, and make the index from the database."""
        ...

    def compact(self) -> IndexResult:
        """Give back the room of removed templates, and bring the snapshot up to date."""
        ...

    def verify(self) -> IndexVerification:
        """Compare the index with the database, template by template. Writes nothing."""
        ...
