"""The errors of networks: their cards, their weights and their training.

ModelError: ModelsError
├── UnknownModel    no card has this name
├── BadCard         a card that cannot be used; the message names the key
├── WeightsMissing  the file is not on this machine
├── WeightsAltered  the file is not the one that the card names
├── WeightsFormat   the file cannot be read as a network of the kind that the card names
├── PullFailed      the network, the server, npm or the disk fails (`offline`, `not_found`, `disk_full`, ...)
└── TrainingFailed  the training cannot continue (`diverged`, `collapsed`)

UsageError
├── BadSettings       settings of a loss, of batches or of a training that are not possible
└── TermsNotAccepted  weights for research only, which a caller must accept first

`faceid.errors` describes what all errors carry.
"""

from __future__ import annotations

from faceid.errors import ModelError, UsageError


class ModelsError(ModelError):
    """Base of all errors of networks except BadSettings."""


class UnknownModel(ModelsError):
    """No card has this name."""

    default_code = "unknown_model"


class BadCard(ModelsError):
    """A model card cannot be used; the message names the key and where it stands."""

    default_code = "bad_card"


class WeightsMissing(ModelsError):
    """The weights are not on this machine."""

    default_code = "weights_missing"


class WeightsAltered(ModelsError):
    """A file has another size or SHA-256 than its card says: it is damaged, incomplete or another file."""

    default_code = "weights_altered"


class WeightsFormat(ModelsError):
    """A file is not in the format of its kind, or holds another network than its card says."""

    default_code = "weights_format"


class PullFailed(ModelsError):
    """The weights could not be fetched; no incomplete file is in their place."""

    default_code = "pull_failed"


class BadSettings(UsageError):
    """Settings of a training are not possible; the message names the setting."""

    default_code = "bad_settings"


class TermsNotAccepted(UsageError):
    """The publisher allows these weights for research only, and the caller did not accept that."""

    default_code = "terms_not_accepted"


class TrainingFailed(ModelsError):
    """The network that was trained cannot be used, and more steps would not help."""

    default_code = "training"
