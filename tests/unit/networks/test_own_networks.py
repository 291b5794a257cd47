"""Networks of the user's own: cards in a folder, with their weights beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from faceid.networks import loading, registry
from faceid.networks.backbones import dlib_resnet, facenet, light, mobilefacenet
from faceid.networks.card import Accuracy, WeightsSource
from faceid.networks.card_text import write_card
from faceid.networks.errors import BadCard, UnknownModel, WeightsAltered, WeightsFormat, WeightsMissing
from faceid.networks.files import sha256_of
from faceid.networks.state import read_tensors, write_tensors
from own_cards import OWN_CARD


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with one network."""
    torch.manual_seed(1)
    weights = tmp_path / "mine.safetensors"
    write_tensors(weights, light.LightNet(16, 64).state_dict())
    text = OWN_CARD.format(sha256=sha256_of(weights), size=weights.stat().st_size)
    (tmp_path / "mine.toml").write_text(text)
    return tmp_path


def test_they_are_listed_after_the_shipped_ones(own: Path) -> None:
    assert registry.names(own) == (*registry.names(), "mine")
    assert [card.name for card in registry.cards(own)] == list(registry.names(own))
    assert registry.card_path("mine", own) == own / "mine.toml"
    assert registry.names(own / "nowhere") == registry.names()
    with pytest.raises(UnknownModel):
        registry.card("mine")


def test_a_network_comes_back_as_it_was_written(own: Path, tmp_path: Path) -> None:
    card = registry.any_card("mine", own)
    assert registry.status(card, tmp_path) == "installed"
    torch.manual_seed(1)
    expected = light.LightNet(16, 64).eval()
    crops = torch.rand(2, 3, 112, 112) * 255
    network = loading.load(card, tmp_path)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    with torch.inference_mode():
        torch.testing.assert_close(network(crops), expected(crops))
    assert sorted(path.name for path in own.iterdir()) == ["mine.safetensors", "mine.toml"]


def test_a_shipped_name_stays_the_shipped_network(own: Path) -> None:
    (own / "mine.toml").rename(own / "dlib-resnet.toml")
    (own / "minifasnet-v2.toml").write_text(OWN_CARD)
    assert registry.names(own) == registry.names()
    assert registry.card("dlib-resnet", own) == registry.card("dlib-resnet")


def test_a_card_of_another_name_or_without_its_weights(own: Path, tmp_path: Path) -> None:
    (own / "mine.safetensors").rename(own / "other.safetensors")
    card = registry.card("mine", own)
    assert registry.status(card, tmp_path) == "missing"
    with pytest.raises(WeightsMissing):
        loading.load(card, tmp_path)
    (own / "other.toml").write_text((own / "mine.toml").read_text())
    with pytest.raises(BadCard, match="name must be 'other'"):
        registry.card("other", own)


def test_weights_of_another_hash_or_network_are_refused(own: Path, tmp_path: Path) -> None:
    weights = own / "mine.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(WeightsAltered):
        loading.load(registry.card("mine", own), tmp_path)
    for other in ({"head.weight": torch.zeros(16, 3)}, {"x": torch.zeros(1)}):
        write_tensors(weights, other)
        text = OWN_CARD.format(sha256=sha256_of(weights), size=weights.stat().st_size)
        (own / "mine.toml").write_text(text)
        with pytest.raises(WeightsFormat, match="holds another network"):
            loading.load(registry.card("mine", own), tmp_path)
    weights.write_bytes(b"no tensors at all")
    with pytest.raises(WeightsFormat, match="not a file of safetensors"):
        read_tensors(weights)


def test_a_card_is_written_as_it_is_read(own: Path) -> None:
    card = replace(
        registry.card("mine", own),
        description='of "us" \\ Zoë 😀',
        licence_note="a note",
        terms="research",
        accuracy=(Accuracy("TMR at FMR 0.001", 0.25, "12 photos", "measured"),),
    )
    write_card(own / "mine.toml", card)
    assert registry.card("mine", own) == card
    before = (own / "mine.toml").read_text(encoding="utf-8")
    elsewhere = replace(
        card, weights=replace(card.weights, sources=(WeightsSource("file", "/elsewhere/mine.safetensors"),))
    )
    with pytest.raises(BadCard, match="does not survive"):
        write_card(own / "mine.toml", elsewhere)
    assert (own / "mine.toml").read_text(encoding="utf-8") == before


@pytest.mark.parametrize("dim", [8, 512])
def test_every_network_is_built_in_the_size_of_its_weights(dim: int) -> None:
    inception = facenet.FaceNet(facenet.folded(facenet.skeleton(dim).eval()))
    made = [
        (light, light.LightNet(dim, 80), 112),
        (dlib_resnet, dlib_resnet.DlibResnet(dim), 150),
        (mobilefacenet, mobilefacenet.MobileFaceNet(dim), 112),
        (facenet, inception, 160),
    ]
    for backbone, network, side in made:
        built = backbone.build(network.eval().state_dict())
        with torch.inference_mode():
            crops = torch.rand(1, 3, side, side) * 255
            torch.testing.assert_close(built(crops), network(crops), rtol=0, atol=0)
            assert built(crops).shape == (1, dim)
