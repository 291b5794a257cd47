"""What `make demo` shows: two people are enrolled, one is recognised in new photos, another person is refused.

The recommended network is fetched first. If no source of it answers, the demo goes on with the network that is
installed with faceid. Only weights are kept outside of `demo/`.

Every step is the command that a user would type, printed before it runs.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from faceid.config import FALLBACK_MODEL, RECOMMENDED_MODEL
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

    network = fetched_network()
    say("Two people are enrolled, from one photo each.")
    faceid(network, ACCEPTED, "enroll", "--name", "Barack Obama", photos["obama.jpg"])
    faceid(network, ACCEPTED, "enroll", "--name", "Joe Biden", photos["biden.jpg"])

    say(
        "Three photos that the gallery has never seen: two of an enrolled person, one of a person who is not."
    )
    new = [photos[name] for name in ("obama2.jpg", "obama3.jpg", "astronaut.png")]
    faceid(network, NOT_ACCEPTED, "identify", "--annotate", str(ANNOTATED), *new)

    say("A claim is checked: the right person passes, the wrong one does not.")
    faceid(network, ACCEPTED, "verify", "Barack Obama", photos["obama3.jpg"])
    faceid(network, NOT_ACCEPTED, "verify", "Joe Biden", photos["astronaut.png"])
    say(f"The pictures with boxes and names are in {ANNOTATED}.")
    used = network_of_gallery("Barack Obama")
    if used == RECOMMENDED_MODEL:
        say(f"The network in use is {used}, the recommended one.")
    else:
        say(f"The network in use is {used}. {RECOMMENDED_MODEL} misses fewer photos: faceid models pull")


def say(text: str) -> None:
    print(f"\n{text}", flush=True)


def fetched_network() -> str:
    """The recommended network, fetched if it was not here; the fallback if it cannot be."""
    say("The recommended network is fetched, once for all galleries.")
    print("\n$ faceid models pull", flush=True)
    if subprocess.run([FACEID, "models", "pull"], check=False).returncode == 0:
        return RECOMMENDED_MODEL
    say(
        f"{RECOMMENDED_MODEL} cannot be fetched. The demo goes on with {FALLBACK_MODEL}, which is here already."
    )
    return FALLBACK_MODEL


def network_of_gallery(name: str) -> str:
    """The network of the templates of the person `name`, as the gallery gives it."""
    command = [FACEID, "--db", str(GALLERY), "--quiet", "--json", "show", name]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return str(json.loads(shown.splitlines()[0])["model"]).partition(" ")[0]


def faceid(network: str, expected: int, command: str, *arguments: str) -> None:
    """Run one command as a user would; anything but the expected outcome ends the demo with an error."""
    print(f"\n$ {shlex.join(['faceid', command, *arguments])}", flush=True)
    # By name: the user's own default does not change what the demo shows.
    options = ["--db", str(GALLERY), "--model", network, "--quiet"]
    code = subprocess.run([FACEID, *options, command, *arguments], check=False).returncode
    if code != expected:
        sys.exit(f"demo: `faceid {command}` ended with {code} where {expected} was expected")


if __name__ == "__main__":
    main()
