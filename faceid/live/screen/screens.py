"""The interface of a screen, several screens as one, and the files that screens make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TypeAlias

from enrollment_db.files import create_new
from faceid.errors import UsageError

if TYPE_CHECKING:
    from faceid.live.view import View
    from faceid.types import Pixels

Draw: TypeAlias = Callable[["View"], "Pixels"]
"""Makes the annotated picture of a view, (H, W, 3) RGB uint8, which nothing changes: `Annotator`, or a function of a
test.
"""


class Screen(Protocol):
    """A window, a recording, a server, a directory of snapshots. Used by one thread."""

    def show(self, view: View) -> bool:
        """Show the next view, or the same again; False if the user wants to end."""
        ...

    def close(self) -> None:
        """Finish open files and release resources. A second call does nothing."""
        ...


class Screens:
    """Several screens as one. The end of a `with` closes them all, also if one of them fails to close."""

    def __init__(self, screens: Sequence[Screen] = ()) -> None:
        self._screens: list[Screen] = []
        self._open = ExitStack()
        for screen in screens:
            self.add(screen)

    def add(self, screen: Screen) -> None:
        """Show on `screen` as well from now on, and close it with the others."""
        self._screens.append(screen)
        self._open.callback(screen.close)

    def __enter__(self) -> Screens:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def show(self, view: View) -> bool:
        """Show on all; False if the user wants to end on any of them."""
        going_on = True
        for screen in self._screens:
            going_on = screen.show(view) and going_on
        return going_on

    def close(self) -> None:
        """Close all, the last first."""
        self._open.close()


def create_fresh(directory: Path, stem: str, suffix: str) -> Path:
    """An empty new file that replaces no other and that only its owner reads: it will show faces.

    It is called STEM.SUFFIX; STEM-2.SUFFIX and so on where that name is taken. Raises UsageError (`cannot_write`).
    """
    try:
        return create_new(directory, stem, suffix)
    except (OSError, ValueError) as error:
        raise cannot_write(directory / f"{stem}{suffix}", error) from error


def cannot_write(path: Path, error: OSError | ValueError | str) -> UsageError:
    """The error for a file that cannot be written, with the cause."""
    reason = error.strerror if isinstance(error, OSError) else error
    return UsageError(f"cannot write {path}: {reason}", code="cannot_write", path=str(path))
