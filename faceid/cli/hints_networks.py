"""What to do about errors of networks, cards, settings and files of policies: remedy -> hint, with its facts."""

from __future__ import annotations

from faceid.errors import FaceIDError

HINTS: dict[str, str] = {
    "arcface_margin": "the paper uses 0.5 (28.6 degrees)",
    "bad_plugin": "update or uninstall the package of {value}",
    "calibrate_this_model": "calibrate this model: the threshold of another model does not apply to it",
    "choose_another_place": "choose another place",
    "choose_model": "choose one of {known}, or onnx:FILE",
    "correct_card": "correct the model card",
    "correct_or_delete_file": "correct or delete the file",
    "describe_onnx": "describe the network in it: models/README.md lists the keys",
    "export_policies": "`faceid policy export` writes such files",
    "file_or_card": "get the file again, or correct sha256 in the card",
    "free_space": "free {megabytes} MB there",
    "give_card_file": "give the file that the card names, unchanged",
    "known_keys": "known are {known}",
    "loss_takes": "it takes {takes}",
    "make_writable": "make the directory writable",
    "margin_or_hinge": "leave the margin out, or use hinge",
    "mining_or_form": "leave mining out, or use the form hinge or soft",
    "name_onnx_file": "give the path of an ONNX file",
    "not_torch": "onnx:FILE is run by ONNX Runtime",
    "one_of": "choose one of {known}",
    "pull_model": "faceid models pull {model}",
    "put_file_back": "put the file back, or name another with onnx:FILE",
    "reinstall_package": "pip install --force-reinstall --no-deps {package}",
    "set_policy": "activate one with `faceid policy set`",
    "sqlite_url": "give a path or a URL of the form sqlite:///path",
    "triplet_or_online_mining": "use the loss triplet, or mining {known}",
    "unknown_liveness_model": "choose one of {known}",
    "unknown_model": "choose one of {known}, or onnx:FILE; `faceid models` lists them",
    "usual_bits": "64 is usual",
}


def hint_of(error: FaceIDError) -> str | None:
    """What the user can do about `error`; None where there is nothing to say."""
    if error.hint is not None or error.remedy not in HINTS:
        return error.hint
    return HINTS[error.remedy].format(**error.facts)
