"""Find, check and fetch the file that holds the weights of a network.

A file is loaded only if its SHA-256 is that of the card, and downloaded only when a user asks for it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeAlias

from faceid.networks.card import AnyCard
from faceid.networks.download import download
from faceid.networks.errors import PullFailed, TermsNotAccepted, WeightsAltered, WeightsMissing
from faceid.networks.files import read_blocks, sha256_of, write_whole
from faceid.networks.npm import fetch_member

Status: TypeAlias = Literal["installed", "available", "missing"]

Progress: TypeAlias = Callable[[int, "int | None"], None]
"""Called with the number of bytes received and the number to expect, None if it is unknown."""


def locate(card: AnyCard, weights_dir: Path) -> Path | None:
    """The file of the weights, unchecked; None if it is not on this machine."""
    weights = card.weights
    if weights.kind == "package":
        path = _packaged(weights.source, str(weights.member))
    elif weights.kind == "file":
        path = Path(weights.source)
    else:
        path = weights_dir / weights.file
    return path if path is not None and path.is_file() else None


def status(card: AnyCard, weights_dir: Path) -> Status:
    """Whether the weights are `installed`, `available` for `pull`, or `missing`.

    Compares the size of the file and not its hash, so it is fast enough for a list.
    """
    path = locate(card, weights_dir)
    if path is not None and path.stat().st_size == card.weights.size:
        return "installed"
    return "available" if card.weights.kind in ("url", "npm") else "missing"


def verified(card: AnyCard, weights_dir: Path) -> Path:
    """The file of the weights, with the size and SHA-256 of the card.

    Raises WeightsMissing and WeightsAltered.
    """
    path = locate(card, weights_dir)
    if path is None:
        raise WeightsMissing(f"the weights of {card.name} are not installed", **_way_to_get(card))
    check(card, path)
    return path


def check(card: AnyCard, path: Path, **way_out: str) -> None:
    """Raise WeightsAltered unless `path` is the file of the card, WeightsMissing if it cannot be read.

    `way_out` is the remedy of the error with its facts; by default the way to get the file.
    """
    way_out = way_out or _way_to_get(card)
    try:
        size = path.stat().st_size
        found = sha256_of(path) if size == card.weights.size else None
    except OSError as error:
        raise WeightsMissing(f"cannot read {path}: {error.strerror}", path=str(path), **way_out) from error
    if found == card.weights.sha256:
        return
    difference = (
        f"{size:,} bytes, not {card.weights.size:,}"
        if found is None
        else f"SHA-256 {found[:8]}..., not {card.weights.sha256[:8]}..."
    )
    raise WeightsAltered(
        f"{path} does not hold the weights of {card.name}: {difference}",
        path=str(path),
        **way_out,
    )


def pull(
    card: AnyCard,
    weights_dir: Path,
    *,
    from_file: Path | None = None,
    progress: Progress | None = None,
    accept_terms: bool = False,
) -> Path:
    """Fetch the weights of a network, or copy them from `from_file`, and store them in `weights_dir`.

    The file gets its name only when it is complete and has the SHA-256 of the card. An interrupted download continues
    where it stopped. Of two processes that pull at once, one waits for the other. Returns the path. `accept_terms` says
    that the caller accepts the card's `terms`, and counts only for a card that has any.

    Raises TermsNotAccepted before anything is read, PullFailed, WeightsAltered (the received file is another one) and
    WeightsMissing (there is no source).
    """
    weights = card.weights
    if card.terms is not None and not accept_terms:
        raise TermsNotAccepted(
            f"the weights of {card.name} come with terms: {card.licence_note}",
            model=card.name,
        )
    report = progress if progress is not None else _ignore
    if weights.kind in ("package", "file"):
        if from_file is not None:
            raise PullFailed(
                f"the weights of {card.name} are not kept by faceid",
                **_way_to_get(card),
            )
        return verified(card, weights_dir)
    target = weights_dir / weights.file
    if from_file is None and target.is_file() and _is_whole(card, target):
        report(weights.size, weights.size)
        return target
    try:
        weights_dir.mkdir(parents=True, exist_ok=True)
        if from_file is not None:
            check(card, from_file, remedy="give_card_file")
            write_whole(target, read_blocks(from_file))
        elif weights.kind == "npm":
            fetch_member(card, target)
        else:
            download(card, target, report)
    except OSError as error:
        raise _disk_error(card, weights_dir, error) from error
    report(weights.size, weights.size)
    return target


def _is_whole(card: AnyCard, path: Path) -> bool:
    try:
        check(card, path)
    except WeightsAltered:
        return False
    return True


def _packaged(distribution: str, member: str) -> Path | None:
    # Never imported: the import of the default network's package fails (pkg_resources).
    try:
        packaged = metadata.files(distribution) or ()
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(path.locate())) for path in packaged if path.as_posix() == member), None)


def _way_to_get(card: AnyCard) -> dict[str, str]:
    """The remedy for weights that are missing or altered, and its facts."""
    if card.weights.kind == "package":
        return {"remedy": "reinstall_package", "package": card.weights.source}
    if card.weights.kind == "file":
        return {"remedy": "put_file_back"}
    return {"remedy": "pull_model", "model": card.name}


def _disk_error(card: AnyCard, weights_dir: Path, error: OSError) -> PullFailed:
    full = error.errno == errno.ENOSPC
    return PullFailed(
        f"cannot keep the weights of {card.name} in {weights_dir}: {error.strerror or error}",
        code="disk_full" if full else None,
        remedy="free_space" if full else "make_writable",
        megabytes=f"{card.weights.size / 1e6:.0f}",
        path=str(error.filename or weights_dir),
    )


def _ignore(done: int, total: int | None) -> None:
    """The caller wants no progress."""
