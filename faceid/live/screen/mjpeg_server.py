"""Serves the annotated stream to browsers and other readers of MJPEG over HTTP, on this machine only."""

from __future__ import annotations

import os
import socket
import sys
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING, Any

import cv2

from faceid.errors import UsageError

if TYPE_CHECKING:
    from faceid.live.screen.screens import Draw
    from faceid.live.view import View

HOST = "127.0.0.1"
MAX_CLIENTS = 4
"""Viewers at the same time; a further viewer gets an error that asks it to try later."""
MAX_CONNECTIONS = 16
"""Connections that are open at the same time, for any purpose; a further connection is closed."""
QUALITY = 80
REPEAT_S = 5.0
"""After this time without a new picture the last one is sent again: readers see that the stream works, and the server
detects readers that have gone.
"""
TIMEOUT_S = 10.0
"""How long a reader may take to send its request, and to receive data."""

_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_BOUNDARY = "faceid"
_PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>faceid live</title>
<style>
html, body { margin: 0; height: 100%; background: #101010 }
img { width: 100%; height: 100%; object-fit: contain }
</style>
<img src="stream.mjpg" alt="what faceid sees">
</html>
"""


class MjpegServer:
    """Serves the newest view at http://127.0.0.1:`port`/stream.mjpg and a page with it at /.

    All users' programs on this machine can reach it, and no others. Other web pages cannot: requests must name this
    machine (another name that leads here is DNS rebinding) and not come from another page. Pictures are drawn and
    encoded only while a viewer is connected, in a separate thread; a slow viewer misses pictures and delays no other.
    """

    def __init__(self, port: int, draw: Draw) -> None:
        """Serve at once; port 0 takes a free one. Raises UsageError (`port`) if the port is not available."""
        self._pictures = _Pictures(draw)
        try:
            self._server = _Server((HOST, port), self._pictures)
        except (OSError, OverflowError) as error:
            reason = (
                error.strerror.lower() if isinstance(error, OSError) and error.strerror else "no such port"
            )
            raise UsageError(
                f"cannot serve on port {port}: {reason}",
                code="port",
            ) from error
        self.port = int(self._server.server_address[1])
        self.url = f"http://{HOST}:{self.port}/"
        self._thread: Thread | None = Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="faceid-mjpeg", daemon=True
        )
        self._thread.start()

    def show(self, view: View) -> bool:
        """Hand the view to the viewers, without waiting for them; always True."""
        self._pictures.put(view)
        return True

    def close(self) -> None:
        """Disconnect all viewers, and release the port."""
        if self._thread is None:
            return
        self._pictures.end()
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._thread.join()
        self._thread = None


class _Pictures:
    """The newest view, and its JPEG once a viewer has asked for it."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._changed = Condition()
        """Guards the following three."""
        self._view: View | None = None
        self._number = 0
        self._ended = False
        self._encoding = Lock()
        self._encoded = 0, b""
        self._watching = 0

    def put(self, view: View) -> None:
        with self._changed:
            self._view = view
            self._number += 1
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def next(self, after: int) -> tuple[int, bytes] | None:
        """Number and JPEG of the newest view: one later than `after`, or the same again after `REPEAT_S` seconds; None
        at the end.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._number > after, REPEAT_S)
            while self._view is None and not self._ended:
                self._changed.wait()
            if self._ended:
                return None
            number, view = self._number, self._view
        assert view is not None
        # Encoded once for all viewers.
        with self._encoding:
            if self._encoded[0] < number:
                bgr = cv2.cvtColor(self._draw(view), cv2.COLOR_RGB2BGR)
                _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
                self._encoded = number, data.tobytes()
            return self._encoded

    def come_in(self) -> bool:
        """Whether there is room for another viewer, which must call `go` when it ends."""
        with self._changed:
            if self._watching >= MAX_CLIENTS:
                return False
            self._watching += 1
            return True

    def go(self) -> None:
        with self._changed:
            self._watching -= 1


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS
    # On most systems this makes a port available that was just released; on Windows it would take over another's port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, address: tuple[str, int], pictures: _Pictures) -> None:
        self.pictures = pictures
        self._lock = Lock()
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            room = len(self._connections) < MAX_CONNECTIONS
            if room:
                self._connections.add(request)
        if room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the waiting of all connections' threads."""
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    # The other side has closed it first.
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A reader that disconnects is no error.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = TIMEOUT_S
    server_version, sys_version = "faceid", ""

    def do_GET(self) -> None:
        """Answer one request."""
        path = self.path.partition("?")[0]
        if not _is_this_machine(self.headers.get_all("Host")):
            self._refuse(403, "call this server localhost or 127.0.0.1")
        elif path == "/":
            self._send_page()
        elif path != "/stream.mjpg":
            self._refuse(404, "there are / and /stream.mjpg")
        elif self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            self._refuse(403, "not for other pages")
        elif not self.server.pictures.come_in():
            self._refuse(503, f"{MAX_CLIENTS} others are watching")
        else:
            try:
                self._send_stream()
            finally:
                self.server.pictures.go()

    def _send_page(self) -> None:
        self._begin(200, "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.end_headers()
        self.wfile.write(_PAGE)

    def _send_stream(self) -> None:
        # A small buffer, because pictures that wait in it become old.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        self._begin(200, f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.end_headers()
        number = 0
        while (picture := self.server.pictures.next(number)) is not None:
            number, data = picture
            header = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(header.encode() + data + b"\r\n")
        self.wfile.write(f"--{_BOUNDARY}--\r\n".encode())

    def _refuse(self, status: int, reason: str) -> None:
        body = f"{reason}\n".encode()
        self._begin(status, "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _begin(self, status: int, content: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        policy = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Connection", "close")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""


def _is_this_machine(hosts: list[str] | None) -> bool:
    """Whether a request names this machine, whatever the port: one may be forwarded."""
    if hosts is None or len(hosts) != 1:
        return False
    host = hosts[0].strip().lower()
    name, _, port = host.rpartition(":")
    if not name or host.endswith("]"):
        name, port = host, ""
    return name in _NAMES and (not port or port.isdecimal())
