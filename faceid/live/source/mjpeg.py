"""Finds whole JPEGs in a stream of bytes: raw MJPEG, or the body of multipart/x-mixed-replace."""

from __future__ import annotations

_START = b"\xff\xd8\xff"
_MARKER = 0xFF
_SCAN = 0xDA
_END = 0xD9
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})


class JpegSplitter:
    """Finds JPEGs in bytes that come in pieces.

    Bytes between them are skipped, so headers and boundaries of a multipart body need no parsing: they are text, and a
    JPEG begins with bytes that no text has. Segments are walked by their lengths (ITU-T T.81, B.1.1.4), because the
    thumbnail within a picture begins and ends as a picture does. Holds at most `max_bytes` and one piece; a longer
    picture counts as no frame, and the search continues after its first bytes.
    """

    def __init__(self, max_bytes: int = 16_000_000) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()
        self._at = 0
        """How far the picture at the front of `_held` has been parsed; 0 if none has begun."""
        self._in_scan = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The JPEGs that `piece` completes, in order."""
        self._held += piece
        whole = []
        while self._find_start():
            end = self._walk()
            if end is None:
                if len(self._held) <= self._max_bytes:
                    break
                self._skip(len(_START))
            elif end == 0:
                self._skip(len(_START))
            else:
                whole.append(bytes(self._held[:end]))
                self._skip(end)
        return whole

    def _find_start(self) -> bool:
        if self._at:
            return True
        start = self._held.find(_START)
        if start < 0:
            # The last two bytes may be the first two of a picture.
            del self._held[: max(0, len(self._held) - 2)]
            return False
        del self._held[:start]
        self._at = 2
        return True

    def _skip(self, count: int) -> None:
        del self._held[:count]
        self._at, self._in_scan = 0, False

    def _walk(self) -> int | None:
        """The end of the picture at the front; 0 if it is no picture, None if more bytes are needed."""
        held = self._held
        while True:
            if self._in_scan:
                found = held.find(_MARKER, self._at)
                # The next call continues here: a scan is not searched twice.
                self._at = len(held) if found < 0 else found
                if self._at + 1 >= len(held):
                    return None
                marker = held[self._at + 1]
                # Stuffed zeros, restart markers and fill bytes belong to the scan.
                if marker == 0 or marker in _WITHOUT_LENGTH:
                    self._at += 2
                    continue
                if marker == _MARKER:
                    self._at += 1
                    continue
                self._in_scan = False
            if self._at + 1 >= len(held):
                return None
            if held[self._at] != _MARKER:
                return 0
            marker = held[self._at + 1]
            if marker == _MARKER:
                self._at += 1
            elif marker == _END:
                return self._at + 2
            elif marker in (0x00, 0xD8):
                return 0
            elif marker in _WITHOUT_LENGTH:
                self._at += 2
            else:
                if self._at + 3 >= len(held):
                    return None
                length = int.from_bytes(held[self._at + 2 : self._at + 4], "big")
                if length < 2:
                    return 0
                self._at += 2 + length
                self._in_scan = marker == _SCAN
