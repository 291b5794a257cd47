"""Reads MJPEG over HTTP, as network cameras serve it: multipart/x-mixed-replace, Basic or Digest authentication."""

from __future__ import annotations

import socket
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    OpenerDirector,
    build_opener,
)

from faceid.errors import InputError
from faceid.live.source.addresses import NetworkStream
from faceid.live.source.mjpeg_reader import MjpegReader

TIMEOUT_S = 10.0
"""How long a server may take to answer, and to send the next bytes."""

_MULTIPART = ("multipart/x-mixed-replace", "multipart/mixed")


class _Digest(HTTPDigestAuthHandler):
    def http_error_401(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        # urllib leaves open the response that asked for a password.
        try:
            return super().http_error_401(req, fp, code, msg, headers)
        finally:
            fp.close()


class _Basic(HTTPBasicAuthHandler):
    def http_error_401(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        try:
            return super().http_error_401(req, fp, code, msg, headers)
        finally:
            fp.close()


def open_http(stream: NetworkStream) -> MjpegReader | None:
    """The stream if it is MJPEG; None for another format, which FFmpeg may read.

    Raises InputError (`source_unreachable`); the message names the stream by its public name. Messages of the libraries
    are neither quoted nor chained: they may hold the URL.
    """
    opener, url = _opener(stream)
    try:
        response: HTTPResponse = opener.open(url, timeout=TIMEOUT_S)
    except HTTPError as error:
        error.close()
        raise _refused(stream, error.code) from None
    except (OSError, HTTPException, ValueError) as error:
        raise _broken(stream, "source_unreachable", error) from None
    if response.headers.get_content_type() not in _MULTIPART:
        response.close()
        return None

    def receive(count: int) -> bytes:
        try:
            piece = response.read1(count)
        except (OSError, HTTPException, ValueError) as error:
            raise _broken(stream, "source_disconnected", error) from None
        if not piece:
            raise InputError(
                f"{stream.name}: the server ended the stream", code="source_disconnected", path=stream.name
            )
        return piece

    return MjpegReader(receive, stream.name, response.close)


def _opener(stream: NetworkStream) -> tuple[OpenerDirector, str]:
    """The opener of the stream, and the URL without user and password, which go into a header instead."""
    parts = urlsplit(stream.url)
    userinfo, _, host = parts.netloc.rpartition("@")
    url = urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))
    passwords = HTTPPasswordMgrWithDefaultRealm()
    if userinfo:
        user, _, password = userinfo.partition(":")
        passwords.add_password(None, url, unquote(user), unquote(password))
    return build_opener(_Digest(passwords), _Basic(passwords)), url


def _refused(stream: NetworkStream, status: int) -> InputError:
    return InputError(
        f"{stream.name}: the server answers {status}",
        code="source_unreachable",
        remedy="credentials_in_url" if status in (401, 403) else None,
        path=stream.name,
    )


def _broken(stream: NetworkStream, code: str, error: Exception) -> InputError:
    # URLError wraps the error of the socket.
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        cause = f"no answer within {TIMEOUT_S:.0f} s"
    elif isinstance(reason, socket.gaierror):
        cause = "no such host"
    elif isinstance(reason, OSError) and reason.strerror:
        cause = reason.strerror.lower()
    else:
        cause = "no HTTP that makes sense"
    return InputError(f"{stream.name}: {cause}", code=code, path=stream.name)
