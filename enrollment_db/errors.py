"""The errors of faceid and enrollment_db: one base class, a code for programs, and facts.

FaceIDError                       base of all
├── Refused                       a valid request that the content of the gallery does not allow
├── UsageError                    the request makes no sense, whatever the data
├── GalleryError                  the database cannot be used as asked
└── DatabaseError                 every error of enrollment_db; each is one of the three above as well
    ├── Unusable                  the file system or SQLite failed in a way that has no class of its own
    ├── Missing                   there is no gallery at the path
    ├── Corrupt                   damaged, or not a SQLite file
    │   └── NotAGallery           a SQLite file of another program
    ├── Locked                    another process locks it for longer than the timeout
    ├── ReadOnly                  permissions do not allow to write to it, or to open it
    ├── NewerSchema               written by a newer version
    ├── DiskFull                  the disk is full; the transaction was rolled back
    ├── OtherModel                templates of one network meet a gallery of another
    ├── UnknownIdentity           no such name (Refused)
    ├── UnknownTemplate           no such template id (Refused)
    ├── UnknownPolicy             no policy has this id, or the policy is not active (Refused)
    ├── NameTaken                 another identity has the new name already (Refused)
    ├── BadName                   a name that cannot be stored (UsageError)
    └── BadTemplate               a vector or a hash that cannot be stored

`faceid.errors` adds the errors about input and models. `str(error)` is one line that names the problem. The command
line and the service look up the error's `remedy` and give advice in their own words. An error never leaves a write half
done.
"""

from __future__ import annotations

from typing import ClassVar


class FaceIDError(Exception):
    """Base of all.

    `code` is a stable word for programs. `path` names the input or file at fault, if there is one. `facts` are the
    values that a message or advice may quote. `remedy` is the key under which an interface finds its advice. It
    defaults to `code`.
    """

    default_code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        remedy: str | None = None,
        path: str | None = None,
        **facts: object,
    ) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code or self.default_code
        self.remedy = remedy or self.code
        self.path = path
        self.facts = facts


class Refused(FaceIDError):
    """The request is valid, but the content of the gallery does not allow it."""

    default_code = "refused"


class UsageError(FaceIDError):
    """The request makes no sense, whatever the data."""

    default_code = "usage"


class GalleryError(FaceIDError):
    """The database cannot be used as requested; no write is left half done."""

    default_code = "gallery"


class DatabaseError(FaceIDError):
    """Base of all errors of enrollment_db."""

    default_code = "database"


class Unusable(DatabaseError, GalleryError):
    """The database cannot be opened or used, for a reason that has no class of its own."""


class Missing(DatabaseError, GalleryError):
    """There is no gallery at the path, and the call does not create one."""

    default_code = "database_missing"


class Corrupt(DatabaseError, GalleryError):
    """The file is damaged, or is not a SQLite database."""

    default_code = "database_corrupt"


class NotAGallery(Corrupt):
    """The file is an intact SQLite database of another program."""


class Locked(DatabaseError, GalleryError):
    """Another process locks the database for longer than the timeout."""

    default_code = "database_locked"


class ReadOnly(DatabaseError, GalleryError):
    """Permissions do not allow the operation."""

    default_code = "database_read_only"


class NewerSchema(DatabaseError, GalleryError):
    """The database was written by a newer version than this one."""

    default_code = "database_newer"


class DiskFull(DatabaseError, GalleryError):
    """The disk is full; the whole write was rolled back."""

    default_code = "disk_full"


class OtherModel(DatabaseError, GalleryError):
    """The operation would mix vectors of two networks."""

    default_code = "model_mismatch"


class UnknownIdentity(DatabaseError, Refused):
    """No identity has this name."""

    default_code = "unknown_identity"


class UnknownTemplate(DatabaseError, Refused):
    """No template has this id."""

    default_code = "unknown_template"


class UnknownPolicy(DatabaseError, Refused):
    """There is no policy with this id, or it is not active."""

    default_code = "unknown_policy"


class NameTaken(DatabaseError, Refused):
    """Another identity has the name already."""

    default_code = "name_taken"


class BadName(DatabaseError, UsageError):
    """The name is empty, too long, or contains characters that are not allowed."""

    default_code = "bad_name"


class BadTemplate(DatabaseError, GalleryError):
    """The vector has a wrong shape, is not finite or not of unit length, or the hash is not a SHA-256."""

    default_code = "bad_template"
