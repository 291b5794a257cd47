"""Listing networks costs no tensor library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_registry_and_weights_import_the_standard_library_only() -> None:
    program = (
        "import sys; from models import registry, weights; registry.cards();"
        "print(*sorted({'torch', 'numpy', 'tflite', 'safetensors', 'faceid'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_settings_of_a_training_import_the_standard_library_only() -> None:
    program = (
        "import sys; from models.training import events, health, settings;"
        "print(*sorted({'torch', 'numpy', 'cv2', 'lightning_fabric', 'faceid'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
