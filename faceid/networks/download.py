"""Download of one file over HTTP: it resumes, checks size and SHA-256, then renames the file.

Bytes collect in `FILE.part`, which survives an interruption. While a process holds `FILE.lock`, others wait; the
system releases the lock if the process is killed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, cast
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from faceid.networks.card import AnyCard
from faceid.networks.errors import PullFailed, WeightsAltered
from faceid.networks.files import BLOCK, sha256_of

TIMEOUT = 30.0
"""Seconds without data after which the connection counts as lost."""


def download(card: AnyCard, url: str, target: Path, progress: Callable[[int, int | None], None]) -> None:
    """Fetch the file of `card.weights` from `url` to `target`, whose directory exists.

    Raises PullFailed (offline, HTTP error, connection lost, disk full), WeightsAltered if the server has another file
    than the card names, and OSError for errors of the disk.
    """
    with _only_here(target) as part:
        if target.is_file() and sha256_of(target) == card.weights.sha256:
            return  # another process was faster
        resumed = _fetch(card, url, part, progress)
        if resumed and sha256_of(part) != card.weights.sha256:
            # The part was of another version, or damaged: download again from the start.
            part.unlink()
            _fetch(card, url, part, progress)
        found = sha256_of(part)
        if found != card.weights.sha256:
            part.unlink()
            raise _another_file(card, url, f"SHA-256 {found[:8]}..., not {card.weights.sha256[:8]}...")
        part.replace(target)


def discard_part(target: Path) -> None:
    """Remove the beginning of `target` that an interrupted download left, once no other process continues it."""
    with _only_here(target) as part:
        part.unlink(missing_ok=True)


@contextmanager
def _only_here(target: Path) -> Iterator[Path]:
    """The path of the part of `target`, which other processes leave alone inside."""
    from filelock import FileLock

    with FileLock(target.with_name(f"{target.name}.lock")):
        yield target.with_name(f"{target.name}.part")


def _fetch(card: AnyCard, url: str, part: Path, progress: Callable[[int, int | None], None]) -> bool:
    """Complete `part` to the card's size; returns whether it continued earlier bytes."""
    size = card.weights.size
    have = part.stat().st_size if part.exists() else 0
    if have == size:
        return True
    if have > size:
        part.unlink()
        have = 0
    if shutil.disk_usage(part.parent).free < size - have:
        raise PullFailed(
            f"the weights of {card.name} do not fit on the disk of {part.parent}",
            code="disk_full",
            remedy="free_space",
            megabytes=f"{(size - have) / 1e6:.0f}",
            path=str(part.parent),
        )
    response, have = _resumed(card, url, have)
    with response:
        _receive(card, url, response, part, have, progress)
    return have > 0


def _resumed(card: AnyCard, url: str, have: int) -> tuple[HTTPResponse, int]:
    """A response that continues after `have` bytes, or one with the whole file; and its first byte."""
    response = _request(card, url, have)
    if have and _range_of(response) != (have, card.weights.size):
        # The server cannot resume, or has another file now: take the whole file.
        if response.status == 206:
            response.close()
            response = _request(card, url, 0)
        have = 0
    announced = response.headers.get("Content-Length")
    if not have and announced not in (None, str(card.weights.size)):
        response.close()
        raise _another_file(card, url, f"{announced} bytes, not {card.weights.size}")
    return response, have


def _receive(
    card: AnyCard,
    url: str,
    response: HTTPResponse,
    part: Path,
    have: int,
    progress: Callable[[int, int | None], None],
) -> None:
    """Write the received bytes to `part`, after the first `have` bytes."""
    size = card.weights.size
    progress(have, size)
    with part.open("ab" if have else "wb") as file:
        while block := _read(card, response, size - have + 1, have):
            if have + len(block) > size:
                part.unlink()
                raise _another_file(card, url, f"more than {size} bytes")
            file.write(block)
            have += len(block)
            progress(have, size)
        file.flush()
        os.fsync(file.fileno())
    if have < size:
        raise _lost(card, have, "the server closed the connection")


class _StayEncrypted(HTTPRedirectHandler):
    """Follows no redirection from HTTPS to anything else."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if req.type == "https" and not newurl.lower().startswith("https://"):
            raise URLError(f"it redirects to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _request(card: AnyCard, url: str, start: int) -> HTTPResponse:
    """The response to a GET from byte `start` on."""
    headers = {"User-Agent": "faceid"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        opener = build_opener(_StayEncrypted)
        return cast("HTTPResponse", opener.open(Request(url, headers=headers), timeout=TIMEOUT))
    except HTTPError as error:
        error.close()
        if error.code == 416 and start:
            return _request(card, url, 0)
        raise PullFailed(
            f"cannot fetch {url}: HTTP {error.code} {error.reason}",
            code="not_found" if error.code in (404, 410) else None,
            remedy="fetch_elsewhere",
            model=card.name,
            file=card.weights.file,
        ) from error
    except (URLError, HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        # A ValueError is about the URL: a broken address, or characters that no URL has.
        reason = error.reason if isinstance(error, URLError) else error
        raise PullFailed(
            f"cannot reach {url}: {reason}",
            code="offline",
            remedy="fetch_elsewhere",
            model=card.name,
            file=card.weights.file,
        ) from error


def _read(card: AnyCard, response: HTTPResponse, limit: int, have: int) -> bytes:
    try:
        return response.read(min(BLOCK, limit))
    except (HTTPException, TimeoutError, ConnectionError) as error:
        raise _lost(card, have, str(error) or type(error).__name__) from error


def _range_of(response: HTTPResponse) -> tuple[int, int] | None:
    """First byte and total size of a partial response."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    return (int(match[1]), int(match[2])) if response.status == 206 and match else None


def _lost(card: AnyCard, have: int, reason: str) -> PullFailed:
    return PullFailed(
        f"the download of {card.name} stopped at {have:,} of {card.weights.size:,} bytes: {reason}",
        code="interrupted",
        model=card.name,
    )


def _another_file(card: AnyCard, url: str, difference: str) -> WeightsAltered:
    return WeightsAltered(
        f"{url} is not the file that the card of {card.name} names: {difference}",
        remedy="fetch_elsewhere",
        model=card.name,
        file=card.weights.file,
    )
