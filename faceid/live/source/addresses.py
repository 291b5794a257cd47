"""Parses a source that a user names. No name, message or repr made here holds credentials.

For each kind, `live` is true if the source does not wait for its consumer, and `comes_back` if it is opened again after
it broke off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeAlias
from urllib.parse import SplitResult, urlsplit

from faceid.errors import InputError, UsageError
from faceid.imaging import STDIN

SCHEMES = ("rtsp", "rtsps", "http", "https")

_HIDDEN = "***"
_DEVICE = re.compile(r"/dev/video(\d{1,4})")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9_.-]*")
_KEY = re.compile(r"(?=[A-Za-z]*[0-9])[A-Za-z0-9]{12,}|[A-Za-z0-9]{24,}")
"""A probable key in the path of a camera's URL: a long run of letters and digits."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera of this machine, by its number."""

    live: ClassVar[bool] = True
    comes_back: ClassVar[bool] = True
    index: int

    @property
    def name(self) -> str:
        """The name for people and logs, without credentials."""
        return f"camera {self.index}"


@dataclass(frozen=True, slots=True)
class NetworkStream:
    """A stream behind a URL. `url` may hold credentials and is in no repr; `name` is for people and logs."""

    live: ClassVar[bool] = True
    comes_back: ClassVar[bool] = True
    url: str = field(repr=False)
    name: str

    @property
    def is_http(self) -> bool:
        """Whether the stream uses HTTP and not RTSP."""
        return self.url[:4].lower() == "http"


@dataclass(frozen=True, slots=True)
class _OnDisk:
    live: ClassVar[bool] = False
    comes_back: ClassVar[bool] = False
    path: str

    @property
    def name(self) -> str:
        """The path."""
        return self.path


@dataclass(frozen=True, slots=True)
class VideoFile(_OnDisk):
    """A video file."""


@dataclass(frozen=True, slots=True)
class PictureDirectory(_OnDisk):
    """A directory whose pictures are the frames, in the order of `faceid.imaging.walk`."""


@dataclass(frozen=True, slots=True)
class StandardInput:
    """JPEG after JPEG on standard input: raw MJPEG."""

    live: ClassVar[bool] = True
    comes_back: ClassVar[bool] = False
    name: ClassVar[str] = STDIN


Address: TypeAlias = Camera | NetworkStream | VideoFile | PictureDirectory | StandardInput


def parse_address(text: str) -> Address:
    """The source that `text` names.

    Digits (or `/dev/video0`) are a camera, `-` is standard input, `rtsp://`, `rtsps://`, `http://` and `https://`
    are streams, everything else is a path; `./0` is a file called 0.

    Raises UsageError (`bad_source`) for a URL that cannot be used and InputError (`no_such_source`) for a path that is
    not there; neither quotes a part that may be a password.
    """
    if text == STDIN:
        return StandardInput()
    if re.fullmatch(r"[0-9]{1,4}", text):
        return Camera(int(text))
    if device := _DEVICE.fullmatch(text):
        return Camera(int(device[1]))
    if scheme := _SCHEME.match(text):
        return _stream(text, scheme[1].lower())
    return _path(text)


def _stream(text: str, scheme: str) -> NetworkStream:
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise _bad(
            f"{scheme}://{_HIDDEN}: not a stream that can be read", remedy="known_schemes", schemes=known
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise _bad(
            f"{scheme}://{_HIDDEN}: a URL holds no spaces and only ASCII",
            remedy="escape_characters",
        )
    parts = _split(text, scheme)
    try:
        port = parts.port
    except ValueError as error:
        # Not chained: the text of the error quotes the port, which may be a password.
        del error
        raise _bad(
            f"{scheme}://{_HIDDEN}: the port is no number of 0 to 65535",
            remedy="escape_password",
        ) from None
    host = parts.netloc.rpartition("@")[2]
    host = host if port is None else host.rpartition(":")[0]
    if not _HOST.fullmatch(host.rstrip(":") if port is None else host):
        raise _bad(f"{scheme}://{_HIDDEN}: no host that can be used", remedy="example_of_url", scheme=scheme)
    return NetworkStream(url=text, name=_public(parts, scheme))


def _split(text: str, scheme: str) -> SplitResult:
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _bad(f"{scheme}://{_HIDDEN}: not a URL", remedy="example_of_url", scheme=scheme) from None
    # In `rtsp://admin:pa/ss@host/` the first slash ends the host, which is then half a password.
    if "@" in parts.path + parts.query + parts.fragment:
        raise _bad(
            f"{scheme}://{_HIDDEN}: @ after the first /, ? or #",
            remedy="escape_delimiters",
        )
    return parts


def _public(parts: SplitResult, scheme: str) -> str:
    """The URL without user, password, query and fragment; a probable key in its path is hidden too."""
    user, at, host = parts.netloc.rpartition("@")
    path = "/".join(segment if _is_plain(segment) else _HIDDEN for segment in parts.path.split("/"))
    query = f"?{_HIDDEN}" if parts.query or parts.fragment else ""
    return f"{scheme}://{_HIDDEN + at if user or at else ''}{host}{path}{query}"


def _is_plain(segment: str) -> bool:
    return bool(_PLAIN_SEGMENT.fullmatch(segment)) and not _KEY.search(segment)


def _path(text: str) -> VideoFile | PictureDirectory:
    path = Path(text)
    try:
        if text and path.is_dir():
            return PictureDirectory(text)
        if text and path.exists():
            return VideoFile(text)
    except (OSError, ValueError):
        # A null character, or a name that is too long: no file has it.
        pass
    # A URL with a typing error in its scheme comes here as well.
    shown = text if text and text.isprintable() and not set("@?=&:") & set(text) else _HIDDEN
    raise InputError(f"{shown}: no such file or directory", code="no_such_source", path=shown)


def _bad(message: str, *, remedy: str, **facts: object) -> UsageError:
    return UsageError(message, code="bad_source", remedy=remedy, path=None, **facts)
