"""The pages of the documentation and what is written in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from places import ROOT

DOCS = ROOT / "docs"

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run|exit codes): (?P<said>[^\n]*?) -->\n)?"
    r"(?P<fence>```)(?P<language>console|sh|python)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of code: `exit_codes` of its commands where the page states them; `runs` unless it is marked."""

    language: str
    text: str
    runs: bool
    exit_codes: tuple[int, ...]

    @property
    def commands(self) -> list[str]:
        """The command lines of a `console` or `sh` block, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        return [bare for line in lines if (bare := re.sub(r"(^|\s+)# .*$", "", line).rstrip())]

    @property
    def steps(self) -> Iterator[tuple[str, int]]:
        """Each command line with the exit code it must end with."""
        commands = self.commands
        codes = self.exit_codes or (0,) * len(commands)
        assert len(codes) == len(commands), (
            f"{len(codes)} exit codes for {len(commands)} commands: {self.text}"
        )
        return zip(commands, codes, strict=True)


def pages() -> list[Path]:
    """The README and every page of the documentation."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def label(page: Path) -> str:
    """A page in the names of tests."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in order."""
    return [
        Block(
            found["language"],
            found["text"],
            found["mark"] != "not run",
            tuple(map(int, found["said"].split())) if found["mark"] == "exit codes" else (),
        )
        for found in _BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


def faceid_calls(command: str) -> list[list[str]]:
    """The words of each call of `faceid` in a shell line."""
    calls: list[list[str]] = []
    call: list[str] | None = None
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for word in lexer:
        if set(word) <= set("|;&<>()"):
            call = None
        elif word.rpartition("/")[2] == "faceid" and call is None:
            call = []
            calls.append(call)
        elif call is not None:
            call.append(word)
    return calls
