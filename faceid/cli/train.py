"""`faceid train`: train a network on a folder per identity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from faceid.cli._options import MinFace, MultiFace, Subject, session_of, subject_from, writable_directory
from faceid.cli._render import plain
from faceid.cli._training import start_of, tell

NAME = "train"


def run(
    context: typer.Context,
    folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER",
            help="A folder with one folder per person, or an archive of it, as for enroll --each-folder.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            metavar="DIR",
            help="The run's folder: crops, checkpoints, logs and the result.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="The name of the new network, for --model. Default: the name of DIR.",
            show_default=False,
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            metavar="light|mobilefacenet|dlib-resnet|inception-resnet-v1",
            help="Train this network from scratch. Default: fine-tune --model, or the network of a new gallery.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="FILE",
            help="Settings as TOML: faceid/networks/training/settings.py shows them all. Options take precedence.",
            show_default=False,
        ),
    ] = None,
    dim: Annotated[
        int | None,
        typer.Option(
            "--dim",
            metavar="D",
            help="With --network: the dimension of a template, 8 to 512.",
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
            help="Which triplets train: those of a batch, or, offline, those of all photos. Default: hard.",
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
            "--photos", metavar="K", help="Photos of each person in a batch. Default: 4.", show_default=False
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            metavar="N",
            help="The greatest number of batches. Default: 2000 from scratch, else 500.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="R",
            help="The learning rate. Default: 1e-3 from scratch, else 1.5e-3 relative to each tensor's size.",
            show_default=False,
        ),
    ] = None,
    frozen: Annotated[
        int | None,
        typer.Option(
            "--frozen",
            metavar="N",
            help="Keep the first N stages of the network unchanged.",
            show_default=False,
        ),
    ] = None,
    distillation: Annotated[
        float | None,
        typer.Option(
            "--distillation",
            metavar="W",
            help="How strongly templates are held near those of the starting network. Default: 10; 0 from scratch.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            help="Seed of all random draws. Default: 0.",
            show_default=False,
        ),
    ] = None,
    crops: Annotated[
        Path | None,
        typer.Option(
            "--crops",
            metavar="DIR",
            help="The folder for aligned faces; several runs may share it. Default: in the run's folder.",
            show_default=False,
        ),
    ] = None,
    subject: Subject = "largest",
    multi_face: MultiFace = None,
    min_face: MinFace = None,
    processes: Annotated[
        int,
        typer.Option(
            "--processes", metavar="N", min=1, help="Share each batch among N GPUs, or N processes on a CPU."
        ),
    ] = 1,
) -> None:
    """Train a network on your own people for use with `--model`, and calibrate it on separate people.

    Three separate groups of people train the network, choose the best step and calibrate. An interrupted run
    continues when the command is repeated. Needs `pip install "faceid-verify[train]"`.
    """
    from faceid.app import factories
    from faceid.app.detector_choice import chosen_detector, note_of_choice
    from faceid.app.network_choice import network_of_new_gallery
    from faceid.cli._training_bar import TrainingBar
    from faceid.runtime import devices
    from faceid.training.run import Order, prepare, require_extra, train

    require_extra()
    rule = subject_from(subject, former=multi_face)
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
    model = network_of_new_gallery(session.settings)
    order = Order(
        root=folder,
        output=writable_directory(output),
        name=name or output.resolve().name.lower(),
        start=start,
        settings=chosen,
        crops=crops or output / "crops",
        models_dir=session.settings.models_dir,
        subject=rule,
        min_face=min_face,
        detector=chosen_detector(model, session.settings),
        device=device,
        processes=processes,
    )
    if note := note_of_choice(order.detector, session.settings):
        told.note(note)
    detector = factories.make_detector(
        model,
        device,
        min_face,
        runtime=session.settings.runtime,
        detector=order.detector,
        weights_dir=session.settings.weights_dir,
    )
    with told.progress("looking") as advance:
        ready = prepare(order, detector, factories.make_crew(model, device), advance, told.note)
    result = train(ready, TrainingBar(json=told.json, quiet=told.quiet))
    told.emit({"summary": plain(result)})
    tell(session, result)
    raise typer.Exit(told.exit_code)
