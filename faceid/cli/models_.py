"""`faceid models`: list the networks, fetch their weights and measure them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceid.cli import _models_calibrate
from faceid.cli._options import session_of
from faceid.config import RECOMMENDED_MODEL, write_default_model

NAME = "models"

app = typer.Typer(
    help="List the networks, fetch the weights of one, or measure one on your photos.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def run(context: typer.Context) -> None:
    """List the networks, or fetch the weights of one (`faceid models pull NAME`)."""
    if context.invoked_subcommand is not None:
        return
    from faceid.app.model_list import model_infos

    session = session_of(context)
    infos = list(model_infos(session.settings))
    for info in infos:
        session.output.emit(info)
    # JSON and docs/reference/networks.md have the rest: dimensions, metric, input, source.
    session.output.table(
        ["network", "use", "weights", "thresholds", "licence"],
        [
            (
                info.name,
                ", ".join(word for word in ("default", "recommended") if getattr(info, word)) or info.kind,
                info.weights,
                info.calibration or "",
                f"{info.licence} (--accept-terms)" if info.terms else info.licence,
            )
            for info in infos
        ],
    )


@app.command("pull")
def pull(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="The network: see `faceid models`. Without it, the recommended one."
        ),
    ] = RECOMMENDED_MODEL,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Take the weights from a file instead of the network.",
            show_default=False,
        ),
    ] = None,
    accept_terms: Annotated[
        bool,
        typer.Option("--accept-terms", help="Accept the terms of a network that is for research only."),
    ] = False,
    default: Annotated[bool, typer.Option("--default", help="Make new galleries use this network.")] = False,
) -> None:
    """Fetch, check and keep the weights of one network. An interrupted download continues.

    The sources of the network are tried in order.
    """
    from faceid.networks import registry, weights

    session = session_of(context)
    settings, output = session.settings, session.output
    own = settings.models_dir
    card = registry.card(name, own) if default else registry.any_card(name, own)
    # The error for terms that are not accepted repeats the note.
    if card.licence_note and (card.terms is None or accept_terms):
        output.note(card.licence_note)
    with output.progress(f"pulling {name}") as advance:
        path = weights.pull(
            card,
            settings.weights_dir,
            from_file=from_file,
            progress=advance,
            notify=output.note,
            accept_terms=accept_terms,
            others=registry.any_cards,
        )
    if default:
        write_default_model(settings, name)
    output.emit({"name": name, "status": "installed", "path": str(path), "default": default})
    output.line(f"{name} is installed: {path}")
    if default:
        output.line(f"new galleries will use {name}")


app.command("calibrate")(_models_calibrate.run)
