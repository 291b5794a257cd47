"""Listing networks costs no tensor library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def test_the_command_that_lists_networks_imports_no_tensor_library(tmp_path: Path) -> None:
    program = (
        "import sys; from faceid.cli import main; sys.argv = ['faceid', 'models']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print('heavy:', *sorted({'torch', 'numpy', 'cv2', 'faiss', 'sqlite_utils'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "FACEID_HOME": str(tmp_path)},
    )
    assert "dlib-resnet" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["heavy:"]
