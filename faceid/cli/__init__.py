"""The command line: parse, call, print. Each command has one file; this one joins them and prints errors."""

from __future__ import annotations

import inspect
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from faceid.cli import (
    calibrate,
    compare,
    doctor,
    embed,
    enroll,
    evaluate,
    explore,
    export_,
    gallery_health,
    identify,
    import_,
    index_,
    list_,
    live,
    models_,
    people,
    policy,
    reembed,
    remove,
    rename,
    show,
    train,
    verify,
)
from faceid.cli._options import make_session
from faceid.cli.messages import EXIT_INTERNAL, exit_code_of
from faceid.distribution import VERSION
from faceid.errors import FaceIDError

if TYPE_CHECKING:
    from faceid.cli._render import Output

app = typer.Typer(
    name="faceid",
    help="Face verification and enrolment with thresholds you can answer for.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

for command in (
    enroll,
    identify,
    verify,
    compare,
    live,
    list_,
    show,
    rename,
    remove,
    import_,
    export_,
    embed,
    reembed,
    calibrate,
    gallery_health,
    train,
    doctor,
):
    app.command(command.NAME)(command.run)
app.add_typer(evaluate.app, name=evaluate.NAME)
app.add_typer(explore.app, name=explore.NAME)
app.add_typer(models_.app, name=models_.NAME)
app.add_typer(index_.app, name=index_.NAME)
app.add_typer(policy.app, name=policy.NAME)
app.add_typer(people.app, name=people.NAME)


def _help_in_paragraphs(commands: typer.Typer) -> None:
    """Let each paragraph of help fill the terminal: the source's line breaks do not fit its width."""
    for command in commands.registered_commands:
        text = inspect.getdoc(command.callback) if command.callback else None
        command.help = "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n"))
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            _help_in_paragraphs(group.typer_instance)


_help_in_paragraphs(app)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"faceid {VERSION}")
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    db: Annotated[
        str | None,
        typer.Option(
            "--db",
            metavar="PATH|URL",
            help="The gallery: a file, or the URL of a database such as sqlite:///path."
            " Default: $FACEID_DB, else in the user data directory.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="The network: see `faceid models`. Default: the gallery's own.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", metavar="auto|cpu|cuda|cuda:N", help="Where networks run.")
    ] = "auto",
    detector: Annotated[
        str | None,
        typer.Option(
            "--detector",
            metavar="auto|mtcnn|yunet",
            help="What finds faces; yunet-n and the detectors of installed packages too. Default: $FACEID_DETECTOR,"
            " else auto: a YuNet that is pulled, else mtcnn.",
            show_default=False,
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime",
            metavar="auto|torch|openvino",
            help="What runs networks on a CPU. Default: $FACEID_RUNTIME, else auto.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no progress and no notes, only errors.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = make_session(
        db=db, model=model, device=device, detector=detector, runtime=runtime, json=json, quiet=quiet
    )


def main() -> None:
    """The console script `faceid`. It ends the process with an exit code of docs/reference/errors.md."""
    from faceid.runtime.process import tune_process

    tune_process()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; an error is one line on stderr."""
    from faceid.cli._render import Output
    from faceid.errors import UsageError

    output = Output(json="--json" in arguments)
    try:
        code = app(arguments, prog_name="faceid", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        if message := error.format_message():
            _report(output, UsageError(message, remedy="usage_help"))
        return 2
    except FaceIDError as error:
        if os.environ.get("FACEID_DEBUG") == "1":
            raise
        _report(output, error)
        return exit_code_of(error)
    except (KeyboardInterrupt, typer.Abort):
        output.note("interrupted")
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has closed the pipe.
        _give_up_stdout()
        return 0
    except Exception as error:
        if os.environ.get("FACEID_DEBUG") == "1":
            raise
        _report(output, FaceIDError(f"internal error: {type(error).__name__}: {error}", code="internal"))
        return EXIT_INTERNAL


def _report(output: Output, error: FaceIDError) -> None:
    try:
        output.error(error)
    except OSError:
        # The line on stderr comes first. Where stdout takes no more, the exit code still says what happened.
        _give_up_stdout()


def _give_up_stdout() -> None:
    """Let nothing be flushed at exit into a pipe that is closed, or onto a disk that is full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
