"""The folder of a run: which run owns it, and which names its network may have."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceid.errors import UsageError
from faceid.networks import registry
from faceid.networks.files import write_whole
from faceid.networks.training.checkpoints import FOLDER

RUN = "run.json"
"""The file that describes a folder's run: a run continues only where it agrees."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def check_name(name: str, output: Path, models_dir: Path) -> None:
    """Raise UsageError for an invalid network name, or one that another network of `models_dir` has."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a network cannot be called {name!r}",
            code="bad_name",
            remedy="name_of_network",
        )
    taken = {*registry.names(models_dir), *registry.liveness_names(), *registry.detection_names(), "fake"}
    # A run that is repeated finds its own network there.
    if name in taken and _of_run(output).get("name") != name:
        raise taken_name(name)


def claim(output: Path, identity: Mapping[str, object]) -> None:
    """Reserve the folder for the run that `identity`, plain values, describes.

    The folder of a run without a checkpoint may be reserved again. Raises UsageError where the folder belongs to
    another run (`other_run`), or cannot be written.
    """
    before = _of_run(output) if (output / FOLDER).is_dir() else {}
    different = [key for key, value in identity.items() if before and before.get(key) != value]
    if different:
        raise UsageError(
            f"{output} holds a run of another kind: {', '.join(different)} differ",
            code="other_run",
            path=str(output),
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
        write_whole(output / RUN, [json.dumps(identity, indent=1).encode()])
    except OSError as error:
        raise unwritable(output, error) from error


def taken_name(name: str) -> UsageError:
    """The error for a name that another network has."""
    return UsageError(
        f"there is a network called {name} already",
        code="name_taken",
        remedy="network_exists",
    )


def unwritable(path: Path, error: OSError) -> UsageError:
    """The error for a folder of a run that cannot be written."""
    return UsageError(
        f"cannot write to {error.filename or path}: {error.strerror or error}",
        code="unwritable",
        path=str(path),
    )


def _of_run(output: Path) -> dict[str, Any]:
    try:
        content = json.loads((output / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
