"""The photos that a network has learnt from, or that chose its best step, inside its own file of weights.

Rates that are measured on people of the training are too good. So a network says whom it knows: its file has the first
8 bytes of the SHA-256 of each of these photos, and a training that starts from it keeps their people out of the
calibration. The photos cannot be made again from that, but anyone who has a photo can find out if it took part.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from pathlib import Path

from faceid.networks.errors import WeightsFormat
from faceid.networks.state import SAFETENSORS, read_metadata

KEY = "faceid.photos"
_BYTES = 8


def marks(digests: Iterable[str]) -> frozenset[str]:
    """What stands for photos of these SHA-256: the first 16 hexadecimal digits of each."""
    return frozenset(digest[: 2 * _BYTES] for digest in digests)


def metadata_of(photos: frozenset[str]) -> dict[str, str]:
    """The metadata of a safetensors file for `marks`."""
    return {KEY: base64.b64encode(bytes.fromhex("".join(sorted(photos)))).decode("ascii")}


def photos_seen_by(weights: Path) -> frozenset[str]:
    """The `marks` in a file of weights; none if it is of another format, or says nothing.

    Raises WeightsFormat, and OSError.
    """
    if weights.suffix != SAFETENSORS:
        return frozenset()
    try:
        content = base64.b64decode(read_metadata(weights).get(KEY, ""), validate=True)
    except binascii.Error as error:
        raise _unreadable(weights) from error
    if len(content) % _BYTES:
        raise _unreadable(weights)
    return frozenset(content[start : start + _BYTES].hex() for start in range(0, len(content), _BYTES))


def _unreadable(weights: Path) -> WeightsFormat:
    return WeightsFormat(
        f"{weights.name} has an unreadable list of the photos it has seen", path=str(weights)
    )
