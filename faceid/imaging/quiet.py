"""Keeps Pillow's warnings about odd metadata from users, and from turning into errors under `-W error`."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
_filters = warnings.catch_warnings()


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Ignore warnings raised inside Pillow for the duration; those of all other modules stay as they are.

    `warnings.catch_warnings` alone is not safe with threads: two that overlap may restore in the wrong order
    and leave the process silenced for ever. Here the first one in sets the filter and the last one out
    restores it, so that pictures can be decoded side by side.
    """
    global _inside, _filters
    with _lock:
        if _inside == 0:
            _filters = warnings.catch_warnings()
            _filters.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _filters.__exit__(None, None, None)
