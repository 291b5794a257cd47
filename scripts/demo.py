"""What `make demo` shows: two people are enrolled, one is recognised in new photos, another person is refused.

Every step is the command that a user would type, printed before it runs.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.datasets.samples import SamplesError, fetch

DEMO = Path("demo")
FACEID = Path(sys.executable).with_name("faceid")
GALLERY = DEMO / "gallery.db"
ANNOTATED = DEMO / "annotated"

# What each command is expected to end with: 0 accepted, 1 valid but not accepted.
ACCEPTED, NOT_ACCEPTED = 0, 1


def main() -> None:
    try:
        photos = {name: str(path) for name, path in fetch(DEMO / "photos").items()}
    except SamplesError as error:
        sys.exit(f"demo: {error}")
    for leftover in (GALLERY, *DEMO.glob(f"{GALLERY.name}-*")):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(ANNOTATED, ignore_errors=True)

    say("Two people are enrolled, from one photo each.")
    faceid(ACCEPTED, "enroll", "--name", "Barack Obama", photos["obama.jpg"])
    faceid(ACCEPTED, "enroll", "--name", "Joe Biden", photos["biden.jpg"])

    say(
        "Three photos that the gallery has never seen: two of an enrolled person, one of a person who is not."
    )
    new = [photos[name] for name in ("obama2.jpg", "obama3.jpg", "astronaut.png")]
    faceid(NOT_ACCEPTED, "identify", "--annotate", str(ANNOTATED), *new)

    say("A claim is checked: the right person passes, the wrong one does not.")
    faceid(ACCEPTED, "verify", "Barack Obama", photos["obama3.jpg"])
    faceid(NOT_ACCEPTED, "verify", "Joe Biden", photos["astronaut.png"])
    say(f"The pictures with boxes and names are in {ANNOTATED}.")


def say(text: str) -> None:
    print(f"\n{text}", flush=True)


def faceid(expected: int, command: str, *arguments: str) -> None:
    """Run one command as a user would; anything but the expected outcome ends the demo with an error."""
    print(f"\n$ {shlex.join(['faceid', command, *arguments])}", flush=True)
    options = ["--db", str(GALLERY), "--quiet"]
    code = subprocess.run([FACEID, *options, command, *arguments], check=False).returncode
    if code != expected:
        sys.exit(f"demo: `faceid {command}` ended with {code} where {expected} was expected")


if __name__ == "__main__":
    main()
