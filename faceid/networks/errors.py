"""Everything that the models package raises on purpose.

ModelError: ModelsError
├── UnknownModel    no card of that name
├── BadCard         a card whose TOML does not say what it must
├── WeightsMissing  the file is not there
├── WeightsAltered  the file is there, but is not the one that the card names
├── WeightsFormat   the bytes are not what the parser expects at that place
├── PullFailed      network, server, npm or disk (`offline`, `not_found`, `disk_full`, ...)
└── TrainingFailed  a training that cannot go on (`diverged`, `collapsed`)

UsageError: BadSettings   a loss, a split or batches that cannot be made as asked

Each carries a reason `code` for programs and a `hint` that says what to do, with the command to type where
there is one. `str(error)` is one line without the hint.
"""

from __future__ import annotations

from faceid.errors import ModelError, UsageError


class ModelsError(ModelError):
    """Base of all but BadSettings."""


class UnknownModel(ModelsError):
    """No card of that name."""

    default_code = "unknown_model"


class BadCard(ModelsError):
    """A model card that cannot be used; the message names the key at fault."""

    default_code = "bad_card"


class WeightsMissing(ModelsError):
    """The weights are not on this machine."""

    default_code = "weights_missing"


class WeightsAltered(ModelsError):
    """A file of another size or SHA-256 than the card says: damaged, incomplete or another file."""

    default_code = "weights_altered"


class WeightsFormat(ModelsError):
    """The bytes do not parse as the format, or hold another network than the card says."""

    default_code = "weights_format"


class PullFailed(ModelsError):
    """The weights could not be fetched; nothing half-written is in their place."""

    default_code = "pull_failed"


class BadSettings(UsageError):
    """Training cannot be done as asked; the message names the setting at fault."""

    default_code = "bad_settings"


class TrainingFailed(ModelsError):
    """What was learnt is of no use, and more steps would not change that."""

    default_code = "training"
