"""MiniFASNet with random weights in a file like the published ones, against its layers taken one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from faceid.networks import registry
from faceid.networks.backbones import minifasnet
from faceid.networks.backbones.minifasnet import MiniFASNet
from faceid.networks.errors import BadCard, UnknownModel, WeightsFormat

# Between the 1x1 convolutions of each block, and what a block gives: the publishers' list.
HIDDEN = {
    "v2": "103 13 13 13 13 231 231 52 26 77 26 26 308 26 26",
    "v1se": "103 13 26 13 52 231 154 52 26 52 26 26 308 26 26",
}
OUTPUTS = "64 64 64 64 64 128 128 128 128 128 128 128 128 128 128"
BLOCKS = [
    "conv_23",
    *(f"conv_3.model.{n}" for n in range(4)),
    "conv_34",
    *(f"conv_4.model.{n}" for n in range(6)),
    "conv_45",
    *(f"conv_5.model.{n}" for n in range(2)),
]
ATTENTIVE = {"conv_3.model.3": 16, "conv_4.model.5": 32, "conv_5.model.1": 32}


def published(kind: str) -> dict[str, Tensor]:
    """A state dict with the names and shapes of the published file, as a network on several GPUs is saved."""
    generator = torch.Generator().manual_seed(7)
    state: dict[str, Tensor] = {}

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    def norm(name: str, channels: int) -> None:
        state[f"{name}.weight"] = 0.5 + random(channels)
        state[f"{name}.bias"] = random(channels) - 0.5
        state[f"{name}.running_mean"] = random(channels) - 0.5
        state[f"{name}.running_var"] = 0.5 + random(channels)
        state[f"{name}.num_batches_tracked"] = torch.tensor(9)

    def unit(name: str, shape: tuple[int, int, int, int], *, prelu: bool = True) -> None:
        fan_in = shape[1] * shape[2] * shape[3]
        state[f"{name}.conv.weight"] = (random(*shape) - 0.5) * (12 / fan_in) ** 0.5
        norm(f"{name}.bn", shape[0])
        if prelu:
            state[f"{name}.prelu.weight"] = random(shape[0])

    unit("conv1", (32, 3, 3, 3))
    state["conv1.conv.weight"] /= 128
    unit("conv2_dw", (32, 1, 3, 3))
    before = 32
    for name, inner, outer in zip(BLOCKS, HIDDEN[kind].split(), OUTPUTS.split(), strict=True):
        hidden, after = int(inner), int(outer)
        unit(f"{name}.conv", (hidden, before, 1, 1))
        unit(f"{name}.conv_dw", (hidden, 1, 3, 3))
        unit(f"{name}.project", (after, hidden, 1, 1), prelu=False)
        if kind == "v1se" and name in ATTENTIVE:
            narrow = ATTENTIVE[name]
            state[f"{name}.se_module.fc1.weight"] = random(narrow, after, 1, 1) - 0.5
            state[f"{name}.se_module.fc2.weight"] = random(after, narrow, 1, 1) - 0.5
            norm(f"{name}.se_module.bn1", narrow)
            norm(f"{name}.se_module.bn2", after)
        before = after
    unit("conv_6_sep", (512, 128, 1, 1))
    unit("conv_6_dw", (512, 1, 5, 5), prelu=False)
    state["linear.weight"] = (random(128, 512) - 0.5) / 8
    norm("bn", 128)
    state["prob.weight"] = (random(3, 128) - 0.5) / 4
    return {f"module.{key}": value for key, value in state.items()}


def reference(state: dict[str, Tensor], bgr: Tensor) -> Tensor:
    """The published network, layer by layer, nothing folded."""
    state = {key.removeprefix("module."): value for key, value in state.items()}

    def norm(name: str, x: Tensor) -> Tensor:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return functional.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"])

    def unit(name: str, x: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
        weight = state[f"{name}.conv.weight"]
        groups = x.shape[1] // weight.shape[1]
        x = norm(f"{name}.bn", functional.conv2d(x, weight, stride=stride, padding=padding, groups=groups))
        slopes = state.get(f"{name}.prelu.weight")
        return x if slopes is None else functional.prelu(x, slopes)

    x = unit("conv2_dw", unit("conv1", bgr, stride=2, padding=1), padding=1)
    for name in BLOCKS:
        residual = ".model." in name
        y = unit(f"{name}.conv", x)
        y = unit(f"{name}.conv_dw", y, stride=1 if residual else 2, padding=1)
        y = unit(f"{name}.project", y)
        if f"{name}.se_module.fc1.weight" in state:
            z = functional.adaptive_avg_pool2d(y, 1)
            z = norm(
                f"{name}.se_module.bn1", functional.conv2d(z, state[f"{name}.se_module.fc1.weight"])
            ).relu()
            z = norm(f"{name}.se_module.bn2", functional.conv2d(z, state[f"{name}.se_module.fc2.weight"]))
            y = y * z.sigmoid()
        x = x + y if residual else y
    x = unit("conv_6_dw", unit("conv_6_sep", x)).flatten(1)
    return norm("bn", x @ state["linear.weight"].T) @ state["prob.weight"].T


@pytest.mark.parametrize("kind", ["v2", "v1se"])
def test_the_folded_network_is_the_published_one(kind: str, tmp_path: Path) -> None:
    state = published(kind)
    torch.save(state, tmp_path / "network.pth")
    network = minifasnet.build(minifasnet.convert(tmp_path / "network.pth"))
    assert not network.training
    rgb = torch.randint(0, 256, (3, 3, 80, 80), generator=torch.Generator().manual_seed(1)).float()
    with torch.inference_mode():
        expected = reference(state, rgb.flip(1))
        assert expected.std(0).min() > 1e-3
        torch.testing.assert_close(network(rgb), expected, rtol=1e-4, atol=1e-4)


def without(key: str) -> dict[str, Tensor]:
    state = published("v2")
    del state[f"module.{key}"]
    return state


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        (without("conv_34.conv.bn.running_var"), "conv_34.conv.bn.running_var is missing"),
        (without("conv1.prelu.weight") | {"module.other": torch.zeros(1)}, "other is not a part"),
        (published("v2") | {"module.conv_3.model.1.project.conv.weight": torch.zeros(64, 14, 1, 1)}, "shape"),
        (published("v2") | {"module.conv1.conv.weight": torch.zeros(5)}, "shape"),
        (published("v2") | {"module.conv1.bn.bias": torch.full((32,), torch.nan)}, "not finite"),
    ],
)
def test_another_network_is_refused(state: dict[str, Tensor], complaint: str, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(WeightsFormat, match=complaint):
        minifasnet.convert(tmp_path / "other.pth")


def test_a_pickle_that_runs_code_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(b"cos\nsystem\n(S'touch evil'\ntR.")
    with pytest.raises(WeightsFormat, match="not a file of torch weights"):
        minifasnet.convert(tmp_path / "evil.pth")


def test_a_network_says_live_as_its_publishers_count() -> None:
    assert minifasnet.LIVE == 1
    assert MiniFASNet(minifasnet.V1SE).head.out_features == 3


@pytest.mark.parametrize("name", registry.liveness_names())
def test_every_card_for_liveness_says_what_a_user_must_know(name: str) -> None:
    card = registry.liveness_card(name)
    assert (card.name, card.licence) == (name, "Apache-2.0")
    assert card.licence_note
    assert "/master/" not in card.weights.source
    assert registry.any_card(name) == card


def test_networks_for_liveness_are_no_models() -> None:
    assert registry.liveness_names() == ("antispoof-98", "minifasnet-v1se", "minifasnet-v2")
    assert not set(registry.liveness_names()) & set(registry.names())
    with pytest.raises(UnknownModel, match="makes no templates"):
        registry.card("minifasnet-v2")
    with pytest.raises(UnknownModel, match="no network for liveness"):
        registry.liveness_card("dlib-resnet")
    assert registry.any_card("dlib-resnet") == registry.card("dlib-resnet")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('kind = "liveness"', 'kind = "other"', "kind"),
        ("scale = 2.7", "scale = 0.5", "scale"),
        ("scale = 2.7", "", "scale"),
        ("scale = 2.7", "scale = 2.7\ndim = 3", "dim"),
        ('region = "inside"', 'region = "black"', "region"),
        ('region = "inside"', "", "region"),
        ('backbone = "minifasnet"', 'backbone = "dlib-resnet"', "backbone"),
    ],
)
def test_a_card_for_liveness_that_cannot_be_used(old: str, new: str, key: str) -> None:
    from faceid.networks.card_text import read_liveness_card

    path = registry.card_path("dlib-resnet").parent / "liveness" / "minifasnet-v2.toml"
    text = path.read_text("utf-8")
    assert old in text
    with pytest.raises(BadCard, match=key):
        read_liveness_card(text.replace(old, new), "card.toml")
