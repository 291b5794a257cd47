"""The loop from a source to moments, until the source ends or a condition of `Until` is met."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import TracebackType

from faceid.errors import InputError
from faceid.live.events import EventKind, LiveEvent
from faceid.live.source.addresses import Camera
from faceid.live.source.capture import Capture
from faceid.live.source.stream import Frame, SourceEnded, SourceEvent, SourceLost
from faceid.live.tracking.cost import Meter, Stats
from faceid.live.view import Moment, View
from faceid.live.watch import Watch, utc_now

_GLANCE_S = 0.2
"""Seconds between moments while no frame comes: a window must keep handling its events."""

_EARLY_S = 0.002
"""A frame that is early by less than this is still processed."""

ACCEPTING = ("identified", "accepted")
DECIDING = (*ACCEPTING, "unknown", "rejected")


@dataclass(frozen=True, slots=True)
class Until:
    """When to end before the source does.

    `once`: at the first decision; a decision against a face counts only when every other face in sight is decided.
    `timeout_s`: after this time without any decision, with `once` also while a decision waits for other faces; measured
    by the clock for live sources and by media time for others.
    """

    once: bool = False
    timeout_s: float | None = None


class Live:
    """A watched source: iterate over its moments, and close it.

    Each `Moment` comes as soon as its frame is processed; while a live source is lost, several moments a second repeat
    the last view. The last moment holds `source_ended` or `timeout`, unless a decision ended the loop. At most
    `max_fps` frames a second are processed; the others are skipped.
    """

    def __init__(
        self,
        capture: Capture,
        watch: Watch,
        until: Until | None = None,
        *,
        max_fps: float | None = None,
    ) -> None:
        """Takes over `capture`, and closes it in `close`."""
        self._capture, self._watch, self._until = capture, watch, until or Until()
        self._pause_s = 0.0 if max_fps is None else 1.0 / max_fps
        self._due_s = 0.0
        self._view: View | None = None
        self._frame: Frame | None = None
        self._delay_s = 0.0
        self._shown_s = 0.0
        self._decided = False
        self._meter = Meter()

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the source."""
        self._capture.close()

    def stats(self, *, at_least_s: float = 0.0) -> Stats | None:
        """The costs since the last call; None if that call was less than `at_least_s` seconds ago."""
        if self._meter.since_s < at_least_s:
            return None
        counts = self._watch.counts
        return self._meter.read(
            frames=counts.frames,
            detections=counts.detections,
            looks=counts.looks,
            dropped=self._capture.dropped,
            delay_s=self._delay_s if self._capture.address.live else None,
        )

    def __iter__(self) -> Iterator[Moment]:
        """The moments, up to the end.

        Raises InputError if the source cannot be read, or if a camera is missing at the start, and what
        `Watch.process` raises.
        """
        while True:
            item = self._capture.take(_GLANCE_S)
            if isinstance(item, Frame) and self._passes_over(item):
                if item.time_s - self._shown_s >= _GLANCE_S:
                    self._shown_s = item.time_s
                    yield Moment(self._view, ())
            elif isinstance(item, Frame):
                moment = self._process(item)
                yield moment
                if self._is_enough(moment):
                    return
            elif item is not None:
                yield self._happened(item)
                if isinstance(item, SourceEnded):
                    return
            elif self._capture.over:
                return
            else:
                yield Moment(self._view, ())
            if self._is_late():
                yield Moment(self._view, (self._told("timeout", self._capture.now_s),))
                return

    def _process(self, frame: Frame) -> Moment:
        self._frame, self._shown_s = frame, frame.time_s
        moment = self._watch.process(frame)
        self._view, self._delay_s = moment.view, self._capture.age_s(frame)
        self._decided = self._decided or any(event.event in DECIDING for event in moment.events)
        return moment

    def _passes_over(self, frame: Frame) -> bool:
        if self._pause_s <= 0.0:
            return False
        if frame.time_s < self._due_s - _EARLY_S:
            return True
        # Counted on the grid of the rate and not from the last frame: else 30 frames a second would give 15 where 25
        # are asked for.
        self._due_s = max(self._due_s, frame.time_s - self._pause_s) + self._pause_s
        return False

    def _happened(self, item: SourceEvent) -> Moment:
        left = [] if self._frame is None else self._watch.interrupted(self._frame)
        if isinstance(item, SourceLost):
            if (
                self._frame is None
                and item.reason == "unreachable"
                and isinstance(self._capture.address, Camera)
            ):
                raise InputError(
                    item.detail,
                    code="source_unreachable",
                    remedy="kinds_of_source",
                )
            self._view = None if self._view is None else replace(self._view, people=(), lost=item)
            event = self._told("source_lost", item.time_s, item.reason, item.detail)
        elif isinstance(item, SourceEnded):
            event = self._told("source_ended", item.time_s, detail=f"{item.frames} frames")
        else:
            event = self._told("source_back", item.time_s, detail=f"after {item.after_s:.1f} s")
        return Moment(self._view, (*left, event))

    def _is_enough(self, moment: Moment) -> bool:
        if not self._until.once or not self._decided:
            return False
        return not moment.deciding or any(event.event in ACCEPTING for event in moment.events)

    def _is_late(self) -> bool:
        limit = self._until.timeout_s
        # A decision that waits for other faces in sight has not ended the loop.
        open_yet = self._until.once or not self._decided
        return limit is not None and open_yet and self._capture.now_s >= limit

    def _told(
        self, event: EventKind, time_s: float, reason: str | None = None, detail: str | None = None
    ) -> LiveEvent:
        frame = None if self._frame is None else self._frame.number
        return LiveEvent(event, utc_now(), round(time_s, 3), frame, reason=reason, detail=detail)
