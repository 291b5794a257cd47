"""Calibrations of the user: kept beside the cards, and used for the weights that were measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from faceid.cli.messages import hint_for
from faceid.networks import registry
from faceid.networks.calibration import Calibration, CalibrationPoint
from faceid.networks.errors import BadCard
from faceid.networks.own_calibrations import PROGRAM, origin_of, place_of, read_own, write_own
from own_cards import OWN_CARD

MEASURED = Calibration(
    data="my photos",
    date="2026-11-28",
    software=f"faceid 0.2.0, {PROGRAM}",
    mated=10,
    non_mated=1000,
    points=(CalibrationPoint(fmr=0.01, distance=0.4, low=0.005, high=0.02, count=10, fnmr=0.1),),
    ambiguity_margin=0.05,
)
NETWORK = "sface"
"""A network without a calibration in its card."""

MY_CARD = OWN_CARD.format(sha256="1" * 64, size=3)


@pytest.mark.parametrize("name", [NETWORK, "mobilefacenet", "fake"])
def test_a_network_gets_the_calibration_that_was_measured(tmp_path: Path, name: str) -> None:
    before = registry.card(name, tmp_path)
    path = registry.store_calibration(before, MEASURED, tmp_path)
    assert path == place_of(name, tmp_path)
    assert [entry.name for entry in path.parent.iterdir()] == [f"{name}.toml"]
    assert registry.card(name, tmp_path) == replace(before, calibration=MEASURED)
    # Nothing else changes: not the card, not the list of networks, not another folder.
    assert registry.card(name) == before
    assert registry.names(tmp_path) == registry.names()
    assert registry.card(name, tmp_path / "elsewhere") == before
    again = replace(MEASURED, mated=11)
    registry.store_calibration(before, again, tmp_path)
    assert registry.card(name, tmp_path).calibration == again


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('weights_sha256 = "0ba9', 'weights_sha256 = "0ba8'),
        ("arcface-112-v1", "facenet-160-v1"),
        ('metric = "cosine"', 'metric = "euclidean"'),
        (f'name = "{NETWORK}"', 'name = "other"'),
    ],
)
def test_a_calibration_of_another_network_does_not_count(tmp_path: Path, old: str, new: str) -> None:
    card = registry.card(NETWORK)
    path = write_own(card, MEASURED, tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert registry.card(NETWORK, tmp_path) == card
    found = read_own(NETWORK, tmp_path)
    assert found is not None
    assert not found.fits(card)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name = "sface"\n', "", "name is missing"),
        ("fmr = 0.01", "fmr = 0.5", "must be a rate above 0 inside its interval"),
        ("[calibration]", "[calibration", "not valid TOML"),
        ("mated = 10", "mated = 10\nmatd = 1", "matd is not a known key"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = write_own(registry.card(NETWORK), MEASURED, tmp_path)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(BadCard, match=complaint) as caught:
        registry.card(NETWORK, tmp_path)
    assert caught.value.path == str(path)
    assert hint_for(caught.value) == "correct or delete the file"


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    card = registry.card(NETWORK)
    path = write_own(card, MEASURED, tmp_path)
    with pytest.raises(BadCard):
        write_own(card, replace(MEASURED, points=()), tmp_path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert registry.card(NETWORK, tmp_path).calibration == MEASURED


def test_a_network_of_the_user_has_it_in_its_card(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MY_CARD)
    card = registry.card("mine", tmp_path)
    assert registry.store_calibration(card, MEASURED, tmp_path) == tmp_path / "mine.toml"
    assert registry.card("mine", tmp_path) == replace(card, calibration=MEASURED)
    assert not (tmp_path / "calibrations").exists()


def test_an_onnx_file_has_it_in_the_card_beside_it(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"x")
    text = MY_CARD[: MY_CARD.index("[weights]")].replace("light", "onnx")
    tensor = '[tensor]\nmean = [0, 0, 0]\nstd = [1, 1, 1]\ncolour = "rgb"\nlayout = "nchw"\n'
    (tmp_path / "net.toml").write_text(text + tensor)
    card = registry.card(f"onnx:{tmp_path / 'net.onnx'}")
    assert registry.store_calibration(card, MEASURED, tmp_path / "models") == tmp_path / "net.toml"
    assert registry.card(card.name) == replace(card, calibration=MEASURED)
    assert not (tmp_path / "models").exists()


def test_who_measured_it() -> None:
    shipped = registry.card("mobilefacenet").calibration
    assert shipped is not None
    assert (origin_of(shipped), origin_of(MEASURED)) == ("card", "models calibrate")
