"""The named levels of quality, and how many templates are kept where nothing else is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

QUALITY_LEVELS: Mapping[str, float] = MappingProxyType({"off": 0.0, "standard": 0.4, "strict": 0.7})
"""The least quality (0..1, `faceid.recognition.quality`) of a photo that is let in, by the name of the level.

Measured by scripts/studies/check_quality_levels.py. `standard` refuses 0.5 % of LFW View 1 and 2.5 % of CelebA in the
wild. Of photos of LFW it refuses 98 % of those made dark, 40 % of overexposed ones, 86 % of those reduced until the
face is 27 pixels high, 53 % of those blurred by 2 pixels and 100 % by 3 pixels, and 26 % of three-quarter views.
`strict` refuses 5.5 % and 10.5 %, and 92 % of three-quarter views:
at FMR 1e-3 half as many pairs of the CelebA photos that are left are missed (6.6 % for 12.9 %), of LFW hardly fewer.
These are for the crops of the default network; a network that sees smaller ones blurs them itself and hides some.
"""

MAX_TEMPLATES = 10
"""Templates kept of an identity where nothing else is asked for (scripts/studies/compare_template_policies.py)."""
