"""The fetcher of sample photographs, on archives made here; nothing is downloaded."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts.datasets import samples

FIRST, SECOND = b"first photograph", b"second photograph"


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces pip and the samples by one photograph in a source archive and one in a wheel; logs downloads."""
    log: list[str] = []

    def download(archive: object, directory: Path) -> Path:
        log.append(archive.requirement)
        if archive == samples.SCIKIT_IMAGE:
            file = directory / "a.whl"
            with zipfile.ZipFile(file, "w") as wheel:
                wheel.writestr("pkg/second.png", SECOND)
        else:
            file = directory / "a.tar.gz"
            with tarfile.open(file, "w:gz") as sdist:
                for name, data in (("../evil.jpg", b"evil"), ("pkg/first.jpg", FIRST)):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    sdist.addfile(member, io.BytesIO(data))
        return file

    template = samples.SAMPLES[0]
    fakes = [
        dataclasses.replace(
            template,
            name=Path(member).name,
            archive=archive,
            member=member,
            sha256=hashlib.sha256(data).hexdigest(),
        )
        for archive, member, data in (
            (samples.FACE_RECOGNITION, "pkg/first.jpg", FIRST),
            (samples.SCIKIT_IMAGE, "pkg/second.png", SECOND),
        )
    ]
    monkeypatch.setattr(samples, "SAMPLES", tuple(fakes))
    monkeypatch.setattr(samples, "download", download)
    return log


def test_photographs_come_out_of_both_kinds_of_archive(downloads: list[str], tmp_path: Path) -> None:
    directory = tmp_path / "new" / "photos"
    paths = samples.fetch(directory)
    assert paths == {"first.jpg": directory / "first.jpg", "second.png": directory / "second.png"}
    assert [path.read_bytes() for path in paths.values()] == [FIRST, SECOND]
    assert sorted(path.name for path in directory.iterdir()) == ["first.jpg", "second.png"]
    assert sorted(path.name for path in tmp_path.rglob("*.jpg")) == ["first.jpg"]


def test_only_what_is_missing_or_altered_is_downloaded(downloads: list[str], tmp_path: Path) -> None:
    samples.fetch(tmp_path)
    downloads.clear()
    samples.fetch(tmp_path)
    assert downloads == []
    (tmp_path / "second.png").write_bytes(b"altered")
    samples.fetch(tmp_path)
    assert downloads == [samples.SCIKIT_IMAGE.requirement]
    assert (tmp_path / "second.png").read_bytes() == SECOND


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"member": "pkg/gone.jpg"}])
def test_another_photograph_is_refused(
    downloads: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
) -> None:
    monkeypatch.setattr(samples, "SAMPLES", (dataclasses.replace(samples.SAMPLES[0], **change),))
    with pytest.raises(samples.SamplesError, match=r"first\.jpg|gone\.jpg"):
        samples.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_network_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "WARNING: Retrying\nERROR: Could not find a version\nERROR: No matching distribution\n"
    commands = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr(subprocess, "run", run)
    assert samples.main(["--to", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "is there a network?" in err
    assert "No matching distribution" in err
    assert commands[0][:4] == [sys.executable, "-m", "pip", "download"]


def test_a_directory_that_cannot_be_made(downloads: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(samples.SamplesError, match="cannot be stored"):
        samples.fetch(tmp_path / "file" / "photos")


def test_the_list_names_author_licence_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert samples.main(["--list"]) == 0
    out = capsys.readouterr().out
    for sample in samples.SAMPLES:
        assert sample.name in out
        assert sample.author
        assert sample.licence
        assert sample.source
        assert len(sample.sha256) == 64
    assert len({sample.name for sample in samples.SAMPLES}) == len(samples.SAMPLES) == 5
