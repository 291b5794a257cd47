"""Mutes the messages of Pillow and libtiff about odd files: the user gets one line from faceid instead."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
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

    Warnings of other modules stay as they are. `warnings.catch_warnings` is not safe with threads: two that overlap may
    restore in the wrong order and leave the process silenced, and one undoes the filters that others add meanwhile.
    Here the first thread to enter adds one filter and the last one to leave removes it, so that pictures can be decoded
    in parallel.
    """
    global _inside
    with _lock:
        if _inside == 0:
            _silence.callback(_pillow_log.removeHandler, _nowhere)
            # Not muted: a host application that has set up logging still gets these. Without that, Python would print
            # them.
            _pillow_log.addHandler(_nowhere)
            _ignore_warnings()
            _silence.callback(_set_tiff_handler(), _set_tiff_handler()(None))
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _silence.close()


def _ignore_warnings() -> None:
    """Add the filter until the silence ends, unless the host application has it."""
    before = set(warnings.filters)
    warnings.filterwarnings("ignore", module=r"PIL\.")
    added = warnings.filters[0]
    if added not in before:
        _silence.callback(_remove_filter, added)


def _remove_filter(added: object) -> None:
    # Another thread may have replaced the list, by `catch_warnings`, with one that does not hold the filter.
    with suppress(ValueError):
        warnings.filters.remove(added)  # type: ignore[attr-defined]


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
