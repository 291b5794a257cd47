"""Networks compiled by OpenVINO for the CPU: the same numbers in fewer milliseconds.

A torch network is converted in memory from the weights that torch has loaded, whose hash was checked against the card.
Nothing is exported to a file or sent over the network. An ONNX graph is read from bytes that were checked as well.
Arithmetic is float32: OpenVINO's default may be half precision, whose vectors would differ from those of torch.

Needs the extra `openvino`.
"""

from __future__ import annotations

import itertools
import threading
import warnings
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from faceid.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

X = TypeVar("X")
Y = TypeVar("Y")

_PROPERTIES = {
    # No streams of its own: a network runs only in the thread that calls it. Worker threads then share the cores as
    # with torch, and no call waits for a thread that is not running.
    "NUM_STREAMS": 0,
    "INFERENCE_NUM_THREADS": 1,
    "INFERENCE_PRECISION_HINT": "f32",
}

_OFTEN, _OWN_FORMS = 150, 6
"""A shape of a graph is compiled for itself from this occurrence on: YuNet then takes a seventh less time. Compiling
takes as much as that saves on two hundred 720p pictures. At most so many shapes, because each takes memory."""

_TRACED_SIDE = 24
"""The side of the picture that traces a network for any size, pixels."""


class CompiledNetwork:
    """A function like `network`: (n, 3, H, W) float32, channels last, to the tensors that it returns.

    `side` is the H and W that the network takes, None if it takes any. With `few_batches` it is compiled for each n
    that occurs: small networks are a tenth faster, but each n costs memory and a tenth of a second. It is for callers
    with few different n. Without it, one compiled form takes every n. `at_once` is the most pictures that are computed
    together; a larger n takes several turns.

    May be called from several threads at once; each call is computed in its caller's thread, by one thread. Concurrent
    calls use separate compiled forms, because calls of one form wait for each other.
    """

    def __init__(
        self, network: nn.Module, side: int | None, *, few_batches: bool = False, at_once: int | None = None
    ) -> None:
        """Convert `network`, which is not changed. Raises ModelError (`no_openvino`) without OpenVINO."""
        self._side = side
        self._few_batches = few_batches
        self._at_once = at_once
        self._forms = _Forms(_converted(network, side or _TRACED_SIDE))

    def tensor(self, x: Tensor) -> Tensor:
        """The only tensor that the network returns for `x`, which is not changed."""
        (only,) = self(x)
        return only

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """The tensors that the network returns for `x`, which is not changed."""
        pixels = x.permute(0, 2, 3, 1).contiguous().numpy()
        step = self._at_once or max(1, len(pixels))
        answers = [
            self._answers(pixels[start : start + step]) for start in range(0, max(1, len(pixels)), step)
        ]
        if len(answers) == 1:
            return tuple(map(torch.from_numpy, answers[0]))
        return tuple(torch.from_numpy(np.concatenate(parts)) for parts in zip(*answers, strict=True))

    def _answers(self, pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        batch = len(pixels) if self._few_batches else -1
        side = self._side or -1
        return self._forms.infer((batch, side, side, 3), pixels)


class CompiledGraph:
    """The graph of an ONNX file as a function of pictures of any size, with which threads deal as with CompiledNetwork.

    (n, 3, H, W) float32 to the outputs of the names `outputs`, in that order. A new shape takes some 15 ms more, once.
    A shape that occurs often is compiled for itself.
    """

    def __init__(self, content: bytes, outputs: Sequence[str]) -> None:
        """Compile the ONNX file that has this content.

        Raises ModelError: `no_openvino` without OpenVINO, `onnx` for a file that it cannot read or without the outputs.
        """
        _require_openvino()
        import openvino

        try:
            graph = openvino.Core().read_model(content)
            places = [graph.outputs.index(graph.output(name)) for name in outputs]
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot read the ONNX file: {error}", code="onnx") from error
        self._places = places
        self._forms = _Forms(graph)
        self._frequent = _Frequent(_OFTEN, _OWN_FORMS)

    def __call__(self, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The outputs for `x`, which is not changed."""
        shape = x.shape if self._frequent(x.shape) else (-1, 3, -1, -1)
        answers = self._forms.infer(shape, x)
        return [answers[place] for place in self._places]


class Late(Generic[X, Y]):
    """A function of one form at first and of a faster one from call number `calls` on: for work that may be short.

    Threads may share it if they may share both forms. The thread whose call makes the faster form waits for it; the
    others continue.
    """

    def __init__(
        self, first: Callable[[X], Y], make_faster: Callable[[], Callable[[X], Y]], calls: int
    ) -> None:
        self._first = first
        self._make_faster = make_faster
        self._calls = calls
        self._made = itertools.count(1)
        self._faster: Callable[[X], Y] | None = None

    def __call__(self, x: X) -> Y:
        """What the form that is in use now returns."""
        if self._faster is None and next(self._made) == self._calls:
            self._faster = self._make_faster()
        return (self._faster or self._first)(x)


class LateCompiledNetwork(Late[Tensor, tuple[Tensor, ...]]):
    """`network`, run by torch at first, and compiled from call number `calls` on.

    Conversion and compilation take as much time as they save on about two hundred photos.
    """

    def __init__(
        self,
        network: nn.Module,
        side: int | None,
        *,
        few_batches: bool = False,
        at_once: int | None = None,
        calls: int = 25,
    ) -> None:
        super().__init__(
            partial(_by_torch, network),
            partial(CompiledNetwork, network, side, few_batches=few_batches, at_once=at_once),
            calls,
        )

    def tensor(self, x: Tensor) -> Tensor:
        """As CompiledNetwork's, for a network that returns a tensor."""
        (only,) = self(x)
        return only


def _by_torch(network: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    answer: Tensor | tuple[Tensor, ...] = network(x)
    return (answer,) if isinstance(answer, Tensor) else answer


class _Frequent:
    """Tells which shapes occurred `often` or more; at most `most` of them, for the rest of its life."""

    def __init__(self, often: int, most: int) -> None:
        self._often = often
        self._most = most
        self._lock = threading.Lock()
        self._seen: Counter[tuple[int, ...]] = Counter()
        self._chosen: set[tuple[int, ...]] = set()

    def __call__(self, shape: tuple[int, ...]) -> bool:
        """Count one more of this shape."""
        with self._lock:
            if shape not in self._chosen and len(self._chosen) < self._most:
                self._seen[shape] += 1
                if self._seen[shape] >= self._often:
                    self._chosen.add(shape)
            return shape in self._chosen


class _Forms:
    """Compiled forms of a graph: one for each shape and each of the calls that run at the same time."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._lock = threading.Lock()
        self._idle: dict[tuple[int, ...], list[Any]] = {}

    def infer(self, shape: tuple[int, ...], x: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """The outputs of the form for `shape`, where -1 is any length."""
        request = self._borrowed(shape)
        # The input is read where it is. The answer is copied: the next call overwrites it.
        answers = request.infer([x], share_inputs=True, share_outputs=False).to_tuple()
        with self._lock:
            self._idle[shape].append(request)
        return tuple(answers)

    def _borrowed(self, shape: tuple[int, ...]) -> Any:
        """A form that is not in use."""
        with self._lock:
            idle = self._idle.setdefault(shape, [])
            if idle:
                return idle.pop()
        import openvino

        with self._lock:
            graph = self._graph.clone()
        graph.reshape(openvino.PartialShape(list(shape)))
        return openvino.Core().compile_model(graph, "CPU", _PROPERTIES).create_infer_request()


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
