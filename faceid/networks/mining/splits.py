"""The split of identities for training, validation and test. Imports the standard library only."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from faceid.networks.errors import BadSettings


@dataclass(frozen=True, slots=True)
class Split:
    """Names of identities, sorted, none in two parts."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def split(names: Iterable[str], *, seed: int, validation: float, test: float) -> Split:
    """The identities of `names` (each counts once), split by a hash of the seed and the name.

    `validation` and `test` are the probabilities of each identity to be in that part: the shares are close to them for
    hundreds of identities, but may differ much for ten. No identity changes its part when others are added or removed.
    Names that differ only in how Unicode composes their letters, as between file systems, are in the same part.

    Raises BadSettings for shares below 0, or shares that leave nothing to train on.
    """
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise BadSettings(
            f"validation {validation} and test {test} are shares of the identities that must leave some to train on",
            remedy="usual_shares",
        )
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for name in sorted(set(names)):
        drawn = _even(seed, name)
        parts["test" if drawn < test else "validation" if drawn < test + validation else "train"].append(name)
    return Split(**{part: tuple(members) for part, members in parts.items()})


def _even(seed: int, name: str) -> float:
    """A number in 0..1 that depends only on seed and name, evenly distributed over names."""
    composed = unicodedata.normalize("NFC", name)
    # File names may contain bytes that are not UTF-8.
    digest = hashlib.blake2b(f"{seed}\0{composed}".encode(errors="surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56
