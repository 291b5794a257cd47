"""Limits the size of a picture. The header is checked before any pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from faceid.imaging.formats import Format
from faceid.imaging.refusal import refuse


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest picture that is decoded, so that no file can exhaust the memory or take minutes.

    The defaults accept a phone photo of 50 megapixels (8192 x 6144), and keep a process that also holds a network below
    1.5 GB. They hold for one picture: the memory of threads that decode in parallel adds up.
    """

    max_bytes: int = 100_000_000
    """Size of the encoded file."""

    max_pixels: int = 51_000_000
    """Width times height of the decoded picture."""

    max_webp_pixels: int = 25_000_000
    """The same for WebP: Pillow needs four copies of the picture to decode it, and two for other formats."""

    max_scan_pixels: int = 2_000_000_000
    """Pixels times the number of scans of a JPEG. A progressive JPEG has about ten scans; a hostile one has
    thousands, which cost it a few bytes each and the decoder a full pass over the picture (0.05 s for 50
    megapixels)."""

    def check_bytes(self, size: int, source: str) -> None:
        """Raises UnreadableImage where an encoded picture has more than `max_bytes`."""
        if size > self.max_bytes:
            raise refuse(
                source, f"the file is larger than {self.max_bytes / 1e6:.4g} MB", remedy="smaller_copy"
            )

    def check_pixels(self, width: int, height: int, source: str, fmt: Format) -> None:
        """Raises UnreadableImage where a picture has no pixels, or more than may be in a file of its format."""
        if width < 1 or height < 1:
            raise refuse(source, f"a picture of {width} x {height} pixels")
        most = min(self.max_pixels, self.max_webp_pixels) if fmt is Format.WEBP else self.max_pixels
        if width * height > most:
            cause = f"{fmt.value} of too many pixels: {width} x {height}, at most {most / 1e6:.4g} million"
            raise refuse(source, cause, remedy="smaller_copy")


DEFAULT_LIMITS = Limits()
