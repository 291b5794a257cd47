"""Downloads against a server on this machine: resumed, checked, never half there."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request

import pytest

from faceid.cli.messages import hint_for
from faceid.networks import registry, weights
from faceid.networks.card import Card, WeightsSource
from faceid.networks.download import _StayEncrypted
from faceid.networks.errors import PullFailed, TermsNotAccepted, WeightsAltered
from places import ROOT
from weights_server import CONTENT, Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as behaviour:
        yield behaviour


@pytest.fixture
def second() -> Iterator[Server]:
    with serving() as behaviour:
        yield behaviour


def card_for(*urls: str) -> Card:
    card = registry.card("facenet-vggface2")
    pinned = replace(
        card.weights,
        sources=tuple(WeightsSource("url", url) for url in urls),
        file="weights.pt",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
    )
    return replace(card, weights=pinned)


def files(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()} - {"weights.pt.lock"}


def test_a_download_is_whole_and_reports_its_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = weights.pull(card_for(server.url), tmp_path, progress=lambda *step: seen.append(step))
    assert path.read_bytes() == CONTENT
    assert files(tmp_path) == {"weights.pt"}
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_nothing_is_fetched_before_the_terms_are_accepted(server: Server, tmp_path: Path) -> None:
    card = replace(card_for(server.url), terms="research", licence_note="Ask the publisher first.")
    with pytest.raises(TermsNotAccepted, match=r"Ask the publisher first\.") as caught:
        weights.pull(card, tmp_path / "weights")
    assert hint_for(caught.value) == f"if you accept them: faceid models pull {card.name} --accept-terms"
    assert server.asked == []
    assert not (tmp_path / "weights").exists()
    assert weights.pull(card, tmp_path / "weights", accept_terms=True).read_bytes() == CONTENT


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    weights.pull(card_for(server.url), tmp_path)
    weights.pull(card_for(server.url), tmp_path)
    assert server.asked == [None]


def test_what_is_there_but_altered_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"x")
    assert weights.pull(card_for(server.url), tmp_path).read_bytes() == CONTENT


def test_an_interrupted_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.breaks_after = 1_000_000
    with pytest.raises(PullFailed, match=r"stopped at 1,000,000 of 3,000,000") as caught:
        weights.pull(card_for(server.url), tmp_path)
    assert caught.value.code == "interrupted"
    assert files(tmp_path) == {"weights.pt.part"}
    server.breaks_after = None
    seen: list[int] = []
    path = weights.pull(card_for(server.url), tmp_path, progress=lambda done, total: seen.append(done))
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000000-"]
    assert seen[0] == 1_000_000
    assert files(tmp_path) == {"weights.pt"}


def test_a_server_that_cannot_resume_gives_the_whole(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pt.part").write_bytes(CONTENT[:1000])
    server.ranges = False
    assert weights.pull(card_for(server.url), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_a_part_of_another_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pt.part").write_bytes(b"x" * 1000)
    assert weights.pull(card_for(server.url), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-", None]


@pytest.mark.parametrize("length", [len(CONTENT), len(CONTENT) + 1])
def test_a_part_that_is_wrong_and_long_enough_is_thrown_away(
    server: Server, tmp_path: Path, length: int
) -> None:
    (tmp_path / "weights.pt.part").write_bytes(b"x" * length)
    assert weights.pull(card_for(server.url), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None]


def test_a_part_that_is_complete_only_needs_its_name(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pt.part").write_bytes(CONTENT)
    assert weights.pull(card_for(server.url), tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_a_file_that_shrank_while_part_of_it_was_here(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pt.part").write_bytes(CONTENT[:2_000_000])
    server.content = CONTENT[:1_000_000]  # answers 416 to the resumed request
    with pytest.raises(WeightsAltered, match=r"1000000 bytes, not 3000000"):
        weights.pull(card_for(server.url), tmp_path)
    assert server.asked == ["bytes=2000000-", None]


def test_a_file_that_grew_while_part_of_it_was_here(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pt.part").write_bytes(CONTENT[:2_000_000])
    server.content = CONTENT + b"x"
    with pytest.raises(WeightsAltered, match=r"3000001 bytes"):
        weights.pull(card_for(server.url), tmp_path)


def test_a_file_of_another_hash_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[::-1]
    with pytest.raises(WeightsAltered, match="SHA-256"):
        weights.pull(card_for(server.url), tmp_path)
    assert files(tmp_path) == set()


@pytest.mark.parametrize("announces", [True, False])
def test_a_file_that_is_too_long_leaves_nothing(server: Server, tmp_path: Path, announces: bool) -> None:
    server.content = CONTENT * 2
    server.announces = announces
    with pytest.raises(WeightsAltered, match="bytes"):
        weights.pull(card_for(server.url), tmp_path)
    assert files(tmp_path) == set()


@pytest.mark.parametrize(("status", "code"), [(404, "not_found"), (410, "not_found"), (503, "pull_failed")])
def test_what_the_server_says_is_passed_on(server: Server, tmp_path: Path, status: int, code: str) -> None:
    server.status = status
    with pytest.raises(PullFailed, match=f"HTTP {status}") as caught:
        weights.pull(card_for(server.url), tmp_path)
    assert caught.value.code == code
    assert "--from FILE" in str(hint_for(caught.value))


def test_offline(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        with pytest.raises(PullFailed, match="cannot reach") as caught:
            weights.pull(card_for(f"http://127.0.0.1:{taken.getsockname()[1]}/w"), tmp_path)
    assert caught.value.code == "offline"


def test_a_disk_without_room_is_noticed_before_the_download(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(PullFailed, match="do not fit") as caught:
        weights.pull(card_for(server.url), tmp_path)
    assert caught.value.code == "disk_full"
    assert server.asked == []


def test_a_disk_that_fills_up_during_the_download(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PullFailed, match="No space left") as caught:
        weights.pull(card_for(server.url), tmp_path)
    assert caught.value.code == "disk_full"
    assert not (tmp_path / "weights.pt").exists()


def unreachable() -> str:
    """A URL at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/w"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"status": 404}, "HTTP 404"),
        ({"content": CONTENT[::-1]}, "SHA-256"),
        ({"content": CONTENT * 2}, "6000000 bytes"),
        ({"breaks_after": 1_000_000}, "stopped at 1,000,000"),
    ],
)
def test_the_next_source_is_taken_if_the_first_fails(
    server: Server, second: Server, tmp_path: Path, broken: dict[str, object], why: str
) -> None:
    for name, value in broken.items():
        setattr(server, name, value)
    notes: list[str] = []
    path = weights.pull(card_for(server.url, second.url), tmp_path, notify=notes.append)
    assert path.read_bytes() == CONTENT
    assert files(tmp_path) == {"weights.pt"}
    (note,) = notes
    assert why in note
    assert second.url in note


def test_a_source_that_cannot_be_reached_has_a_successor(second: Server, tmp_path: Path) -> None:
    gone, notes = unreachable(), list[str]()
    path = weights.pull(card_for(gone, second.url), tmp_path, notify=notes.append)
    assert path.read_bytes() == CONTENT
    assert len(notes) == 1
    assert f"cannot reach {gone}" in notes[0]


def test_the_first_source_that_answers_is_the_only_one(
    server: Server, second: Server, tmp_path: Path
) -> None:
    notes: list[str] = []
    weights.pull(card_for(server.url, second.url), tmp_path, notify=notes.append)
    assert (server.asked, second.asked, notes) == ([None], [], [])


def test_if_all_sources_fail_one_error_names_each(server: Server, tmp_path: Path) -> None:
    server.status = 404
    gone, notes = unreachable(), list[str]()
    with pytest.raises(PullFailed) as caught:
        weights.pull(card_for(server.url, gone), tmp_path, notify=notes.append)
    assert f"cannot fetch {server.url}: HTTP 404" in str(caught.value)
    assert f"cannot reach {gone}" in str(caught.value)
    assert caught.value.code == "pull_failed"
    assert "--from FILE" in str(hint_for(caught.value))
    assert len(notes) == 1
    assert files(tmp_path) == set()


def test_if_all_sources_have_another_file_the_weights_are_altered(
    server: Server, second: Server, tmp_path: Path
) -> None:
    server.content = second.content = CONTENT[::-1]
    with pytest.raises(WeightsAltered) as caught:
        weights.pull(card_for(server.url, second.url), tmp_path)
    assert server.url in str(caught.value)
    assert second.url in str(caught.value)
    assert files(tmp_path) == set()


def test_a_full_disk_has_no_successor(
    server: Server, second: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage, notes = shutil.disk_usage(tmp_path), list[str]()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(PullFailed, match="do not fit") as caught:
        weights.pull(card_for(server.url, second.url), tmp_path, notify=notes.append)
    assert (caught.value.code, server.asked, second.asked, notes) == ("disk_full", [], [], [])


def test_two_processes_fetch_one_file_once(server: Server, tmp_path: Path) -> None:
    program = (
        "import sys; from dataclasses import replace; from pathlib import Path\n"
        "from faceid.networks import registry, weights\n"
        "from faceid.networks.card import WeightsSource\n"
        "card = registry.card('facenet-vggface2'); url, sha256, size, directory = sys.argv[1:]\n"
        "sources = (WeightsSource('url', url),)\n"
        "pinned = replace(card.weights, sources=sources, file='weights.pt', sha256=sha256, size=int(size))\n"
        "print(weights.pull(replace(card, weights=pinned), Path(directory)))\n"
    )
    card = card_for(server.url)
    arguments = [card.weights.source, card.weights.sha256, str(card.weights.size), str(tmp_path)]
    root = ROOT
    both = [subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=root) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert (tmp_path / "weights.pt").read_bytes() == CONTENT
    assert server.asked == [None]
    assert files(tmp_path) == {"weights.pt"}


@pytest.mark.parametrize("to", ["http://example.org/x", "ftp://example.org/x", "HTTP://example.org/x"])
def test_a_redirection_stays_encrypted(to: str) -> None:
    follow = partial(_StayEncrypted().redirect_request, fp=BytesIO(), code=302, msg="", headers=HTTPMessage())
    with pytest.raises(URLError, match="not encrypted"):
        follow(Request("https://example.org/x"), newurl=to)
    followed = follow(Request("https://example.org/x"), newurl="https://example.net/y")
    assert followed is not None
    assert followed.full_url == "https://example.net/y"


@pytest.mark.parametrize(
    "url", ["https://[x/weights", "https://example.org/caf\u00e9", "https://example.org:x/"]
)
def test_an_address_that_is_none_is_told(tmp_path: Path, url: str) -> None:
    with pytest.raises(PullFailed, match="cannot reach"):
        weights.pull(card_for(url), tmp_path)
