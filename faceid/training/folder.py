"""A run's folder: whose it is, and what its network may be called."""

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
"""What a folder's run is of, by which it is known whether it may go on."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def check_name(name: str, output: Path, models_dir: Path) -> None:
    """Raise UsageError for a name that no network can have, or that another network of `models_dir` has."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a network cannot be called {name!r}",
            code="bad_name",
            remedy="name_of_network",
        )
    taken = {*registry.names(models_dir), *registry.liveness_names(), "fake"}
    # A run that is repeated finds its own network there.
    if name in taken and _of_run(output).get("name") != name:
        raise taken_name(name)


def claim(output: Path, identity: Mapping[str, object]) -> None:
    """Make the folder that of a run which is known by `identity`, plain values.

    A run that never came to its first checkpoint has nothing to lose: its folder may go to another. Raises UsageError
    where it is another's already (`other_run`), or cannot be written.
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
