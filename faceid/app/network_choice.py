"""The network of a new gallery, and what another choice than the recommended one costs.

All figures come from the calibrations of the cards: shares of photos of enrolled people that are missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceid.config import FALLBACK_MODEL, RECOMMENDED_MODEL, Settings
from faceid.decision.decide import IDENTIFY_FPIR, VERIFY_FMR, Target, policy_for
from faceid.decision.thresholds import fnmr_at_distance
from faceid.errors import UsageError
from faceid.networks import registry
from faceid.results import Problem

if TYPE_CHECKING:
    from faceid.networks.registry import Calibration

MANY_MISSES = 0.10
"""From this share of missed photos on, `enroll` and `identify` say so."""


def network_of_new_gallery(settings: Settings) -> str:
    """The requested network, else the default that the user chose, else the recommended one if its weights are here.

    The size of the weights is checked here, and their hash when they are loaded.
    """
    chosen = settings.model or settings.default_model
    return chosen or (RECOMMENDED_MODEL if recommended_is_here(settings) else FALLBACK_MODEL)


def recommended_is_here(settings: Settings) -> bool:
    """Whether the weights of the recommended network are installed."""
    card = registry.card(RECOMMENDED_MODEL, settings.models_dir)
    return registry.status(card, settings.weights_dir) == "installed"


def fallback_cost(settings: Settings) -> Problem | None:
    """What a new gallery loses without the recommended network; None if it uses that, or one that the user chose."""
    if settings.model or settings.default_model or recommended_is_here(settings):
        return None
    return Problem(
        "fallback_network",
        f"without {RECOMMENDED_MODEL}, faceid uses {FALLBACK_MODEL},"
        f" which {_compared(FALLBACK_MODEL, settings, Target(fmr=VERIFY_FMR))}",
        remedy="pull_recommended",
    )


def many_misses(model: str, identities: int, settings: Settings) -> Problem | None:
    """That searches among so many identities with one template each miss too many photos; None if they do not.

    The threshold is that of FPIR 1 % at this size. The recommended network is named if it misses fewer photos. Raises
    ModelError for an unknown network.
    """
    target = Target(fpir=IDENTIFY_FPIR)
    misses = _misses(model, settings, target, identities)
    if misses is None or misses <= MANY_MISSES:
        return None
    recommended = _misses(RECOMMENDED_MODEL, settings, target, identities)
    words = f"{_with(identities)} {model} {_compared(model, settings, target, identities)}"
    if model == RECOMMENDED_MODEL or recommended is None or recommended >= misses:
        return Problem("many_misses", words)
    return Problem(
        "many_misses",
        words,
        remedy="move_to_recommended" if recommended_is_here(settings) else "pull_and_move",
        facts={"recommended": RECOMMENDED_MODEL},
    )


def in_use(model: str | None, identities: int, settings: Settings) -> str:
    """The network of the gallery, `model`, or of a new gallery, with its figures beside those of the recommended one.

    Raises ModelError for an unknown network.
    """
    name = model or network_of_new_gallery(settings)
    title = " (recommended)" if name == RECOMMENDED_MODEL else ""
    if model is None:
        return f"a new gallery uses {name}{title}, which {_compared(name, settings, Target(fmr=VERIFY_FMR))}"
    compared = _compared(name, settings, Target(fpir=IDENTIFY_FPIR), identities)
    return f"{_with(identities)} {name}{title} {compared}"


def _with(identities: int) -> str:
    many = "identity" if identities == 1 else "identities"
    return f"by the card, with {identities:,} {many} of one template each,"


def _compared(name: str, settings: Settings, target: Target, identities: int | None = None) -> str:
    """`misses 17 % at FMR 1e-4 where mobilefacenet misses 3 %`; the end only if that network is better."""
    rate = (
        f"FMR {target.fmr:.0e}".replace("e-0", "e-")
        if target.fpir is None
        else f"FPIR {target.fpir * 100:g} %"
    )
    misses = _misses(name, settings, target, identities)
    if misses is None:
        return f"has no calibration for {rate}"
    recommended = _misses(RECOMMENDED_MODEL, settings, target, identities)
    words = f"misses {misses * 100:.0f} % at {rate}"
    if name == RECOMMENDED_MODEL or recommended is None or recommended >= misses:
        return words
    return f"{words} where {RECOMMENDED_MODEL} misses {recommended * 100:.0f} %"


def _misses(name: str, settings: Settings, target: Target, identities: int | None) -> float | None:
    """The FNMR of one template at the threshold of `target`; None if it was not measured."""
    calibration: Calibration | None = registry.card(name, settings.models_dir).calibration
    try:
        policy = policy_for(target, calibration, identities=identities)
    except UsageError:
        return None
    return None if calibration is None else fnmr_at_distance(calibration, policy.threshold)
