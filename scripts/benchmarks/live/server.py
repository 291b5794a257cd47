"""A camera for bench_live: MJPEG over HTTP on loopback, in its own process.

    python -m scripts.benchmarks.live.server VIDEO [--port 0] [--fps 60] [--pictures N]

It plays the video in a loop of `--pictures` pictures, which it encodes before it begins. Each picture carries its
number in a corner (`marked` in data.py). Picture n is due n / FPS seconds after `began`. Every client gets the newest
picture when it is due; the server skips pictures that a client is too slow for, as cameras do. The first line on
stdout is a JSON object: `url`, and `began` on this machine's monotonic clock, which all its processes share.
"""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat

import cv2
import numpy as np

from scripts import command
from scripts.benchmarks.live.data import mark


class Camera(ThreadingHTTPServer):
    """Sends `jpegs` round and round, `fps` a second counted from `began`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, jpegs: list[bytes], fps: float) -> None:
        super().__init__(("127.0.0.1", port), _Viewer)
        self.jpegs, self.fps, self.began = jpegs, fps, time.monotonic()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Viewer(BaseHTTPRequestHandler):
    server: Camera

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        camera = self.server
        number = -1
        try:
            while True:
                newest = int((time.monotonic() - camera.began) * camera.fps)
                number = max(number + 1, newest)
                time.sleep(max(0.0, camera.began + number / camera.fps - time.monotonic()))
                jpeg = camera.jpegs[number % len(camera.jpegs)]
                head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
                self.wfile.write(head + jpeg + b"\r\n")
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        pass


def encoded(video: str, pictures: int | None) -> list[bytes]:
    """JPEGs of `pictures` pictures of a video that is played again and again; None: as many as it has."""
    capture, read = cv2.VideoCapture(video), []
    while (grabbed := capture.read())[0]:
        read.append(grabbed[1])
    if not read:
        raise SystemExit(f"{video}: not a video that can be read")
    jpegs = []
    for number, pixels in enumerate(chain.from_iterable(repeat(read))):
        if number == (pictures or len(read)):
            return jpegs
        canvas = np.array(pixels)
        mark(canvas, number)
        jpegs.append(cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())
    raise AssertionError


def main() -> None:
    parser = command.parser(__doc__)
    parser.add_argument("video")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fps", type=float, default=60.0)
    parser.add_argument("--pictures", type=int)
    arguments = parser.parse_args()
    with Camera(arguments.port, encoded(arguments.video, arguments.pictures), arguments.fps) as camera:
        size = sum(map(len, camera.jpegs)) / len(camera.jpegs)
        print(json.dumps({"url": camera.url, "began": camera.began, "bytes": round(size)}), flush=True)
        camera.serve_forever()


if __name__ == "__main__":
    main()
