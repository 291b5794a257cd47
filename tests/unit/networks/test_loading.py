"""Loading, and the cache of converted weights, on the network that installs with faceid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from faceid.networks import loading, registry, weights
from faceid.networks.backbones import dlib_resnet
from faceid.networks.card import Card, WeightsSource
from faceid.networks.errors import WeightsAltered, WeightsFormat, WeightsMissing

CARD = registry.card("dlib-resnet")


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("weights")
    loading.load(CARD, directory)
    return directory


def cache_file(directory: Path) -> Path:
    (only,) = directory.iterdir()
    return only


def embeddings(network: torch.nn.Module) -> torch.Tensor:
    crops = torch.linspace(0, 255, 2 * 3 * 150 * 150).reshape(2, 3, 150, 150)
    with torch.inference_mode():
        result: torch.Tensor = network(crops)
    return result


def test_a_loaded_network_is_ready_for_use(cached: Path) -> None:
    network = loading.load(CARD, cached)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    filters = [parameter for parameter in network.parameters() if parameter.dim() == 4]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in filters)
    raw = embeddings(network)
    assert raw.shape == (2, 128)
    assert raw.isfinite().all()


def test_from_the_cache_comes_the_same_network(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted = loading.load(CARD, tmp_path)
    monkeypatch.setattr(dlib_resnet, "convert", lambda path: pytest.fail("converted again"))
    torch.testing.assert_close(embeddings(loading.load(CARD, cached)), embeddings(converted), rtol=0, atol=0)


def test_an_altered_cache_is_rebuilt(cached: Path, tmp_path: Path) -> None:
    whole = cache_file(cached).read_bytes()
    altered = tmp_path / cache_file(cached).name
    altered.write_bytes(whole[:-1] + b"x")
    loading.load(CARD, tmp_path)
    assert cache_file(tmp_path).read_bytes() == whole


def test_another_version_of_the_converter_does_not_read_the_cache(
    cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def converted_again(path: Path) -> dict[str, torch.Tensor]:
        raise WeightsFormat("converted again")

    monkeypatch.setattr(dlib_resnet, "VERSION", dlib_resnet.VERSION + 1)
    monkeypatch.setattr(dlib_resnet, "convert", converted_again)
    with pytest.raises(WeightsFormat, match="converted again"):
        loading.load(CARD, cached)


def test_a_directory_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert embeddings(loading.load(CARD, tmp_path / "file" / "weights")).isfinite().all()


def tampered(content: bytes, directory: Path) -> Card:
    (directory / "weights").write_bytes(content)
    pinned = replace(CARD.weights, sources=(WeightsSource("file", str(directory / "weights")),))
    return replace(CARD, weights=pinned)


def test_altered_weights_are_refused_even_with_a_cache(cached: Path, tmp_path: Path) -> None:
    content = weights.verified(CARD, tmp_path).read_bytes()
    with pytest.raises(WeightsAltered):
        loading.load(tampered(content[:-1] + b"x", tmp_path), cached)


def test_missing_weights(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing):
        loading.load(registry.card("facenet-casia"), tmp_path)


def test_a_network_of_another_architecture_is_refused(tmp_path: Path) -> None:
    content = weights.verified(CARD, tmp_path).read_bytes()
    # The 3x3 pooling after the first convolution becomes 2x2: a well-formed file, another network.
    pool = content.index(b"max_pool_2") + len(b"max_pool_2")
    other = content[:pool] + b"\x01\x02\x01\x02" + content[pool + 4 :]
    (tmp_path / "other.dat").write_bytes(other)
    with pytest.raises(WeightsFormat, match=r"MaxPool\(window=\(2, 2\)"):
        dlib_resnet.convert(tmp_path / "other.dat")


def test_a_network_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    content = weights.verified(CARD, tmp_path).read_bytes()
    (tmp_path / "short.dat").write_bytes(content[:-100_000])
    with pytest.raises(WeightsFormat, match="ends too early"):
        dlib_resnet.convert(tmp_path / "short.dat")
