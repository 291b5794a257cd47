"""Decodes HEIC and HEIF, the format of iPhones, with the optional pillow-heif."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow

from faceid.imaging.formats import Format
from faceid.imaging.refusal import refuse
from faceid.imaging.upright import upright_pixels

if TYPE_CHECKING:
    from faceid.imaging.limits import Limits
    from faceid.types import Pixels


def decode_heif(data: bytes, source: str, limits: Limits) -> Pixels:
    """The primary picture of the file, converted to 8 bits a channel: (H, W, 3) uint8 RGB.

    Rotation is part of the format and applied by libheif, so the orientation in the EXIF block, which repeats
    it, is not read. Nothing is registered with Pillow: that would change what a host application can open.

    Raises UnreadableImage without the extra `heif` and above `limits`, else what pillow-heif raises.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise refuse(
            source, "HEIC/HEIF pictures need pillow-heif, which is not installed", remedy="no_heif"
        ) from error

    picture = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
    width, height = picture.size
    limits.check_pixels(width, height, source, Format.HEIF)
    rows = np.frombuffer(picture.data, dtype=np.uint8).reshape(-1, picture.stride)
    # Read the size again: libheif corrects the announced size when it decodes.
    width, height = picture.size

    def strip(top: int, bottom: int) -> Pillow.Image:
        size = (width, bottom - top)
        return Pillow.frombuffer(picture.mode, size, rows[top:bottom], "raw", picture.mode, picture.stride, 1)

    return upright_pixels((width, height), strip, orientation=1)


def heif_size(data: bytes) -> tuple[int, int]:
    """Width and height by the header; 0, 0 without the extra `heif`. Raises what pillow-heif raises."""
    try:
        import pillow_heif
    except ImportError:
        return 0, 0
    width, height = pillow_heif.open_heif(data).size
    return int(width), int(height)
