"""Cards of networks that find faces."""

from __future__ import annotations

import re

import pytest

from faceid.networks import registry
from faceid.networks.card_text import read_detection_card
from faceid.networks.errors import BadCard, UnknownModel
from faceid.networks.kinds import known_kinds
from places import ROOT

CARDS = ROOT / "models" / "cards" / "detection"


def test_they_are_no_models_of_a_gallery() -> None:
    assert registry.detection_names() == ("yunet", "yunet-n")
    assert not set(registry.detection_names()) & {*registry.names(), *registry.liveness_names()}
    with pytest.raises(UnknownModel, match="for detection and makes no templates"):
        registry.card("yunet")
    with pytest.raises(UnknownModel, match="no network for detection") as caught:
        registry.detection_card("dlib-resnet")
    assert caught.value.facts["known"] == "yunet, yunet-n"


@pytest.mark.parametrize("name", registry.detection_names())
def test_every_card_says_what_a_user_must_know(name: str) -> None:
    card = registry.detection_card(name)
    assert registry.any_card(name) == card
    assert card.licence_note
    assert card.terms is None
    for source in card.weights.sources:
        # A branch moves; a commit does not.
        assert re.search(r"/[0-9a-f]{40}/", source.source), source


def test_every_network_is_among_any_cards_once() -> None:
    known = [*registry.names(), *registry.liveness_names(), *registry.detection_names()]
    assert [card.name for card in registry.any_cards()] == known


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('kind = "detection"', 'kind = "liveness"', "kind"),
        ('kind = "detection"', "", "kind"),
        ('backbone = "yunet"', 'backbone = "minifasnet"', "backbone"),
        ('backbone = "yunet"', 'backbone = "yunet"\ninput_size = 640', "input_size"),
        ('licence = "Apache-2.0"', "", "licence"),
        ("size = 322906", "size = 0", r"weights\.size"),
        ("https://", "http://", r"weights\.source"),
    ],
)
def test_one_that_cannot_be_used(old: str, new: str, key: str) -> None:
    text = (CARDS / "yunet-n.toml").read_text("utf-8")
    assert read_detection_card(text, "card.toml") == registry.detection_card("yunet-n")
    assert old in text
    with pytest.raises(BadCard, match=key):
        read_detection_card(text.replace(old, new), "card.toml")


def test_a_detector_is_no_network_that_torch_opens() -> None:
    assert known_kinds("detection") == ("yunet",)
    assert "yunet" not in known_kinds("templates")
