"""A torch network compiled by OpenVINO for the CPU: the same numbers in fewer milliseconds.

The network is converted in memory from the weights that torch has loaded, whose hash was checked against the card.
Nothing is exported to a file or sent over the network. Arithmetic is float32: OpenVINO's default may be half precision,
whose vectors would differ from those of torch.

Needs the extra `openvino`.
"""

from __future__ import annotations

import itertools
import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from faceid.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROPERTIES = {
    # No streams of its own: a network runs only in the thread that calls it. Worker threads then share the cores as
    # with torch, and no call waits for a thread that is not running.
    "NUM_STREAMS": 0,
    "INFERENCE_NUM_THREADS": 1,
    "INFERENCE_PRECISION_HINT": "f32",
}

_TRACED_SIDE = 24
"""The side of the picture that traces a network for any size, pixels."""


class CompiledNetwork:
    """A function like `network`: (n, 3, H, W) float32, channels last, to the tensors that it returns.

    `side` is the H and W that the network takes, None if it takes any. With `few_batches` it is compiled for each n
    that occurs: small networks are a tenth faster, but each n costs memory and a tenth of a second. It is for callers
    with few different n. Without it, one compiled form takes every n.

    May be called from several threads at once; each call is computed in its caller's thread, by one thread. Concurrent
    calls use separate compiled forms, because calls of one form wait for each other.
    """

    def __init__(self, network: nn.Module, side: int | None, *, few_batches: bool = False) -> None:
        """Convert `network`, which is not changed. Raises ModelError (`no_openvino`) without OpenVINO."""
        self._side = side
        self._few_batches = few_batches
        self._graph = _converted(network, side or _TRACED_SIDE)
        self._lock = threading.Lock()
        self._idle: dict[int, list[Any]] = {}

    def tensor(self, x: Tensor) -> Tensor:
        """The only tensor that the network returns for `x`, which is not changed."""
        (only,) = self(x)
        return only

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """The tensors that the network returns for `x`, which is not changed."""
        pixels = x.permute(0, 2, 3, 1).contiguous().numpy()
        batch = len(pixels) if self._few_batches else -1
        request = self._borrowed(batch)
        # The input is read where it is. The answer is copied: the next call overwrites it.
        answers = request.infer([pixels], share_inputs=True, share_outputs=False).to_tuple()
        with self._lock:
            self._idle[batch].append(request)
        return tuple(torch.from_numpy(answer) for answer in answers)

    def _borrowed(self, batch: int) -> Any:
        """A compiled form for `batch` that is not in use."""
        with self._lock:
            idle = self._idle.setdefault(batch, [])
            if idle:
                return idle.pop()
        return self._compiled([batch, *[self._side or -1] * 2, 3])

    def _compiled(self, shape: Sequence[int]) -> Any:
        import openvino

        with self._lock:
            graph = self._graph.clone()
        graph.reshape(openvino.PartialShape(list(shape)))
        return openvino.Core().compile_model(graph, "CPU", _PROPERTIES).create_infer_request()


class LateCompiledNetwork:
    """`network`, run by torch for the first `calls` calls, and compiled from then on: for work that may be short.

    Conversion and compilation take as much time as they save on about two hundred photos. Threads may share it as a
    CompiledNetwork. The thread whose call starts the compilation waits for it; the others continue.
    """

    def __init__(
        self, network: nn.Module, side: int | None, *, few_batches: bool = False, calls: int = 25
    ) -> None:
        self._network = network
        self._compile = partial(CompiledNetwork, network, side, few_batches=few_batches)
        self._calls = calls
        self._made = itertools.count(1)
        self._compiled: CompiledNetwork | None = None

    def tensor(self, x: Tensor) -> Tensor:
        """As CompiledNetwork's, for a network that returns a tensor."""
        (only,) = self(x)
        return only

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """The tensors that the network returns for `x`, which is not changed."""
        if self._compiled is None and next(self._made) == self._calls:
            self._compiled = self._compile()
        if self._compiled is not None:
            return self._compiled(x)
        answer: Tensor | tuple[Tensor, ...] = self._network(x)
        return (answer,) if isinstance(answer, Tensor) else answer


class _ChannelsLast(nn.Module):
    """A module on (n, H, W, 3), the order in memory, around a network on (n, 3, H, W)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Any:
        """The output of the network."""
        return self.network(x.permute(0, 3, 1, 2))


def _converted(network: nn.Module, side: int) -> Any:
    """The network as an OpenVINO graph."""
    _require_openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    # Expected warnings: shapes become constants, which is intended, and torch recommends another kind of export. The
    # filter is permanent, since other threads undo `catch_warnings`.
    warnings.filterwarnings("ignore", category=torch.jit.TracerWarning, module=r"faceid\.")  # type: ignore[attr-defined]
    warnings.filterwarnings("ignore", message=r"`torch\.jit\.trace", category=FutureWarning)
    # Not openvino.convert_model, which does the same and also sends usage reports to its makers.
    with torch.inference_mode(False), torch.no_grad():
        example = torch.zeros(2, side, side, 3)
        trace: Any = torch.jit.trace
        decoder = TorchScriptPythonDecoder(trace(_ChannelsLast(network), example, check_trace=False))
    frontend = FrontEndManager().load_by_framework("pytorch")
    loaded = frontend.load(decoder)
    return frontend.convert(loaded)


def _require_openvino() -> None:
    try:
        import openvino  # noqa: F401
    except ImportError as error:
        raise ModelError(
            "the runtime openvino needs the package openvino, which is not installed",
            code="no_openvino",
        ) from error
