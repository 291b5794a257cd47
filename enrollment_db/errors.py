"""Everything that enrollment_db raises.

DatabaseError                 the gallery file cannot be used as asked
├── Missing                   there is no gallery at the path
├── Corrupt                   damaged, or no SQLite file at all
│   └── NotAGallery           a SQLite file of another program
├── Locked                    another process holds it longer than the timeout
├── ReadOnly                  a write, or an opening, that permissions do not allow
├── NewerSchema               written by a newer version
├── DiskFull                  no room; the transaction was rolled back
├── OtherModel                templates of one network offered to, or found in, a gallery of another
├── UnknownIdentity           no such name
├── UnknownTemplate           no such template id
├── UnknownPolicy             no such policy id, or none that is in force
├── NameTaken                 a rename onto another identity
├── BadName                   a name that cannot be stored
└── BadTemplate               a vector or a hash that is not what it must be

Each carries a reason `code` for programs, a `hint` that says what to do and the `path` of the database.
`str(error)` is one line without the hint. Whatever is raised, nothing was half-written.
"""

from __future__ import annotations

from typing import ClassVar


class DatabaseError(Exception):
    """Base of all."""

    default_code: ClassVar[str] = "database"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str | None = None, path: str | None = None
    ) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code or self.default_code
        self.hint = hint
        self.path = path


class Missing(DatabaseError):
    """There is no gallery at the path, and none was to be created."""

    default_code = "database_missing"


class Corrupt(DatabaseError):
    """The file is damaged, or is no SQLite database."""

    default_code = "database_corrupt"


class NotAGallery(Corrupt):
    """A sound SQLite database that belongs to another program."""


class Locked(DatabaseError):
    """Another process holds the database longer than the timeout."""

    default_code = "database_locked"


class ReadOnly(DatabaseError):
    """Permissions do not allow what was asked."""

    default_code = "database_read_only"


class NewerSchema(DatabaseError):
    """The database was written by a newer version than this one."""

    default_code = "database_newer"


class DiskFull(DatabaseError):
    """There was no room for the write; it was rolled back whole."""

    default_code = "disk_full"


class OtherModel(DatabaseError):
    """Vectors of two networks would have met."""

    default_code = "model_mismatch"


class UnknownIdentity(DatabaseError):
    """No identity has this name."""

    default_code = "unknown_identity"


class UnknownTemplate(DatabaseError):
    """No template has this id."""

    default_code = "unknown_template"


class UnknownPolicy(DatabaseError):
    """There is no policy with this id, or it is not in force."""

    default_code = "unknown_policy"


class NameTaken(DatabaseError):
    """Another identity has the name already."""

    default_code = "name_taken"


class BadName(DatabaseError):
    """A name that is empty, too long, or holds characters that no name has."""

    default_code = "bad_name"


class BadTemplate(DatabaseError):
    """A vector of the wrong shape, not finite or not of unit length, or a hash that is none."""

    default_code = "bad_template"
