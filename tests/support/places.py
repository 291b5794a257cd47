"""Where the repository is, what tests carry with them, and where larger test data may lie."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""

OWN_DATA = ROOT / "tests" / "data"
"""Small files that belong to the tests."""

SUPPORT = ROOT / "tests" / "support"

SHARED_DATA = Path(os.environ.get("FACEID_TEST_DATA") or ROOT.parent / "shared" / "data")
"""Real faces and networks, which a fresh clone has not: tests that need them skip where they are absent."""
