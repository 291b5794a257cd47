"""Face verification and enrolment with thresholds you can answer for.

from faceid import FaceID

with FaceID(db="gallery.db") as system:
    system.enroll("alice", ["alice1.jpg", "alice2.jpg"])
    print(system.identify("frame.jpg"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faceid.app.faceid import FaceID
    from faceid.decision.decide import Target
    from faceid.enrolment.rules import EnrolmentRules

__all__ = ["EnrolmentRules", "FaceID", "Target"]


def __getattr__(name: str) -> Any:
    # `import faceid` stays cheap: NumPy and the rest load with the first use.
    if name == "FaceID":
        from faceid.app.faceid import FaceID

        return FaceID
    if name == "EnrolmentRules":
        from faceid.enrolment.rules import EnrolmentRules

        return EnrolmentRules
    if name == "Target":
        from faceid.decision.decide import Target

        return Target
    raise AttributeError(f"module 'faceid' has no attribute {name!r}")
