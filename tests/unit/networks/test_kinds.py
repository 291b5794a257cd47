"""Kinds of networks: a package adds one by an entry point, and says no more than it may."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from faceid.app.factories import make_embedder
from faceid.config import Settings
from faceid.networks import kinds, registry
from faceid.networks.errors import BadCard, WeightsAltered, WeightsFormat
from faceid.networks.files import sha256_of
from faceid.types import Crop

CARD = """
name = "mine"
backbone = "{backbone}"
dim = 3
metric = "cosine"
input_size = 8
aligner = "arcface-112-v1"
description = "a test"
licence = "none"
source_url = "trained here"
[weights]
kind = "file"
file = "mine.bin"
sha256 = "{sha256}"
size = {size}
{rest}
"""

MODULE = """
import numpy
import torch
from faceid.networks.kinds import NetworkKind

def open_network(card, path, kept):
    scale = torch.from_numpy(numpy.frombuffer(path.read_bytes(), "<f4").copy())
    return lambda pixels: pixels.mean((2, 3)) * scale

KIND = NetworkKind(open=open_network)
LIVENESS = NetworkKind(open=open_network, makes="liveness")
WITH_TENSOR = NetworkKind(open=open_network, needs_tensor=True)
NOT_A_KIND = open_network
"""

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package with one entry point, as pip leaves it behind."""
    site = tmp_path / "site"

    def add(name: str, value: str) -> None:
        info = site / f"{name}_plugin-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[faceid.networks]\n{name} = {value}\n")
        (site / "colour_means_plugin.py").write_text(MODULE)
        importlib.invalidate_caches()

    monkeypatch.syspath_prepend(str(site))
    kinds._added.cache_clear()
    yield add
    kinds._added.cache_clear()
    sys.modules.pop("colour_means_plugin", None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with one card of the user, of the kind `colour-means`."""
    found = Settings.load(db=tmp_path / "gallery.db", environ={"FACEID_HOME": str(tmp_path)})
    found.models_dir.mkdir()
    (found.models_dir / "mine.bin").write_bytes(np.array([1, 2, 3], "<f4").tobytes())
    write_card(found, "colour-means")
    return found


def write_card(settings: Settings, backbone: str, rest: str = "") -> None:
    weights = settings.models_dir / "mine.bin"
    text = CARD.format(backbone=backbone, sha256=sha256_of(weights), size=weights.stat().st_size, rest=rest)
    (settings.models_dir / "mine.toml").write_text(text)


def test_a_network_of_another_package_embeds(install: Install, settings: Settings) -> None:
    install("colour-means", "colour_means_plugin:KIND")
    embedder = make_embedder("mine", "cpu", settings)
    pixels = np.full((8, 8, 3), 10, np.uint8)
    (vector,) = embedder.embed([Crop(pixels, "arcface-112-v1", 1.0)])
    np.testing.assert_allclose(vector, np.array([1, 2, 3]) / 14**0.5, rtol=1e-6)
    assert embedder.model.name == "mine"
    assert "mine" in registry.names(settings.models_dir)


def test_its_weights_are_checked_before_it_sees_them(install: Install, settings: Settings) -> None:
    install("colour-means", "colour_means_plugin:KIND")
    (settings.models_dir / "mine.bin").write_bytes(np.array([9, 9, 9], "<f4").tobytes())
    with pytest.raises(WeightsAltered):
        make_embedder("mine", "cpu", settings)


def test_an_unknown_kind_is_answered_with_the_known_ones(install: Install, settings: Settings) -> None:
    install("other", "colour_means_plugin:KIND")
    with pytest.raises(
        BadCard, match=r"mine\.toml: backbone must be one of dlib-resnet, .*, other, not colour"
    ):
        registry.card("mine", settings.models_dir)
    assert "fake" not in kinds.known_kinds("templates")


def test_a_kind_for_liveness_makes_no_templates(install: Install, settings: Settings) -> None:
    install("colour-means", "colour_means_plugin:LIVENESS")
    assert "colour-means" in kinds.known_kinds("liveness")
    assert "colour-means" not in kinds.known_kinds("templates")
    with pytest.raises(BadCard, match="backbone must be one of"):
        registry.card("mine", settings.models_dir)


def test_a_kind_says_whether_its_cards_have_a_tensor_table(install: Install, settings: Settings) -> None:
    install("colour-means", "colour_means_plugin:WITH_TENSOR")
    with pytest.raises(BadCard, match="tensor is missing"):
        registry.card("mine", settings.models_dir)
    tensor = '[tensor]\nmean = [0, 0, 0]\nstd = [1, 1, 1]\ncolour = "rgb"\nlayout = "nchw"\n'
    write_card(settings, "colour-means", tensor)
    assert registry.card("mine", settings.models_dir).tensor is not None
    write_card(settings, "light", tensor)
    with pytest.raises(BadCard, match="tensor is not a known key of backbone light"):
        registry.card("mine", settings.models_dir)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("colour_means_plugin:NOT_A_KIND", "is a function in .*, not a NetworkKind"),
        ("colour_means_plugin:ABSENT", "cannot be loaded"),
        ("no_such_module:KIND", "cannot be loaded"),
    ],
)
def test_a_package_that_is_broken_is_named(
    install: Install, settings: Settings, value: str, complaint: str
) -> None:
    install("colour-means", value)
    with pytest.raises(WeightsFormat, match=f"colour-means {complaint}") as caught:
        registry.card("mine", settings.models_dir)
    assert (caught.value.code, caught.value.facts["value"]) == ("bad_plugin", value)
    # It does not hide the others.
    write_card(settings, "nothing")
    with pytest.raises(BadCard, match="dlib-resnet"):
        registry.card("mine", settings.models_dir)


def test_a_package_cannot_replace_what_is_built_in(install: Install) -> None:
    before = kinds.find_kind("light")
    install("light", "colour_means_plugin:KIND")
    assert kinds.find_kind("light") is before
    assert kinds.known_kinds("templates").count("light") == 1


def test_the_network_of_the_tests_has_a_card_and_is_in_no_list(tmp_path: Path) -> None:
    card = registry.card("fake")
    assert card.calibration is not None
    (tmp_path / "fake.toml").write_text("")
    assert "fake" not in registry.names(tmp_path)
    settings = Settings.load(environ={"FACEID_HOME": str(tmp_path)})
    model = make_embedder("fake", "cpu", settings).model
    assert (model.name, model.dim, model.aligner) == (card.name, card.dim, card.aligner)
