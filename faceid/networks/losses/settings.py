"""The settings of a loss. No tensor library is imported."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from faceid.networks.errors import BadSettings

DISTANCES = ("l2", "squared_l2", "cosine")
FORMS = ("hinge", "soft", "weighted")
MINING = ("all", "hard", "semi_hard", "distance_weighted", "random")
"""Online mining: from the triplets of a batch."""
OFFLINE = ("offline_hard", "offline_semi_hard")
"""Offline mining: from all photos of the training, before the batches are made."""

_DEFAULTS: dict[str, dict[str, Any]] = {
    "triplet": {"distance": "l2", "margin": 0.2, "form": "hinge", "mining": "hard"},
    "contrastive": {"distance": "l2", "margin": 1.0},
    "centre": {"weight": 0.003},
    "softmax": {},
    "arcface": {"margin": 0.5, "scale": 64.0},
    "cosface": {"margin": 0.35, "scale": 64.0},
    "partial_auc": {"margin": 0.08, "scale": 45.0},
    "hashing": {"bits": 64, "margin": 0.2, "mining": "hard", "weight": 0.01},
}
"""The parameters of each loss, with the values of its paper if the paper gives any."""

NAMES = tuple(_DEFAULTS)


@dataclass(frozen=True, slots=True)
class LossSettings:
    """A loss by name, and its parameters. None means the default of the loss: see `parameters`.

    `margin` is a distance for triplet (0.2) and contrastive (1.0), an angle in radians for arcface (0.5), a cosine for
    cosface (0.35), partial_auc (0.08) and hashing (0.2). `distance` (triplet, contrastive: l2), `form` (triplet: hinge)
    and `mining` (triplet, hashing: hard) are one of DISTANCES, FORMS and MINING, or, for triplet, of OFFLINE. `scale`
    (arcface, cosface: 64, partial_auc: 45) multiplies cosines. `weight` is the weight of the centres relative to the
    classes (centre: 0.003), or of the step from codes to signs relative to the triplets (hashing: 0.01). `bits`
    (hashing: 64) is the length of codes, a multiple of 8.

    Raises BadSettings for a name or value that is not possible, and for a parameter that the loss does not have.
    """

    name: str = "triplet"
    distance: str | None = None
    margin: float | None = None
    form: str | None = None
    mining: str | None = None
    scale: float | None = None
    weight: float | None = None
    bits: int | None = None

    _CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "distance": DISTANCES,
        "form": FORMS,
        "mining": (*MINING, *OFFLINE),
    }

    def __post_init__(self) -> None:
        _one_of("loss", self.name, NAMES)
        for key, value in self._given().items():
            if key not in _DEFAULTS[self.name]:
                raise BadSettings(
                    f"the loss {self.name} has no {key}", remedy="loss_takes", takes=_takes(self.name)
                )
            if key in self._CHOICES:
                _one_of(key, value, self._CHOICES[key])
            elif isinstance(value, bool) or not isinstance(value, (int, float)) or not _positive(value):
                raise BadSettings(f"{key} of the loss {self.name} must be a number above 0, not {value!r}")
        if self.bits is not None and (not isinstance(self.bits, int) or self.bits % 8):
            raise BadSettings(f"bits must be a multiple of 8, not {self.bits!r}", remedy="usual_bits")
        if self.form == "soft" and self.margin is not None:
            raise BadSettings("the soft form of the triplet loss has no margin", remedy="margin_or_hinge")
        if self.form == "weighted" and self.mining not in (None, "all"):
            raise BadSettings(
                f"the weighted form weighs every pair, and cannot be mined as {self.mining}",
                remedy="mining_or_form",
            )
        if self.mining in OFFLINE and self.name != "triplet":
            raise BadSettings(
                f"{self.mining} mines by embeddings, and the loss {self.name} compares something else",
                remedy="triplet_or_online_mining",
                known=", ".join(MINING),
            )
        if self.name == "arcface" and self.margin is not None and self.margin >= math.pi / 2:
            raise BadSettings(
                f"the margin of arcface is an angle in radians below 1.57, not {self.margin}",
                remedy="arcface_margin",
            )

    def parameters(self) -> dict[str, Any]:
        """The parameters of the loss, with defaults filled in; the soft form's margin is 0."""
        filled = _DEFAULTS[self.name] | self._given()
        if self.form == "soft":
            filled["margin"] = 0.0
        if self.form == "weighted":
            filled["mining"] = "all"
        return filled

    def _given(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "name"}
        return {key: value for key, value in values.items() if value is not None}


def _one_of(what: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise BadSettings(f"no {what} {value!r}", remedy="one_of", known=", ".join(choices))


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _takes(name: str) -> str:
    taken = _DEFAULTS[name]
    return ", ".join(taken) if taken else "nothing but its name"
