"""The `faceid` that `scripts.chaos.enrolment` kills: it logs the photos it decodes, and dies at a given moment.

    python -m scripts.chaos.enrolment_worker LOG MOMENT NUMBER ARGUMENT...

It kills itself (SIGKILL) before it prints the NUMBER-th result (`line`), before it decodes the NUMBER-th picture
(`look`) or inside a transaction, after it adds the NUMBER-th template (`store`). With `never` it does not. The
ARGUMENTs are those of faceid.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from faceid import cli
from faceid.cli._render import Output
from faceid.gallery.gallery import Gallery
from faceid.recognition import pipeline


def main() -> None:
    log, moment, number, *arguments = sys.argv[1:]
    # One write each, unbuffered: what was looked at before the death is in the file.
    looks = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def told(origin: Any, *_: Any) -> None:
        os.write(looks, f"{origin.source}\n".encode())

    pipeline._decoded = before(pipeline._decoded, told)
    fatal = death(int(number))
    if moment == "line":
        Output.emit = before(Output.emit, fatal)
    elif moment == "look":
        pipeline._decoded = before(pipeline._decoded, fatal)
    elif moment == "store":
        Gallery.add = after(Gallery.add, fatal)
    sys.exit(cli.run(arguments))


def before(function: Callable[..., Any], what: Callable[..., None]) -> Callable[..., Any]:
    def both(*arguments: Any, **options: Any) -> Any:
        what(*arguments)
        return function(*arguments, **options)

    return both


def after(function: Callable[..., Any], what: Callable[..., None]) -> Callable[..., Any]:
    def both(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        what(*arguments)
        return result

    return both


def death(number: int) -> Callable[..., None]:
    """Kills this process at its `number`-th call."""
    calls = count(1)

    def step(*_: Any) -> None:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


if __name__ == "__main__":
    main()
