"""Write the reference pages that follow from the code: commands, errors, JSON.

`python docs/generate.py` rewrites them; with `--check` it lists those that are out of date and ends with 1. The pages
are committed, so that they can be read without building the site; a test compares them with the code.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
NOTICE = "\n<!-- Written by docs/generate.py from the code. Do not edit: `make docs` writes it again. -->\n"

RESULT_OF = {
    "enroll": ("EnrollResult", "EnrollSummary"),
    "identify": ("IdentifyResult",),
    "verify": ("VerifyResult",),
    "compare": ("CompareResult",),
    "live": ("LiveEvent",),
    "list": ("IdentityInfo",),
    "show": ("TemplateInfo",),
    "rename": ("RenameResult",),
    "remove": ("RemoveResult",),
    "import": ("TransferResult",),
    "export": ("TransferResult",),
    "re-embed": ("ReembedFailure", "ReembedResult"),
    "train": ("TrainResult",),
    "models": ("ModelInfo",),
    "models calibrate": ("CalibrationResult",),
    "doctor": ("CheckResult",),
    "index status": ("IndexStatus",),
    "index rebuild": ("IndexResult",),
    "index compact": ("IndexResult",),
    "index verify": ("IndexDifference",),
    "policy show": ("PolicyReport",),
    "policy set": ("PolicyReport",),
    "policy history": ("PolicyRow",),
    "policy rollback": ("PolicyReport",),
    "policy export": ("PolicyTransfer",),
    "policy import": ("PolicyTransfer",),
    "people confirm": ("ConfirmResult",),
}
"""The classes behind the JSON objects of a command, in the order in which they are printed."""

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def main() -> int:
    """Write or check the pages; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; list pages that are out of date"
    )
    check = parser.parse_args().check
    stale = []
    for name, text in pages().items():
        path = REFERENCE / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(ROOT))
            if not check:
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{'out of date' if check else 'wrote'}: {path}")
    return 1 if check and stale else 0


def pages() -> dict[str, str]:
    """The text of each generated page, by file name."""
    return {
        "commands.md": commands_page() + NOTICE,
        "errors.md": errors_page() + NOTICE,
        "json.md": json_page() + NOTICE,
        "model-card.md": model_card_page() + NOTICE,
    }


# -- commands --------------------------------------------------------------------------------------------------------


def walk(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command and group below `command` with its words, in the order of the help."""
    for name, child in getattr(command, "commands", {}).items():
        words = f"{path} {name}".strip()
        yield words, child
        yield from walk(child, words)


def commands_page() -> str:
    """The reference of the command line."""
    from typer.main import get_command

    from faceid import cli

    root = get_command(cli.app)
    runnable = [(words, command) for words, command in walk(root) if _runs(command)]
    lines = [
        "# Commands\n",
        "`faceid [options] COMMAND [arguments]`. Results go to stdout. Progress, notes and errors go to stderr. "
        "[Exit codes](errors.md#exit-codes) and [JSON fields](json.md) have separate pages.\n",
        "| command | what it does |",
        "| --- | --- |",
        *(
            f"| [`faceid {words}`](#{_anchor(words)}) | {_cell(_first_sentence(command.help))} |"
            for words, command in runnable
        ),
        "",
        "## Options before the command\n",
        "These options hold for every command. They stand before its name: `faceid --json identify photo.jpg`.\n",
        *_options(root),
        "",
    ]
    for words, command in runnable:
        lines += [f"## faceid {words} {{ #{_anchor(words)} }}\n", f"```text\n{_usage(words, command)}\n```\n"]
        lines += [*(f"{_paragraph(part)}\n" for part in (command.help or "").split("\n\n"))]
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        if arguments:
            lines += ["| argument | meaning |", "| --- | --- |"]
            lines += [
                f"| `{_cell(a.metavar or a.name.upper())}` | {_cell(a.help or '')} |" for a in arguments
            ]
            lines.append("")
        if options := _options(command):
            lines += [*options, ""]
    return "\n".join(lines).rstrip() + "\n"


def _runs(command: Any) -> bool:
    return not getattr(command, "commands", None) or bool(getattr(command, "invoke_without_command", False))


def _anchor(words: str) -> str:
    return f"faceid-{words.replace(' ', '-')}"


def _usage(words: str, command: Any) -> str:
    shown = []
    for parameter in command.params:
        if parameter.param_type_name != "argument":
            continue
        name = f"{parameter.metavar or parameter.name.upper()}{'...' if parameter.nargs == -1 else ''}"
        shown.append(name if parameter.required else f"[{name}]")
    return " ".join(["faceid", words, "[options]", *shown])


def _options(command: Any) -> list[str]:
    rows = []
    for parameter in command.params:
        if parameter.param_type_name != "option" or parameter.hidden:
            continue
        metavar = "" if parameter.metavar is None else f" {parameter.metavar}"
        # The bar in `auto|cpu` would end the cell.
        names = ", ".join(f"`{option}{metavar}`" for option in parameter.opts).replace("|", "\\|")
        shown = (
            parameter.show_default
            and parameter.default not in (None, False)
            and not callable(parameter.default)
        )
        default = f" Default: `{parameter.default}`." if shown else ""
        required = " Required." if parameter.required else ""
        rows.append(f"| {names} | {_cell((parameter.help or '').rstrip())}{required}{default} |")
    return ["| option | meaning |", "| --- | --- |", *rows] if rows else []


def _first_sentence(text: str | None) -> str:
    first = " ".join((text or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.;:])\s", first, maxsplit=1)[0].rstrip(".;:")


def _paragraph(text: str) -> str:
    return _prose(" ".join(text.replace("\b", "").split()))


def _cell(text: str) -> str:
    return _prose(" ".join(text.split())).replace("|", "\\|")


def _prose(text: str) -> str:
    """`text` with no character that Markdown would take for HTML or emphasis outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else part.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
        for part in parts
    )


# -- errors ----------------------------------------------------------------------------------------------------------


def errors_page() -> str:
    """The reference of exit codes, error codes, hints and error classes."""
    from faceid.cli.messages import HINTS

    codes = [
        (
            f"`{code}`",
            ", ".join(f"`{name}`" for name in sorted(names)),
            ", ".join(sorted({*map(str, names.values())})),
        )
        for code, names in sorted(error_codes().items())
    ]
    classes = [
        (
            f"`{kind.__name__}`",
            f"`{kind.__module__}`",
            ", ".join(f"`{base.__name__}`" for base in kind.__bases__),
            _cell((inspect.getdoc(kind) or "").split("\n\n")[0]),
        )
        for kind in error_classes()
    ]
    lines = [
        "# Errors and exit codes\n",
        "An error is one line on stderr: the file at fault, what is wrong, and what to do. With `--json` the same "
        'follows on stdout as `{"error": {"code": ..., "message": ..., "hint": ..., "path": ...}}`. A traceback '
        "appears only with `FACEID_DEBUG=1`. No error leaves a half-written file.\n",
        "## Exit codes\n",
        *_table(("exit code", "meaning"), ((str(code), meaning) for code, meaning in exit_codes())),
        "A command with several inputs ends with the code of its worst result: 5, then 4, then 3, then 1, then 0.\n",
        "## Error codes\n",
        "`code` is a stable word for programs. The message is for people and may change.\n",
        *_table(("code", "raised as", "exit code"), codes),
        "## What to do\n",
        "An error names a remedy: its code, or a more exact word. The command line turns the remedy into this hint. "
        "Words in braces are facts of the error.\n",
        *_table(("remedy", "hint"), ((f"`{remedy}`", _cell(hint)) for remedy, hint in sorted(HINTS.items()))),
        "## Classes\n",
        "Python code catches `faceid.errors.FaceIDError` or one of its subclasses.\n",
        *_table(("class", "module", "bases", "meaning"), classes),
    ]
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def exit_codes() -> list[tuple[int, str]]:
    """Every exit code with its meaning."""
    return [
        (0, "Accepted, or done."),
        (
            1,
            "Valid, but not accepted: no match, unknown, ambiguous, a photo kept unconfirmed, or nothing is enrolled.",
        ),
        (2, "Usage: the request is invalid for any data."),
        (
            3,
            "No usable input: unreadable, no face, several faces where one is needed, or refused for its quality.",
        ),
        (4, "Gallery or database: missing, locked, corrupt, full, or of another model."),
        (5, "Model or device: weights are missing or altered, or the device cannot be used."),
        (70, "A fault of faceid. Please report it with the traceback that `FACEID_DEBUG=1` shows."),
        (130, "Interrupted."),
    ]


def error_classes() -> list[type[Exception]]:
    """Every public error class, bases before subclasses."""
    from faceid.errors import FaceIDError

    # The modules that define errors must be loaded for their classes to be subclasses that can be listed.
    importlib.import_module("faceid.networks.errors")

    found: list[type[Exception]] = [FaceIDError]
    for kind in found:
        found += [child for child in kind.__subclasses__() if child not in found]
    return sorted(found, key=lambda kind: (len(kind.__mro__), kind.__module__, kind.__name__))


def error_codes() -> dict[str, dict[str, int]]:
    """For every code: the classes that are raised with it, and their exit codes."""
    from faceid.cli.messages import EXIT_INTERNAL, exit_code_of

    classes = {kind.__name__: kind for kind in error_classes()}
    codes: dict[str, dict[str, int]] = {}
    for kind in classes.values():
        if "default_code" in vars(kind):
            codes.setdefault(kind.default_code, {})[kind.__name__] = exit_code_of(kind(""))  # type: ignore[attr-defined]
    for name, code in _raised_with_codes():
        if name in classes:
            exit_code = EXIT_INTERNAL if code == "internal" else exit_code_of(classes[name](""))
            codes.setdefault(code, {})[name] = exit_code
    # The default codes of the two bases are never shown: every raised error has a more exact code.
    return {
        code: names
        for code, names in codes.items()
        if set(names) - {"FaceIDError", "DatabaseError"} or code == "internal"
    }


def _raised_with_codes() -> Iterator[tuple[str, str]]:
    for package in ("faceid", "enrollment_db"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                called = node.func
                name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
                for keyword in node.keywords:
                    if keyword.arg == "code":
                        for leaf in ast.walk(keyword.value):
                            if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                                yield name, leaf.value


# -- JSON ------------------------------------------------------------------------------------------------------------


def json_page() -> str:
    """The reference of the objects that `--json` prints."""
    lines = [
        "# JSON\n",
        "`faceid --json COMMAND` prints one JSON object per line (NDJSON), UTF-8, in the order of the inputs, each as "
        "soon as it is known. The objects are the frozen dataclasses that the Python API returns, field for field. "
        "A field that has no value is `null`. "
        "Only `enroll` leaves fields out: `name` of a photo where one person is enrolled, and `already_enrolled` "
        "of the summary where it is empty, `loose_photos` where there are no folders.\n",
        "| command | objects |",
        "| --- | --- |",
        *(
            f"| [`faceid {words}`](commands.md#{_anchor(words)}) | {', '.join(_link(name) for name in names)} |"
            for words, names in RESULT_OF.items()
        ),
        "",
        '`enroll`, `re-embed`, `train` and `index verify` end with one `{"summary": {...}}`. `calibrate` and '
        '`evaluate` print one object with the findings of their report. An error is one object `{"error": ...}`: see '
        "[errors](errors.md).\n",
    ]
    for name, kind in sorted(result_classes().items()):
        lines += [
            f"## {name}\n",
            *(f"{_paragraph(part)}\n" for part in (inspect.getdoc(kind) or "").split("\n\n")),
        ]
        lines += ["| field | type |", "| --- | --- |"]
        lines += [
            f"| `{field}` | {shown.replace('|', chr(92) + '|')} |"
            for field, shown in json_fields(kind).items()
        ]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def json_fields(kind: type) -> dict[str, str]:
    """The fields that an object of this class has in JSON, and their types."""
    from faceid.results import CheckResult, Problem

    # The command line puts the remedy and the facts of these two into words.
    if kind is Problem:
        return {"code": "string", "message": "string", "hint": "string or null"}
    hints = typing.get_type_hints(kind)
    return {
        field.name: _type(hints[field.name])
        for field in dataclasses.fields(kind)
        if not (kind is CheckResult and field.name == "problem")
    }


def result_classes() -> dict[str, type]:
    """Every dataclass that becomes a JSON object or a part of one."""
    from faceid import results, types
    from faceid.live import events

    found: dict[str, type] = {"Candidate": types.Candidate}
    for module in (results, events):
        for name, value in vars(module).items():
            if (
                inspect.isclass(value)
                and dataclasses.is_dataclass(value)
                and value.__module__.startswith(module.__name__)
            ):
                found[name] = value
    return found


def _link(name: str) -> str:
    return f"[`{name}`](#{name.lower()})"


def _type(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if dataclasses.is_dataclass(hint) and inspect.isclass(hint):
        return _link(hint.__name__)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(part) for part in arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return f"list of {_type(arguments[0])}"
    if origin is tuple:
        return f"list of {len(arguments)}: {', '.join(dict.fromkeys(_type(part) for part in arguments))}"
    if origin is not None and len(arguments) == 2:
        return f"object: {_type(arguments[0])} to {_type(arguments[1])}"
    if hint is object:
        return "any"
    raise TypeError(f"no JSON type is known for {hint!r}")


# -- model cards ---------------------------------------------------------------------------------------------------


def model_card_page() -> str:
    """The reference of model cards: what the README beside the cards says of their keys, with an example."""
    told = (ROOT / "models" / "README.md").read_text(encoding="utf-8")
    keys = told[told.index("## What a card says") :].rstrip()
    return f"{_CARD_INTRODUCTION}\n{keys}\n"


_CARD_INTRODUCTION = """# Model card

A card says what a network is, where its weights are, and what is known about it. It is a TOML file. The cards of the
shipped networks are in `models/cards`. Your own lie in `models` of the [user data directory](files.md), or beside an
ONNX file.

## A card for an ONNX file

`--model onnx:FILE` takes any network that turns aligned crops into one vector a face. The card lies beside FILE with
the suffix `.toml`. The graph has one float32 input, of a free batch size or of 1. Its first output is (n, dim), of any
length: faceid brings vectors to unit length. The file holds the whole network: one that keeps tensors in other files is
refused. [Measure it](../how-to/measure-a-network.md) to give it thresholds.

```toml
name = "my-arcface"
backbone = "onnx"
dim = 512
metric = "cosine"
input_size = 112
aligner = "arcface-112-v1"
description = "ResNet-50 trained with ArcFace on ..."
licence = "..."
source_url = "https://..."

[tensor]
mean = [127.5, 127.5, 127.5]
std = [127.5, 127.5, 127.5]
colour = "rgb"
layout = "nchw"
```
"""


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
