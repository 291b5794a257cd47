"""FaceNet with random weights in a file like the published one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from faceid.networks import loading, registry, weights
from faceid.networks.backbones import facenet
from faceid.networks.card import Card
from faceid.networks.errors import WeightsFormat
from faceid.networks.files import sha256_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    """A `.pt` with a classifier, and the network that it holds."""
    from facenet_pytorch import InceptionResnetV1

    torch.manual_seed(0)
    network = InceptionResnetV1(pretrained=None, classify=False)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            # As after training: statistics and slopes that folding must take into account.
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    classifier = {"logits.weight": torch.zeros(7, 512), "logits.bias": torch.zeros(7)}
    path = tmp_path_factory.mktemp("facenet") / "published.pt"
    torch.save(network.state_dict() | classifier, path)
    return path, network.eval()


def card_of(path: Path) -> Card:
    card = registry.card("facenet-vggface2")
    return replace(card, weights=replace(card.weights, sha256=sha256_of(path), size=path.stat().st_size))


def test_weights_from_a_file_give_facenet_pytorch_s_embeddings(
    published: tuple[Path, torch.nn.Module], tmp_path: Path
) -> None:
    path, original = published
    card = card_of(path)
    weights.pull(card, tmp_path, from_file=path)
    crops = torch.randint(0, 256, (2, 3, 160, 160)).float()
    with torch.inference_mode():
        expected = original((crops - 127.5) / 128.0)
        for _ in ("converted", "from the cache"):
            found = loading.load(card, tmp_path)(crops)
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        ({"conv2d_1a.conv.weight": torch.zeros(1)}, "holds another network"),
        ([1, 2], "does not hold a state dict"),
        ({"a": 1}, "does not hold a state dict"),
        ({"a": Path("x")}, "not a file of torch weights"),
    ],
)
def test_a_file_with_something_else(state: object, complaint: str, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(WeightsFormat, match=complaint):
        facenet.convert(tmp_path / "other.pt")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 and no more", b"\x80\x02."])
def test_a_file_that_torch_cannot_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.pt").write_bytes(content)
    with pytest.raises(WeightsFormat, match="not a file of torch weights"):
        facenet.convert(tmp_path / "other.pt")
