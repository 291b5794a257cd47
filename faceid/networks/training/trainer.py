"""The training of a network: steps, validations, checkpoints; in one process or several, on CPUs or GPUs.

Lightning Fabric distributes it. With several processes each works on a part of every batch. The embeddings of all are
gathered before the loss, so batch and gradients are the same for any number of processes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from lightning_fabric import Fabric

from faceid.errors import FaceIDError
from faceid.networks.errors import TrainingFailed
from faceid.networks.mining import offline
from faceid.networks.state import write_tensors
from faceid.networks.training import checkpoints
from faceid.networks.training.batches import Batches
from faceid.networks.training.checkpoints import Standing, best_path
from faceid.networks.training.embedding import as_input, embed
from faceid.networks.training.events import Advised, Began, NullObserver, Stepped, TrainingObserver, Validated
from faceid.networks.training.health import (
    IDLE_ADVICE,
    Record,
    collapsed,
    idle,
)
from faceid.networks.training.learner import Learner
from faceid.networks.training.logbook import Logbook, read_log
from faceid.networks.training.masks import Landmarks
from faceid.networks.training.samples import Samples
from faceid.networks.training.settings import TrainSettings
from faceid.networks.training.starts import Start
from faceid.networks.training.together import FirstProcessError, run_in_first

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Lightning logs the number of each process, which users do not need.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)

Judge: TypeAlias = Callable[["NDArray[np.float32]", "NDArray[np.int64]"], float]
"""Of unit embeddings (n, d) and the numbers of their identities (n,): a score, where larger is better."""

ENOUGH_STEPS, NONE_BETTER = "steps", "patience"
"""The reason why a run ends: all steps are done, or no better validation came within the patience."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """The complete description of a training. All of it can be pickled, `judge` too.

    `directory` exists, and belongs to this run alone. `device` is a torch device; with `processes` above 1 the run uses
    that number of CPU processes, or GPUs from the first on. `workers` processes prepare batches. `landmarks` are the
    places to which the aligner of the crops moves them, None for an aligner without landmarks.
    """

    settings: TrainSettings
    start: Start
    training: Samples
    validation: Samples
    judge: Judge
    directory: Path
    device: str = "cpu"
    processes: int = 1
    workers: int = 0
    landmarks: Landmarks | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a training: the state of `best_step`, in the form for use, is in the file `weights`.

    Scores are the judge's of the start and of the best step, on the people of the validation. `steps` counts the steps,
    and `ended` is the reason for the end.
    """

    weights: Path
    steps: int
    best_step: int
    best_score: float
    start_score: float
    ended: str


def run(job: Job, watch: TrainingObserver) -> Outcome:
    """Train, from the last checkpoint if there is one; for a finished run, return its outcome again.

    On a CPU with the same number of threads, an interrupted and continued run gives the same weights, bit by bit, as a
    run without interruption.

    Raises TrainingFailed if numbers become infinite or all embeddings equal, BadSettings for settings that these
    samples do not allow, WeightsFormat for a damaged checkpoint, the errors of making the start, and OSError.
    """
    kind, _, number = job.device.partition(":")
    fabric = Fabric(
        accelerator="cpu" if kind == "cpu" else "cuda",
        devices=job.processes if job.processes > 1 or kind == "cpu" else [int(number or 0)],
        strategy="ddp_spawn" if job.processes > 1 else "auto",
        precision=_precision(kind),
    )
    # Bound beforehand: Fabric rebuilds arguments and results, which fails for frozen dataclasses.
    result = fabric.launch(partial(_run, job=job, watch=watch))
    assert isinstance(result, _Result)
    if isinstance(result.value, (FaceIDError, OSError)):
        raise result.value
    return result.value


class _Result:
    """The result of one process."""

    def __init__(self, value: Outcome | FaceIDError | OSError) -> None:
        self.value = value


def _run(fabric: Fabric, job: Job, watch: TrainingObserver) -> _Result:
    cudnn: Any = torch.backends.cudnn
    listener = watch if fabric.is_global_zero else NullObserver()
    try:
        with listener, cudnn.flags(deterministic=True, benchmark=False):
            return _Result(_Run(fabric, job, listener).go())
    # All processes raise the same error; an exception would leave another process as text.
    except FaceIDError as error:
        return _Result(error)
    except FirstProcessError as failure:
        return _Result(failure.error)


class _Run:
    """A run in one of its processes. All processes make the same decisions."""

    def __init__(self, fabric: Fabric, job: Job, watch: TrainingObserver) -> None:
        self._fabric, self._job, self._watch = fabric, job, watch
        self._batches = Batches(job.training, job.settings, job.landmarks)
        self._learner = Learner(fabric, job.settings, job.start, job.training)
        kept = checkpoints.latest(job.directory)
        self._standing: Standing | None = None
        if kept is not None:
            self._standing, learnt, self._batches.mined = kept
            self._learner.restore(learnt)
        step = 0 if self._standing is None else self._standing.step
        self._records = [record for record in read_log(job.directory) if record.step <= step]
        # The log must not be shortened while another process reads it.
        fabric.barrier()
        self._logbook: Logbook | None = None
        run_in_first(fabric, self._open)

    def _open(self) -> None:
        self._logbook = Logbook(self._job.directory, self._records)

    def go(self) -> Outcome:
        """Run all remaining steps."""
        standing = self._standing
        if standing is None or standing.ended is None:
            step, steps = 0 if standing is None else standing.step, self._job.settings.schedule.steps
            self._watch(Began(step, steps, str(self._fabric.device), self._fabric.world_size))
        try:
            standing = self._trained(self._begun() if self._standing is None else self._standing)
        finally:
            # Unwritten entries are later than the last checkpoint, so they are not needed.
            with suppress(OSError):
                if self._logbook is not None:
                    self._logbook.close()
        return Outcome(
            weights=best_path(self._job.directory, standing.best_step),
            steps=standing.step,
            best_step=standing.best_step,
            best_score=standing.best_score,
            start_score=standing.start_score,
            ended=str(standing.ended),
        )

    def _trained(self, standing: Standing) -> Standing:
        job, schedule = self._job, self._job.settings.schedule
        if standing.ended is not None:
            return standing
        advised = False
        batches = self._batches.from_step(standing.step, schedule.steps, job.workers, self._mined)
        for number, batch in enumerate(batches, start=standing.step + 1):
            self._note(self._learner.step(number, batch))
            if not advised and idle(self._records):
                advised = True
                self._watch(Advised(IDLE_ADVICE))
            standing = replace(standing, step=number)
            if number % schedule.validate == 0 or number == schedule.steps:
                standing = self._validated(standing)
                self._keep(standing)
                if standing.ended is not None:
                    break
            elif number % schedule.checkpoint == 0:
                self._keep(standing)
        return standing

    def _begun(self) -> Standing:
        """Score the start, before the first step."""
        if self._logbook is not None:
            sample = torch.from_numpy(self._job.validation.crops([0]))
            self._learner.network.eval()
            self._logbook.graph(self._learner.network, as_input(sample, self._fabric.device))
        score = self._judged(0)
        self._watch(Validated(0, score, best=True))
        standing = Standing(step=0, best_step=0, best_score=score, start_score=score)
        self._keep(standing)
        return standing

    def _mined(self, epoch: int) -> NDArray[np.int64]:
        """The triplets of an epoch, mined by the first process for all: another might break near ties differently."""
        settings, samples = self._job.settings, self._job.training

        def mined() -> NDArray[np.int64]:
            vectors = self._embedded(samples, self._records[-1].step if self._records else 0)
            rng = np.random.default_rng((settings.seed, epoch))
            found = offline.mined(str(settings.loss.mining), vectors, samples.labels, rng)
            if not len(found):
                raise TrainingFailed(
                    f"no triplet is left to mine in epoch {epoch}: no negative is farther than a positive",
                    code="collapsed",
                    remedy="nothing_to_mine",
                )
            return found

        return run_in_first(self._fabric, mined)

    def _note(self, record: Record) -> None:
        self._records.append(record)
        if self._logbook is not None:
            self._logbook.step(record)
        self._watch(Stepped(record.step, record.loss, record.active))
        if collapsed(self._records):
            raise TrainingFailed(
                f"all embeddings have become one at step {record.step}: their spread is {record.spread:.4f}",
                code="collapsed",
            )

    def _validated(self, standing: Standing) -> Standing:
        """The standing after a validation; keeps the weights if they are the best."""
        schedule = self._job.settings.schedule
        score = self._judged(standing.step, best_so_far=standing.best_score)
        best = score > standing.best_score
        if best:
            standing = replace(standing, best_step=standing.step, best_score=score, behind=0)
        else:
            standing = replace(standing, behind=standing.behind + 1)
        self._watch(Validated(standing.step, score, best))
        if standing.step == schedule.steps:
            return replace(standing, ended=ENOUGH_STEPS)
        return replace(standing, ended=NONE_BETTER) if standing.behind >= schedule.patience else standing

    def _judged(self, step: int, *, best_so_far: float = -math.inf) -> float:
        """The score, by the first process for all; keeps the weights if it is above `best_so_far`."""

        def judged() -> float:
            assert self._logbook is not None
            samples = self._job.validation
            vectors = self._embedded(samples, step)
            score = self._job.judge(vectors, samples.labels)
            self._logbook.validation(step, score, vectors, samples)
            if score > best_so_far:
                write_tensors(best_path(self._job.directory, step), self._learner.deployed())
                self._logbook.projector(step, vectors, samples)
            return score

        return run_in_first(self._fabric, judged)

    def _embedded(self, samples: Samples, step: int) -> NDArray[np.float32]:
        vectors = embed(self._learner.network, samples, self._fabric.device)
        # The last step may have diverged, and no loss has been computed after it.
        if not np.isfinite(vectors).all():
            raise TrainingFailed(f"embeddings are not finite after step {step}", code="diverged")
        return vectors

    def _keep(self, standing: Standing) -> None:
        def kept() -> None:
            assert self._logbook is not None
            self._logbook.flush()
            checkpoints.write(self._job.directory, standing, self._learner.learnt(), self._batches.mined)

        run_in_first(self._fabric, kept)


def _precision(kind: str) -> Literal["32-true", "16-mixed", "bf16-mixed"]:
    """The precision of computation: mixed on a GPU, with bfloat16 if the GPU supports it."""
    if kind == "cpu":
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
