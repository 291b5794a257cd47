"""`faceid train`: a network of one's own, from a folder per identity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from faceid.cli._options import MinFace, session_of, writable_directory
from faceid.cli._render import plain
from faceid.cli._training import start_of, tell

NAME = "train"


def run(
    context: typer.Context,
    folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER",
            help="A folder of one folder a person, or an archive of them, as for enroll --each-folder.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            metavar="DIR",
            help="Where the run is kept: crops, checkpoints, logs, and what comes out.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="What the network is called from then on, for --model. Default: as DIR is.",
            show_default=False,
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            metavar="light|mobilefacenet|dlib-resnet|inception-resnet-v1",
            help="Train this network from scratch. Default: go on from --model, or from the default network.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="FILE",
            help="Settings as TOML: faceid/networks/training/settings.py shows them all. Options here count more.",
            show_default=False,
        ),
    ] = None,
    dim: Annotated[
        int | None,
        typer.Option(
            "--dim",
            metavar="D",
            help="With --network: the numbers of a template, 8 to 512.",
            show_default=False,
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            "--loss",
            metavar="triplet|contrastive|centre|softmax|arcface|cosface|partial_auc",
            help="The loss. Default: triplet.",
            show_default=False,
        ),
    ] = None,
    mining: Annotated[
        str | None,
        typer.Option(
            "--mining",
            metavar="all|hard|semi_hard|distance_weighted|random|offline_hard|offline_semi_hard",
            help="Which triplets count: of those in a batch, or, offline, of all; then batches are made of them."
            " Default: hard.",
            show_default=False,
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option("--margin", metavar="M", help="The margin of the loss.", show_default=False),
    ] = None,
    people: Annotated[
        int | None,
        typer.Option("--people", metavar="P", help="People in a batch. Default: 16.", show_default=False),
    ] = None,
    photos: Annotated[
        int | None,
        typer.Option(
            "--photos", metavar="K", help="Photos of each in a batch. Default: 4.", show_default=False
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            metavar="N",
            help="Batches to learn from, at most. Default: 2000 from scratch, 500 else.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="R",
            help="The learning rate. Default: 1e-3 from scratch, else 1.5e-3 of what each tensor measures.",
            show_default=False,
        ),
    ] = None,
    frozen: Annotated[
        int | None,
        typer.Option(
            "--frozen",
            metavar="N",
            help="Leave the first N stages of the network as they are.",
            show_default=False,
        ),
    ] = None,
    distillation: Annotated[
        float | None,
        typer.Option(
            "--distillation",
            metavar="W",
            help="How strongly templates are held where the starting network has them. Default: 10; 0 from scratch.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            help="What is drawn at random follows from it. Default: 0.",
            show_default=False,
        ),
    ] = None,
    crops: Annotated[
        Path | None,
        typer.Option(
            "--crops",
            metavar="DIR",
            help="Where aligned faces are kept; several runs may share it. Default: in the run's folder.",
            show_default=False,
        ),
    ] = None,
    multi_face: Annotated[
        str,
        typer.Option(
            "--multi-face",
            metavar="reject|largest",
            help="Of several faces in a photo take none, or the largest where it clearly is.",
        ),
    ] = "reject",
    min_face: MinFace = None,
    processes: Annotated[
        int,
        typer.Option(
            "--processes", metavar="N", min=1, help="Share each batch among N GPUs, or N processes on a CPU."
        ),
    ] = 1,
) -> None:
    """Train a network on people of your own, and make it one for `--model`, calibrated on people it has never seen.

    Nobody is in two of the parts that are trained on, that choose the best step and that calibrate. A run that was cut
    short goes on where it was when it is given again. Needs `pip install "faceid[train]"`.
    """
    from faceid.app import factories
    from faceid.cli._training_bar import TrainingBar
    from faceid.errors import UsageError
    from faceid.runtime import devices
    from faceid.training.run import Order, prepare, require_extra, train

    require_extra()
    if multi_face not in ("reject", "largest"):
        raise UsageError(f"unknown --multi-face {multi_face!r}", remedy="choose", choices="reject or largest")
    session = session_of(context)
    told = session.output
    asked: dict[str, dict[str, Any]] = {
        "network": {"dim": dim, "frozen": frozen},
        "loss": {"name": loss, "mining": mining, "margin": margin},
        "batch": {"people": people, "photos": photos},
        "optimiser": {"rate": rate},
        "schedule": {"steps": steps},
        "distillation": {"weight": distillation},
    }
    start, chosen = start_of(session, network, settings, asked, seed)
    device = devices.resolve_device(session.settings.device)
    devices.require_devices(device, processes)
    order = Order(
        root=folder,
        output=writable_directory(output),
        name=name or output.resolve().name.lower(),
        start=start,
        settings=chosen,
        crops=crops or output / "crops",
        models_dir=session.settings.models_dir,
        multi_face="reject" if multi_face == "reject" else "largest",
        min_face=min_face,
        device=device,
        processes=processes,
    )
    model = session.settings.model or session.settings.default_model
    detector = factories.make_detector(model, device, min_face, runtime=session.settings.runtime)
    with told.progress("looking") as advance:
        ready = prepare(order, detector, factories.make_crew(model, device), advance, told.note)
    result = train(ready, TrainingBar(json=told.json, quiet=told.quiet))
    told.emit({"summary": plain(result)})
    tell(session, result)
    raise typer.Exit(told.exit_code)
