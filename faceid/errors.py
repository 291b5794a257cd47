"""Everything that faceid raises.

FaceIDError
├── Refused             valid, but the gallery has no such identity or template, or has the name already
├── UsageError          the request makes no sense, whatever the data
├── InputError          no usable input
│   ├── UnreadableImage    the bytes are not a picture that may be decoded
│   ├── FaceCountError     no face, or several where one is needed
│   └── PhotoRefused       a face, but too small, too poor or another person's
├── GalleryError        the database: missing, locked, corrupt, of another model, full
└── ModelError          weights or device: missing, altered, unusable
    └── DeviceError

The base and the errors of a gallery are those of `enrollment_db.errors`. Each carries a reason `code` for programs
and facts; words for people and exit codes belong to `faceid.cli`.
"""

from __future__ import annotations

from enrollment_db.errors import FaceIDError, GalleryError, Refused, UsageError

__all__ = [
    "LOOSE_PHOTO",
    "DeviceError",
    "FaceCountError",
    "FaceIDError",
    "GalleryError",
    "InputError",
    "ModelError",
    "PhotoRefused",
    "Refused",
    "UnreadableImage",
    "UsageError",
    "implausible_pose",
    "not_one_face",
]

LOOSE_PHOTO = "loose_photo"
"""The code of the error for a photo of an archive that lies in no person's folder."""


class InputError(FaceIDError):
    """No usable input."""

    default_code = "no_input"


class UnreadableImage(InputError):
    """The bytes are not a picture that may be decoded; the message says why."""

    default_code = "unreadable"


class FaceCountError(InputError):
    """No face (`no_face`), or several where one is needed (`multiple_faces`)."""

    default_code = "no_face"


class PhotoRefused(InputError):
    """A face that must not be enrolled; one of an implausible pose cannot be compared either.

    The codes are `face_too_small`, `low_quality`, `too_dark`, `implausible_pose` and `identity_conflict`.
    """

    default_code = "low_quality"


class ModelError(FaceIDError):
    """Weights are missing, altered or of no known form."""

    default_code = "model"


class DeviceError(ModelError):
    """The device that was asked for cannot be used."""

    default_code = "device"


def implausible_pose(path: str) -> PhotoRefused:
    """The error for a face that no aligner can bring upright."""
    return PhotoRefused(
        "the landmarks are not those of a face that can be brought upright",
        code="implausible_pose",
        path=path,
    )


NEARLY_BLACK = "no face found, and the picture is nearly black"


def not_one_face(count: int, path: str, *, dark: bool = False) -> FaceCountError:
    """The error for `count` faces where one is needed; `dark` tells why there may be none."""
    if count:
        return FaceCountError(
            f"{count} faces where one is needed",
            code="multiple_faces",
            path=path,
        )
    if dark:
        return FaceCountError(NEARLY_BLACK, code="no_face", remedy="too_dark", path=path)
    return FaceCountError("no face found", code="no_face", path=path)
