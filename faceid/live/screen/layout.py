"""Places plates in a picture so that they do not cover each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceid.types import Pixels


class Layout:
    """Puts plates into a picture, (H, W, 3) RGB uint8, which it changes."""

    def __init__(self, canvas: Pixels, faces: Sequence[tuple[int, int, int, int]] = ()) -> None:
        self._canvas = canvas
        self.height, self.width = canvas.shape[:2]
        self._faces = list(faces)
        self._taken: list[tuple[int, int, int, int]] = []

    def put(self, plate: Pixels, places: Sequence[tuple[int, int]]) -> None:
        """Put `plate` at the first of `places` (x, y of its corner) where it covers no face nor other plate.

        The plate is moved sideways to stay inside the picture. If no place is free, it goes to the first place that
        covers no plate, or else to the nearest height at which it covers none; the picture's border cuts it off if
        needed.
        """
        height, width = plate.shape[:2]
        moved = [(max(0, min(x, self.width - width)), y) for x, y in places]
        whole = [(x, y) for x, y in moved if 0 <= y <= self.height - height]
        free = [place for place in whole if _is_free(place, plate, self._taken)]
        clear = [place for place in free if _is_free(place, plate, self._faces)]
        x, y = (*clear, *free, self._nearest(moved[0], plate))[0]
        self._taken.append((x, y, x + width, y + height))
        target = self._canvas[y : y + height, x : x + width]
        target[:] = plate[: target.shape[0], : target.shape[1]]

    def _nearest(self, place: tuple[int, int], plate: Pixels) -> tuple[int, int]:
        x, height = place[0], plate.shape[0]
        lowest = max(0, self.height - height)
        wanted = max(0, min(place[1], lowest))
        # Next to a taken place, or at the preferred one: no nearer place can be the first free one.
        edges = [edge for _, y1, _, y2 in self._taken for edge in (y1 - height, y2) if 0 <= edge <= lowest]
        free = [y for y in (wanted, *edges) if _is_free((x, y), plate, self._taken)]
        return x, min(free, key=lambda y: abs(y - wanted), default=wanted)


def _is_free(place: tuple[int, int], plate: Pixels, taken: Sequence[tuple[int, int, int, int]]) -> bool:
    x, y = place
    height, width = plate.shape[:2]
    return not any(x < x2 and x1 < x + width and y < y2 and y1 < y + height for x1, y1, x2, y2 in taken)
