"""What the command line says to do about galleries, by remedy, and about what an examination finds in one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

HINTS: Final[Mapping[str, str]] = {
    # Policies
    "calibrate_this_model": "calibrate this model: the threshold of another model does not apply to it",
    "choose_another_place": "choose another place",
    "export_policies": "`faceid policy export` writes such files",
    "set_policy": "activate one with `faceid policy set`",
    # Names and archives
    "control_characters": "use letters, digits, spaces and punctuation",
    "empty_name": "give the person's name",
    "form_of_archive": "see `faceid import --help` for the arrays",
    "form_of_embeddings": "make one with `faceid embed` or `faceid export`",
    "long_name": "use at most {most} characters",
    # Re-embedding
    "empty_takes_any": "an empty gallery takes any model: enrol with --model",
    "source_changed": "put the photo back, or enrol the new one",
    "source_gone": "put the photo back, or run this where its path leads to it",
    # What `doctor` finds
    "little_space": "free some space, or move --db",
    "not_enrolled": "`faceid enroll` creates it",
    "not_pulled": "`faceid models pull {model}`",
    "old_weights": "install the old weights, or enrol again",
    "report_this": "report this",
    "restore_backup": "restore a backup",
}

MESSAGES: Final[Mapping[str, str]] = {}

ADVICE: Final[Mapping[tuple[str, int], str]] = {
    ("low_quality", 1): "enrol a better photo, then `faceid remove --template {0}`",
    ("stale", 1): "enrol a recent photo, then `faceid remove --template {0}`",
    ("outlier_template", 1): "look at the photo: if it shows another person, `faceid remove --template {0}`",
    ("look_alike", 2): (
        "look at both: if they are one person, enrol the photos of one under the other's name and `faceid remove` it;"
        " twins may stay: searches call them ambiguous"
    ),
}
"""Kind of finding and number of templates -> what to do, a template for `str.format` with their ids."""
