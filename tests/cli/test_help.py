"""What can be learnt about faceid without using it: help, version, and a reference that says the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from cli_runs import Faceid
from faceid import cli
from faceid.distribution import VERSION
from places import ROOT

REFERENCE = ROOT / "docs" / "reference" / "commands.md"
HEAVY = ("torch", "torchvision", "cv2", "faiss", "numpy", "sqlite_utils", "openvino", "matplotlib", "sklearn")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["identify", "--help"],
        ["models", "pull", "--help"],
        ["explore", "cluster", "--help"],
        ["--version"],
    ],
)
def test_help_costs_none_of_the_heavy_libraries(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from faceid.cli import run\n"
        f"code = run({arguments!r})\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'loaded: {loaded}' if loaded or code else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_faceid_costs_none_of_them_either() -> None:
    program = f"import sys, faceid; sys.exit(str([n for n in {HEAVY!r} if n in sys.modules] or 0) != '0')"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_console_script_is_installed_and_knows_its_version() -> None:
    script = Path(sys.executable).with_name("faceid")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"faceid {VERSION}\n"


def commands() -> dict[str, list[str]]:
    """Every command with its own options, as the program itself knows them; former names are hidden."""
    found: dict[str, list[str]] = {}

    def collect(command: object, path: str) -> None:
        children = getattr(command, "commands", {})
        for name, child in children.items():
            collect(child, f"{path} {name}".strip())
        # A group that does nothing by itself is not a command.
        if path and (not children or getattr(command, "invoke_without_command", False)):
            options = [
                option
                for parameter in command.params  # type: ignore[attr-defined]
                for option in parameter.opts
                if option.startswith("--") and option != "--help" and not getattr(parameter, "hidden", False)
            ]
            found[path] = options

    collect(get_command(cli.app), "")
    return found


def sections() -> dict[str, str]:
    """The reference of the command line: the text below the heading of each command."""
    _, *parts = re.split(r"^## ", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {part.splitlines()[0].partition(" {")[0].removeprefix("faceid "): part for part in parts}


def options_of(section: str) -> set[str]:
    """The long options in the table of a section."""
    rows = re.findall(r"^\| (`-[^|]*(?:\\\|[^|]*)*) \|", section, re.MULTILINE)
    return {option for row in rows for option in re.findall(r"`(--[a-z-]+)", row)}


def test_the_reference_lists_every_command_and_no_other() -> None:
    assert set(sections()) == set(commands()) | {"Options before the command"}


@pytest.mark.parametrize("command", sorted(commands()))
def test_the_reference_lists_every_option_and_no_other(command: str) -> None:
    assert options_of(sections()[command]) == set(commands()[command])


def test_the_reference_lists_every_global_option() -> None:
    known = {
        option
        for parameter in get_command(cli.app).params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert options_of(sections()["Options before the command"]) == known - {"--help"}


def test_no_command_is_a_usage_error_that_shows_the_help(faceid: Faceid) -> None:
    assert faceid("bogus").code == 2


def test_a_fault_of_our_own_is_one_line(faceid: Faceid, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("faceid.app.people.People.list", broken)
    ran = faceid("--json", "list")
    assert (ran.code, ran.object["error"]["code"]) == (cli.EXIT_INTERNAL, "internal")
    assert ran.err == (
        "faceid: internal error: RuntimeError: two lines"
        " (please report it with the traceback that FACEID_DEBUG=1 shows)\n"
    )


def test_debugging_shows_the_traceback(faceid: Faceid, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setenv("FACEID_DEBUG", "1")
    monkeypatch.setattr("faceid.app.people.People.list", broken)
    with pytest.raises(RuntimeError, match="broken"):
        faceid("list")
