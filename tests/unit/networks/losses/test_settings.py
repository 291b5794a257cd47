"""Settings of losses: what each takes, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from faceid.cli.messages import hint_for
from faceid.networks.errors import BadSettings
from faceid.networks.losses.factory import make_loss
from faceid.networks.losses.settings import NAMES, LossSettings
from places import ROOT


@pytest.mark.parametrize("name", NAMES)
def test_every_name_makes_a_loss_with_its_defaults(name: str) -> None:
    settings = LossSettings(name)
    loss = make_loss(settings, embedding_size=8, classes=3)
    learnt = {parameter.shape[-1] for parameter in loss.parameters()}
    assert bool(learnt) == (name not in ("triplet", "contrastive", "partial_auc"))


def test_defaults_are_those_of_the_papers() -> None:
    assert LossSettings("arcface").parameters() == {"margin": 0.5, "scale": 64.0}
    assert LossSettings("cosface").parameters() == {"margin": 0.35, "scale": 64.0}
    assert LossSettings("centre").parameters() == {"weight": 0.003}
    assert LossSettings("triplet", form="soft").parameters()["margin"] == 0
    assert LossSettings("triplet", form="weighted").parameters()["mining"] == "all"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"name": "center"}, "no loss 'center'"),
        ({"distance": "l1"}, "no distance 'l1'"),
        ({"mining": "hardest"}, "no mining 'hardest'"),
        ({"form": "round"}, "no form 'round'"),
        ({"margin": 0.0}, "margin of the loss triplet must be a number above 0, not 0.0"),
        ({"margin": float("nan")}, "must be a number above 0"),
        ({"margin": True}, "must be a number above 0"),
        ({"margin": "0.2"}, "must be a number above 0"),
        ({"form": "soft", "margin": 0.2}, "the soft form of the triplet loss has no margin"),
        ({"form": "weighted", "mining": "hard"}, "cannot be mined as hard"),
        ({"form": "weighted", "mining": "offline_hard"}, "cannot be mined as offline_hard"),
        (
            {"name": "hashing", "mining": "offline_semi_hard"},
            "mines by embeddings, and the loss hashing compares",
        ),
        ({"name": "softmax", "margin": 0.2}, "the loss softmax has no margin"),
        ({"name": "arcface", "mining": "hard"}, "the loss arcface has no mining"),
        ({"name": "arcface", "margin": 28.6}, "an angle in radians"),
        ({"name": "hashing", "bits": 12}, "bits must be a multiple of 8"),
        ({"name": "hashing", "bits": 16.0}, "bits must be a multiple of 8"),
    ],
)
def test_refused(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(BadSettings, match=complaint) as refused:
        LossSettings(**given)
    assert refused.value.code == "bad_settings"


def test_hint_says_what_the_loss_takes() -> None:
    with pytest.raises(BadSettings) as refused:
        LossSettings("cosface", form="soft")
    assert hint_for(refused.value) == "it takes margin, scale"


def test_settings_splits_and_batches_import_no_tensor_library() -> None:
    program = (
        "import sys; from faceid.networks.losses import settings;"
        " from faceid.networks.mining import splits, batches, offline;"
        "print(*sorted({'torch', 'pytorch_metric_learning', 'faiss'} & set(sys.modules)))"
    )
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
