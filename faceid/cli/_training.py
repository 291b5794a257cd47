"""The parts of `faceid train` before and after the training: the start, the settings, and the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceid.cli._options import Session
from faceid.cli._render import counted

if TYPE_CHECKING:
    from faceid.networks.training.settings import TrainSettings
    from faceid.networks.training.starts import Start
    from faceid.results import TrainResult


def start_of(
    session: Session,
    network: str | None,
    file: Path | None,
    asked: dict[str, dict[str, Any]],
    seed: int | None,
) -> tuple[Start, TrainSettings]:
    """The starting network and the settings: options take precedence over the file, and the file over defaults."""
    from dataclasses import replace

    from faceid.app.network_choice import network_of_new_gallery
    from faceid.errors import UsageError
    from faceid.networks import registry
    from faceid.networks.training.settings import FINE_TUNING, FROM_SCRATCH, read_settings
    from faceid.networks.training.starts import Scratch, Trained, trainable

    settings = FINE_TUNING if network is None else FROM_SCRATCH
    given = {
        name: {key: value for key, value in section.items() if value is not None}
        for name, section in asked.items()
    }
    if network is None and "dim" in given["network"]:
        raise UsageError("--dim goes with --network", remedy="size_without_network")
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {file}: {error}", path=str(file)) from error
        settings = read_settings(text, str(file), settings)
    settings = settings.changed(given)
    if seed is not None:
        settings = replace(settings, seed=seed)
    if network is not None:
        return Scratch(trainable(network), settings.network, settings.seed), settings
    own = session.settings
    card = registry.weighted_card(network_of_new_gallery(own), own.models_dir)
    return Trained(card, own.weights_dir), settings


def tell(session: Session, result: TrainResult) -> None:
    """Print the outcome of a training, and count it for the exit code."""
    from faceid.decision.decide import VERIFY_FMR

    output = session.output
    output.line(
        f"{counted(result.steps, 'step')} on {counted(result.trained_on, 'person', 'people')};"
        f" TMR at FMR 1e-3 on {result.validated_on:,} others: {result.start_tmr:.4f} at the start,"
        f" {result.best_tmr:.4f} at step {result.best_step:,}"
    )
    if result.status == "no_gain":
        output.count(1)
        output.line("no step did better than the start, so there is no new network")
        output.note("look at the log; try a lower --rate, other people, or photos that the start fails on")
        return
    before = "" if result.tmr_before is None else f", where {result.start} has {result.tmr_before:.4f}"
    output.line(
        f"{result.name} is there: {result.tmr:.4f} on {result.calibrated_on:,} people who took no part{before}"
    )
    if result.least_fmr is not None and result.least_fmr > VERIFY_FMR:
        output.note(
            f"so few people cannot tell thresholds below FMR {result.least_fmr:g}: ask for --fmr {result.least_fmr:g},"
            " or measure it on more, with `faceid calibrate --put`"
        )
    output.note(
        f"use it with `faceid --model {result.name}`, or move a gallery: `faceid re-embed --to {result.name}`"
    )
