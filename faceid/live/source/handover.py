"""The handover between the reading thread and its consumer: the newest frame, and events in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition

from faceid.live.source.stream import Frame, SourceEvent

_MOST_EVENTS = 64
"""Kept for a consumer that does not read; beyond that the oldest pair of loss and return is dropped."""

_GLANCE_S = 0.1
"""Seconds between calls of `give_up` while waiting: its clock may differ from that of the condition."""


class Handover:
    """At most one frame and `_MOST_EVENTS` events, in the order in which they came. Safe between two threads.

    A newer frame replaces one that was not taken, so a consumer never gets an old frame.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._pending: deque[Frame | SourceEvent] = deque()
        self._closed = False
        self._failure: BaseException | None = None
        self.dropped = 0
        """Frames that a newer one replaced."""

    def put(self, frame: Frame) -> None:
        """Put `frame` next, after the earlier events."""
        with self._changed:
            if self._closed:
                return
            for older in [item for item in self._pending if isinstance(item, Frame)]:
                self._pending.remove(older)
                self.dropped += 1
            self._pending.append(frame)
            self._changed.notify_all()

    def wait_until_taken(self) -> None:
        """Wait until the consumer has taken the frame, or the handover is closed."""
        with self._changed:
            while not self._closed and any(isinstance(item, Frame) for item in self._pending):
                self._changed.wait()

    def tell(self, event: SourceEvent) -> None:
        """Put `event` after the earlier frame and events."""
        with self._changed:
            events = [item for item in self._pending if not isinstance(item, Frame)]
            if len(events) >= _MOST_EVENTS:
                # Two in a row are a loss and a return, or a return and a loss: the rest still alternates.
                for oldest in events[:2]:
                    self._pending.remove(oldest)
            self._pending.append(event)
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Put `error` after the earlier frame and events: `take` raises it there."""
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def close(self) -> None:
        """End the handover: nothing more is put or taken."""
        with self._changed:
            self._closed = True
            self._pending.clear()
            self._changed.notify_all()

    def take(self, give_up: Callable[[], bool]) -> Frame | SourceEvent | None:
        """The next event or frame; None when closed, or once `give_up`, called several times a second, returns True.

        Raises the error that `fail` was given.
        """
        while True:
            with self._changed:
                if self._closed:
                    return None
                if self._pending:
                    item = self._pending.popleft()
                    self._changed.notify_all()
                    return item
                if self._failure is not None:
                    raise self._failure
            # Called without the lock: `give_up` may itself put an event.
            if give_up():
                return None
            with self._changed:
                if not self._pending and self._failure is None and not self._closed:
                    self._changed.wait(_GLANCE_S)
