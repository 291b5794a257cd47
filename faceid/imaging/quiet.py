"""Mutes the messages of Pillow and libtiff about odd files: the user gets one line from faceid instead."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

from PIL import _imaging

_lock = threading.Lock()
_inside = 0
_silence = ExitStack()
_pillow_log = logging.getLogger("PIL")
_nowhere = logging.NullHandler()


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Ignore warnings raised inside Pillow, and what it and libtiff print, for the duration.

    Warnings of other modules stay as they are. `warnings.catch_warnings` alone is not safe with threads: two that
    overlap may restore in the wrong order and leave the process silenced. Here the first thread to enter silences and
    the last one to leave restores, so that pictures can be decoded in parallel.
    """
    global _inside
    with _lock:
        if _inside == 0:
            _silence.callback(_pillow_log.removeHandler, _nowhere)
            # Not muted: a host application that has set up logging still gets these. Without that, Python would print
            # them.
            _pillow_log.addHandler(_nowhere)
            _silence.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL\.")
            _silence.callback(_set_tiff_handler(), _set_tiff_handler()(None))
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _silence.close()


@cache
def _set_tiff_handler() -> Callable[[int | None], int | None]:
    """libtiff's `TIFFSetErrorHandler`: sets the function that receives errors and returns the previous one.

    By default libtiff prints to standard error, several lines for one odd tag, and Pillow cannot stop it. If libtiff is
    linked into Pillow and cannot be reached (Windows), the result does nothing.
    """
    try:
        handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    except (AttributeError, OSError):
        return lambda previous: previous
    handler.argtypes = [ctypes.c_void_p]
    handler.restype = ctypes.c_void_p
    return handler
