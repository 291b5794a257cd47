"""`docs/generate.py` as a module."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from places import ROOT


def load_generator() -> ModuleType:
    """The generator of the reference pages, which no package holds."""
    specification = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
