"""Embeddings by an ONNX graph: of a card with `backbone = "onnx"`, or of the user's own file, `onnx:FILE`.

Any network that takes aligned crops and gives one vector a face will do, ArcFace's above all. What the graph does not
say stands in its model card. That of `onnx:FILE` lies beside it, FILE with the suffix `.toml`:

    name = "my-arcface"
    backbone = "onnx"
    dim = 512
    metric = "cosine"
    input_size = 112
    aligner = "arcface-112-v1"
    description = "ResNet-50 trained with ArcFace on ..."
    licence = "..."
    source_url = "https://..."

    [tensor]
    mean = [127.5, 127.5, 127.5]    # (x - mean) / std, x = 0..255
    std = [127.5, 127.5, 127.5]
    colour = "rgb"                  # or "bgr"; mean and std are in the same order
    layout = "nchw"                 # or "nhwc"

    [weights]                       # optional: refuses any other file
    sha256 = "..."

`[[accuracy]]` and `[calibration]` may follow. Without a calibration there is no default threshold. The aligners
are those of faceid/recognition/align.py; the graph has one input, of a free batch size or of 1 (then it runs one crop
at a time), and its first output is (n, dim), of any length. The file holds the whole network. Needs the extra `onnx`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faceid.errors import DeviceError, ModelError
from faceid.networks.card import Card, TensorFormat
from faceid.networks.onnx_file import refuse_external_data
from faceid.networks.weights import verified
from faceid.recognition.embed.crops import batches, check_crops, key_of, mirrored, unit
from faceid.types import Crop, ModelKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.types import Pixels

BATCH = 8

_FLOATS = ("tensor(float)", "tensor(double)", "tensor(float16)")


class OnnxEmbedder:
    """Crops -> unit vectors by an ONNX Runtime session. `mirror` as in TorchEmbedder."""

    def __init__(
        self, session: Any, card: Card, tensor: TensorFormat, file: Path, *, mirror: bool = True
    ) -> None:
        """`session` is that of the graph in `file`. Raises ModelError (`bad_card`) if `card` does not describe it."""
        self._session = session
        self._card = card
        self._file = file
        self._tensor = tensor
        self._mirror = mirror
        self._model = key_of(card)
        self._input, self._batch = _checked_input(session, card, tensor, file)
        self._output = _checked_output(session, card, file)

    @property
    def model(self) -> ModelKey:
        """What the vectors belong to."""
        return self._model

    @property
    def input_size(self) -> int:
        """The side of the crops that `embed` takes, pixels."""
        return self._card.input_size

    def embed(self, crops: Sequence[Crop]) -> NDArray[np.float32]:
        """(n, d) float32, rows of unit length in the order of `crops`; (0, d) for none.

        Raises ModelError for crops of another aligner or size, output that is not finite or not as the card
        says, and where ONNX Runtime fails.
        """
        check_crops(crops, self._model, self.input_size)
        rows = [self._raw(pixels) for pixels in batches(crops, self._batch)]
        raw = np.concatenate(rows) if rows else np.empty((0, self._model.dim), np.float32)
        return unit(raw, self._model)

    def _raw(self, pixels: Pixels) -> NDArray[np.float32]:
        raw = self._run(pixels)
        return raw + self._run(mirrored(pixels)) if self._mirror else raw

    def _run(self, pixels: Pixels) -> NDArray[np.float32]:
        with _runtime_errors(self._file):
            (raw,) = self._session.run([self._output], {self._input: prepared(pixels, self._tensor)})
        return np.asarray(raw, np.float32)


def prepared(pixels: Pixels, tensor: TensorFormat) -> NDArray[np.float32]:
    """(n, S, S, 3) uint8 RGB as the graph wants it, float32."""
    ordered = pixels if tensor.colour == "rgb" else pixels[..., ::-1]
    scaled = (ordered.astype(np.float32) - np.array(tensor.mean, np.float32)) / np.array(
        tensor.std, np.float32
    )
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2) if tensor.layout == "nchw" else scaled)


def open_embedder(card: Card, *, device: str, weights_dir: Path, mirror: bool = True) -> OnnxEmbedder:
    """The graph of `card`, loaded, on `device`. Pulled weights are in `weights_dir`.

    Raises WeightsMissing, and WeightsAltered for a file of another hash; WeightsFormat for one that keeps tensors in
    other files; ModelError without onnxruntime, for a file that it cannot load and for a graph that its card does not
    describe; DeviceError where this build of onnxruntime has no CUDA and `device` asks for it.
    """
    if card.tensor is None:
        raise ModelError(f"{card.name} is not an ONNX network")
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            "ONNX networks need onnxruntime, which is not installed",
            code="no_onnxruntime",
        ) from error
    file = verified(card, weights_dir)
    refuse_external_data(file)
    with _runtime_errors(file):
        session = onnxruntime.InferenceSession(
            str(file),
            sess_options=_options(onnxruntime),
            providers=_providers(device, onnxruntime.get_available_providers()),
        )
    return OnnxEmbedder(session, card, card.tensor, file, mirror=mirror)


def _options(onnxruntime: Any) -> Any:
    options = onnxruntime.SessionOptions()
    # Idle threads that spin take the cores away from torch, which detects in the same process.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Whatever the file is called: the other format, ORT, is not what was checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 3
    return options


def _providers(device: str, available: Sequence[str]) -> list[str | tuple[str, dict[str, str]]]:
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in available:
        raise DeviceError(
            f"this onnxruntime cannot use {device}",
            remedy="onnxruntime_for_gpu",
        )
    return [("CUDAExecutionProvider", {"device_id": number or "0"})]


def _checked_input(session: Any, card: Card, tensor: TensorFormat, file: Path) -> tuple[str, int]:
    """The name of the graph's input and the batch size that it allows."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise _mismatch(card, file, f"the graph has {len(inputs)} inputs, not one")
    (only,) = inputs
    side = card.input_size
    expected = [3, side, side] if tensor.layout == "nchw" else [side, side, 3]
    shape = list(only.shape)
    # A free dimension has a name, or None, in place of a number. A fixed batch must be 1: any other would not
    # fit the last crops.
    known = [
        (found, wanted)
        for found, wanted in zip(shape, [1, *expected], strict=False)
        if isinstance(found, int)
    ]
    if len(shape) != 4 or any(found != wanted for found, wanted in known):
        raise _mismatch(
            card, file, f"the graph takes {shape}, the card says (n, {', '.join(map(str, expected))})"
        )
    if only.type != "tensor(float)":
        raise _mismatch(card, file, f"the graph takes {only.type}, not float32")
    return only.name, 1 if shape[0] == 1 else BATCH


def _checked_output(session: Any, card: Card, file: Path) -> str:
    """The name of the graph's first output."""
    output = session.get_outputs()[0]
    shape = list(output.shape)
    if output.type not in _FLOATS:
        raise _mismatch(card, file, f"the graph gives {output.type}, not numbers of a vector")
    if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != card.dim):
        raise _mismatch(card, file, f"the graph gives {shape}, the card says (n, {card.dim})")
    return str(output.name)


def _mismatch(card: Card, file: Path, complaint: str) -> ModelError:
    return ModelError(
        f"{file.name} and its card disagree: {complaint}",
        code="bad_card",
        # A user's card lies beside the file; the card of a pulled network is ours.
        remedy="correct_file" if card.weights.sources[0].kind == "file" else "report_this",
        file=file.with_suffix(".toml").name if card.name.endswith(str(file)) else f"{card.name}.toml",
        path=str(file),
    )


@contextmanager
def _runtime_errors(file: Path) -> Iterator[None]:
    from onnxruntime.capi import onnxruntime_pybind11_state as runtime

    try:
        yield
    except (
        runtime.EPFail,
        runtime.Fail,
        runtime.InvalidArgument,
        runtime.InvalidGraph,
        runtime.InvalidProtobuf,
        runtime.NoSuchFile,
        runtime.NotImplemented,
        runtime.RuntimeException,
    ) as error:
        raise ModelError(
            f"ONNX Runtime cannot run {file.name}: {error}", code="onnx", path=str(file)
        ) from error
