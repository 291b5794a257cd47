"""Networks in training: normalisations that come and go, stages, rates."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from faceid.networks import loading, registry
from faceid.networks.backbones import dlib_resnet, facenet, light, mobilefacenet
from faceid.networks.errors import BadSettings
from faceid.networks.training.learner import rate_factor
from faceid.networks.training.norms import Normalised, without_norms
from faceid.networks.training.settings import FROM_SCRATCH, NetworkSettings, OptimiserSettings
from faceid.networks.training.stages import freeze, parameter_groups, rated, set_training, stages
from faceid.networks.training.starts import FORMS, Scratch, Trained, trainable

BUILDERS: dict[str, Any] = {
    "light": light,
    "mobilefacenet": mobilefacenet,
    "dlib-resnet": dlib_resnet,
    "inception-resnet-v1": facenet,
}


def scratch(backbone: str, **settings: int) -> nn.Module:
    return Scratch(backbone, NetworkSettings(dim=16, **settings), seed=3).make()


def crops(backbone: str, count: int = 2) -> torch.Tensor:
    side = FORMS[backbone].size
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1)) * 255


@pytest.mark.parametrize("backbone", list(FORMS))
def test_what_is_trained_is_what_is_used_without_its_norms(backbone: str) -> None:
    network = scratch(backbone)
    network.train()
    for _ in range(2):
        network(crops(backbone))
    network.eval()
    plain = without_norms(network)
    assert not any(isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)) for module in plain.modules())
    built = BUILDERS[backbone].build(plain.state_dict())
    with torch.inference_mode():
        expected = network(crops(backbone))
        torch.testing.assert_close(built(crops(backbone)), expected, rtol=1e-3, atol=1e-4)
    assert network.training is False
    assert expected.shape == (2, 16)


@pytest.mark.parametrize("backbone", list(FORMS))
def test_every_parameter_is_in_one_stage_and_learns(backbone: str) -> None:
    network = scratch(backbone)
    grouped = [parameter for stage in stages(network) for parameter in stage.parameters]
    assert {id(parameter) for parameter in grouped} == {id(parameter) for parameter in network.parameters()}
    assert len(grouped) == len({id(parameter) for parameter in grouped})
    network.train()
    network(crops(backbone, 3)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in grouped)


def test_a_seed_makes_a_network() -> None:
    def weights(seed: int) -> torch.Tensor:
        return next(iter(Scratch("light", NetworkSettings(), seed).make().parameters()))

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_a_trained_network_goes_on_as_it_is(tmp_path: Any) -> None:
    card = registry.card("dlib-resnet")
    network = Trained(card, tmp_path).make()
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not any(isinstance(module, Normalised) for module in network.modules())
    with torch.inference_mode():
        x = crops("dlib-resnet")
        torch.testing.assert_close(without_norms(network)(x), loading.load(card, tmp_path)(x), rtol=0, atol=0)


def test_rates_fall_from_the_last_stage_to_the_first() -> None:
    network = scratch("light")
    freeze(network, 3)
    groups = parameter_groups(network, OptimiserSettings(rate=0.1, layer_decay=0.5))
    assert len(groups) == len(stages(network)) - 3
    assert [group["peak"] for group in groups] == [0.1 * 0.5**k for k in reversed(range(len(groups)))]
    assert all(parameter.requires_grad for group in groups for parameter in group["params"])


def test_relative_rates_follow_what_each_tensor_measures() -> None:
    network = scratch("light")
    freeze(network, 3)
    plain = parameter_groups(network, OptimiserSettings(rate=0.1, layer_decay=0.5))
    groups = parameter_groups(network, OptimiserSettings(rate=0.1, layer_decay=0.5, relative=True))
    peaks = {id(tensor): group["peak"] for group in plain for tensor in group["params"]}
    assert {id(group["params"][0]) for group in groups} == set(peaks)
    for group in groups:
        (tensor,) = group["params"]
        measure = max(float(tensor.detach().square().mean().sqrt()), 1e-3)
        assert group["peak"] == pytest.approx(peaks[id(tensor)] * measure)


def test_tensors_of_zeros_learn_with_relative_rates() -> None:
    zeros = torch.nn.Parameter(torch.zeros(3))
    assert rated([zeros], 0.1, OptimiserSettings(relative=True))[0]["peak"] == pytest.approx(1e-4)


def test_what_is_frozen_is_not_normalised_by_the_batch() -> None:
    network = scratch("light")
    freeze(network, 2)
    set_training(network)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(crops("light"))
    changed = {
        key.split(".")[0]
        for key, value in network.state_dict().items()
        if not torch.equal(value, before[key])
    }
    assert changed == {"blocks", "weighing", "head"}


@pytest.mark.parametrize("count", [99, 12])
def test_something_must_be_left_to_learn(count: int) -> None:
    with pytest.raises(BadSettings, match="leave none to learn"):
        freeze(scratch("light"), count)


def test_the_rate_rises_and_falls() -> None:
    settings = FROM_SCRATCH.changed({"optimiser": {"warmup": 10}, "schedule": {"steps": 110}})
    factors = [rate_factor(number, settings) for number in range(1, 111)]
    assert factors[:10] == pytest.approx([number / 10 for number in range(1, 11)])
    assert factors[10:] == pytest.approx([0.5 * (1 + math.cos(math.pi * k / 100)) for k in range(100)])
    assert all(factor > 0 for factor in factors)


def test_networks_that_are_none() -> None:
    assert trainable("light") == "light"
    with pytest.raises(BadSettings, match="no network 'onnx'"):
        trainable("onnx")
    with pytest.raises(BadSettings, match="no side of 50 pixels"):
        scratch("light", side=50)
