"""What a user names as a source; above all that its password is seen nowhere."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from faceid.cli.messages import hint_for
from faceid.errors import FaceIDError, InputError, UsageError
from faceid.live.source.addresses import (
    SCHEMES,
    Camera,
    NetworkStream,
    PictureDirectory,
    StandardInput,
    VideoFile,
    parse_address,
)

SECRET = "s3cretW0rd"
"""Not to be found in any part of what else a test writes."""

around = st.text(st.characters(codec="utf-8"), max_size=6)
secrets = st.builds(lambda before, after: before + SECRET + after, around, around)
schemes = st.sampled_from([*SCHEMES, "RTSP", "ftp", "rtmp", "srt", "file"])


def seen_of(text: str) -> str:
    """All that a user, a log or a debugger is shown of the source that `text` names."""
    try:
        address = parse_address(text)
    except FaceIDError as error:
        chained = (error.__cause__, None if error.__suppress_context__ else error.__context__)
        return " ".join(
            map(
                str,
                (
                    error,
                    hint_for(error),
                    error.facts,
                    error.code,
                    error.path,
                    repr(error),
                    error.args,
                    chained,
                ),
            )
        )
    return f"{address!r} {address} {address.name}"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0", Camera(0)),
        ("12", Camera(12)),
        ("/dev/video3", Camera(3)),
        ("-", StandardInput()),
    ],
)
def test_cameras_and_standard_input(text: str, address: object) -> None:
    assert parse_address(text) == address


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("0").write_bytes(b"x")
    assert parse_address(str(tmp_path)) == PictureDirectory(str(tmp_path))
    assert parse_address("./0") == VideoFile("./0")
    with pytest.raises(InputError, match=r"nowhere.avi: no such file") as caught:
        parse_address("nowhere.avi")
    assert (caught.value.code, caught.value.path) == ("no_such_source", "nowhere.avi")


@pytest.mark.parametrize("text", ["", "a\0b", "x" * 5000, "٣"])
def test_what_is_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_address(text)
    assert caught.value.code == "no_such_source"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("rtsp://192.168.0.9/stream", "rtsp://192.168.0.9/stream"),
        ("RTSPS://[fe80::1]:322/ch0_0.h264", "rtsps://[fe80::1]:322/ch0_0.h264"),
        (
            "rtsp://admin:pw@cam.local:554/Streaming/Channels/101",
            "rtsp://***@cam.local:554/Streaming/Channels/101",
        ),
        ("http://cam/axis-cgi/mjpg/video.cgi?user=a&pwd=b", "http://cam/axis-cgi/mjpg/video.cgi?***"),
        ("http://cam/live#token", "http://cam/live?***"),
        ("rtsp://cam/user=admin_password=x_channel=1.sdp", "rtsp://cam/***"),
        ("rtsps://nvr:7441/1aBcDeFgHiJkLmNo", "rtsps://nvr:7441/***"),
        ("rtsp://cam/h264Preview_01_main", "rtsp://cam/h264Preview_01_main"),
    ],
)
def test_public_names_of_streams(url: str, name: str) -> None:
    stream = parse_address(url)
    assert isinstance(stream, NetworkStream)
    assert (stream.url, stream.name) == (url, name)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "rtsp://",
        "rtsp:///stream",
        "rtsp://admin:pa/ss@host/x",
        "rtsp://admin:1/2@host/x",
        "rtsp://host:99999/x",
        "rtsp://ho st/x",
        "http://[::1/x",
        "http://host/ü",
    ],
)
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(url)
    assert caught.value.code == "bad_source"
    assert hint_for(caught.value)


@given(schemes, secrets)
@example("rtsp", f"a/{SECRET}")
@example("rtsp", f"1:{SECRET}")
@example("http", f"a#{SECRET}?@")
@example("rtsp", f"x]{SECRET}[")
def test_a_password_is_seen_nowhere_however_it_is_written(scheme: str, secret: str) -> None:
    for password in (secret, quote(secret, safe="")):
        for text in (
            f"{scheme}://admin:{password}@10.0.0.9:554/stream",
            f"{scheme}://{password}@10.0.0.9/stream",
            f"{scheme}:/admin:{password}@10.0.0.9/stream",
            f"admin:{password}@10.0.0.9:554/stream",
        ):
            assert SECRET not in seen_of(text)


@given(st.sampled_from(SCHEMES), secrets)
def test_a_token_of_a_query_is_seen_nowhere(scheme: str, secret: str) -> None:
    for token in (secret, quote(secret, safe="")):
        for text in (
            f"{scheme}://10.0.0.9/x?token={token}",
            f"{scheme}://10.0.0.9/x?{token}",
            f"{scheme}://h/#{token}",
        ):
            assert SECRET not in seen_of(text)


def test_opening_logs_no_password(caplog: pytest.LogCaptureFixture) -> None:
    from faceid.live.source.opening import open_reader

    with caplog.at_level(logging.DEBUG), pytest.raises(InputError) as caught:
        open_reader(parse_address(f"http://admin:{SECRET}@127.0.0.1:1/x?token={SECRET}"))
    assert SECRET not in caplog.text + str(caught.value) + str(hint_for(caught.value))
    assert (caught.value.code, caught.value.path) == ("source_unreachable", "http://***@127.0.0.1:1/x?***")
