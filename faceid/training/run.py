"""A training from end to end: photos, people, steps, and the finished network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from faceid.errors import InputError, ModelError, UsageError
from faceid.evaluation.data.photos import digest_of
from faceid.networks.training.events import TrainingObserver
from faceid.networks.training.seen import photos_seen_by
from faceid.networks.training.settings import TrainSettings
from faceid.networks.training.starts import FORMS, Form, Scratch, Start
from faceid.networks.weights import verified
from faceid.ports.networks import Detector
from faceid.recognition.align import ALIGNERS, crop_size
from faceid.recognition.pipeline import Pipeline
from faceid.recognition.subject import SubjectRule
from faceid.results import TrainResult
from faceid.runtime.devices import usable_cores
from faceid.runtime.ordered_map import Crew
from faceid.sources import of_folders
from faceid.training.crops import CropCache, NoNetwork, Portraits, portraits
from faceid.training.folder import check_name, claim, unwritable
from faceid.training.judging import true_match_rate
from faceid.training.people import People, parted
from faceid.training.publish import describe, publish

if TYPE_CHECKING:
    from faceid.networks.training.trainer import Outcome

WORKERS = 8
"""The greatest number of processes that make batches for a GPU."""

_EXTRA = ("lightning_fabric", "pytorch_metric_learning", "tensorboard")


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A request: train the network `name`, from `start`, on the people of `root` (`faceid.sources.of_folders`).

    `output` is the folder of the run, `crops` that of the crops, which several runs may share, `models_dir` that of the
    user's own networks. `detector` is the name of the detector. `device` is as torch names it, `processes` as in
    `faceid.networks.training.trainer.Job`.
    """

    root: str
    output: Path
    name: str
    start: Start
    settings: TrainSettings
    crops: Path
    models_dir: Path
    subject: SubjectRule = "largest"
    min_face: float | None = None
    detector: str = "mtcnn"
    device: str = "cpu"
    processes: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """An order whose crops are made and whose folder is reserved."""

    order: Order
    found: Portraits
    people: People


def prepare(
    order: Order,
    detector: Detector,
    crew: Crew,
    progress: Callable[[int, int | None], None],
    note: Callable[[str], None],
) -> Ready:
    """Make the crops, and divide the people into groups.

    `progress` receives counts of photos, `note` one line for each kind of photo that is left out.

    Raises UsageError for a taken name, impossible settings and the folder of another run; InputError for too few
    people; ModelError without the extra `train`, and for a start that is missing or cannot be trained.
    """
    require_extra()
    check_name(order.name, order.output, order.models_dir)
    if order.settings.distillation.weight and isinstance(order.start, Scratch):
        raise UsageError("a network from scratch has nothing to be held to", remedy="nothing_to_distil")
    _check_start(order)
    found = _look(order, _form(order.start).aligner, detector, crew, progress)
    people = parted(found, order.settings, _seen(order.start))
    _tell(found, people, note)
    if (there := people.identities("training")) < order.settings.batch.people:
        note(f"{there} people in a batch, as there are no more")
        order = replace(order, settings=order.settings.changed({"batch": {"people": there}}))
    identity: dict[str, object] = {
        "name": order.name,
        "start": describe(order.start),
        "settings": order.settings.as_dict(),
        "data": digest_of(zip(found.digests, found.names, strict=True)),
    }
    if found.linked or people.known:
        # Version 0.1.0 drew other groups then: its runs must not go on and calibrate on those they have trained on.
        identity["kept_apart"] = {"linked": len(found.linked), "known": people.known}
    claim(order.output, identity)
    return Ready(order, found, people)


def train(ready: Ready, watch: TrainingObserver) -> TrainResult:
    """Train, or continue the run of the same folder; a finished run returns its result again.

    Raises ModelError where a training fails, UsageError for settings that do not fit these people.
    """
    order, found, people = ready.order, ready.found, ready.people
    outcome = _trained(order, people, watch)
    result = TrainResult(
        status="no_gain",
        name=order.name,
        card=None,
        start=describe(order.start),
        photos=found.photos,
        lost=found.lost,
        duplicates=found.duplicates,
        trained_on=people.identities("training"),
        validated_on=people.identities("validation"),
        calibrated_on=people.identities("calibration"),
        alone=people.alone,
        steps=outcome.steps,
        best_step=outcome.best_step,
        ended=outcome.ended,
        start_tmr=outcome.start_score,
        best_tmr=outcome.best_score,
        tmr=None,
        tmr_before=None,
        least_fmr=None,
    )
    return result if outcome.best_step == 0 else _published(order, people, outcome, result)


def require_extra() -> None:
    """Raise ModelError (`no_train`) where a package is missing that training needs."""
    if missing := [package for package in _EXTRA if find_spec(package) is None]:
        raise ModelError(
            f"training needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            code="no_train",
        )


def _check_start(order: Order) -> None:
    """Make the network once, so that its errors come before hours of work on photos."""
    from faceid.networks.training.stages import freeze

    freeze(order.start.make(), order.settings.network.frozen)


def _seen(start: Start) -> frozenset[str]:
    """The photos that the start has learnt from (`faceid.networks.training.seen`)."""
    return (
        frozenset() if isinstance(start, Scratch) else photos_seen_by(verified(start.card, start.weights_dir))
    )


def _form(start: Start) -> Form:
    """The aligner of a start. Raises ModelError for an unknown one."""
    if isinstance(start, Scratch):
        return FORMS[start.backbone]
    crop_size(start.card.aligner)
    return Form(start.card.input_size, start.card.aligner)


def _look(
    order: Order,
    aligner: str,
    detector: Detector,
    crew: Crew,
    progress: Callable[[int, int | None], None],
) -> Portraits:
    smallest = "" if order.min_face is None else f"-{order.min_face:g}px"
    # Another detector misses other faces. Folders of MTCNN's crops are named as they were before there was a choice.
    finder = "" if order.detector == "mtcnn" else f"-{order.detector}"
    try:
        cache = CropCache(order.crops / f"{aligner}-subject-{order.subject}{smallest}{finder}")
        pipeline = Pipeline(detector, NoNetwork(aligner, crop_size(aligner)), crew)
        found = portraits(of_folders(order.root), pipeline, cache, order.subject, progress)
    except OSError as error:
        raise unwritable(order.crops, error) from error
    if not found.names:
        raise InputError(
            f"no photo of {order.root} shows one face: {_reasons(found.lost)}",
            code="no_face",
            path=order.root,
        )
    return found


def _tell(found: Portraits, people: People, note: Callable[[str], None]) -> None:
    if found.lost:
        lost = sum(found.lost.values())
        note(f"{lost:,} of {found.photos:,} photos show no face, or several: {_reasons(found.lost)}")
    if found.duplicates:
        note(
            f"{found.duplicates:,} photos lie there more than once: of two people none counts, of one the first"
        )
    if people.known:
        note(
            f"{people.known:,} people took part in the training of the network before: they calibrate nothing"
        )
    if people.alone:
        note(f"{people.alone:,} people have one photo only, from which nothing can be learnt about them")


def _trained(order: Order, people: People, watch: TrainingObserver) -> Outcome:
    from faceid.networks.training.trainer import Job, run

    job = Job(
        settings=order.settings,
        start=order.start,
        training=people.training,
        validation=people.validation,
        judge=true_match_rate,
        directory=order.output,
        device=order.device,
        processes=order.processes,
        landmarks=ALIGNERS[_form(order.start).aligner].template,
        workers=0 if order.device == "cpu" else min(WORKERS, usable_cores() // order.processes),
    )
    try:
        return run(job, watch)
    except OSError as error:
        raise unwritable(order.output, error) from error


def _published(order: Order, people: People, outcome: Outcome, result: TrainResult) -> TrainResult:
    weights = order.output / f"{order.name}.safetensors"
    description = (
        f"trained on {result.trained_on:,} people ({len(people.training):,} photos) from {result.start},"
        f" {order.settings.loss.name} loss, best at step {outcome.best_step:,}"
    )
    try:
        published = publish(
            order.name,
            order.start,
            description,
            outcome.weights,
            weights,
            order.models_dir,
            people,
            order.device,
            order.detector,
        )
    except OSError as error:
        raise unwritable(order.models_dir, error) from error
    return replace(
        result,
        status="made",
        card=str(published.card_path),
        tmr=published.tmr,
        tmr_before=published.start_tmr,
        least_fmr=published.least_fmr,
    )


def _reasons(lost: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(lost.items())) or "no photos"
