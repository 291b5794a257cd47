"""A small RTSP server on loopback, to test live sources against: `python -m scripts.chaos.rtsp_server VIDEO`.

RTSP 1.0 (RFC 2326) with RTP in the same connection, motion JPEG in RTP (RFC 2435), Basic authentication. It plays the
video in a loop to every client, from the beginning.
"""

from __future__ import annotations

import base64
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2

from scripts import command

_CLOCK_HZ = 90_000
_JPEG_PAYLOAD = 26
_PIECE = 1400
_SAMPLINGS = {0x21: 0, 0x22: 1}
"""Of the brightness, in the frame header -> RFC 2435's type: 4:2:2 and 4:2:0."""


@dataclass(frozen=True)
class Jpeg:
    """What RFC 2435 sends of a baseline JPEG with the standard Huffman tables."""

    kind: int
    width: int
    height: int
    tables: bytes
    scan: bytes

    @classmethod
    def parse(cls, data: bytes) -> Jpeg:
        kind = width = height = 0
        tables, at = b"", 2
        while True:
            marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
            body, at = data[at + 4 : at + 2 + length], at + 2 + length
            if marker == 0xDB:
                tables += b"".join(body[start + 1 : start + 65] for start in range(0, len(body), 65))
            elif marker == 0xC0:
                height, width = struct.unpack(">HH", body[1:5])
                kind = _SAMPLINGS[body[7]]
            elif marker == 0xDA:
                return cls(kind, width, height, tables, data[at : data.rindex(b"\xff\xd9")])


def packets(picture: Jpeg, first: int, timestamp: int) -> Iterator[bytes]:
    """The RTP packets of one frame, numbered from `first`."""
    at, number = 0, first
    while at < len(picture.scan):
        head = struct.pack(">I", at) + bytes((picture.kind, 255, picture.width // 8, picture.height // 8))
        if at == 0:
            head += struct.pack(">BBH", 0, 0, len(picture.tables)) + picture.tables
        piece = picture.scan[at : at + _PIECE]
        at += len(piece)
        last = at >= len(picture.scan)
        rtp = struct.pack(
            ">BBHII", 0x80, _JPEG_PAYLOAD | last << 7, number & 0xFFFF, timestamp & 0xFFFFFFFF, 0xFACE
        )
        yield rtp + head + piece
        number += 1


class RtspServer(socketserver.ThreadingTCPServer):
    """Plays what `frames()` gives (BGR, sides multiples of 8 up to 2040) at `fps`, then hangs up."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(
        self, port: int, frames: Callable[[], Iterator[object]], fps: float = 25.0, login: str | None = None
    ) -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.frames, self.fps = frames, fps
        self.authorization = login and "Basic " + base64.b64encode(login.encode()).decode()
        self.played = 0


class _Session(socketserver.StreamRequestHandler):
    server: RtspServer

    def handle(self) -> None:
        try:
            while request := self._request():
                if not self._answer(*request):
                    return
        except (ConnectionError, OSError):
            return

    def _request(self) -> tuple[str, str, dict[str, str]] | None:
        line = self.rfile.readline()
        if not line:
            return None
        method, url, _ = line.decode().split(maxsplit=2)
        headers = {}
        while (line := self.rfile.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return method, url, headers

    def _answer(self, method: str, url: str, headers: dict[str, str]) -> bool:
        def reply(status: str, extra: str = "", body: str = "") -> None:
            length = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n" if body else ""
            self.wfile.write(
                f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\n{extra}{length}\r\n{body}".encode()
            )

        wanted = self.server.authorization
        if wanted and method != "OPTIONS" and headers.get("authorization") != wanted:
            reply("401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n')
        elif method == "OPTIONS":
            reply("200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n")
        elif method == "DESCRIBE":
            sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=faces\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            reply("200 OK", body=f"{sdp}m=video 0 RTP/AVP {_JPEG_PAYLOAD}\r\na=control:video\r\n")
        elif method == "SETUP" and "interleaved" not in headers.get("transport", ""):
            reply("461 Unsupported Transport")
        elif method == "SETUP":
            reply("200 OK", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n")
        elif method == "PLAY":
            reply("200 OK", f"Session: 1\r\nRTP-Info: url={url};seq=0;rtptime=0\r\n")
            self._play()
            return False
        else:
            reply("200 OK")
            return method != "TEARDOWN"
        return True

    def _play(self) -> None:
        self.server.played += 1
        sequence, began = 0, time.monotonic()
        for number, frame in enumerate(self.server.frames()):
            time.sleep(max(0.0, began + number / self.server.fps - time.monotonic()))
            picture = Jpeg.parse(cv2.imencode(".jpg", frame)[1].tobytes())
            for packet in packets(picture, sequence, round(number * _CLOCK_HZ / self.server.fps)):
                self.wfile.write(b"$\0" + struct.pack(">H", len(packet)) + packet)
                sequence += 1


@contextmanager
def serving(
    frames: Callable[[], Iterator[object]], *, port: int = 0, fps: float = 25.0, login: str | None = None
) -> Iterator[RtspServer]:
    """A server in a thread; `server_address[1]` is its port."""
    with RtspServer(port, frames, fps, login) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _round_and_round(path: str) -> Iterator[object]:
    while True:
        video, number = cv2.VideoCapture(path), 0
        while (read := video.read())[0]:
            height, width = (side // 8 * 8 for side in read[1].shape[:2])
            yield read[1][:height, :width]
            number += 1
        if not number:
            raise SystemExit(f"{path}: not a video that can be read")


def main() -> None:
    parser = command.parser(__doc__)
    parser.add_argument("video")
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--login", metavar="USER:PASSWORD")
    options = parser.parse_args()
    with RtspServer(
        options.port, lambda: _round_and_round(options.video), options.fps, options.login
    ) as server:
        print(f"rtsp://127.0.0.1:{options.port}/live", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
