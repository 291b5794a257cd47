"""The kinds of networks: the opener of the weights, and the rules for cards of that kind.

A package adds a kind by an entry point of the group `faceid.networks`, whose name is the `backbone` of cards and whose
value is a `NetworkKind`:

    [project.entry-points."faceid.networks"]
    my-network = "my_package.faceid_network:KIND"

An entry point cannot replace a built-in kind. Its package is imported when a card of that kind is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

from faceid.networks.cache import converted
from faceid.networks.card import AnyCard
from faceid.networks.errors import WeightsFormat
from faceid.networks.state import SAFETENSORS, read_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

GROUP = "faceid.networks"
"""The group of entry points by which packages add kinds."""

Makes: TypeAlias = Literal["templates", "liveness", "detection"]

Opener: TypeAlias = "Callable[[AnyCard, Path, Path], Callable[[Tensor], Tensor]]"
"""Called with the card, the file of its weights (size and SHA-256 are checked already) and a folder in which an opener
may cache converted weights.

It returns the network on the CPU: a function, such as an `nn.Module`, from (n, 3, S, S) float32 RGB, 0..255, to (n, d)
raw embeddings, or to (n, classes) logits for liveness. It raises WeightsFormat for a file that it cannot read.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkKind:
    """A kind of network. `open` is None if `runner` or a detector opens the file itself, without torch.

    `makes` is the purpose of the network, and so the kind of its cards. With `needs_tensor`, a card of this kind must
    have a `[tensor]` table, else it must have none. `runner` names the module of `faceid.recognition.embed` that makes
    templates with the network.
    """

    open: Opener | None
    makes: Makes = "templates"
    needs_tensor: bool = False
    runner: Literal["torch", "onnx", "fake"] = "torch"


class _Backbone(Protocol):
    """The functions of each network module of `faceid.networks.backbones`."""

    VERSION: int

    def convert(self, path: Path) -> dict[str, Tensor]: ...

    def build(self, state: Mapping[str, Tensor]) -> nn.Module: ...


def find_kind(name: str) -> NetworkKind | None:
    """The kind called `name`; None if there is none.

    Raises WeightsFormat if a package offers the kind but cannot be loaded, or offers another object.
    """
    return _BUILT_IN.get(name) or _added(name)


def known_kinds(makes: Makes) -> tuple[str, ...]:
    """The names of the kinds for `makes`, built in or added by a package. The kind for tests is left out."""
    built_in = (name for name, kind in _BUILT_IN.items() if kind.makes == makes and kind.runner != "fake")
    names = {entry.name for entry in entry_points(group=GROUP)} - set(_BUILT_IN)
    return (*built_in, *sorted(name for name in names if _makes(name, makes)))


def _makes(name: str, makes: Makes) -> bool:
    # A broken package must not hide the others.
    try:
        kind = find_kind(name)
    except WeightsFormat:
        return True
    return kind is not None and kind.makes == makes


@cache
def _added(name: str) -> NetworkKind | None:
    for entry in entry_points(group=GROUP, name=name):
        try:
            kind = entry.load()
        except Exception as error:
            raise WeightsFormat(
                f"the network kind {name} cannot be loaded from {entry.value}: {error}",
                code="bad_plugin",
                kind=name,
                value=entry.value,
            ) from error
        if not isinstance(kind, NetworkKind):
            raise WeightsFormat(
                f"the network kind {name} is a {type(kind).__name__} in {entry.value}, not a NetworkKind",
                code="bad_plugin",
                kind=name,
                value=entry.value,
            )
        return kind
    return None


def _open_backbone(module: str, card: AnyCard, path: Path, kept: Path) -> nn.Module:
    """The network of a module of `faceid.networks.backbones`, without gradients.

    Other formats are converted once; a `.safetensors` file holds the network's own state, as training writes it.
    """
    # Imported one by one: each may need libraries that the others do not need.
    backbone = cast(_Backbone, import_module(f"faceid.networks.backbones.{module}"))
    if path.suffix != SAFETENSORS:
        state = converted(kept, card.weights.sha256, backbone.VERSION, lambda: backbone.convert(path))
        return backbone.build(state).requires_grad_(False)
    try:
        return backbone.build(read_tensors(path)).requires_grad_(False)
    except (RuntimeError, LookupError) as error:
        raise WeightsFormat(f"{path.name} holds another network: {error}", path=str(path)) from error


def _torch(module: str, **rest: Any) -> NetworkKind:
    return NetworkKind(open=partial(_open_backbone, module), **rest)


_BUILT_IN: dict[str, NetworkKind] = {
    "dlib-resnet": _torch("dlib_resnet"),
    "mobilefacenet": _torch("mobilefacenet"),
    "inception-resnet-v1": _torch("facenet"),
    "light": _torch("light"),
    "onnx": NetworkKind(open=None, needs_tensor=True, runner="onnx"),
    "fake": NetworkKind(open=None, runner="fake"),
    "minifasnet": _torch("minifasnet", makes="liveness"),
    "yunet": NetworkKind(open=None, makes="detection"),
}
