"""The words beside a face and above the picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceid.live.liveness.state import Liveness
    from faceid.live.view import Shown, View

_PROMPTS = {
    # `Action` means left and right in the camera's picture; for the person they are reversed.
    "turn_left": "turn your head to your right",
    "turn_right": "turn your head to your left",
    "nod": "nod your head",
    "approach": "come nearer",
    "look_straight": "look straight at the camera",
}


def who(shown: Shown, claim: str | None) -> str:
    """The decision in words: a name, `unknown`, `checking`, `not NAME` for a claim, or `spoof`.

    A question mark follows if the last look contradicts the others.
    """
    if shown.liveness is not None and shown.liveness.state == "spoof":
        reason = shown.liveness.reason
        return "spoof" if reason is None else f"spoof: {_spaced(reason)}"
    outcome = shown.outcome
    if outcome.state == "undecided":
        words = "checking"
    elif outcome.state == "unknown":
        words = "unknown"
    elif outcome.state == "rejected":
        words = "rejected" if claim is None else f"not {claim}"
    else:
        words = outcome.name or claim or outcome.state
    return f"{words} ?" if outcome.doubted else words


def liveness_words(liveness: Liveness) -> str:
    """`live`, `live?` during the check, or `not live`, and the score if there is one."""
    word = {"live": "live", "checking": "live?", "spoof": "not live"}[liveness.state]
    return word if liveness.score is None else f"{word} {liveness.score:.2f}"


def distance_words(distance: float, threshold: float) -> str:
    """A distance against its threshold."""
    return f"{distance:.2f} / {threshold:.2f}"


def prompt(asked: str) -> str:
    """The request of a challenge, with left and right as the person sees them.

    This is right for a mirrored and an unmirrored display, if the camera itself does not mirror.
    """
    return _PROMPTS.get(asked, _spaced(asked))


def claim_words(view: View) -> str | None:
    """The claim, and its state for the faces in sight; None without a claim."""
    if view.claim is None:
        return None
    if view.lost is not None:
        return f"claim {view.claim}"
    states = {shown.outcome.state for shown in view.people}
    if "accepted" in states:
        standing = "accepted"
    elif not states:
        standing = "no face in sight"
    elif all(
        shown.outcome.state == "rejected" or (shown.liveness is not None and shown.liveness.state == "spoof")
        for shown in view.people
    ):
        standing = "rejected"
    else:
        standing = "checking"
    return f"claim {view.claim}: {standing}"


def rate_words(fps: float) -> str:
    """Frames a second, finer where there are few."""
    if not math.isfinite(fps):
        return "- fps"
    return f"{fps:.1f} fps" if fps < 9.95 else f"{fps:.0f} fps"


def _spaced(word: str) -> str:
    return word.replace("_", " ")
