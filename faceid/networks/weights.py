"""Find, check and fetch the file that holds the weights of a network.

A file is loaded only if its SHA-256 is that of the card, and downloaded only when a user asks for it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeAlias

from faceid.networks.card import AnyCard, WeightsSource
from faceid.networks.download import discard_part, download
from faceid.networks.errors import ModelsError, PullFailed, TermsNotAccepted, WeightsAltered, WeightsMissing
from faceid.networks.files import read_blocks, sha256_of, write_whole
from faceid.networks.npm import fetch_member

Status: TypeAlias = Literal["installed", "available", "missing"]

Progress: TypeAlias = Callable[[int, "int | None"], None]
"""Called with the number of bytes received and the number to expect, None if it is unknown."""


def locate(card: AnyCard, weights_dir: Path) -> Path | None:
    """The file of the weights, unchecked; None if no source has it on this machine."""
    return next(_places(card, weights_dir), None)


def status(card: AnyCard, weights_dir: Path) -> Status:
    """Whether the weights are `installed`, `available` for `pull`, or `missing`.

    Compares the size of the file and not its hash, so it is fast enough for a list.
    """
    if any(path.stat().st_size == card.weights.size for path in _places(card, weights_dir)):
        return "installed"
    return "available" if _is_pulled(card) else "missing"


def verified(card: AnyCard, weights_dir: Path) -> Path:
    """The file of the weights, with the size and SHA-256 of the card: the first that a source has on this machine.

    Raises WeightsMissing, and WeightsAltered if no source has the right file.
    """
    altered: WeightsAltered | None = None
    for path in _places(card, weights_dir):
        try:
            check(card, path)
        except WeightsAltered as error:
            altered = altered or error
        else:
            return path
    if altered is not None:
        raise altered
    raise WeightsMissing(f"the weights of {card.name} are not installed", **_way_to_get(card))


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
    progress: Progress = lambda done, total: None,
    notify: Callable[[str], None] = lambda message: None,
    accept_terms: bool = False,
    others: Callable[[], Iterable[AnyCard]] = tuple,
) -> Path:
    """Fetch the weights of a network, or copy them from `from_file`, and store them in `weights_dir`.

    The sources of the card are tried in order; `notify` is called with the failure of each that has a successor. A full
    disk ends the attempt. The file gets its name only when it is complete and has the SHA-256 of the card. An
    interrupted download continues where it stopped. Of two processes that pull at once, one waits for the other.
    Returns the path. `accept_terms` says that the caller accepts the card's `terms`, and counts only for a card that
    has any. `others` gives the cards of other networks: if `from_file` is the file of one of them, the error names it.

    Raises TermsNotAccepted before anything is read, PullFailed, WeightsAltered (the received file is another one) and
    WeightsMissing (there is no source). If several sources failed, the error names each of them.
    """
    if card.terms is not None and not accept_terms:
        raise TermsNotAccepted(
            f"the weights of {card.name} come with terms: {card.licence_note}",
            model=card.name,
        )
    if from_file is not None:
        return _copied(card, weights_dir, from_file, progress, others)
    target = weights_dir / card.weights.file
    if _is_pulled(card) and target.is_file() and _is_whole(card, target):
        progress(card.weights.size, card.weights.size)
        return target
    failures: list[ModelsError] = []
    for number, source in enumerate(card.weights.sources, start=1):
        try:
            path = _fetched(card, source, weights_dir, progress)
        except ModelsError as error:
            if error.code == "disk_full":
                raise
            failures.append(error)
            if number < len(card.weights.sources):
                notify(f"{error}; {card.weights.sources[number]} is next")
        except OSError as error:
            raise _disk_error(card, weights_dir, error) from error
        else:
            progress(card.weights.size, card.weights.size)
            return path
    raise _all_failed(card, failures)


def _fetched(card: AnyCard, source: WeightsSource, weights_dir: Path, progress: Progress) -> Path:
    """The checked file of one source. Raises ModelsError, and OSError for errors of the disk."""
    target = weights_dir / card.weights.file
    if source.kind == "url":
        weights_dir.mkdir(parents=True, exist_ok=True)
        download(card, source.source, target, progress)
    elif source.kind == "npm":
        weights_dir.mkdir(parents=True, exist_ok=True)
        fetch_member(card, source, target)
        discard_part(target)
    else:
        path = _place(card, source, weights_dir)
        if path is None:
            raise WeightsMissing(f"the weights of {card.name} are not in {source}", **_way_to_get(card))
        check(card, path)
        return path
    return target


def _copied(
    card: AnyCard,
    weights_dir: Path,
    given: Path,
    progress: Progress,
    others: Callable[[], Iterable[AnyCard]],
) -> Path:
    """The weights from the file `given`, in `weights_dir`."""
    if not _is_pulled(card):
        raise PullFailed(f"the weights of {card.name} are not kept by faceid", **_way_to_get(card))
    target = weights_dir / card.weights.file
    try:
        weights_dir.mkdir(parents=True, exist_ok=True)
        _check_given(card, given, others)
        write_whole(target, read_blocks(given))
    except OSError as error:
        raise _disk_error(card, weights_dir, error) from error
    progress(card.weights.size, card.weights.size)
    return target


def _check_given(card: AnyCard, given: Path, others: Callable[[], Iterable[AnyCard]]) -> None:
    """Raise WeightsAltered unless `given` is the file of the card; the error names the one of `others` that it is."""
    try:
        check(card, given, remedy="give_card_file")
    except WeightsAltered as error:
        size = given.stat().st_size
        candidates = [other for other in others() if other.weights.size == size]
        found = sha256_of(given) if candidates else None
        for other in candidates:
            if other.weights.sha256 == found:
                raise WeightsAltered(
                    f"{given} is the file of {other.name}, not of {card.name}",
                    remedy="pull_other_model",
                    model=other.name,
                    path=str(given),
                ) from error
        raise


def _all_failed(card: AnyCard, failures: Sequence[ModelsError]) -> ModelsError:
    """The error of a card whose sources all failed; that of the source itself if there is only one."""
    if len(failures) == 1:
        return failures[0]
    remedies = {error.remedy or error.code for error in failures}
    codes = {error.code for error in failures}
    kind = WeightsAltered if codes == {WeightsAltered.default_code} else PullFailed
    return kind(
        f"no source has the weights of {card.name}: " + "; ".join(map(str, failures)),
        code=codes.pop() if len(codes) == 1 else None,
        remedy=next((one for one in ("interrupted", "no_npm") if one in remedies), "fetch_elsewhere"),
        model=card.name,
        file=card.weights.file,
    )


def _is_pulled(card: AnyCard) -> bool:
    """Whether a source of the weights is elsewhere, so that they are kept in the folder of pulled weights."""
    return any(source.kind in ("url", "npm") for source in card.weights.sources)


def _is_whole(card: AnyCard, path: Path) -> bool:
    try:
        check(card, path)
    except WeightsAltered:
        return False
    return True


def _places(card: AnyCard, weights_dir: Path) -> Iterator[Path]:
    """The files on this machine that may hold the weights, in the order of the sources."""
    places = (_place(card, source, weights_dir) for source in card.weights.sources)
    return (path for path in dict.fromkeys(places) if path is not None and path.is_file())


def _place(card: AnyCard, source: WeightsSource, weights_dir: Path) -> Path | None:
    """The file on this machine to which the source leads; None for a package that is not installed."""
    if source.kind == "package":
        return _packaged(source.source, str(source.member))
    return Path(source.source) if source.kind == "file" else weights_dir / card.weights.file


def _packaged(distribution: str, member: str) -> Path | None:
    # Never imported: the import of the default network's package fails (pkg_resources).
    try:
        packaged = metadata.files(distribution) or ()
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(path.locate())) for path in packaged if path.as_posix() == member), None)


def _way_to_get(card: AnyCard) -> dict[str, str]:
    """The remedy for weights that are missing or altered, and its facts."""
    if _is_pulled(card):
        return {"remedy": "pull_model", "model": card.name}
    package = next((source.source for source in card.weights.sources if source.kind == "package"), None)
    if package is not None:
        return {"remedy": "reinstall_package", "package": package}
    return {"remedy": "put_file_back"}


def _disk_error(card: AnyCard, weights_dir: Path, error: OSError) -> PullFailed:
    full = error.errno == errno.ENOSPC
    return PullFailed(
        f"cannot keep the weights of {card.name} in {weights_dir}: {error.strerror or error}",
        code="disk_full" if full else None,
        remedy="free_space" if full else "make_writable",
        megabytes=f"{card.weights.size / 1e6:.0f}",
        path=str(error.filename or weights_dir),
    )
