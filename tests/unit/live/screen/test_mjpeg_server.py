"""The stream over HTTP, through a real socket: what is served, to whom, and that nobody is waited for."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse

import numpy as np
import pytest
from PIL import Image as Pillow

from faceid.cli.messages import hint_for
from faceid.errors import UsageError
from faceid.live.screen import mjpeg_server
from faceid.live.screen.mjpeg_server import MAX_CLIENTS, MjpegServer
from faceid.live.source.mjpeg import JpegSplitter
from faceid.live.view import View
from made_up_views import gray, view


def drawn(seen: View) -> np.ndarray:
    return seen.frame.image.pixels


@pytest.fixture
def server() -> Iterator[MjpegServer]:
    serving = MjpegServer(0, drawn)
    yield serving
    serving.close()


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)


def ask(server: MjpegServer, path: str = "/", **headers: str) -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request(
        "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    response = connection.getresponse()
    connection.close()
    return response


class Watching:
    """A reader of the stream."""

    def __init__(self, server: MjpegServer) -> None:
        self.response = ask(server, "/stream.mjpg")
        assert self.response.status == 200
        assert self.response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=faceid"
        self._splitter = JpegSplitter()
        self._found: list[bytes] = []

    def next(self) -> np.ndarray | None:
        while not self._found:
            piece = self.response.read1(2**16)
            if not piece:
                return None
            self._found = self._splitter.feed(piece)
        return np.asarray(Pillow.open(io.BytesIO(self._found.pop(0))))

    def close(self) -> None:
        self.response.close()


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_the_newest_view_is_served_in_its_colours(server: MjpegServer) -> None:
    pixels = gray()
    pixels[:] = (200, 30, 90)
    assert server.show(view(gray(7)))
    assert server.show(view(pixels))
    reader = Watching(server)
    picture = reader.next()
    assert picture is not None
    assert picture.shape == (480, 640, 3)
    assert picture[240, 320].tolist() == pytest.approx([200, 30, 90], abs=4)
    server.show(view(gray(50)))
    later = reader.next()
    assert later is not None
    assert abs(float(later.mean()) - 50) < 3
    reader.close()


def test_who_comes_before_the_first_view_waits_for_it(server: MjpegServer) -> None:
    reader = Watching(server)
    server.show(view(gray(90)))
    picture = reader.next()
    assert picture is not None
    reader.close()


def test_the_page_shows_the_stream_and_nothing_of_others(server: MjpegServer) -> None:
    response = ask(server)
    assert (response.status, b'src="stream.mjpg"' in response.read()) == (200, True)
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert server.url == f"http://127.0.0.1:{server.port}/"
    assert ask(server, "/etc/passwd").status == 404
    assert ask(server, "/?reload").status == 200


def test_nothing_is_drawn_for_nobody_and_once_for_many() -> None:
    seen: list[View] = []

    def counted(what: View) -> np.ndarray:
        seen.append(what)
        return drawn(what)

    server = MjpegServer(0, counted)
    for _ in range(20):
        server.show(view())
    assert not seen
    readers = [Watching(server) for _ in range(3)]
    assert all(reader.next() is not None for reader in readers)
    assert len(seen) == 1
    for reader in readers:
        reader.close()
    server.close()


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost:x",
        "",
        "[::2]",
        "localhost@evil",
    ],
)
@pytest.mark.parametrize("path", ["/", "/stream.mjpg"])
def test_a_name_that_was_bent_to_this_machine_gets_nothing(server: MjpegServer, host: str, path: str) -> None:
    server.show(view())
    assert ask(server, path, Host=host).status == 403


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.0.0.1", "[::1]", "[::1]:8080"]
)
def test_the_names_of_this_machine(server: MjpegServer, host: str) -> None:
    assert ask(server, Host=host).status == 200


@pytest.mark.parametrize("head", ["", "Host: localhost\r\nHost: evil.example\r\n"])
def test_no_host_or_two(server: MjpegServer, head: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\n{head}\r\n".encode())
        assert b" 403 " in connection.recv(100)


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
def test_other_pages_get_no_stream(server: MjpegServer, site: str, status: int) -> None:
    server.show(view())
    response = ask(server, "/stream.mjpg", Sec_Fetch_Site=site)
    assert response.status == status
    response.close()


def test_only_so_many_watch_and_who_goes_makes_room(server: MjpegServer) -> None:
    server.show(view(gray(1, 48, 64)))
    readers = [Watching(server) for _ in range(MAX_CLIENTS)]
    assert ask(server, "/stream.mjpg").status == 503
    readers.pop().close()

    def there_is_room() -> bool:
        server.show(view(gray(1, 48, 64)))
        response = ask(server, "/stream.mjpg")
        response.close()
        return response.status == 200

    wait_until(there_is_room)
    for reader in readers:
        reader.close()


def test_a_crowd_of_silent_connections_is_hung_up_on(server: MjpegServer) -> None:
    crowd = [
        socket.create_connection(("127.0.0.1", server.port), timeout=20)
        for _ in range(mjpeg_server.MAX_CONNECTIONS + 1)
    ]
    assert crowd[-1].recv(1) == b""
    for connection in crowd:
        connection.close()
    wait_until(lambda: _answers(server))


def _answers(server: MjpegServer) -> bool:
    try:
        return ask(server).status == 200
    except OSError:
        return False


def test_who_does_not_read_holds_up_nobody_and_misses_what_was_between(
    server: MjpegServer, noise: np.ndarray
) -> None:
    server.show(view(noise))
    slow, quick = Watching(server), Watching(server)
    assert slow.next() is not None
    shown = 200
    for number in range(shown):
        server.show(view(np.roll(noise, number, axis=1)))
        if number % 20 == 0:
            assert quick.next() is not None
    last = gray(50)
    server.show(view(last))
    seen = 0
    while True:
        picture = slow.next()
        assert picture is not None
        seen += 1
        if abs(float(picture.mean()) - 50) < 3 and picture.std() < 3:
            break
    assert seen < shown / 2
    slow.close()
    quick.close()


def test_without_new_views_the_last_is_sent_again(
    server: MjpegServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mjpeg_server, "REPEAT_S", 0.05)
    server.show(view(gray(60, 48, 64)))
    reader = Watching(server)
    pictures = [reader.next() for _ in range(3)]
    assert all(picture is not None and abs(float(picture.mean()) - 60) < 3 for picture in pictures)
    reader.close()


def test_a_port_that_is_taken(server: MjpegServer) -> None:
    with pytest.raises(
        UsageError, match=f"cannot serve on port {server.port}: address already in use"
    ) as caught:
        MjpegServer(server.port, drawn)
    assert caught.value.code == "port"
    assert hint_for(caught.value)


def test_no_port() -> None:
    with pytest.raises(UsageError, match="no such port"):
        MjpegServer(70000, drawn)


def test_it_listens_on_loopback_only(server: MjpegServer) -> None:
    assert server._server.server_address[0] == "127.0.0.1"


def test_closing_ends_readers_threads_and_the_port(noise: np.ndarray) -> None:
    server = MjpegServer(0, drawn)
    server.show(view(noise))
    # One waits for pictures, one does not read what it is sent.
    waiting, silent = Watching(server), Watching(server)
    assert waiting.next() is not None
    for _ in range(20):
        server.show(view(noise))
        assert waiting.next() is not None
    server.close()
    server.close()
    while waiting.next() is not None:
        pass
    wait_until(lambda: not [thread for thread in threading.enumerate() if "process_request" in thread.name])
    again = MjpegServer(server.port, drawn)
    again.close()
    waiting.close()
    silent.close()
