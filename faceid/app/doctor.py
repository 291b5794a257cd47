"""The checks of an installation. A failed check does not stop the next one."""

from __future__ import annotations

import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from faceid.app import factories
from faceid.config import Settings
from faceid.decision.population import LEAST_PEOPLE
from faceid.distribution import VERSION
from faceid.errors import FaceIDError, GalleryError, ModelError
from faceid.gallery.gallery import Gallery
from faceid.gallery.opening import is_absent, open_gallery
from faceid.networks import registry
from faceid.policies.active import Policies
from faceid.results import CheckResult, Problem
from faceid.runtime import devices

LEAST_FREE_BYTES = 200 * 2**20
"""The least free disk space: below it a model cannot be pulled, and the database may soon fail to grow."""


Area: TypeAlias = Literal["model", "gallery"]

_RUNTIMES = {"torch": "torch", "openvino": "openvino", "auto": "torch, in long runs by openvino"}


def examine(settings: Settings) -> Iterator[tuple[Area, CheckResult]]:
    """Each check with the area of its failure; devices belong to the area of models."""
    yield (
        "model",
        CheckResult(
            "version",
            True,
            f"faceid {VERSION}, Python {platform.python_version()}, {platform.platform()}",
        ),
    )
    yield "model", _check("device", partial(_device, settings))
    for name in registry.names(settings.models_dir):
        if registry.status(registry.card(name, settings.models_dir), settings.weights_dir) == "available":
            yield "model", _not_pulled(name)
        else:
            yield "model", _check(f"model {name}", partial(_network, name, settings))
    for liveness in registry.liveness_cards():
        if registry.status(liveness, settings.weights_dir) == "available":
            yield "model", _not_pulled(liveness.name)
        else:
            yield "model", _check(f"model {liveness.name}", partial(_liveness, liveness.name, settings))
    yield "model", _check("detector", _detector)
    yield "gallery", CheckResult("sqlite", *_sqlite())
    yield from _gallery(settings)
    yield "gallery", _check("disk", partial(_disk, settings.db.file or settings.config_file))


def _check(name: str, look: Callable[[], str]) -> CheckResult:
    try:
        return CheckResult(name, True, look())
    except FaceIDError as error:
        return CheckResult(name, False, str(error), Problem.of(error))


def _not_pulled(name: str) -> CheckResult:
    return _to_do(f"model {name}", Problem("not_pulled", "not pulled", facts={"model": name}))


def _to_do(name: str, problem: Problem) -> CheckResult:
    """A check without a fault that leaves a step to the user."""
    return CheckResult(name, True, problem.message, problem)


def _device(settings: Settings) -> str:
    device = devices.resolve_device(settings.device)
    import torch

    if device == "cpu":
        runtime = devices.resolve_runtime(settings.runtime, device)
        threads = f"{torch.get_num_threads()} threads"
        return f"cpu, {threads}, torch {torch.__version__}, networks run by {_RUNTIMES[runtime]}"
    return f"{device}, {torch.cuda.get_device_name(device)}, torch {torch.__version__}"


def _network(name: str, settings: Settings) -> str:
    key = factories.make_embedder(name, "cpu", settings).model
    return f"weights {key.weights_sha256[:12]}, {key.dim} dimensions, aligner {key.aligner}"


def _liveness(name: str, settings: Settings) -> str:
    from faceid.networks import loading

    card = registry.liveness_card(name)
    loading.load(card, settings.weights_dir)
    return f"weights {card.weights.sha256[:12]}, for liveness"


def _detector() -> str:
    factories.make_detector("mtcnn", "cpu")
    return "MTCNN weights of facenet-pytorch, hashes as expected"


def _sqlite() -> tuple[bool, str]:
    # 3.24 brought ON CONFLICT DO NOTHING, which enrolment relies on.
    return sqlite3.sqlite_version_info >= (3, 24), f"SQLite {sqlite3.sqlite_version}"


def _gallery(settings: Settings) -> Iterator[tuple[Area, CheckResult]]:
    try:
        gallery = open_gallery(settings.db, read_only=True)
    except GalleryError as error:
        if is_absent(error):
            yield "gallery", _to_do("gallery", Problem("not_enrolled", f"{settings.db}: not there yet"))
        else:
            yield "gallery", CheckResult("gallery", False, str(error), Problem.of(error))
        return
    try:
        yield "gallery", _check("gallery", partial(_contents, gallery))
        yield "gallery", _check("integrity", partial(_integrity, gallery))
        yield "gallery", _check("index", partial(_index, gallery))
        if gallery.model is not None:
            yield "model", _check("gallery model", partial(_gallery_model, gallery, settings))
            yield "gallery", _rates(gallery, settings)
    finally:
        gallery.close()


def _contents(gallery: Gallery) -> str:
    identities, templates = gallery.counts()
    return f"{gallery.location}: {identities} identities, {templates} templates"


def _integrity(gallery: Gallery) -> str:
    problems = gallery.check()
    if problems:
        raise GalleryError("; ".join(problems[:3]), code="database_corrupt", remedy="restore_backup")
    return "database, foreign keys and vectors are sound"


def _index(gallery: Gallery) -> str:
    count = gallery.indexed_count()
    _, templates = gallery.counts()
    if count != templates:
        raise GalleryError(
            f"the index holds {count} of {templates} templates", code="index", remedy="report_this"
        )
    return f"{count} templates, as in the database"


def _gallery_model(gallery: Gallery, settings: Settings) -> str:
    pinned = gallery.model
    assert pinned is not None
    here = factories.make_embedder(pinned.name, "cpu", settings).model
    if here != pinned:
        raise ModelError(
            f"the gallery was made with {pinned}, but installed is {here}",
            code="model_mismatch",
            remedy="old_weights",
        )
    return f"{pinned}, installed"


def _rates(gallery: Gallery, settings: Settings) -> CheckResult:
    name = "gallery rates"
    pinned = gallery.model
    assert pinned is not None
    try:
        card = registry.card(pinned.name, settings.models_dir).calibration
        policies = Policies(gallery, pinned, card)
        population = policies.population()
        own = policies.own_calibration() is not None
    except FaceIDError as error:
        return CheckResult(name, False, str(error), Problem.of(error))
    if population is None:
        reason = (
            "the owner's calibration decides"
            if own
            else "the model has no calibration"
            if card is None
            else f"fewer than {LEAST_PEOPLE} people say nothing about the card's rates"
        )
        return CheckResult(name, True, reason)
    compared = f"{population.comparisons:,} comparisons between {population.people:,} people"
    if not population.raises:
        return CheckResult(name, True, f"{compared} show no more false matches than the card says")
    return _to_do(
        name,
        Problem(
            "similar_people",
            f"of {compared} {population.observed:.2g} are false matches where the card says {population.stated:g}:"
            " searches use a stricter threshold",
        ),
    )


def _disk(path: Path) -> str:
    directory = next(parent for parent in path.resolve().parents if parent.exists())
    free = shutil.disk_usage(directory).free
    if free < LEAST_FREE_BYTES:
        raise GalleryError(
            f"{free / 2**20:.0f} MiB free in {directory}",
            code="disk_full",
            remedy="little_space",
        )
    return f"{free / 2**30:.1f} GiB free in {directory}"
