"""Everything that faceid raises.

FaceIDError
├── Refused             1  valid, but the gallery has no such identity or template, or has the name already
├── UsageError          2  the request makes no sense, whatever the data
├── InputError          3  no usable input
│   ├── UnreadableImage    the bytes are not a picture that may be decoded
│   ├── FaceCountError     no face, or several where one is needed
│   └── PhotoRefused       a face, but too small, too poor or somebody else's
├── GalleryError        4  the database: missing, locked, corrupt, of another model, full
└── ModelError          5  weights or device: missing, altered, unusable
    └── DeviceError

Each carries the exit code of the command line (the number above), a reason `code` for programs, and a `hint`
that says what to do. `str(error)` is one line without the hint.
"""

from __future__ import annotations

from typing import ClassVar


class FaceIDError(Exception):
    """Base of all. `path` names the input or file at fault, where there is one."""

    exit_code: ClassVar[int] = 1
    default_code: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str | None = None, path: str | None = None
    ) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code or self.default_code
        self.hint = hint
        self.path = path


class Refused(FaceIDError):
    """Valid, but the gallery's contents stand against it."""

    exit_code = 1
    default_code = "refused"


class UsageError(FaceIDError):
    """The request makes no sense, whatever the data."""

    exit_code = 2
    default_code = "usage"


class InputError(FaceIDError):
    """No usable input."""

    exit_code = 3
    default_code = "no_input"


class UnreadableImage(InputError):
    """The bytes are not a picture that may be decoded; the message says why."""

    default_code = "unreadable"


class FaceCountError(InputError):
    """No face (`no_face`), or several where one is needed (`multiple_faces`)."""

    default_code = "no_face"


class PhotoRefused(InputError):
    """A face that must not be enrolled: `face_too_small`, `low_quality` or `identity_conflict`."""

    default_code = "low_quality"


class GalleryError(FaceIDError):
    """The database cannot be used as asked; nothing was half-written."""

    exit_code = 4
    default_code = "gallery"


class ModelError(FaceIDError):
    """Weights are missing, altered or of no known form."""

    exit_code = 5
    default_code = "model"


class DeviceError(ModelError):
    """The device that was asked for cannot be used."""

    default_code = "device"


def not_one_face(count: int, path: str) -> FaceCountError:
    """The error for `count` faces where one is needed."""
    if count:
        return FaceCountError(
            f"{count} faces where one is needed",
            code="multiple_faces",
            hint="crop the photo to one person",
            path=path,
        )
    return FaceCountError("no face found", code="no_face", hint="use a photo that shows a face", path=path)
