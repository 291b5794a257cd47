"""Trainings of a second each: what they learn, when they end, and that they go on as if nothing had happened."""

from __future__ import annotations

import errno
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from faceid.cli.messages import hint_for
from faceid.networks.errors import BadSettings, TrainingFailed, WeightsFormat
from faceid.networks.state import read_tensors
from faceid.networks.training import checkpoints, trainer
from faceid.networks.training.batches import Batches
from faceid.networks.training.checkpoints import FOLDER
from faceid.networks.training.embedding import embed, spread
from faceid.networks.training.events import Advised, Began
from faceid.networks.training.health import WINDOW
from faceid.networks.training.logbook import LOG, TENSORBOARD, Logbook, read_log
from tiny_training import SIDE, Heard, Tiny, TinyNet, job, samples, separation, settings


def bits(path: Path) -> dict[str, bytes]:
    return {key: value.numpy().tobytes() for key, value in read_tensors(path).items()}


def last(directory: Path) -> Path:
    return max((directory / FOLDER).iterdir())


def test_a_training_makes_people_whom_it_never_saw_easier_to_tell_apart(tmp_path: Path) -> None:
    heard = Heard()
    done = trainer.run(job(tmp_path, settings(schedule={"steps": 60, "validate": 20})), heard)
    assert isinstance(heard.events[0], Began)
    assert [step for step, _, _ in heard.scores] == [0, 20, 40, 60]
    assert done.start_score == heard.scores[0][1]
    assert done.best_score == max(score for _, score, _ in heard.scores) > done.start_score + 0.1
    assert (done.steps, done.ended) == (60, "steps")
    run = tmp_path / "run"
    assert [record.step for record in read_log(run)] == list(range(1, 61))
    board = EventAccumulator(str(run / TENSORBOARD)).Reload()
    scalars = ("loss", "distillation", "active", "spread", "rate")
    assert set(board.Tags()["scalars"]) == {*(f"training/{name}" for name in scalars), "validation/score"}
    assert [event.value for event in board.Scalars("training/loss")] == pytest.approx(
        [record.loss for record in read_log(run)], rel=1e-6
    )
    assert set(board.Tags()["histograms"]) == {"distances/mated", "distances/non_mated"}
    assert board.Tags()["graph"]
    assert (run / TENSORBOARD / "projector_config.pbtxt").read_text().count("embeddings {") == sum(
        best for _, _, best in heard.scores
    )
    assert [path.name for path in run.glob("best-*")] == [done.weights.name]


def test_the_weights_are_those_of_the_best_validation_without_norms(tmp_path: Path) -> None:
    trained = job(tmp_path)
    done = trainer.run(trained, Heard())
    network = TinyNet(8)
    network.load_state_dict(read_tensors(done.weights))
    vectors = embed(network, trained.validation, torch.device("cpu"))
    assert separation(vectors, trained.validation.labels) == pytest.approx(done.best_score, abs=1e-4)


@pytest.mark.parametrize("stop_at", [1, 3, 4, 7, 11])
@pytest.mark.parametrize(
    "loss",
    [{"mining": "random"}, {"mining": "offline_hard"}, {"mining": "offline_semi_hard"}, {"name": "arcface"}],
)
def test_a_run_that_is_interrupted_goes_on_bit_by_bit(
    tmp_path: Path, stop_at: int, loss: dict[str, str]
) -> None:
    chosen = settings(loss=loss, augmentation={"occlusion": 0.5}, optimiser={"name": "sgd"})
    whole = trainer.run(job(tmp_path / "whole", chosen), Heard())
    broken = job(tmp_path / "broken", chosen)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(broken, Heard(stop_at))
    heard = Heard()
    done = trainer.run(broken, heard)
    assert heard.events[0] == Began((stop_at - 1) // 2 * 2, 12, "cpu", 1)
    assert replace(done, weights=whole.weights) == whole
    runs = [tmp_path / name / "run" for name in ("whole", "broken")]
    assert read_log(runs[0]) == read_log(runs[1])
    for name in ("network.safetensors", "loss.safetensors"):
        assert bits(last(runs[0]) / name) == bits(last(runs[1]) / name)
    assert bits(whole.weights) == bits(done.weights)


def test_a_run_that_has_ended_tells_it_again(tmp_path: Path) -> None:
    trained = job(tmp_path)
    first = trainer.run(trained, Heard())
    before = bits(last(tmp_path / "run") / "network.safetensors")
    heard = Heard()
    assert trainer.run(trained, heard) == first
    assert heard.events == []
    assert bits(last(tmp_path / "run") / "network.safetensors") == before


def test_it_ends_when_nothing_gets_better(tmp_path: Path) -> None:
    chosen = settings(schedule={"steps": 100, "validate": 2, "patience": 3})
    done = trainer.run(job(tmp_path, chosen, judge=lambda vectors, labels: 0.5), Heard())
    assert (done.steps, done.best_step, done.ended) == (6, 0, "patience")


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("a", "b")]
    for directory, seed in zip(runs, (0, 1), strict=True):
        trainer.run(job(directory, replace(settings(), seed=seed)), Heard())
    first, second = (read_log(directory / "run") for directory in runs)
    assert [record.loss for record in first] != [record.loss for record in second]


def test_what_is_frozen_stays(tmp_path: Path) -> None:
    trainer.run(job(tmp_path, settings(network={"frozen": 1})), Heard())
    before, after = Tiny().make().state_dict(), read_tensors(last(tmp_path / "run") / "network.safetensors")
    same = {key for key in before if torch.equal(before[key], after[key])}
    assert {key for key in before if key.startswith("stem")} <= same
    assert not any(key.startswith("head") for key in same)


@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_distillation_holds_embeddings_where_they_were(tmp_path: Path, distance: str) -> None:
    moved = []
    for weight in (0.0, 100.0):
        chosen = settings(distillation={"weight": weight, "distance": distance}, optimiser={"rate": 0.01})
        trained = job(tmp_path / str(weight), chosen, start=Tiny(norms=False))
        trainer.run(trained, Heard())
        network = Tiny(norms=False).make()
        taught = embed(network, trained.training, torch.device("cpu"))
        network.load_state_dict(read_tensors(last(trained.directory) / "network.safetensors"))
        moved.append(
            1.0 - float((embed(network, trained.training, torch.device("cpu")) * taught).sum(1).mean())
        )
        records = read_log(trained.directory)
        assert all((record.distillation > 0) == (weight > 0) for record in records)
    assert moved[1] < moved[0] / 2


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return pytest.fail, ("a pickle ran",)


EVIL = pickle.dumps(Evil(), protocol=2)


class One(Tiny):
    """Says the same of everybody."""

    def make(self) -> torch.nn.Module:
        network = super().make()
        network.requires_grad_(False)
        network.head.weight.zero_()
        network.head.bias.fill_(1.0)
        return network.requires_grad_(True)


def test_a_collapse_is_told_with_what_to_do(tmp_path: Path) -> None:
    chosen = settings(schedule={"steps": 40, "validate": 100}, optimiser={"rate": 1e-9})
    with pytest.raises(TrainingFailed, match="all embeddings have become one at step 20") as caught:
        trainer.run(job(tmp_path, chosen, start=One()), Heard())
    assert caught.value.code == "collapsed"
    assert "semi-hard" in str(hint_for(caught.value))


def test_nothing_left_to_learn_is_told_once(tmp_path: Path) -> None:
    chosen = settings(
        schedule={"steps": WINDOW + 10},
        loss={"margin": 1e-6, "mining": "all"},
        augmentation=dict.fromkeys(("flip", "blur", "jpeg", "low_resolution", "occlusion"), 0.0),
    )
    trained = job(tmp_path, chosen)
    shades = (trained.training.labels * 25).astype(np.uint8)
    np.save(trained.training.files[0], np.tile(shades[:, None, None, None], (1, SIDE, SIDE, 3)))
    heard = Heard()
    trainer.run(trained, heard)
    advice = [event.advice for event in heard.events if isinstance(event, Advised)]
    assert len(advice) == 1
    assert "harder mining" in advice[0]


def test_a_loss_that_is_not_finite_ends_it(tmp_path: Path) -> None:
    chosen = settings(optimiser={"rate": 1e30, "name": "sgd", "warmup": 0}, schedule={"steps": 40})
    with pytest.raises(TrainingFailed, match=r"the loss is (nan|inf)") as caught:
        trainer.run(job(tmp_path, chosen, start=Tiny(norms=False)), Heard())
    assert caught.value.code == "diverged"


def test_weights_that_the_last_step_has_ruined_end_it_too(tmp_path: Path) -> None:
    # The only loss is that of the network as it was drawn.
    chosen = settings(
        optimiser={"rate": 1e30, "name": "sgd", "warmup": 0}, schedule={"steps": 1, "validate": 1}
    )
    with pytest.raises(TrainingFailed, match="embeddings are not finite after step 1") as caught:
        trainer.run(job(tmp_path, chosen, start=Tiny(norms=False)), Heard())
    assert caught.value.code == "diverged"


class Full:
    """A disk on which nothing more can be written, once it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def __call__(self, event: object) -> None:
        if getattr(event, "step", 0) == 5:
            self._patch.setattr("faceid.networks.state.write_whole", _no_room)


def _no_room(path: Path, blocks: object) -> None:
    path.write_bytes(b"half")
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_a_full_disk_ends_it_and_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer.run(job(tmp_path / "whole"), Heard())
    broken = job(tmp_path / "broken")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        trainer.run(broken, Full(patch))
    assert sorted(path.name for path in (broken.directory / FOLDER).iterdir()) == ["000002", "000004"]
    done = trainer.run(broken, Heard())
    assert bits(done.weights) == bits(whole.weights)


def test_a_log_that_cannot_be_written_is_told_at_the_next_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.add_scalar", no_room)
    trained = job(tmp_path, settings(schedule={"validate": 100}))
    monkeypatch.setattr("faceid.networks.training.logbook.Logbook.validation", lambda *_: None)
    heard = Heard()
    with pytest.raises(OSError, match="No space left"):
        trainer.run(trained, heard)
    assert heard.events[-1].step == 2


def test_a_step_that_is_made_again_says_nothing_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = samples(tmp_path, 2, 1)
    for _ in range(2):
        logbook = Logbook(tmp_path, [])
        logbook.projector(3, np.eye(8, dtype=np.float32), shown)
        logbook.close()
    assert capsys.readouterr().out == ""
    assert (tmp_path / TENSORBOARD / "00003" / "default" / "sprite.png").exists()


def test_a_million_steps_come_after_999_999(tmp_path: Path) -> None:
    learnt = checkpoints.Learnt(network={"a": torch.zeros(1)}, loss={}, optimiser={}, scaler={})
    for step in (999_950, 999_999, 1_000_000):
        checkpoints.write(tmp_path, checkpoints.Standing(step, 0, 0.0, 0.0), learnt)
    kept = checkpoints.latest(tmp_path)
    assert kept is not None
    assert kept[0].step == 1_000_000
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == {"999999", "1000000"}


def test_batches_hang_on_seed_and_step_alone(tmp_path: Path) -> None:
    trained = job(tmp_path, settings(augmentation={"blur": 0.5, "jpeg": 0.5}))
    first, second = (Batches(trained.training, trained.settings) for _ in range(2))
    for step in (5, 0, 3):
        one, other = first[step], second[step]
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.places, other.places)
    assert not torch.equal(first[0].pixels, first[1].pixels)
    # In another epoch the same photo is changed in another way.
    again = [batch for batch in (first[step] for step in range(8)) if one.places[0] in batch.places]
    assert (
        len(
            {
                batch.pixels[batch.places.tolist().index(int(one.places[0]))].numpy().tobytes()
                for batch in again
            }
        )
        > 1
    )


def test_offline_batches_are_the_triplets_that_were_mined_for_their_epoch(tmp_path: Path) -> None:
    trained = job(tmp_path, settings(loss={"mining": "offline_hard"}))
    labels = trained.training.labels
    batches = Batches(trained.training, trained.settings)
    found = [np.random.default_rng(epoch).integers(0, len(labels), (40, 3)) for epoch in range(3)]
    learnt, asked = 0, []

    def mine(epoch: int) -> np.ndarray:
        asked.append((epoch, learnt))
        return found[epoch]

    shown = []
    for batch in batches.from_step(0, 25, 0, mine):
        shown.append(batch.places.numpy().reshape(-1, 3))
        assert batch.labels.tolist() == labels[batch.places].tolist()
        learnt += 1
    # 40 photos are anchors, 4 a batch of 12: ten batches an epoch, of which the last was cut short.
    assert asked == [(0, 0), (1, 10), (2, 20)]
    for epoch in range(2):
        whole = np.concatenate(shown[10 * epoch : 10 * epoch + 10])
        assert sorted(whole.tolist()) == sorted(found[epoch].tolist())
    # In the middle of an epoch, nothing is mined.
    again = Batches(trained.training, trained.settings)
    again.mined = found[1]
    (batch,) = again.from_step(13, 14, 0, pytest.fail)
    assert batch.places.numpy().reshape(-1, 3).tolist() == shown[13].tolist()


def test_the_loss_of_offline_mining_is_that_of_the_batch_s_own_triplets(tmp_path: Path) -> None:
    trained = job(tmp_path, settings(loss={"mining": "offline_semi_hard"}))
    done = trainer.run(trained, Heard())
    assert done.steps == 12
    records = read_log(trained.directory)
    # Each of a batch's four triplets pulls or does not.
    assert {4 * record.active % 1 for record in records} == {0.0}
    assert records[0].active > 0


def test_embeddings_that_are_all_one_leave_nothing_semi_hard(tmp_path: Path) -> None:
    chosen = settings(loss={"mining": "offline_semi_hard"})
    with pytest.raises(TrainingFailed, match="no triplet is left to mine in epoch 0") as caught:
        trainer.run(job(tmp_path, chosen, start=One()), Heard())
    assert caught.value.code == "collapsed"


def test_a_batch_is_shared_evenly_and_wholly(tmp_path: Path) -> None:
    batch = Batches(job(tmp_path).training, settings())[0]
    for world in (1, 2, 5, 12):
        shares = [batch.share(rank, world) for rank in range(world)]
        assert len({len(share) for share in shares}) == 1
        assert torch.equal(torch.cat(shares)[: len(batch.labels)], batch.pixels)


def test_too_few_people_for_a_batch(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="10 identities have two photos or more, and a batch needs 11"):
        trainer.run(job(tmp_path, settings(batch={"people": 11})), Heard())


def test_a_damaged_checkpoint_is_named_and_runs_nothing(tmp_path: Path) -> None:
    trained = job(tmp_path)
    trainer.run(trained, Heard())
    state = last(trained.directory) / "state.pt"

    for content in (state.read_bytes()[:-100], EVIL):
        state.write_bytes(content)
        with pytest.raises(WeightsFormat, match="is no checkpoint") as caught:
            checkpoints.latest(trained.directory)
        assert "delete it" in str(hint_for(caught.value))


def test_a_log_line_that_was_cut_short_is_none(tmp_path: Path) -> None:
    trained = job(tmp_path)
    trainer.run(trained, Heard())
    log = trained.directory / LOG
    whole = log.read_text()
    log.write_text(whole + whole.splitlines()[0][:20])
    assert len(read_log(trained.directory)) == 12


def test_spread() -> None:
    assert spread(torch.ones(5, 3)) == pytest.approx(0.0, abs=1e-6)
    assert spread(torch.tensor([[1.0, 0.0], [-2.0, 0.0]])) == pytest.approx(1.0)
    assert spread(torch.eye(4)) == pytest.approx(0.75)
