"""What a training is told: a TOML file, or the defaults of one of two ways to begin. Imports the standard library only.

    seed = 0

    [network]                   # from scratch: which one, and how it is made
    dim = 128                   # numbers of an embedding, 8 to 512
    side = 64                   # light only: pixels that the crop is reduced to
    frozen = 0                  # the first stages that stay as they are

    [loss]                      # faceid/networks/losses/settings.py
    name = "triplet"
    mining = "hard"             # "offline_hard", "offline_semi_hard": batches of a third as many triplets, out of all

    [batch]
    people = 16                 # identities in a batch, and photos of each; offline, their product is its size
    photos = 4

    [optimiser]
    name = "adamw"              # or "sgd"
    rate = 1e-3                 # learning rate of the last stage at its highest
    relative = false            # rates are shares of what each tensor measures (root mean square) at the start
    layer_decay = 1.0           # each stage learns so many times as fast as the one after it
    weight_decay = 1e-4
    momentum = 0.9              # sgd only
    warmup = 50                 # steps in which the rate rises to its highest; then it falls along a cosine
    clip = 0.0                  # the largest norm of the gradient; 0 leaves it as it is

    [schedule]
    steps = 2000
    validate = 100              # steps from one validation to the next
    checkpoint = 50
    patience = 10               # validations without a better one, after which it ends

    [distillation]              # stay near to what the starting network says of the clean photo
    weight = 0.0
    distance = "cosine"         # 1 - cosine, or "l2": the length of the difference

    [augmentation]              # how often each is done to a crop, 0 to 1
    flip = 0.5
    blur = 0.1
    jpeg = 0.1
    low_resolution = 0.1
    occlusion = 0.1
    mask = 0.0                  # over mouth and nose; where the aligner goes by landmarks

    [split]                     # shares of the identities that are not trained on
    validation = 0.15
    calibration = 0.15

What a file leaves out stays as it is by default.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from faceid.networks.errors import BadSettings
from faceid.networks.losses.settings import LossSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LEAST_DIM, MOST_DIM = 8, 512

MOST_SEED = 2**32 - 1
"""Above, the seeds of steps, which are made of it, would not go into torch's 64 bits."""


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """How a network from scratch is made, and how many of the first stages of any network are frozen."""

    dim: int = 128
    side: int = 64
    frozen: int = 0

    def __post_init__(self) -> None:
        _check(LEAST_DIM <= self.dim <= MOST_DIM, f"dim must be {LEAST_DIM} to {MOST_DIM}, not {self.dim}")
        _check(self.frozen >= 0, f"frozen must be 0 or more, not {self.frozen}")


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """`people` identities in a batch with `photos` of each (P and K of Hermans et al. 2017)."""

    people: int = 16
    photos: int = 4

    def __post_init__(self) -> None:
        _check(
            self.people >= 2 and self.photos >= 2,
            f"a batch needs two people with two photos, not {self.people} with {self.photos}",
        )

    @property
    def size(self) -> int:
        """Crops in a batch."""
        return self.people * self.photos


@dataclass(frozen=True, slots=True)
class OptimiserSettings:
    """The optimiser, and how fast each stage of the network learns at each step."""

    name: str = "adamw"
    rate: float = 1e-3
    relative: bool = False
    layer_decay: float = 1.0
    weight_decay: float = 1e-4
    momentum: float = 0.9
    warmup: int = 50
    clip: float = 0.0

    def __post_init__(self) -> None:
        _check(self.name in ("adamw", "sgd"), f"no optimiser {self.name!r}: adamw or sgd")
        _check(self.rate > 0, f"rate must be above 0, not {self.rate}")
        _check(0 < self.layer_decay <= 1, f"layer_decay must be above 0, at most 1, not {self.layer_decay}")
        for name in ("weight_decay", "momentum", "warmup", "clip"):
            _check(getattr(self, name) >= 0, f"{name} must be 0 or more, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """How long, and what happens when; all in steps but `patience`, which counts validations."""

    steps: int = 2000
    validate: int = 100
    checkpoint: int = 50
    patience: int = 10

    def __post_init__(self) -> None:
        for name in ("steps", "validate", "checkpoint", "patience"):
            _check(getattr(self, name) >= 1, f"{name} must be 1 or more, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class DistillationSettings:
    """How strongly embeddings are held where the starting network has them."""

    weight: float = 0.0
    distance: str = "cosine"

    def __post_init__(self) -> None:
        _check(self.weight >= 0, f"the weight of distillation must be 0 or more, not {self.weight}")
        _check(self.distance in ("cosine", "l2"), f"no distance {self.distance!r}: cosine or l2")


@dataclass(frozen=True, slots=True)
class AugmentationSettings:
    """How often each change is made to a crop, 0..1."""

    flip: float = 0.5
    blur: float = 0.1
    jpeg: float = 0.1
    low_resolution: float = 0.1
    occlusion: float = 0.1
    mask: float = 0.0

    def __post_init__(self) -> None:
        _shares(self)


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """The shares of identities by which the best step is chosen, and by which the result is calibrated."""

    validation: float = 0.15
    calibration: float = 0.15

    def __post_init__(self) -> None:
        _shares(self)
        _check(self.validation + self.calibration < 1, "validation and calibration leave nobody to train on")


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Everything that decides what comes out, but for the data and the starting network."""

    seed: int = 0
    network: NetworkSettings = field(default_factory=NetworkSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    distillation: DistillationSettings = field(default_factory=DistillationSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    split: SplitSettings = field(default_factory=SplitSettings)

    def __post_init__(self) -> None:
        _check(0 <= self.seed <= MOST_SEED, f"seed must be 0 to {MOST_SEED}, not {self.seed}")

    def changed(self, changes: Mapping[str, Mapping[str, Any]]) -> TrainSettings:
        """The same with other values: by section, then by key. Raises BadSettings."""
        sections = {name: _changed(getattr(self, name), values, name) for name, values in changes.items()}
        return replace(self, **sections)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for files and comparisons."""
        return asdict(self)


def read_settings(text: str, where: str, defaults: TrainSettings) -> TrainSettings:
    """`defaults` with what a TOML file says; `where` names it in messages. Raises BadSettings, naming the key."""
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{where} is not valid TOML: {error}", path=where) from error
    seed = values.pop("seed", defaults.seed)
    known = [section.name for section in fields(TrainSettings) if section.name != "seed"]
    for name, section in values.items():
        if name not in known or not isinstance(section, dict):
            raise BadSettings(
                f"{where}: {name} is not a known section", hint=f"known are {', '.join(known)}", path=where
            )
    try:
        return replace(defaults.changed(values), seed=_typed(seed, 0, "seed"))
    except BadSettings as error:
        raise BadSettings(f"{where}: {error}", hint=error.hint, path=where) from error


def _changed(section: Any, values: Mapping[str, Any], name: str) -> Any:
    known = {entry.name: getattr(section, entry.name) for entry in fields(section)}
    for key in values:
        if key not in known:
            raise BadSettings(f"{name}.{key} is not a known setting", hint=f"known are {', '.join(known)}")
    if isinstance(section, LossSettings):
        # Another loss has other parameters: what was set for the old one does not go over to it.
        fresh = "name" in values and values["name"] != section.name
        return LossSettings(**values) if fresh else replace(section, **values)
    return replace(section, **{key: _typed(value, known[key], key) for key, value in values.items()})


def _typed(value: Any, default: Any, key: str) -> Any:
    wanted = type(default)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted or (wanted is float and not math.isfinite(value)):
        raise BadSettings(f"{key} must be of type {wanted.__name__}, not {value!r}")
    return value


def _shares(section: Any) -> None:
    for entry in fields(section):
        value = getattr(section, entry.name)
        _check(0 <= value <= 1, f"{entry.name} must be 0 to 1, not {value}")


def _check(holds: bool, complaint: str) -> None:
    if not holds:
        raise BadSettings(complaint)


FROM_SCRATCH = TrainSettings()
"""Where a network from scratch begins."""

FINE_TUNING = TrainSettings(
    optimiser=OptimiserSettings(rate=1.5e-3, relative=True),
    schedule=ScheduleSettings(steps=500, validate=50, checkpoint=50, patience=5),
    distillation=DistillationSettings(weight=10.0),
)
"""Where a trained network begins that shall learn more and forget little."""
