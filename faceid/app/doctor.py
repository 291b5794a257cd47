"""The checks of an installation. A failed check does not stop the next one."""

from __future__ import annotations

import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from faceid.app import factories, network_choice
from faceid.app.detector_choice import PREFERRED, chosen_detector
from faceid.config import AUTO_DETECTOR, FALLBACK_MODEL, Settings
from faceid.decision.population import LEAST_PEOPLE
from faceid.distribution import VERSION
from faceid.errors import FaceIDError, GalleryError, ModelError
from faceid.gallery.gallery import Gallery
from faceid.gallery.opening import is_absent, open_gallery
from faceid.networks import registry, weights
from faceid.networks.calibration import Calibration
from faceid.networks.card import Card, DetectionCard
from faceid.networks.own_calibrations import origin_of, read_own
from faceid.policies.active import Policies
from faceid.recognition.detect import registry as detectors
from faceid.results import CheckResult, Problem
from faceid.runtime import devices
from faceid.types import ModelKey

LEAST_FREE_BYTES = 200 * 2**20
"""The least free disk space: below it a model cannot be pulled, and the database may soon fail to grow."""

NAMED = 5
"""The most people that a check names."""

NETWORK_CHOICE = "choice of network"

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
        for check in _model(name, settings):
            yield "model", check
    for liveness in registry.liveness_cards():
        if registry.status(liveness, settings.weights_dir) == "available":
            yield "model", _not_pulled(liveness.name)
        else:
            yield "model", _check(f"model {liveness.name}", partial(_liveness, liveness.name, settings))
    for detection in registry.detection_cards():
        yield "model", _pulled_detector(detection, settings)
    yield "model", _detector(settings)
    yield "gallery", CheckResult("sqlite", *_sqlite())
    yield from _gallery(settings)
    yield "gallery", _check("disk", partial(_disk, settings.db.file or settings.config_file))


def _model(name: str, settings: Settings) -> Iterator[CheckResult]:
    try:
        card = registry.card(name, settings.models_dir)
        own = read_own(name, settings.models_dir)
    except ModelError as error:
        yield CheckResult(f"model {name}", False, str(error), Problem.of(error))
        return
    if registry.status(card, settings.weights_dir) == "available":
        yield _not_pulled(name)
    else:
        yield _check(f"model {name}", partial(_network, card, settings))
    if own is not None and not own.fits(card):
        yield _to_do(
            f"calibration {name}",
            Problem(
                "outdated_calibration",
                f"the calibration of {own.calibration.date} is of other weights and does not count",
                facts={"model": name},
            ),
        )


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


def _network(card: Card, settings: Settings) -> str:
    key = factories.make_embedder(card.name, "cpu", settings).model
    return (
        f"weights {key.weights_sha256[:12]}, {key.dim} dimensions, aligner {key.aligner},"
        f" {_thresholds(card.calibration)}"
    )


def _thresholds(calibration: Calibration | None) -> str:
    if calibration is None:
        return "no thresholds"
    where = "its card" if origin_of(calibration) == "card" else "`models calibrate`"
    return f"thresholds of {where}, {calibration.date}"


def _liveness(name: str, settings: Settings) -> str:
    from faceid.networks import loading

    card = registry.liveness_card(name)
    loading.load(card, settings.weights_dir)
    return f"weights {card.weights.sha256[:12]}, for liveness"


def _pulled_detector(card: DetectionCard, settings: Settings) -> CheckResult:
    # Not by its status: a file of another size is damaged, not absent.
    if weights.locate(card, settings.weights_dir) is None:
        return _not_pulled(card.name)
    return _check(f"model {card.name}", partial(_detection_weights, card, settings))


def _detection_weights(card: DetectionCard, settings: Settings) -> str:
    weights.verified(card, settings.weights_dir)
    return f"weights {card.weights.sha256[:12]}, for detection"


def _detector(settings: Settings) -> CheckResult:
    """The detector in use, and why."""
    name = chosen_detector(settings.model or FALLBACK_MODEL, settings)
    check = _check("detector", partial(_opened_detector, name, settings))
    if check.ok and settings.detector == AUTO_DETECTOR and name == detectors.MTCNN:
        message = f"{check.detail}; {PREFERRED[0]} finds faces in less time"
        return _to_do("detector", Problem("faster_detector", message, facts={"model": PREFERRED[0]}))
    return check


def _opened_detector(name: str, settings: Settings) -> str:
    factories.make_detector(
        settings.model or FALLBACK_MODEL, "cpu", detector=name, weights_dir=settings.weights_dir
    )
    why = "chosen automatically" if settings.detector == AUTO_DETECTOR else "as asked for"
    if detectors.landmarks_of(name) != detectors.O_NET:
        return f"{name}, {why}"
    return f"{name}, {why}; landmarks by MTCNN's O-Net, weights of facenet-pytorch, hashes as expected"


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
        yield "model", _network_choice(None, 0, settings)
        return
    try:
        yield "gallery", _check("gallery", partial(_contents, gallery))
        yield "gallery", _check("integrity", partial(_integrity, gallery))
        yield "gallery", _check("index", partial(_index, gallery))
        yield "gallery", _unconfirmed(gallery)
        if gallery.model is not None:
            yield "model", _check("gallery model", partial(_gallery_model, gallery, settings))
            yield "gallery", _rates(gallery, settings)
            yield "gallery", _detectors_of_templates(gallery, settings)
        yield "model", _network_choice(gallery.model, gallery.identity_count(), settings)
    finally:
        gallery.close()


def _network_choice(pinned: ModelKey | None, identities: int, settings: Settings) -> CheckResult:
    """The network of the gallery, or of a new one, beside the recommended network."""
    model = None if pinned is None else pinned.name
    try:
        cost = (
            network_choice.fallback_cost(settings)
            if model is None
            else network_choice.many_misses(model, identities, settings)
        )
        if cost is not None:
            return _to_do(NETWORK_CHOICE, cost)
        return CheckResult(NETWORK_CHOICE, True, network_choice.in_use(model, identities, settings))
    except ModelError as error:
        # `gallery model` is the check that fails for it.
        return CheckResult(NETWORK_CHOICE, True, f"unknown: {error}")


def _contents(gallery: Gallery) -> str:
    identities, templates = gallery.counts()
    return f"{gallery.location}: {identities} identities, {templates} templates"


def _unconfirmed(gallery: Gallery) -> CheckResult:
    try:
        waiting = gallery.unconfirmed_counts()
    except FaceIDError as error:
        return CheckResult("unconfirmed", False, str(error), Problem.of(error))
    if not waiting:
        return CheckResult("unconfirmed", True, "all templates are confirmed")
    names = ", ".join([*waiting][:NAMED]) + (
        f" and {len(waiting) - NAMED} more" if len(waiting) > NAMED else ""
    )
    count = sum(waiting.values())
    message = f"{count} unconfirmed template{'s' * (count > 1)}, which no search finds, of {names}"
    return _to_do("unconfirmed", Problem("unconfirmed", message))


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
            f"of {compared} {100 * population.observed:.2g} % are as near as {100 * population.stated:g} % are by the"
            " card: searches use a stricter threshold",
        ),
    )


def _detectors_of_templates(gallery: Gallery, settings: Settings) -> CheckResult:
    """Whether all faces, of templates and of searches, have their landmarks from one network.

    The rates of a threshold hold for landmarks of the network that it was measured with.
    """
    name = "detectors of templates"
    pinned = gallery.model
    assert pinned is not None
    try:
        counts = gallery.detectors()
    except FaceIDError as error:
        return CheckResult(name, False, str(error), Problem.of(error))
    found = ", ".join(
        f"{count:,} by {detector or 'an unknown one'}"
        for detector, count in sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))
    )
    chosen = chosen_detector(pinned.name, settings)
    # A name that no detector has is a failure of another check.
    used = {*counts, *({chosen} & {*detectors.names()})}
    # What faceid did not record is of MTCNN, unless a program or an archive brought it in.
    sources = {
        detectors.O_NET if detector is None else detectors.landmarks_of(detector) or detector
        for detector in used
    }
    if len(sources) == 1:
        return CheckResult(name, True, found)
    return _to_do(
        name,
        Problem(
            "mixed_landmarks",
            f"{found}, and {chosen} for searches: they place landmarks by"
            " different networks, and thresholds were measured with one of them",
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
