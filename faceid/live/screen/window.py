"""Shows views in a window, with OpenCV's highgui."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

from faceid.live.screen.display import no_display, require_display

if TYPE_CHECKING:
    from faceid.live.screen.screens import Draw
    from faceid.live.view import View

_ENDS = frozenset({ord("q"), ord("Q"), 27})
"""Keys: q and Esc."""

_LARGEST = (1280, 800)
"""Pixels of a window when it opens; the user may make it larger."""


class Window:
    """Shows views until the user presses q or Esc, or closes the window.

    Its annotator should mirror only if the people in front of the camera see themselves. All calls must come from the
    main thread. Without a new view, the caller must show the last one again a few times a second, or the window does
    not respond.
    """

    def __init__(self, title: str, draw: Draw) -> None:
        """Raises UsageError (`no_display`) if there is no display, or OpenCV was built without windows."""
        require_display()
        self._title, self._draw = title, draw
        self._shown: object = None
        self._open = True
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise no_display("this OpenCV was built without windows") from error

    def show(self, view: View) -> bool:
        """Show the view and read the keys, without waiting; False once the user has ended it."""
        if not self._open:
            return False
        pixels = self._draw(view)
        if self._shown is None:
            height, width = pixels.shape[:2]
            scale = min(1.0, _LARGEST[0] / width, _LARGEST[1] / height)
            cv2.resizeWindow(self._title, max(1, round(width * scale)), max(1, round(height * scale)))
        if pixels is not self._shown:
            cv2.imshow(self._title, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
            self._shown = pixels
        key = cv2.pollKey()
        if not self._is_there() or (key >= 0 and key & 0xFF in _ENDS):
            self.close()
        return self._open

    def close(self) -> None:
        """Close the window."""
        if not self._open:
            return
        self._open = False
        if self._is_there():
            cv2.destroyWindow(self._title)
        # Without this it may stay on the screen until the process ends.
        cv2.pollKey()

    def _is_there(self) -> bool:
        try:
            return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1.0)
        except cv2.error:
            # After its last window is closed, Qt finds no window at all.
            return False
