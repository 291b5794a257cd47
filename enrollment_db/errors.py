"""The errors of faceid and enrollment_db: one base class, a code for programs, and facts.

FaceIDError                       base of all
├── Refused                       valid, but what is in the gallery stands against it
├── UsageError                    the request makes no sense, whatever the data
├── GalleryError                  the database cannot be used as asked
└── DatabaseError                 all that enrollment_db raises; each is one of the three above as well
    ├── Unusable                  the file system or SQLite failed in a way that has no class of its own
    ├── Missing                   there is no gallery at the path
    ├── Corrupt                   damaged, or no SQLite file at all
    │   └── NotAGallery           a SQLite file of another program
    ├── Locked                    another process holds it longer than the timeout
    ├── ReadOnly                  a write, or an opening, that permissions do not allow
    ├── NewerSchema               written by a newer version
    ├── DiskFull                  no room; the transaction was rolled back
    ├── OtherModel                templates of one network offered to, or found in, a gallery of another
    ├── UnknownIdentity           no such name (Refused)
    ├── UnknownTemplate           no such template id (Refused)
    ├── UnknownPolicy             no such policy id, or none that is active (Refused)
    ├── NameTaken                 a rename onto another identity (Refused)
    ├── BadName                   a name that cannot be stored (UsageError)
    └── BadTemplate               a vector or a hash that is not what it must be

`faceid.errors` adds the errors about input and models. `str(error)` is one line that says what is wrong. What to do
about it is said by the command line and the service, each in its own words: they look up the error's `remedy`.
Whatever is raised, nothing was half-written.
"""

from __future__ import annotations

from typing import ClassVar


class FaceIDError(Exception):
    """Base of all.

    `code` is a stable word for programs. `path` names the input or file at fault, where there is one. `facts` are
    the values that a message or a hint may quote. `remedy` is the key under which an interface finds what to do; it
    is the code where one code has one way out.
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
    """Valid, but what is in the gallery stands against it."""

    default_code = "refused"


class UsageError(FaceIDError):
    """The request makes no sense, whatever the data."""

    default_code = "usage"


class GalleryError(FaceIDError):
    """The database cannot be used as asked; nothing was half-written."""

    default_code = "gallery"


class DatabaseError(FaceIDError):
    """Base of all that enrollment_db raises."""

    default_code = "database"


class Unusable(DatabaseError, GalleryError):
    """The database cannot be opened or used, for a reason that has no class of its own."""


class Missing(DatabaseError, GalleryError):
    """There is no gallery at the path, and none was to be created."""

    default_code = "database_missing"


class Corrupt(DatabaseError, GalleryError):
    """The file is damaged, or is no SQLite database."""

    default_code = "database_corrupt"


class NotAGallery(Corrupt):
    """A sound SQLite database that belongs to another program."""


class Locked(DatabaseError, GalleryError):
    """Another process holds the database longer than the timeout."""

    default_code = "database_locked"


class ReadOnly(DatabaseError, GalleryError):
    """Permissions do not allow what was asked."""

    default_code = "database_read_only"


class NewerSchema(DatabaseError, GalleryError):
    """The database was written by a newer version than this one."""

    default_code = "database_newer"


class DiskFull(DatabaseError, GalleryError):
    """There was no room for the write; it was rolled back whole."""

    default_code = "disk_full"


class OtherModel(DatabaseError, GalleryError):
    """Vectors of two networks would have met."""

    default_code = "model_mismatch"


class UnknownIdentity(DatabaseError, Refused):
    """No identity has this name."""

    default_code = "unknown_identity"


class UnknownTemplate(DatabaseError, Refused):
    """No template has this id."""

    default_code = "unknown_template"


class UnknownPolicy(DatabaseError, Refused):
    """There is no policy with this id, or it is not in force."""

    default_code = "unknown_policy"


class NameTaken(DatabaseError, Refused):
    """Another identity has the name already."""

    default_code = "name_taken"


class BadName(DatabaseError, UsageError):
    """A name that is empty, too long, or holds characters that no name has."""

    default_code = "bad_name"


class BadTemplate(DatabaseError, GalleryError):
    """A vector of the wrong shape, not finite or not of unit length, or a hash that is none."""

    default_code = "bad_template"
