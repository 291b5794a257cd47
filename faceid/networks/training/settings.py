"""The settings of a training: a TOML file, or the defaults for one of two ways to start. No tensor library is imported.

    seed = 0

    [network]                   # a network from scratch: its size
    dim = 128                   # length of an embedding, 8 to 512
    side = 64                   # light only: pixels to which the crop is reduced
    frozen = 0                  # how many of the first stages do not learn

    [loss]                      # faceid/networks/losses/settings.py
    name = "triplet"
    mining = "hard"             # "offline_hard", "offline_semi_hard": batches of a third as many triplets, out of all

    [batch]
    people = 16                 # identities in a batch, and photos of each; offline, their product is its size
    photos = 4

    [optimiser]
    name = "adamw"              # or "sgd"
    rate = 1e-3                 # highest learning rate of the last stage
    relative = false            # rates are shares of the root mean square of each tensor at the start
    layer_decay = 1.0           # rate of a stage, divided by that of the next one
    weight_decay = 1e-4
    momentum = 0.9              # sgd only
    warmup = 50                 # steps in which the rate rises; then it falls along a cosine
    clip = 0.0                  # largest norm of the gradient; 0 sets no limit

    [schedule]
    steps = 2000
    validate = 100              # steps from one validation to the next
    checkpoint = 50
    patience = 10               # the training ends after so many validations without progress

    [distillation]              # keeps embeddings near those of the starting network for the clean photo
    weight = 0.0
    distance = "cosine"         # 1 - cosine, or "l2": the length of the difference

    [augmentation]              # how often each change is made to a crop, 0 to 1
    flip = 0.5
    blur = 0.1
    jpeg = 0.1
    low_resolution = 0.1
    occlusion = 0.1
    mask = 0.0                  # over mouth and nose; for aligners that use landmarks

    [split]                     # shares of the identities that are not trained on
    validation = 0.15
    calibration = 0.15

A setting that a file leaves out keeps its default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from faceid.documents import BadDocument, Finite, as_type, parse_toml
from faceid.networks.errors import BadSettings
from faceid.networks.losses.settings import LossSettings

LEAST_DIM, MOST_DIM = 8, 512

MOST_SEED = 2**32 - 1
"""The largest seed: the seeds of steps are computed from it, and must fit into the 64 bits of torch."""


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """The size of a network from scratch, and the number of first stages of any network that are frozen."""

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
    """The optimiser, and the learning rate of each stage of the network at each step."""

    name: str = "adamw"
    rate: Finite = 1e-3
    relative: bool = False
    layer_decay: Finite = 1.0
    weight_decay: Finite = 1e-4
    momentum: Finite = 0.9
    warmup: int = 50
    clip: Finite = 0.0

    def __post_init__(self) -> None:
        _check(self.name in ("adamw", "sgd"), f"no optimiser {self.name!r}: adamw or sgd")
        _check(self.rate > 0, f"rate must be above 0, not {self.rate}")
        _check(0 < self.layer_decay <= 1, f"layer_decay must be above 0, at most 1, not {self.layer_decay}")
        for name in ("weight_decay", "momentum", "warmup", "clip"):
            _check(getattr(self, name) >= 0, f"{name} must be 0 or more, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """The schedule of a training, in steps; `patience` counts validations."""

    steps: int = 2000
    validate: int = 100
    checkpoint: int = 50
    patience: int = 10

    def __post_init__(self) -> None:
        for name in ("steps", "validate", "checkpoint", "patience"):
            _check(getattr(self, name) >= 1, f"{name} must be 1 or more, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class DistillationSettings:
    """The strength that holds embeddings near those of the starting network."""

    weight: Finite = 0.0
    distance: str = "cosine"

    def __post_init__(self) -> None:
        _check(self.weight >= 0, f"the weight of distillation must be 0 or more, not {self.weight}")
        _check(self.distance in ("cosine", "l2"), f"no distance {self.distance!r}: cosine or l2")


@dataclass(frozen=True, slots=True)
class AugmentationSettings:
    """The probability of each change to a crop, 0..1."""

    flip: Finite = 0.5
    blur: Finite = 0.1
    jpeg: Finite = 0.1
    low_resolution: Finite = 0.1
    occlusion: Finite = 0.1
    mask: Finite = 0.0

    def __post_init__(self) -> None:
        _shares(self)


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """The shares of identities that choose the best step, and that calibrate the result."""

    validation: Finite = 0.15
    calibration: Finite = 0.15

    def __post_init__(self) -> None:
        _shares(self)
        _check(
            self.validation + self.calibration < 1, "validation and calibration leave no people to train on"
        )


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """All settings that determine the result, besides the data and the starting network."""

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

    def changed(self, changes: Mapping[str, Any]) -> TrainSettings:
        """The same settings with other values: by section, then by key. Raises BadSettings."""
        return _read(changes, "settings", self)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for files and comparisons."""
        return asdict(self)


def read_settings(text: str, where: str, defaults: TrainSettings) -> TrainSettings:
    """`defaults` with the settings of a TOML file, `where` in messages. Raises BadSettings, which names the key."""
    try:
        return _read(parse_toml(text, where), where, defaults)
    except BadDocument as error:
        raise BadSettings(str(error), path=where) from error


def _read(changes: Mapping[str, Any], where: str, defaults: TrainSettings) -> TrainSettings:
    merged = defaults.as_dict()
    for name, values in changes.items():
        if name == "seed":
            merged[name] = values
            continue
        kept = merged.get(name)
        if kept is None or not isinstance(values, Mapping):
            raise _unknown(
                f"{where}: {name} is not a known section", where, [key for key in merged if key != "seed"]
            )
        for key in values:
            if key not in kept:
                raise _unknown(f"{where}: {name}.{key} is not a known setting", where, kept)
        if name == "loss" and values.get("name", kept["name"]) != kept["name"]:
            # Another loss has other parameters: the values for the old loss do not apply to it.
            kept = {}
        merged[name] = {**kept, **values}
    try:
        return as_type(merged, TrainSettings, where)
    except BadDocument as error:
        raise BadSettings(str(error), path=where) from error
    except BadSettings as error:
        facts: dict[str, Any] = error.facts
        raise BadSettings(f"{where}: {error}", remedy=error.remedy, path=where, **facts) from error


def _unknown(message: str, where: str, known: Iterable[str]) -> BadSettings:
    return BadSettings(message, remedy="known_keys", path=where, known=", ".join(known))


def _shares(section: Any) -> None:
    for entry in fields(section):
        value = getattr(section, entry.name)
        _check(0 <= value <= 1, f"{entry.name} must be 0 to 1, not {value}")


def _check(holds: bool, complaint: str) -> None:
    if not holds:
        raise BadSettings(complaint)


FROM_SCRATCH = TrainSettings()
"""The defaults for a network from scratch."""

FINE_TUNING = TrainSettings(
    optimiser=OptimiserSettings(rate=1.5e-3, relative=True),
    schedule=ScheduleSettings(steps=500, validate=50, checkpoint=50, patience=5),
    distillation=DistillationSettings(weight=10.0),
)
"""The defaults for a trained network that should learn more and forget little."""
