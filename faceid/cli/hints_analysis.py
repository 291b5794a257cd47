"""The hints of the command line about thresholds, evaluation and exploration, by remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from faceid.distribution import install_command

HINTS: Final[Mapping[str, str]] = {
    # Thresholds
    "beyond_calibration": "ask for a higher rate, or set the distance yourself with --threshold",
    "fpir_without_size": "give --identities N",
    "lower_cost": "lower --cost, or use a stronger network",
    "no_alike_curve": (
        "measure one on your own people: `faceid calibrate DATA --put`, with --attributes FILE.csv where sex and group"
        " are known"
    ),
    "no_target": "give one of --fmr, --fmr-alike, --fpir and --threshold",
    "not_a_cost": "give a number above 0",
    "not_a_distance": "give a number >= 0",
    "not_a_rate": "give a number between 0 and 1",
    "not_a_size": "give 1 or more",
    "not_calibrated": (
        "measure the network on photos of known people (`faceid models calibrate NAME DATA`), or set the distance"
        " yourself with --threshold"
    ),
    "one_target": "each of them sets the threshold: give one",
    "prior_without_cost": "the other goals do not depend on it",
    "size_without_fpir": "an FMR is the same in any gallery",
    # Data of an evaluation
    "attributes_without_people": "--attributes needs a folder per identity, or the gallery",
    "bad_pairs": "wanted is LFW's format, or a .csv that begins with the line file1,file2,same",
    "bad_scores": "wanted are `distance` or `similarity`, and `mated`, 1 or 0, one for each comparison",
    "columns_of_pairs": "begin the CSV with the line file1,file2,same",
    "empty": "enrol first",
    "evaluation_data_not_found": "DATA is a folder per identity, a pairs file, a file of scores, or `gallery`",
    "form_of_presentations": (
        "wanted is a folder with live/ and spoof/, or a CSV that begins with the line file,label,kind"
    ),
    "images_without_pairs": "--images names the folder that holds the photos of a pairs file",
    "model_unknown": "say it with --model {model}, if that is so",
    "names_of_attributes": "the column identity holds the names of the folders, or of the enrolled identities",
    "not_evaluation_data": (
        "DATA is a folder per identity, a pairs file (.txt as LFW's, .csv), scores (.csv, .npz), or `gallery`"
    ),
    "photos_of_pairs_not_found": "name the folder that holds them with --images",
    "scores_of_another_model": "use --model {model}",
    "table_of_attributes": (
        "begin the table with the line identity,ATTRIBUTE,...: its first column holds the names of the people"
    ),
    "two_people": "bring two people at least, one with two photos",
    "whole_without_folder": "--whole takes the pictures of a folder per identity as they are",
    # Protocols of an evaluation
    "fewer_enrolled": "enrol fewer people or photos, or leave fewer people out",
    "fewer_folds": "give fewer --folds, or more pairs",
    "fewer_ways": "give fewer --ways (2 or more), or more photos",
    "has_own_folds": "leave --folds out",
    "laxer_threshold": "choose a laxer threshold",
    "more_left_out": "leave more people out",
    "more_people": "bring more people, or ask for a higher rate",
    "more_photos": "bring more photos of the same people, or allow a higher rate",
    "needs_pairs": "verification needs a pairs file or scores; for all pairs of some photos use `faceid calibrate`",
    "needs_people": "{protocol} needs a folder per identity, or the gallery",
    "no_scored_presentation": (
        "photos need a face, clips three frames with one that are some tenths of a second apart"
    ),
    "one_sided_fold": "put comparisons of both kinds in each fold",
    "stricter_threshold": "choose a stricter threshold",
    "two_folds": "give 2 or more",
    # Exploration
    "columns_of_cannot_link": "--cannot-link wants file1,file2 or row1,row2",
    "explore_data_not_found": (
        "DATA is a folder of photos, or of one folder per person, an .npz of `faceid embed`, or `gallery`"
    ),
    "missing_library": install_command("explore"),
    "no_photo_with_a_face": "name photos that show faces",
    "no_umap": "pip install umap-learn, or choose --method tsne",
    "output_suffix": "the suffix of --output selects the format",
}

MESSAGES: Final[Mapping[str, str]] = {
    "images_without_pairs": "--images goes with a pairs file",
    "not_a_cost": "--cost {value:g} is not a cost",
    "not_a_distance": "--threshold {value:g} is not a distance",
    "not_a_rate": "--{option} {value:g} is not a rate",
    "not_a_size": "--identities {value} is no gallery",
    "one_target": "--{first} and --{second} exclude each other",
    "prior_without_cost": "--prior goes with --cost",
    "size_without_fpir": "--identities goes with --fpir",
    "two_folds": "--folds {folds} leaves nothing to choose a threshold on",
    "whole_without_folder": "--whole goes with a folder per identity",
}
