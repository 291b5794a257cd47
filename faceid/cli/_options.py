"""Options of several commands, and the session that the global options describe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceid.config import Settings

if TYPE_CHECKING:
    from faceid.app.faceid import FaceID
    from faceid.cli._render import Output
    from faceid.recognition.subject import SubjectRule

# typer reads annotations at run time: Optional[...] where Python 3.10's typer cannot take `X | None` aliases.
Threshold = Annotated[
    float | None,
    typer.Option("--threshold", metavar="T", help="Match at this distance or closer.", show_default=False),
]
Fmr = Annotated[
    float | None,
    typer.Option(
        "--fmr",
        metavar="F",
        help="The false match rate (FMR): the share of non-mated comparisons that match.",
        show_default=False,
    ),
]
FmrAlike = Annotated[
    float | None,
    typer.Option(
        "--fmr-alike",
        metavar="F",
        help="The FMR among people who are alike: of one sex and group, or as the calibration chose them.",
        show_default=False,
    ),
]
Fpir = Annotated[
    float | None,
    typer.Option(
        "--fpir",
        metavar="F",
        help="The false positive identification rate (FPIR): the share of non-mated searches that return a name.",
        show_default=False,
    ),
]
MinFace = Annotated[
    float | None,
    typer.Option(
        "--min-face",
        metavar="PX",
        min=12,
        help="The smallest face to find, in pixels. Default: 40, or 1/50 of the longest side if that is more.",
        show_default=False,
    ),
]
Subject = Annotated[
    str,
    typer.Option(
        "--subject",
        metavar="largest|centre|only",
        help="With several faces in a photo, take the one that is clearly the most prominent, the one nearest the "
        "middle, or none.",
    ),
]
MultiFace = Annotated[str | None, typer.Option("--multi-face", hidden=True)]
"""The former name of `--subject`, with `reject` for `only`."""
Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        help="Files, directories (walked recursively), or - for one image on stdin.",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


@dataclass(frozen=True, slots=True)
class Session:
    """The options before the command, read once."""

    settings: Settings
    output: Output

    def open(self, *, min_face: float | None = None) -> FaceID:
        """The system, ready for this command."""
        from faceid.app.faceid import FaceID

        return FaceID(
            settings=self.settings, min_face=min_face, notify=self.output.note, advise=self.output.advise
        )


def make_session(
    *,
    db: str | None,
    model: str | None,
    device: str,
    detector: str | None,
    runtime: str | None,
    json: bool,
    quiet: bool,
) -> Session:
    """Read settings and environment, once. Raises UsageError."""
    from faceid.cli._render import Output

    settings = Settings.load(db=db, model=model, device=device, detector=detector, runtime=runtime)
    return Session(settings, Output(json=json, quiet=quiet))


def session_of(context: typer.Context) -> Session:
    """The session that the options before the command made."""
    session = context.obj
    assert isinstance(session, Session)
    return session


def subject_from(asked: str, *, former: str | None = None, all_photos: bool = False) -> SubjectRule:
    """The rule that `--subject` names, or `--multi-face`, its `former` name, if that is given.

    `all_photos`: the command knows all photos of a person. Raises UsageError.
    """
    from faceid.recognition.subject import ONE_PHOTO, RULES, checked_rule

    if former is not None:
        asked = "only" if former == "reject" else former
    return checked_rule(asked, RULES if all_photos else ONE_PHOTO)


def writable_directory(value: Path) -> Path:
    """The directory `value`, created if necessary. Raises UsageError if it cannot hold files."""
    from faceid.errors import UsageError

    try:
        value.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot write to {value}: {error.strerror}",
            remedy="writable_directory",
            path=str(value),
        ) from error
    return value
