"""Where a database is: what a user gives, read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a database is, as a user named it: by a URL, or by the path of an SQLite file."""

    url: str = field(repr=False)
    """What the opener of the scheme gets. It may hold a password."""
    scheme: str
    file: Path | None
    """The SQLite file; None for a database of another scheme."""

    @classmethod
    def of(cls, location: str | Path | DatabaseAddress) -> DatabaseAddress:
        """The address that a URL or a path gives. Opens nothing, and does not ask whether the scheme is known."""
        if isinstance(location, DatabaseAddress):
            return location
        scheme = _scheme_of(location)
        return cls(str(location), scheme, sqlite_path(location) if scheme == "sqlite" else None)

    def __str__(self) -> str:
        """For messages: the file, or the URL without a password and without options."""
        if self.file is not None:
            return str(self.file)
        scheme, _, rest = self.url.partition("://")
        place = rest.partition("?")[0].partition("#")[0]
        user, at, host = place.rpartition("@")
        return f"{scheme}://{user.partition(':')[0]}{at}{host}"


def _scheme_of(url: str | Path) -> str:
    """The scheme of a URL; `sqlite` for a plain path."""
    scheme, separator, _ = str(url).partition("://")
    return scheme if separator and not isinstance(url, Path) else "sqlite"


def sqlite_path(url: str | Path) -> Path:
    """The file of a SQLite URL or a plain path. As in SQLAlchemy: sqlite:///relative and sqlite:////absolute."""
    _, separator, rest = str(url).partition("://")
    if isinstance(url, Path) or not separator:
        return Path(url).expanduser()
    return Path(rest.removeprefix("/")).expanduser()
