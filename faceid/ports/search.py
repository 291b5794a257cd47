"""The ports of a search for the identities nearest to a probe: implementations need not import this file.

`tests/contract/test_searches.py` has a suite for each, which every implementation passes: `faceid.gallery.search` (an
index on this machine) and `faceid.gallery.exact_search` (brute force, a fake for tests).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from faceid.results import IndexResult, IndexStatus, IndexVerification
    from faceid.types import Candidate, ModelKey


class IdentitySearch(Protocol):
    """Proposes identities by an index, and scores them by the vectors in the database."""

    def search(
        self, probes: NDArray[np.float32], model: ModelKey, top: int, *, within: float = -1.0
    ) -> list[tuple[Candidate, ...]]:
        """The `top` nearest identities of each of (m, d) unit probes of `model`, nearest first, each identity once.

        An identity whose similarity (-1..1) is below `within` may be left out: so a search for few near ones is short.

        An index, or an external engine, only proposes. Owners and vectors come from the database, in one round trip for
        all probes, and each score is computed exactly from all templates of an identity. So an identity that was
        removed before the call is never found. Threads may search at once.

        Raises GalleryError: `model_mismatch` if the gallery is of another model, or moves to one meanwhile.
        """
        ...

    def neighbours(
        self, probes: NDArray[np.float32], model: ModelKey, k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest templates as the index finds them: cosines (m, k), descending, and template ids (m, k).

        If there are fewer, the rest is -inf and -1. Raises GalleryError (`model_mismatch`).
        """
        ...

    def count(self, model: ModelKey) -> int:
        """The number of templates of `model` that a search covers now. Raises GalleryError (`model_mismatch`)."""
        ...


class IndexMaintenance(Protocol):
    """Maintenance of an index by an operator: an optional capability, which an external engine need not have."""

    def status(self) -> IndexStatus:
        """The state of the index and of its snapshot on the disk. Reads headers and counters only."""
        ...

    def leave(self, added: int) -> bool:
        """Leave the index on the disk for the next process, after work that added so many templates.

        Returns False and does nothing where they are too few to gain by it. If the index cannot be written, the next
        process builds it: no error.
        """
        ...

    def rebuild(self) -> IndexResult:
        """Delete the snapshots on the disk, and rebuild the index from the database."""
        ...

    def compact(self) -> IndexResult:
        """Free the room of removed templates, and update the snapshot."""
        ...

    def verify(self) -> IndexVerification:
        """Compare the index, as the next search uses it, with the database, template by template. Writes nothing."""
        ...
