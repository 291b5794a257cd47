"""Listing networks costs no tensor library."""

from __future__ import annotations

import subprocess
import sys

from places import ROOT


def test_registry_and_weights_import_the_standard_library_only() -> None:
    program = (
        "import sys; from faceid.networks import registry, weights; registry.cards();"
        "print(*sorted({'torch', 'numpy', 'tflite', 'safetensors'} & set(sys.modules)))"
    )
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_settings_of_a_training_import_the_standard_library_only() -> None:
    program = (
        "import sys; from faceid.networks.training import events, health, settings;"
        "print(*sorted({'torch', 'numpy', 'cv2', 'lightning_fabric'} & set(sys.modules)))"
    )
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
