"""Trainings in processes of their own: killed at a random step, and two at work on one batch."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from faceid.networks.losses.settings import LossSettings
from faceid.networks.state import read_tensors
from faceid.networks.training import checkpoints, trainer
from faceid.networks.training.checkpoints import FOLDER
from faceid.networks.training.events import Event, NullObserver
from faceid.networks.training.logbook import LOG, read_log
from places import ROOT
from tiny_training import Tiny, job, settings

pytestmark = pytest.mark.slow

STEPS = 300

PROGRAM = f"""
import sys
from pathlib import Path
from faceid.networks.training import trainer
from faceid.networks.training.events import NullObserver
from tiny_training import job, settings

chosen = settings(schedule={{"steps": {STEPS}, "validate": 40, "checkpoint": 7}}, loss={{"mining": sys.argv[2]}})
trainer.run(job(Path(sys.argv[1]), chosen), NullObserver())
"""


def start(directory: Path, mining: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(directory), mining], env=environment)


def logged(directory: Path) -> int:
    try:
        return (directory / "run" / LOG).read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def bits(directory: Path) -> dict[str, bytes]:
    folder = max((directory / "run" / FOLDER).glob("[0-9]*"))
    return {
        key: value.numpy().tobytes() for key, value in read_tensors(folder / "network.safetensors").items()
    }


@pytest.mark.parametrize("mining", ["random", "offline_semi_hard"])
def test_a_killed_run_gives_the_weights_of_one_that_was_not(tmp_path: Path, mining: str) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert start(whole, mining).wait(timeout=200) == 0
    draw = random.Random(int.from_bytes(os.urandom(4), "big"))
    kills = []
    for _ in range(3):
        reached = logged(broken) + draw.randrange(1, STEPS // 4)
        process = start(broken, mining)
        # The log is written at checkpoints: the process is killed some steps after one.
        while process.poll() is None and logged(broken) < reached:
            time.sleep(0.01)
        time.sleep(draw.random() / 5)
        process.send_signal(signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:
            kills.append(logged(broken))
    print(f"killed after the checkpoints at {kills}")
    assert kills
    assert start(broken, mining).wait(timeout=200) == 0
    assert read_log(whole / "run") == read_log(broken / "run")
    assert len(read_log(whole / "run")) == STEPS
    assert bits(whole) == bits(broken)
    best = [next((directory / "run").glob("best-*")) for directory in (whole, broken)]
    assert best[0].name == best[1].name
    assert best[0].read_bytes() == best[1].read_bytes()


@pytest.mark.parametrize(
    "loss",
    [LossSettings(), LossSettings(mining="offline_semi_hard"), LossSettings("arcface")],
    ids=lambda loss: loss.mining or loss.name,
)
def test_two_processes_learn_what_one_does(tmp_path: Path, loss: LossSettings) -> None:
    """Without normalisation over the batch, whose parts differ, and with a batch that two do not share evenly."""
    chosen = replace(
        settings(batch={"people": 5, "photos": 3}, optimiser={"name": "sgd", "rate": 0.01}),
        loss=loss,
    )
    outcomes, weights = [], []
    for processes in (1, 2):
        trained = job(tmp_path / str(processes), chosen, start=Tiny(norms=False), processes=processes)
        outcomes.append(trainer.run(trained, NullObserver()))
        weights.append(read_tensors(max((trained.directory / FOLDER).iterdir()) / "network.safetensors"))
    first, second = (read_log(tmp_path / name / "run") for name in ("1", "2"))
    assert [record.loss for record in first] == pytest.approx([record.loss for record in second], rel=1e-4)
    for key, value in weights[0].items():
        torch.testing.assert_close(weights[1][key], value, rtol=1e-3, atol=1e-5)
    assert outcomes[0].best_score == pytest.approx(outcomes[1].best_score, abs=1e-4)


def test_an_error_in_two_processes_is_told_as_in_one(tmp_path: Path) -> None:
    from faceid.networks.errors import BadSettings

    with pytest.raises(BadSettings, match="a batch needs 11"):
        trainer.run(job(tmp_path, settings(batch={"people": 11}), processes=2), NullObserver())


class Full(NullObserver):
    """A disk on which nothing more can be written after a step."""

    def __call__(self, event: Event) -> None:
        if getattr(event, "step", 0) == 5:
            checkpoints.write_tensors = _no_room


def _no_room(path: Path, state: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_a_full_disk_in_two_processes_is_told_as_in_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        trainer.run(job(tmp_path, processes=2), Full())


@pytest.mark.parametrize("mining", ["hard", "offline_hard"])
def test_batches_that_others_make_are_the_same(tmp_path: Path, mining: str) -> None:
    # Two epochs and a half of offline mining.
    chosen = settings(loss={"mining": mining}, schedule={"steps": 25})
    for workers in (0, 2):
        trainer.run(job(tmp_path / str(workers), chosen, workers=workers), NullObserver())
    first, second = (read_log(tmp_path / name / "run") for name in ("0", "2"))
    assert first == second
