"""The three networks of MTCNN, with the weights that the package facenet-pytorch installs.

Zhang, Zhang, Li, Qiao: Joint face detection and alignment using multitask cascaded convolutional networks,
IEEE Signal Processing Letters 23 (2016). Only the weight files of facenet-pytorch are used: importing that
package would import torchvision, which takes longer than to detect the faces of several photographs.

All take (n, 3, H, W) float32 in -1..1 (see `pyramid`), `channels_last`, and return face probabilities and box
offsets in units of the box's side; the O-Net returns landmarks too.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from faceid.config import Runtime
from faceid.errors import DeviceError, ModelError

PACKAGE = "facenet-pytorch"
WEIGHTS_SHA256 = {
    "pnet.pt": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet.pt": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet.pt": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
"""The files as published in facenet-pytorch 2.5.3."""

REQUIREMENT = "facenet-pytorch>=2.5.3,<2.6"
"""What a package installer is told to get the detector's weights by."""


class PNet(nn.Module):
    """Looks at every 12x12 window, two pixels apart: the proposals."""

    def __init__(self) -> None:
        super().__init__()
        # Trained with 10 channels. The other 6 are zeros (see `_fitted`): pooling and PReLU then run in whole
        # vectors, which makes the network a quarter faster on CPUs and changes no result. So in the R-Net.
        self.conv1 = nn.Conv2d(3, 16, 3)
        self.prelu1 = nn.PReLU(16)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(16, 16, 3)
        self.prelu2 = nn.PReLU(16)
        self.conv3 = nn.Conv2d(16, 32, 3)
        self.prelu3 = nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (n, h, w) and offsets (n, h, w, 4) of the windows."""
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.prelu2(self.conv2(x))
        x = self.prelu3(self.conv3(x)).permute(0, 2, 3, 1)
        # Convolutions of 1x1 are products of matrices, which cost less to start: small levels are many.
        scores = linear(x, self.conv4_1.weight.flatten(1), self.conv4_1.bias)
        return scores.softmax(dim=3)[..., 1], linear(x, self.conv4_2.weight.flatten(1), self.conv4_2.bias)


class RNet(nn.Module):
    """Looks at 24x24 crops: rejects most proposals."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.prelu1 = nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(32, 48, 3)
        self.prelu2 = nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(48, 64, 2)
        self.prelu3 = nn.PReLU(64)
        self.dense4 = nn.Linear(576, 128)
        self.prelu4 = nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (n,) and offsets (n, 4)."""
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(_flat(x)))
        return self.dense5_1(x).softmax(dim=1)[:, 1], self.dense5_2(x)


class ONet(nn.Module):
    """Looks at 48x48 crops: decides, and places the landmarks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.prelu1 = nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.prelu2 = nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.prelu3 = nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4 = nn.Conv2d(64, 128, 2)
        self.prelu4 = nn.PReLU(128)
        self.dense5 = nn.Linear(1152, 256)
        self.prelu5 = nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities (n,), offsets (n, 4) and landmarks (n, 5, 2), in box sides from its corner."""
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(_flat(x)))
        # The network gives five x, then five y.
        landmarks = self.dense6_3(x).unflatten(1, (2, 5)).transpose(1, 2)
        return self.dense6_1(x).softmax(dim=1)[:, 1], self.dense6_2(x), landmarks


Network: TypeAlias = Callable[[Tensor], Any]
"""What a network is to those who use it; it returns two tensors or three."""


class Networks(NamedTuple):
    """The cascade, on one device, ready for inference."""

    pnet: Network
    rnet: Network
    onet: Network


def load_networks(device: torch.device) -> Networks:
    """The trained networks on `device`.

    Raises ModelError (`weights_missing`, `weights_altered`) unless the files are those published.
    """
    return Networks(*(_load(network, device) for network in (PNet, RNet, ONet)))


def compiled_networks(networks: Networks, *, late: bool = False) -> Networks:
    """The same on a CPU, compiled by OpenVINO; `networks` are those of `load_networks`, and stay as they were.

    `late` leaves them to torch at first, so that a short run does not wait. Raises ModelError (`no_openvino`) where
    OpenVINO is not installed, if late then later.
    """
    return Networks(*(_compiled(network, late=late) for network in networks))


def open_networks(device: torch.device, runtime: Runtime) -> Networks:
    """The trained networks on `device`, run by `runtime`: torch, openvino, or auto for torch first.

    Raises DeviceError for a GPU that is not there, and what `load_networks` and `compiled_networks` raise.
    """
    _require(device)
    networks = load_networks(device)
    return networks if runtime == "torch" else compiled_networks(networks, late=runtime == "auto")


def open_onet(device: torch.device, runtime: Runtime) -> Network:
    """The O-Net alone, as `open_networks` opens it."""
    _require(device)
    network = _load(ONet, device)
    return network if runtime == "torch" else _compiled(network, late=runtime == "auto")


class _SinglePrecision:
    """No TF32, which cuDNN takes by default: it would move landmarks by a tenth of a pixel.

    The setting is the process's: the first thread to come makes it, and the last to go takes it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = 0
        self._before = True

    @contextmanager
    def on(self, device: torch.device) -> Iterator[None]:
        """While the context lasts, in any thread; a CPU has no need of it."""
        if device.type == "cpu":
            yield
            return
        cudnn = torch.backends.cudnn
        with self._lock:
            if not self._within:
                self._before, cudnn.allow_tf32 = cudnn.allow_tf32, False
            self._within += 1
        try:
            yield
        finally:
            with self._lock:
                self._within -= 1
                if not self._within:
                    cudnn.allow_tf32 = self._before


SINGLE_PRECISION = _SinglePrecision()


def _require(device: torch.device) -> None:
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("there is no usable GPU for the detector", remedy="detector_without_gpu")


def _load(kind: type[nn.Module], device: torch.device) -> nn.Module:
    network = kind()
    content = _read_weights(f"{kind.__name__.lower()}.pt")
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    network.load_state_dict(_fitted(state, network))
    return network.requires_grad_(False).eval().to(device).to(memory_format=torch.channels_last)


def _compiled(network: Network, *, late: bool) -> Network:
    from faceid.runtime.openvino import CompiledNetwork, LateCompiledNetwork

    # A picture, or some of one size, calls each network of the cascade about six times.
    kind = partial(LateCompiledNetwork, calls=150) if late else CompiledNetwork
    module = cast("nn.Module", network)
    if isinstance(module, PNet):
        return kind(module, None)
    # Crops come in a few powers of two (see `looking.Batching`), levels in any size.
    return kind(module, 24 if isinstance(module, RNet) else 48, few_batches=True)


def _flat(x: Tensor) -> Tensor:
    """(n, C, H, W) -> (n, W*H*C): the order, column first, that the MATLAB original trained with."""
    return x.permute(0, 3, 2, 1).flatten(1)


def _fitted(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """`state` with each tensor extended by zeros to the shape that `network` has for it."""
    fitted = {}
    for name, wanted in network.state_dict().items():
        fitted[name] = torch.zeros_like(wanted)
        fitted[name][tuple(slice(length) for length in state[name].shape)] = state[name]
    return fitted


def _read_weights(name: str) -> bytes:
    path = _find_weights(name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the detector's weights cannot be read: {error.strerror}",
            code="weights_missing",
            remedy="reinstall_detector",
            requirement=REQUIREMENT,
            path=str(path),
        ) from error
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256[name]:
        raise ModelError(
            f"the detector's weights {name} are not those published with {PACKAGE}",
            code="weights_altered",
            remedy="reinstall_detector",
            requirement=REQUIREMENT,
            path=str(path),
        )
    return content


def _find_weights(name: str) -> Path:
    try:
        listed = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        listed = []
    for file in listed:
        if file.parts[-2:] == ("data", name):
            return Path(str(file.locate()))
    raise ModelError(
        f"the detector's weights {name} are missing: {PACKAGE} is not installed completely",
        code="weights_missing",
        remedy="reinstall_detector",
        requirement=REQUIREMENT,
    )
