"""Reads pictures: files, standard input and arrays become upright RGB `Image`s, or raise `UnreadableImage`.

Importing this room loads Pillow and NumPy, nothing heavier.
"""

from faceid.imaging.decoder import decode, from_array, pixel_count
from faceid.imaging.files import STDIN, SUFFIXES, fetch, read, walk
from faceid.imaging.limits import DEFAULT_LIMITS, Limits

__all__ = [
    "DEFAULT_LIMITS",
    "STDIN",
    "SUFFIXES",
    "Limits",
    "decode",
    "fetch",
    "from_array",
    "pixel_count",
    "read",
    "walk",
]
