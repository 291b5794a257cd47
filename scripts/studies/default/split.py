"""Who learns, who chooses the settings, and who is held out: the people of the studies that ship a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faceid.networks.mining.splits import split

LEARNING, CHOOSING, HELD_OUT = "learning", "choosing", "held out"
HELD_OUT_SHARE, CHOOSING_SHARE = 0.2, 0.16
SEED = 0
SAME_PERSON_ELSEWHERE = {"07355": "Noel_Niell", "07354": "Michael_Patrick_King"}
"""People of celeba_wild who are probably people of LFW too: they are in one part.

The mean templates of `mobilefacenet` of these are .87 and .67 alike, and every other pair of the two collections .60
at most.
"""


def person(name: str) -> str:
    """One name for each person, whatever the collection calls them."""
    return SAME_PERSON_ELSEWHERE.get(name, name)


def parted(names: Sequence[str]) -> NDArray[np.str_]:
    """The part of each photo (n,), whose person has one of `names` (n,): all photos of one person are in one.

    A hash of the name decides, so the part of a person does not change with the photos that are there.
    """
    drawn = split(map(person, names), seed=SEED, validation=CHOOSING_SHARE, test=HELD_OUT_SHARE)
    members = {LEARNING: drawn.train, CHOOSING: drawn.validation, HELD_OUT: drawn.test}
    part = {one: called for called, those in members.items() for one in those}
    return np.array([part[person(name)] for name in names])
