"""Reads a source in a separate thread: the newest frame, and the events of the source, in order."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event, RLock, Thread
from types import TracebackType
from typing import TypeAlias

from faceid.errors import FaceIDError
from faceid.live.source.addresses import Address
from faceid.live.source.handover import Handover
from faceid.live.source.opening import Backoff, open_reader
from faceid.live.source.picture_watch import PictureWatch
from faceid.live.source.readers import Grabbed, Opener, Reader
from faceid.live.source.stream import Frame, Loss, SourceBack, SourceEnded, SourceEvent, SourceLost

Clock: TypeAlias = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds after which a source counts as lost, or is opened again."""

    stalled_s: float = 5.0
    """Without a frame from a live source."""
    black_s: float = 2.0
    frozen_s: float = 10.0
    first_retry_s: float = 0.5
    longest_retry_s: float = 30.0
    good_s: float = 5.0
    """Duration of frames after which the waits between attempts start from the shortest again. With a minute, a stream
    that breaks off slightly more often would soon be lost for half a minute each time. The minimum spares a server that
    disconnects at once.
    """
    close_s: float = 3.0
    """Time for the thread to end after `close`. A thread that hangs in a driver is left, and ends with the process."""


class Capture:
    """Reads `address` in a thread from its creation to `close`.

    A live source always gives its newest frame: older frames that were not taken are dropped and counted. A file gives
    every frame and waits until it is taken; with `realtime` it plays at its own speed, like a live source.

    Between `SourceLost` and `SourceBack` no frame is handed over, also if the source continues with black or frozen
    frames. Cameras and network streams are reopened without limit, with growing waits. `sleep` must return when its
    seconds are over; the thread's own wait ends early on `close`.
    """

    def __init__(
        self,
        address: Address,
        *,
        realtime: bool = False,
        patience: Patience | None = None,
        opener: Opener = open_reader,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._address, self._open, self._clock = address, opener, clock
        self._every, self._paced = not (address.live or realtime), realtime and not address.live
        self._patience = patience or Patience()
        self._stop = Event()
        self._sleep = sleep or self._stop.wait
        self._backoff = Backoff(self._patience.first_retry_s, self._patience.longest_retry_s, draw)
        self._watch = PictureWatch(self._patience.black_s, self._patience.frozen_s)
        self._handover = Handover()
        self._lock = RLock()
        """Guards the following attributes, by which both threads judge whether the source is lost."""
        self._asked_at: float | None = None
        self._lost_at: float | None = None
        self._media_s = 0.0
        self._began = clock()
        self._shown_from: float | None = None
        self._number = 0
        self._passed_over = 0
        self._ended = False
        self._thread = Thread(target=self._run, name="faceid-capture", daemon=True)
        self._thread.start()

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame | SourceEvent]:
        """All frames and events, up to and including `SourceEnded`, or until closed. Raises as `take` does."""
        while (item := self.take()) is not None:
            yield item

    @property
    def address(self) -> Address:
        """The source that is read."""
        return self._address

    @property
    def over(self) -> bool:
        """Whether the end was taken, or `close` was called."""
        return self._ended or self._stop.is_set()

    def age_s(self, frame: Frame) -> float:
        """Seconds since `frame` was read, for a live source; 0 for others."""
        return self.now_s - frame.time_s if self._address.live else 0.0

    @property
    def now_s(self) -> float:
        """The time of the source, as `Frame.time_s` counts it."""
        return self._clock() - self._began if self._address.live else self._media_s

    @property
    def dropped(self) -> int:
        """Frames that were not handed over, because a newer one replaced them or they were damaged."""
        return self._handover.dropped + self._passed_over

    def take(self, timeout_s: float | None = None) -> Frame | SourceEvent | None:
        """The next event or the newest frame, waiting for it; None after the end, when closed, or at the timeout.

        Raises InputError if a file, a directory or standard input cannot be read; a live source that breaks off gives
        `SourceLost` instead.
        """
        if self._ended:
            return None
        until = None if timeout_s is None else self._clock() + timeout_s

        def give_up() -> bool:
            # Here and not in the thread that reads, which may hang.
            self._notice_silence()
            return until is not None and self._clock() >= until

        item = self._handover.take(give_up)
        self._ended = isinstance(item, SourceEnded)
        return item

    def close(self) -> bool:
        """End the thread; whether it ended within `close_s`. Frames and events that were not taken are dropped."""
        self._stop.set()
        self._handover.close()
        self._thread.join(self._patience.close_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and self._read_once():
                self._sleep(self._backoff.next_s())
        except BaseException as error:  # noqa: BLE001 - not swallowed: raised in the thread that takes
            self._handover.fail(error)

    def _read_once(self) -> bool:
        """Open the source and read it until it breaks off; whether to open it again."""
        reader: Reader | None = None
        good_from: float | None = None
        try:
            self._ask(self._clock())
            reader = self._open(self._address)
            while not self._stop.is_set():
                self._ask(self._clock())
                grabbed = reader.read()
                self._ask(None)
                if grabbed is None:
                    self._handover.tell(SourceEnded(self._number, self.now_s))
                    return False
                good_from = self._clock() if good_from is None else good_from
                self._hand_over(grabbed)
        except FaceIDError as error:
            self._ask(None)
            if not self._address.comes_back:
                raise
            self._lose("unreachable" if good_from is None else "disconnected", str(error))
        finally:
            if reader is not None:
                reader.close()
        if good_from is not None and self._clock() - good_from >= self._patience.good_s:
            self._backoff.reset()
        return True

    def _hand_over(self, grabbed: Grabbed) -> None:
        self._number += grabbed.passed_over
        self._passed_over += grabbed.passed_over
        if self._paced and not self._wait_for(grabbed.media_s or 0.0):
            return
        with self._lock:
            self._media_s = grabbed.media_s or 0.0
        time_s = self.now_s
        frame = Frame(grabbed.image, self._number, time_s)
        self._number += 1
        wrong = self._watch.judge(frame.image.pixels, time_s)
        if wrong is not None:
            seconds = self._patience.black_s if wrong == "black" else self._patience.frozen_s
            self._lose(wrong, f"{self._address.name}: {wrong} for {seconds:.4g} s")
            return
        self._recover()
        self._handover.put(frame)
        if self._every:
            self._handover.wait_until_taken()

    def _wait_for(self, media_s: float) -> bool:
        """Wait until it is time to show the frame of `media_s`; whether to show it then."""
        if self._shown_from is None:
            self._shown_from = self._clock() - media_s
        wait_s = self._shown_from + media_s - self._clock()
        if wait_s > 0:
            self._sleep(wait_s)
        return not self._stop.is_set()

    def _ask(self, at: float | None) -> None:
        """Note the time since which the reader is busy with a request; None if it is idle."""
        with self._lock:
            self._asked_at = at

    def _notice_silence(self) -> None:
        if not self._address.live:
            return
        stalled_s = self._patience.stalled_s
        # Atomic: otherwise a frame that arrives meanwhile would be handed over after the loss.
        with self._lock:
            if self._asked_at is not None and self._clock() - self._asked_at >= stalled_s:
                self._lose("stalled", f"{self._address.name}: no frame for {stalled_s:.4g} s")

    def _lose(self, reason: Loss, detail: str) -> None:
        """Report a loss, unless it was reported already."""
        with self._lock:
            if self._lost_at is None:
                self._lost_at = self.now_s
                self._handover.tell(SourceLost(reason, detail, self._lost_at))

    def _recover(self) -> None:
        with self._lock:
            if self._lost_at is not None:
                now_s = self.now_s
                self._handover.tell(SourceBack(now_s - self._lost_at, now_s))
                self._lost_at = None
