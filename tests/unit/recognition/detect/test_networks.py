from importlib import metadata
from pathlib import Path

import pytest
import torch

from faceid.cli.messages import hint_for
from faceid.errors import ModelError
from faceid.recognition.detect import networks
from faceid.recognition.detect.networks import WEIGHTS_SHA256, load_networks


class Listed:
    """One file of an installed package."""

    def __init__(self, path: Path) -> None:
        self.parts = path.parts
        self._path = path

    def locate(self) -> Path:
        return self._path


def test_the_published_networks_are_reproduced() -> None:
    from facenet_pytorch.models.mtcnn import ONet, PNet, RNet

    ours = load_networks(torch.device("cpu"))
    random = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        crops = torch.rand(3, 3, 37, 50, generator=random) * 2 - 1
        (offsets, scores), (our_scores, our_offsets) = PNet()(crops), ours.pnet(crops)
        torch.testing.assert_close(our_scores, scores[:, 1], atol=1e-5, rtol=0)
        torch.testing.assert_close(our_offsets.permute(0, 3, 1, 2), offsets, atol=1e-5, rtol=0)
        crops = torch.rand(3, 3, 24, 24, generator=random) * 2 - 1
        (offsets, scores), (our_scores, our_offsets) = RNet()(crops), ours.rnet(crops)
        torch.testing.assert_close(our_scores, scores[:, 1], atol=1e-5, rtol=0)
        torch.testing.assert_close(our_offsets, offsets, atol=1e-5, rtol=0)
        crops = torch.rand(3, 3, 48, 48, generator=random) * 2 - 1
        (offsets, marks, scores), (our_scores, our_offsets, our_marks) = ONet()(crops), ours.onet(crops)
        torch.testing.assert_close(our_scores, scores[:, 1], atol=1e-5, rtol=0)
        torch.testing.assert_close(our_offsets, offsets, atol=1e-5, rtol=0)
        torch.testing.assert_close(our_marks[:, :, 0], marks[:, :5], atol=1e-5, rtol=0)
        torch.testing.assert_close(our_marks[:, :, 1], marks[:, 5:], atol=1e-5, rtol=0)


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    files = [tmp_path / "data" / name for name in WEIGHTS_SHA256]
    for file in files:
        file.write_bytes(b"not these")
    monkeypatch.setattr(networks.metadata, "files", lambda package: [Listed(file) for file in files])
    with pytest.raises(ModelError, match=r"pnet\.pt") as refused:
        load_networks(torch.device("cpu"))
    assert (refused.value.code, refused.value.path) == ("weights_altered", str(files[0]))
    assert "pip install" in (hint_for(refused.value) or "")


def test_deleted_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "data" / "pnet.pt"
    monkeypatch.setattr(networks.metadata, "files", lambda package: [Listed(gone)])
    with pytest.raises(ModelError) as refused:
        load_networks(torch.device("cpu"))
    assert (refused.value.code, refused.value.path) == ("weights_missing", str(gone))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> None:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(networks.metadata, "files", missing)
    with pytest.raises(ModelError, match="facenet-pytorch") as refused:
        load_networks(torch.device("cpu"))
    assert refused.value.code == "weights_missing"
