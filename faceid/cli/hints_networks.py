"""What the command line says to do about networks, devices and training, by remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from faceid.distribution import install_command

HINTS: Final[Mapping[str, str]] = {
    # Choices and options
    "choose": "choose {choices}",
    "confirm_removal": "add --yes",
    "size_without_network": "a trained network keeps the size of its templates",
    "usage_help": "see `faceid --help`",
    "internal": "report it with the traceback that FACEID_DEBUG=1 shows",
    "writable_directory": "name a directory that can be written",
    # Cards and weights
    "card_beside_onnx": "describe the network in it, as in faceid/recognition/embed/onnx.py",
    "correct_file": "correct {file}",
    "fetch_elsewhere": (
        "try again later, or fetch {file} elsewhere and run `faceid models pull {model} --from FILE`"
    ),
    "free_megabytes": "free {megabytes:.0f} MB there",
    "interrupted": "run `faceid models pull {model}` again: it goes on where it stopped",
    "makes_no_templates": "choose one of {choices}, or onnx:FILE",
    "no_npm": "install Node.js, or fetch {file} elsewhere and run `faceid models pull {model} --from FILE`",
    "path_of_onnx": "give the path of an ONNX file",
    "pull_weights": "faceid models pull {model}",
    "reinstall_detector": "reinstall it: pip install --force-reinstall --no-deps '{requirement}'",
    "reinstall_package": "pip install --force-reinstall --no-deps {requirement}",
    "restore_file": "put the file back, or name another with onnx:FILE",
    "take_from_file": "fetch {file} elsewhere and run `faceid models pull {model} --from FILE`",
    "unchanged_file": "give the file that the card names, unchanged",
    "unknown_model": "choose one of {choices}, or onnx:FILE; `faceid models` lists them",
    # Runtimes and devices
    "detector_without_gpu": "use --device cpu",
    "fewer_processes": "use --processes with a smaller number",
    "gpu_memory": "stop what else uses the GPU, or use --device cpu",
    "kinds_of_device": "choose auto, cpu, cuda or cuda:N",
    "no_onnxruntime": install_command("onnx"),
    "no_openvino": f"{install_command('openvino')}, or use --runtime torch",
    "no_such_gpu": "use --device cpu, or check the driver with `faceid doctor`",
    "onnx_by_its_runtime": f"run it as onnx:FILE, after {install_command('onnx')}",
    "onnxruntime_for_gpu": "pip install onnxruntime-gpu in place of onnxruntime, or use --device cpu",
    "openvino_on_cpu": "use --device cpu, or --runtime torch",
    # Losses, batches and training settings
    "collapsed": "choose semi-hard mining (loss.mining), the soft form (loss.form) or a lower optimiser.rate",
    "diverged": "choose a lower optimiser.rate, or optimiser.clip = 1.0",
    "fewer_stages": "the network has {stages} stages",
    "mask_needs_landmarks": "set augmentation.mask = 0.0",
    "mining_of_another_loss": "use the loss triplet, or mining {choices}",
    "more_people_or_photos": "add people, or photos",
    "nothing_to_mine": "choose mining within batches (loss.mining) or a lower optimiser.rate",
    "settings_of_loss": "it takes {taken}",
    "smaller_batches": "choose fewer identities per batch, or add photos",
    "soft_form": "leave the margin out, or use hinge",
    "trainable_backbones": "start from a network with a backbone {choices}",
    "two_or_more_each": "choose 2 or more of both",
    "usual_angle": "the paper's is 0.5 (28.6 degrees)",
    "usual_bits": "64 is usual",
    "usual_shares": "0.1 and 0.1 are usual",
    "weighted_form": "leave mining out, or use the form hinge or soft",
    # Runs of training
    "delete_checkpoint": "delete it: training then goes on from the checkpoint before",
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
