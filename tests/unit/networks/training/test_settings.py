"""Settings of a training: what they may be, and how a file and options change them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faceid.cli.messages import hint_for
from faceid.networks.errors import BadSettings
from faceid.networks.training import settings as module
from faceid.networks.training.settings import FINE_TUNING, FROM_SCRATCH, TrainSettings, read_settings


def test_the_documented_file_is_the_defaults() -> None:
    assert module.__doc__ is not None
    text = "\n".join(line for line in module.__doc__.splitlines() if line.startswith("    "))
    assert read_settings(text, "x", FROM_SCRATCH) == FROM_SCRATCH.changed({"loss": {"mining": "hard"}})


def test_a_file_changes_what_it_says_and_nothing_else() -> None:
    text = 'seed = 3\n[optimiser]\nrate = 1\n[loss]\nname = "arcface"\nscale = 32.0\n'
    found = read_settings(text, "x", FINE_TUNING)
    assert (found.seed, found.optimiser.rate, found.loss.name, found.loss.scale) == (3, 1.0, "arcface", 32.0)
    assert found.optimiser.layer_decay == FINE_TUNING.optimiser.layer_decay
    assert found.distillation == FINE_TUNING.distillation


def test_another_loss_does_not_inherit_the_old_one_s_parameters() -> None:
    chosen = FROM_SCRATCH.changed({"loss": {"mining": "semi_hard", "margin": 0.5}})
    assert chosen.changed({"loss": {"name": "softmax"}}).loss.mining is None
    assert chosen.changed({"loss": {"margin": 0.3}}).loss.mining == "semi_hard"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("seed = ", "not valid TOML"),
        ("seed = -1", "seed must be 0 to 4294967295"),
        ("seed = 20261122140704", "seed must be 0 to 4294967295"),
        ("seed = 1.5", "seed must be of type int"),
        ("[networks]\ndim = 8", "networks is not a known section"),
        ("network = 3", "network is not a known section"),
        ("[network]\ndims = 8", "network.dims is not a known setting"),
        ("[network]\ndim = 7", "dim must be 8 to 512"),
        ("[network]\ndim = true", "dim must be of type int"),
        ("[batch]\nphotos = 1", "two people with two photos"),
        ("[optimiser]\nrate = 0", "rate must be above 0"),
        ("[optimiser]\nrate = nan", "rate must be of type float"),
        ("[optimiser]\nrate = inf", "rate must be of type float"),
        ('[optimiser]\nname = "lion"', "no optimiser 'lion'"),
        ("[schedule]\nsteps = 0", "steps must be 1 or more"),
        ("[augmentation]\nflip = 1.5", "flip must be 0 to 1"),
        ("[split]\nvalidation = 0.6\ncalibration = 0.4", "leave no people to train on"),
        ('[distillation]\ndistance = "l1"', "no distance 'l1'"),
        ('[loss]\nname = "quadruplet"', "no loss 'quadruplet'"),
    ],
)
def test_a_bad_file_names_the_key(text: str, complaint: str) -> None:
    with pytest.raises(BadSettings, match=f"train.toml.*{complaint}"):
        read_settings(text, "train.toml", FROM_SCRATCH)


def test_a_bad_section_is_told_with_the_good_ones() -> None:
    with pytest.raises(BadSettings) as refused:
        read_settings("[optimizer]\nrate = 1.0", "x", FROM_SCRATCH)
    hint = hint_for(refused.value)
    assert hint is not None
    assert "batch, optimiser, schedule" in hint


def test_settings_are_plain_values(tmp_path: Path) -> None:
    plain = json.loads(json.dumps(FINE_TUNING.as_dict()))
    assert plain == FINE_TUNING.as_dict()
    assert plain["loss"]["name"] == "triplet"
    assert TrainSettings() == FROM_SCRATCH
