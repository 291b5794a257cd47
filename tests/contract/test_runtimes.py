"""Every runtime gives what torch gives: templates and landmarks do not depend on it."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from faceid.app import factories
from faceid.cli.messages import exit_code_of, hint_for
from faceid.config import Settings
from faceid.errors import DeviceError, ModelError
from faceid.imaging import read
from faceid.networks import registry
from faceid.recognition.align import align
from faceid.recognition.detect.looking import ON_CPU
from faceid.recognition.detect.networks import compiled_networks, load_networks
from faceid.runtime import devices
from places import OWN_DATA


class Tiny(nn.Module):
    """A little of everything that the backbones are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2)
        self.prelu = nn.PReLU(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.prelu(self.first((x - 127.5) / 128))
        x = torch.relu_(self.second(x).add_(x))
        return x.mean(dim=(2, 3)), x


def faces(count: int, side: int) -> Tensor:
    random = torch.Generator().manual_seed(count)
    return torch.rand(count, side, side, 3, generator=random).permute(0, 3, 1, 2)


@pytest.fixture
def tiny() -> nn.Module:
    torch.manual_seed(0)
    return Tiny().eval().requires_grad_(False)


@pytest.mark.parametrize("few_batches", [True, False])
def test_a_compiled_network_is_the_network(tiny: nn.Module, few_batches: bool) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    from faceid.runtime.openvino import CompiledNetwork

    compiled = CompiledNetwork(tiny, 16, few_batches=few_batches)
    for count in (1, 5, 2, 5):
        x = faces(count, 16) * 255
        torch.testing.assert_close(compiled(x), tiny(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("few_batches", [True, False])
def test_large_batches_are_computed_in_parts(tiny: nn.Module, few_batches: bool) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    from faceid.runtime.openvino import CompiledNetwork

    compiled = CompiledNetwork(tiny, 16, few_batches=few_batches, at_once=4)
    seen: list[int] = []
    infer = compiled._forms.infer

    def watched(shape: Any, pixels: Any) -> Any:
        seen.append(len(pixels))
        return infer(shape, pixels)

    compiled._forms.infer = watched  # type: ignore[method-assign]
    for count in (10, 4, 1):
        x = faces(count, 16) * 255
        torch.testing.assert_close(compiled(x), tiny(x), atol=1e-5, rtol=1e-5)
    assert seen == [4, 4, 2, 4, 1]


def test_pictures_of_any_size_go_through_one_form(tiny: nn.Module) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    from faceid.runtime.openvino import CompiledNetwork

    compiled = CompiledNetwork(tiny, None)
    for count, side in ((1, 24), (3, 41), (1, 12)):
        x = faces(count, side) * 255
        torch.testing.assert_close(compiled(x), tiny(x), atol=1e-5, rtol=1e-5)


def test_a_long_run_is_compiled_and_goes_on_as_before(tiny: nn.Module) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    from faceid.runtime.openvino import LateCompiledNetwork

    late = LateCompiledNetwork(tiny, 16, calls=3)
    x = faces(2, 16) * 255
    expected = tiny(x)
    by_torch: list[None] = []
    tiny.register_forward_hook(lambda *_: by_torch.append(None))
    for call in range(1, 6):
        with torch.inference_mode():
            torch.testing.assert_close(late(x), expected, atol=1e-5, rtol=1e-5)
        if call == 2:
            assert len(by_torch) == 2
    # The third call traced the network, and later ones left it alone.
    traced = len(by_torch)
    late(x)
    assert len(by_torch) == traced < 6


def test_threads_may_share_a_compiled_network(tiny: nn.Module) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    from faceid.runtime.openvino import CompiledNetwork

    compiled = CompiledNetwork(tiny, 16, few_batches=True)
    inputs = [faces(1 + number % 3, 16) * number for number in range(60)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(compiled, inputs))
    for x, answer in zip(inputs, answers, strict=True):
        torch.testing.assert_close(answer, tiny(x), atol=1e-4, rtol=1e-5)


def test_the_cascade_sees_the_same() -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    networks = load_networks(torch.device("cpu"))
    compiled = compiled_networks(networks)
    for network, same, side, batch in zip(
        networks, compiled, (53, 24, 48), (2, ON_CPU.rnet_crops[0], ON_CPU.onet_crops[1]), strict=True
    ):
        x = faces(batch, side) * 2 - 1
        torch.testing.assert_close(same(x), network(x), atol=1e-4, rtol=1e-4)


def test_without_openvino_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError) as refused:
        factories.make_detector("mtcnn", "cpu", runtime="openvino")
    assert (refused.value.code, exit_code_of(refused.value)) == ("no_openvino", 5)
    assert "faceid-verify[openvino]" in (hint_for(refused.value) or "")


@pytest.mark.parametrize(("installed", "chosen"), [(object(), "auto"), (None, "torch")])
def test_auto_needs_openvino_to_differ_from_torch(
    monkeypatch: pytest.MonkeyPatch, installed: object, chosen: str
) -> None:
    monkeypatch.setattr(devices, "find_spec", lambda name: installed)
    assert devices.resolve_runtime("auto", "cpu") == chosen
    assert devices.resolve_runtime("torch", "cpu") == "torch"
    assert devices.resolve_runtime("auto", "cuda:0") == "torch"
    with pytest.raises(DeviceError):
        devices.resolve_runtime("openvino", "cuda:0")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["dlib-resnet", "mobilefacenet"])
def test_templates_are_those_of_torch(model: str) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    if registry.status(registry.card(model), Settings.load().weights_dir) != "installed":
        pytest.skip(f"the weights of {model} are not installed")
    image = read(str(OWN_DATA / "cc0_face.jpg"))
    found = {}
    for runtime in ("torch", "openvino"):
        settings = Settings.load(runtime=runtime)
        (face,) = factories.make_detector(model, "cpu", runtime=settings.runtime).detect([image])[0]
        embedder = factories.make_embedder(model, "cpu", settings)
        crop = align(image, face, embedder.model.aligner)
        found[runtime] = face, embedder.embed([crop])[0], embedder.model
    (face, vector, key), (other_face, other_vector, other_key) = found["torch"], found["openvino"]
    assert key == other_key
    np.testing.assert_allclose(other_face.landmarks, face.landmarks, atol=0.01)
    assert 1 - float(vector @ other_vector) < 1e-5
