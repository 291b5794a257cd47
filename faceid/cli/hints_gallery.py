"""The hints of the command line about galleries, by remedy, and about the findings of `gallery-health`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from faceid.distribution import NAME

HINTS: Final[Mapping[str, str]] = {
    # Policies
    "calibrate_this_model": "calibrate this model: the threshold of another model does not apply to it",
    "choose_another_place": "choose another place",
    "export_policies": "`faceid policy export` writes such files",
    "set_policy": "activate one with `faceid policy set`",
    "policy_target": "give one of --fmr, --fpir and --threshold",
    "restore_policy": "see `faceid policy history`; `faceid policy rollback ID` brings one back",
    "unknown_policy": "see `faceid policy history`",
    "withdraw_policy": "`faceid policy rollback` takes the policy back",
    # The database
    "damaged_template": (
        "restore the gallery from a backup, or remove the template: `faceid remove --template {template_id}`"
    ),
    "database": "run `faceid doctor`; check the disk",
    "database_corrupt": "restore it from a backup, or give another --db",
    "database_locked": "try again when the other process has finished",
    "database_missing": "enrol a person first with `faceid enroll`, or give another --db",
    "database_newer": f"upgrade faceid: pip install --upgrade {NAME}",
    "database_read_only": "check the permissions of the file and of its directory, or give another --db",
    "disk_full": "free some disk space and try again",
    "gallery_busy": "try again when no process enrols or removes",
    "kind_of_index": "choose {known}",
    "index_needs_gpu": "set FACEID_INDEX=auto, or unset it",
    "no_index": "use a database whose index is on this machine",
    "no_snapshot": "the gallery itself is not affected: it opens slower without",
    "other_db": "give another --db",
    "other_file": "give another file with --db",
    "path_of_a_file": "give the path of a file",
    "url_of_known_scheme": "give a path or sqlite:///path, or install the package that opens {scheme}://",
    # Identities, templates and their models
    "compute_again": "compute it again",
    "digits_of_hash": "give 64 hexadecimal digits",
    "gallery_of_model": "use --model {model}, or another gallery with --db; `faceid re-embed` moves one",
    "model_of_archive": "use --model {model} and a gallery of that model",
    "model_of_templates": "use the model that they were computed with, and a gallery of that model",
    "name_taken": "choose another name, or `faceid remove` one of the two",
    "no_template": "see `faceid show`; enrol a photo and confirm it by `faceid people confirm`, or run"
    " `faceid re-embed` again where the old one is back",
    "normalise": "normalise it",
    "normalise_all": "normalise the templates",
    "one_model": "use one model throughout",
    "name_of_detector": "give the name of a detector, as `faceid show` lists it, or an empty one",
    "one_of_each": "give one of each a template",
    "one_row_each": "give one row a template",
    "other_model": "use --model {model}, another gallery with --db, or `faceid re-embed --to {asked}`",
    "other_weights": "use another gallery with --db, or `faceid re-embed --to {asked}`",
    "start_with_model": "start again with --model {model}",
    "unknown_identity": "see `faceid list`",
    "unknown_template": "see `faceid show NAME` for the ids",
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
    "faster_detector": "`faceid models pull {model}`",
    "mixed_landmarks": (
        "use one detector for all, or measure a threshold on photos of your own people: `faceid calibrate`"
    ),
    "little_space": "free some space, or move --db",
    "not_enrolled": "`faceid enroll` creates it",
    "not_pulled": "`faceid models pull {model}`",
    "old_weights": "install the old weights, or enrol again",
    "report_this": "report this",
    "restore_backup": "restore a backup",
    "similar_people": (
        "see `faceid policy show`; `faceid calibrate` on photos of your own people replaces the card's rates"
    ),
    "unconfirmed": (
        "see `faceid show NAME`; `faceid people confirm NAME` if the photos show the person, else"
        " `faceid remove --template ID`"
    ),
    # What `enroll` keeps
    "confirm_or_remove": (
        "enrol another photo of {name}, or, if this one shows {name}, `faceid people confirm {name!q}`"
    ),
}

MESSAGES: Final[Mapping[str, str]] = {}

ADVICE: Final[Mapping[tuple[str, int], str]] = {
    ("low_quality", 1): "enrol a better photo, then `faceid remove --template {0}`",
    ("stale", 1): "enrol a recent photo, then `faceid remove --template {0}`",
    ("outlier_template", 1): "look at the photo: if it shows another person, `faceid remove --template {0}`",
    ("unconfirmed", 1): (
        "look at the photo: `faceid people confirm {names[0]!q}` if it shows the person, else `faceid remove --template"
        " {0}`"
    ),
    ("similar_people", 0): (
        "searches use a stricter threshold, see `faceid policy show`; `faceid calibrate` on photos of your own people"
        " replaces the card's rates"
    ),
    ("look_alike", 2): (
        "look at both: if they are one person, enrol the photos of one under the other's name and `faceid remove` it;"
        " twins may stay: searches call them ambiguous"
    ),
}
"""Kind of finding and number of templates -> what to do, a template for `str.format` with their ids and `names`."""
