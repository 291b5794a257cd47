"""Paths: what is read, what is walked, and what is said about the rest."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from faceid.cli.messages import exit_code_of, hint_for
from faceid.errors import UnreadableImage
from faceid.imaging import Limits, read, walk


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Pillow.new("RGB", (3, 2), (shade,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


def refusal(path: str, **options: Limits) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as caught:
        read(path, **options)
    assert caught.value.path == path
    assert str(caught.value).isprintable()
    return caught.value


class Pipe(io.TextIOWrapper):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))


class Terminal(Pipe):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Pictures in two folders, between things that are none."""
    for name in ("img10.png", "img2.PNG", "IMG1.jpg", "notes.txt", ".hidden.png", "sub/b.heic", "sub/a.webp"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png())
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "c.png").write_bytes(png())
    (tmp_path / "empty").mkdir()
    return tmp_path


def below(root: Path, paths: list[str]) -> list[str]:
    return [Path(path).relative_to(root).as_posix() for path in paths]


class TestRead:
    def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "with space\nand line.png"
        path.write_bytes(png(7))
        image = read(str(path))
        assert image.source == str(path)
        assert np.all(image.pixels == 7)

    def test_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", Pipe(png(7)))
        image = read("-")
        assert image.source == "-"
        assert np.all(image.pixels == 7)

    def test_standard_input_is_limited_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", Pipe(png()))
        assert "larger than" in str(refusal("-", limits=Limits(max_bytes=10)))

    def test_nothing_is_piped_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", Terminal(b""))
        assert hint_for(refusal("-"))
        monkeypatch.setattr(sys, "stdin", None)
        assert hint_for(refusal("-"))

    def test_an_empty_pipe(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", Pipe(b""))
        assert "empty" in str(refusal("-"))

    @pytest.mark.parametrize("path", ["missing.jpg", "no/such/folder/a.jpg", "\udcff.jpg"])
    def test_no_such_file(self, path: str) -> None:
        error = refusal(path)
        assert "no such file" in str(error)
        assert (error.code, exit_code_of(error)) == ("unreadable", 3)

    def test_no_name(self) -> None:
        assert "no file name" in str(refusal(""))

    def test_a_null_character(self) -> None:
        assert "not a possible file name" in str(refusal("a\0b.jpg"))

    def test_too_long_a_name(self) -> None:
        assert "too long" in str(refusal("a" * 5000))

    def test_a_file_as_a_directory(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(png())
        assert "not a directory" in str(refusal(str(tmp_path / "a.png" / "b.png")))

    @pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
    def test_an_endless_file_is_read_up_to_the_limit(self) -> None:
        assert "larger than 0.1 MB" in str(refusal("/dev/zero", limits=Limits(max_bytes=100_000)))

    def test_a_directory(self, tree: Path) -> None:
        assert "where one picture is needed" in str(refusal(str(tree)))

    def test_a_directory_without_pictures(self, tree: Path) -> None:
        error = refusal(str(tree / "empty"))
        assert "no pictures in this directory" in str(error)
        assert error.code == "no_images"

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
    def test_what_may_not_be_read(self, tree: Path) -> None:
        (tree / "IMG1.jpg").chmod(0)
        (tree / "sub").chmod(0)
        try:
            assert "permission denied" in str(refusal(str(tree / "IMG1.jpg")))
            assert "permission denied" in str(refusal(str(tree / "sub")))
            assert str(tree / "sub") in list(walk([str(tree)]))
        finally:
            (tree / "sub").chmod(0o700)

    def test_permission_denied_in_words(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As above, for those who run the tests as root."""

        def forbidden(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", forbidden)
        assert "permission denied" in str(refusal(str(tmp_path / "a.png")))


class TestWalk:
    def test_directories_in_natural_order(self, tree: Path) -> None:
        found = list(walk([str(tree)]))
        assert below(tree, found) == ["IMG1.jpg", "img2.PNG", "img10.png", "sub/a.webp", "sub/b.heic"]

    def test_files_as_they_are_given(self, tree: Path) -> None:
        given = [str(tree / "notes.txt"), "missing.jpg", "-", str(tree / ".hidden.png"), "", "a\0b"]
        assert list(walk(given)) == given

    def test_order_and_repetition_are_the_users(self, tree: Path) -> None:
        twice = [str(tree / "img10.png"), str(tree / "sub"), str(tree / "img10.png")]
        assert below(tree, list(walk(twice))) == ["img10.png", "sub/a.webp", "sub/b.heic", "img10.png"]

    def test_a_directory_without_pictures_is_not_passed_over(self, tree: Path) -> None:
        assert list(walk([str(tree / "empty")])) == [str(tree / "empty")]
        assert list(walk([str(tree / ".cache")])) == [str(tree / ".cache" / "c.png")]

    def test_nothing(self) -> None:
        assert list(walk([])) == []

    def test_a_directory_that_may_not_be_read_is_not_passed_over(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def scandir(path: str) -> Iterator[os.DirEntry[str]]:
            if Path(path).name == "sub":
                raise PermissionError(13, "Permission denied")
            return os.scandir(path)

        monkeypatch.setattr("faceid.imaging.files.scandir", scandir)
        assert below(tree, list(walk([str(tree)]))) == ["IMG1.jpg", "img2.PNG", "img10.png", "sub"]
        assert "permission denied" in str(refusal(str(tree / "sub")))

    def test_links(self, tree: Path) -> None:
        try:
            (tree / "sub" / "up").symlink_to(tree)
            (tree / "sub" / "self.jpg").symlink_to(tree / "sub" / "self.jpg")
            (tree / "dangling.jpg").symlink_to(tree / "gone.jpg")
            (tree / "linked.jpg").symlink_to(tree / "IMG1.jpg")
        except OSError:
            pytest.skip("this system makes no symbolic links")
        found = below(tree, list(walk([str(tree)])))
        assert found == [
            "dangling.jpg",
            *("IMG1.jpg", "img2.PNG", "img10.png", "linked.jpg"),
            *("sub/a.webp", "sub/b.heic", "sub/self.jpg"),
        ]
        assert "no such file" in str(refusal(str(tree / "dangling.jpg")))

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
    def test_pipes_inside_a_directory_are_skipped(self, tree: Path) -> None:
        os.mkfifo(tree / "pipe.jpg")
        assert "pipe.jpg" not in below(tree, list(walk([str(tree)])))

    def test_it_is_lazy(self, tree: Path) -> None:
        paths = walk([str(tree / "IMG1.jpg"), str(tree)])
        assert next(paths) == str(tree / "IMG1.jpg")
        (tree / "img0.png").write_bytes(png())
        assert below(tree, [next(paths)]) == ["img0.png"]
