"""Made-up frames, videos, MJPEG and a server of it, for the tests of live sources."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image as Pillow


def pixels(number: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """A picture of one gray by which `number` (below 20) is known again, and some texture."""
    picture = np.full((*size, 3), 30 + 10 * number, np.uint8)
    picture[: size[0] // 2 : 2] += 3
    return picture


def number_of(picture: np.ndarray) -> int:
    return round((float(picture[-1].mean()) - 30) / 10)


def jpeg(number: int) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels(number)).save(file, "jpeg")
    return file.getvalue()


def write_video(path: Path, numbers: Iterable[int], fps: float = 25.0) -> Path:
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (64, 48))
    assert writer.isOpened()
    for number in numbers:
        writer.write(pixels(number)[..., ::-1])
    writer.release()
    return path


def multipart(jpegs: Iterable[bytes]) -> bytes:
    return b"".join(
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(data), data)
        for data in jpegs
    )


@contextmanager
def mjpeg_server(
    bodies: list[bytes], *, authorization: str | None = None, content: str = "multipart/x-mixed-replace"
) -> Iterator[tuple[str, list[str]]]:
    """A server that answers each request with the next of `bodies`, then hangs up; 503 when there is none left.

    Gives its host and port, and the list of paths that were served. With `authorization` it answers 401 to
    requests without that header.
    """
    asked: list[str] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if authorization is not None and self.headers["Authorization"] != authorization:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            with lock:
                body = bodies.pop(0) if bodies else None
                if body is not None:
                    asked.append(self.path)
            if body is None:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", f"{content}; boundary=frame")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
