"""The atomic writer: whole or not at all, private, and no file of someone else's touched."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_db.files import EVERYONE, OWNER, create_new, open_atomically, write_atomically
from places import ROOT

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions, limits and signals")


@pytest.fixture(autouse=True)
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(b"before")
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


@given(blocks=st.lists(st.binary(max_size=300), max_size=5), there=st.booleans())
def test_the_file_holds_what_was_written(
    blocks: list[bytes], there: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("files") / "file.bin"
    if there:
        path.write_bytes(b"before" * 100)
    write_atomically(path, iter(blocks))
    assert path.read_bytes() == b"".join(blocks)
    write_atomically(path, b"".join(blocks))
    assert path.read_bytes() == b"".join(blocks)
    assert names(path) == [path.name]


@POSIX
@pytest.mark.parametrize(
    ("asked", "umask", "given"),
    [
        (None, 0o022, 0o600),
        (OWNER, 0o000, 0o600),
        (EVERYONE, 0o022, 0o644),
        (EVERYONE, 0o077, 0o600),
    ],
)
def test_the_mode_is_the_one_asked_for_less_the_umask(
    path: Path, asked: int | None, umask: int, given: int
) -> None:
    path.chmod(0o666)
    os.umask(umask)
    write_atomically(path, b"after", **({} if asked is None else {"mode": asked}))
    assert mode(path) == given


@POSIX
def test_the_unfinished_file_is_private_from_the_first_byte(path: Path) -> None:
    with open_atomically(path) as file:
        (unfinished,) = set(path.parent.iterdir()) - {path}
        assert mode(unfinished) == 0o600
        file.write(b"after")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"


@pytest.mark.parametrize("error", [ValueError("bad"), OSError(errno.EIO, "I/O error"), KeyboardInterrupt()])
def test_a_block_that_raises_changes_nothing(path: Path, error: BaseException) -> None:
    def blocks():
        yield b"half"
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, blocks())
    assert path.read_bytes() == b"before"
    assert names(path) == [path.name]


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_step_that_fails_changes_nothing(path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert names(path) == [path.name]


def test_file_and_directory_are_synced_in_this_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    real = os.fsync

    def note(descriptor: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.read_bytes()))
        real(descriptor)

    monkeypatch.setattr("os.fsync", note)
    write_atomically(path, b"after")
    expected = [(False, b"before"), (True, b"after")]
    assert synced == (expected[:1] if sys.platform == "win32" else expected)


@POSIX
def test_a_full_disk_changes_nothing(path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path; from enrollment_db.files import write_atomically;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "write_atomically(Path(sys.argv[1]), (bytes(10_000) for _ in range(20)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "File too large" in done.stderr
    assert path.read_bytes() == b"before"
    assert names(path) == [path.name]


@POSIX
def test_a_killed_writer_leaves_the_old_file(path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from enrollment_db.files import open_atomically\n"
        "with open_atomically(Path(sys.argv[1])) as file:\n"
        "    file.write(bytes(100_000)); file.flush(); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, path], cwd=ROOT)
    try:
        unfinished: list[Path] = []
        deadline = time.monotonic() + 30
        while not (unfinished and unfinished[0].stat().st_size) and time.monotonic() < deadline:
            unfinished = [each for each in path.parent.iterdir() if each != path]
        assert unfinished
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert path.read_bytes() == b"before"
    write_atomically(path, b"after")
    assert path.read_bytes() == b"after"


@POSIX
def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "planted").symlink_to(tmp_path / "victim")
    with (
        pytest.raises(FileExistsError),
        open_atomically(path, temporary=tmp_path / "planted") as file,
    ):
        file.write(b"after")
    assert not (tmp_path / "victim").exists()
    assert (tmp_path / "planted").is_symlink()
    assert path.read_bytes() == b"before"


@POSIX
def test_a_link_at_the_target_is_replaced_and_its_file_stays(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    write_atomically(link, b"after")
    assert (path.read_bytes(), link.read_bytes(), link.is_symlink()) == (b"before", b"after", False)


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, b"after")
    assert path.read_bytes() == b"after"


def test_new_files_get_numbers_and_replace_nothing(path: Path) -> None:
    made = [create_new(path.parent, "file", ".bin") for _ in range(3)]
    assert [each.name for each in made] == ["file-2.bin", "file-3.bin", "file-4.bin"]
    assert path.read_bytes() == b"before"


@POSIX
def test_a_new_file_is_private_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "file.bin").symlink_to(tmp_path / "victim")
    made = create_new(tmp_path, "file", ".bin")
    assert (made.name, mode(made), (tmp_path / "victim").exists()) == ("file-2.bin", 0o600, False)


@pytest.mark.parametrize("where", ["missing/file", "nul\0name"])
def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path, where: str) -> None:
    with pytest.raises((OSError, ValueError)):
        write_atomically(tmp_path / where, b"after")
    with pytest.raises((OSError, ValueError)):
        create_new(tmp_path, where, "")
