"""A server on this machine that has a file of weights, and behaves as well or as badly as a test wants."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = hashlib.shake_256(b"weights").digest(3_000_000)


@dataclass
class Server:
    """What the server does, and the ranges that it was asked for."""

    url: str = ""
    content: bytes = CONTENT
    status: int = 200
    ranges: bool = True
    announces: bool = True
    breaks_after: int | None = None
    asked: list[str | None] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Server]:
    behaviour = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            behaviour.asked.append(asked)
            if behaviour.status != 200:
                self.send_error(behaviour.status)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and behaviour.ranges else 0
            total = len(behaviour.content)
            if start >= total:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            if behaviour.announces:
                self.send_header("Content-Length", str(total - start))
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(behaviour.content[start : behaviour.breaks_after])

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        behaviour.url = f"http://127.0.0.1:{http.server_port}/weights.pt"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield behaviour
        http.shutdown()
        thread.join()
