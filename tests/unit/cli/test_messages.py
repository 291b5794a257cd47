"""The command line's words for errors: complete, never in the way, and nowhere else."""

from __future__ import annotations

import ast
import inspect
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import enrollment_db.errors
import faceid.errors
import faceid.networks.errors
from faceid.cli.messages import HINTS, MESSAGES, TABLES, exit_code_of, hint_for, message_of, shown_problem
from faceid.errors import FaceIDError, GalleryError, InputError, ModelError, Refused, UsageError
from faceid.results import Problem

ROOT = Path(__file__).parents[3]
SOURCES = sorted([*(ROOT / "faceid").rglob("*.py"), *(ROOT / "enrollment_db").rglob("*.py")])

CLASSES = {
    name: kind
    for module in (enrollment_db.errors, faceid.errors, faceid.networks.errors)
    for name, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, FaceIDError)
}

WITHOUT_HINT = {
    "bad_archive",
    "bad_attributes",
    "bad_card",
    "bad_presentations",
    "bad_settings",
    "bad_source",
    "bad_table",
    "many_misses",
    "model",
    "no_images",
    "no_input",
    "no_pairs",
    "not_finite",
    "not_found",
    "onnx",
    "redundant",
    "source_disconnected",
    "source_unreachable",
    "too_few",
    "unreadable",
    "usage",
    "weights_format",
    "wrong_crop",
    "wrong_dim",
}
"""The message says it all, or nothing is known that helps."""


@dataclass(frozen=True)
class Site:
    """A call that makes an error: the remedies it may have, and the names of its facts; None where not all show."""

    where: str
    remedies: frozenset[str]
    facts: frozenset[str] | None


def constants(node: ast.expr) -> Iterator[str]:
    """The strings that an expression may be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from constants(node.body)
        yield from constants(node.orelse)


def name_of(function: ast.expr) -> str:
    """The last part of what is called."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def certain(node: ast.expr | None) -> bool:
    """Whether an expression is surely a string that `constants` finds."""
    if isinstance(node, ast.IfExp):
        return certain(node.body) and certain(node.orelse)
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def of_call(call: ast.Call, where: str) -> Site | None:
    """The site that a call is: one of an error's class, of Problem, or of a function that takes a remedy."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    kind = CLASSES.get(name_of(call.func))
    is_problem = name_of(call.func) == "Problem"
    if kind is None and not is_problem and "remedy" not in given:
        return None
    remedy = given.get("remedy")
    code = call.args[0] if is_problem and call.args else given.get("code")
    found = set(constants(remedy)) if remedy else set()
    if (kind or is_problem) and not certain(remedy) and (remedy or None not in given):
        found.update(constants(code) if code else ())
        if kind and not certain(code):
            found.add(kind.default_code)
    facts = given.get("facts")
    names = [ast.literal_eval(key) for key in facts.keys if key] if isinstance(facts, ast.Dict) else []
    return Site(where, frozenset(found), None if None in given else frozenset([*map(str, given), *names]))


def sites() -> Iterator[Site]:
    """All places of the source where an error gets its remedy."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and (site := of_call(node, where)) is not None:
                yield site
            elif isinstance(node, ast.Dict):
                keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
                if "remedy" in keys:
                    remedy = node.values[keys.index("remedy")]
                    yield Site(where, frozenset(constants(remedy)), frozenset(map(str, keys)))
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_REMEDY":
                yield Site(where, frozenset(constants(node.value)), None)


ALL = list(sites())


def fields_of(template: str) -> set[str]:
    """The names of the facts that a template quotes."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_remedy_has_words_or_is_known_to_need_none() -> None:
    unknown = {
        f"{site.where}: {remedy}"
        for site in ALL
        for remedy in site.remedies
        if remedy not in HINTS and remedy not in WITHOUT_HINT
    }
    assert unknown == set()


def test_every_entry_is_used() -> None:
    used = {remedy for site in ALL for remedy in site.remedies}
    assert set(HINTS) - used == set()
    assert set(MESSAGES) - used == set()
    assert WITHOUT_HINT - used == set()
    assert WITHOUT_HINT & set(HINTS) == set()


def test_every_raise_site_gives_the_facts_that_its_words_quote() -> None:
    missing = {
        f"{site.where}: {remedy} quotes {sorted(fields_of(template) - site.facts)}"
        for site in ALL
        for remedy in site.remedies
        for template in (HINTS.get(remedy, ""), MESSAGES.get(remedy, ""))
        if site.facts is not None and not fields_of(template) <= site.facts
    }
    assert missing == set()


def test_no_remedy_is_in_two_tables() -> None:
    assert sum(len(table.HINTS) for table in TABLES) == len(HINTS)
    assert sum(len(table.MESSAGES) for table in TABLES) == len(MESSAGES)


@pytest.mark.parametrize(
    "pattern",
    [
        r"""['"` (]--[a-z][a-z-]*""",
        r"(?<!from )(?<!import )(?<!as )`faceid(?: [a-z-]+)+",
    ],
    ids=["flag", "command"],
)
def test_only_the_command_line_speaks_of_itself(pattern: str) -> None:
    domain = [
        path
        for path in SOURCES
        if path.parent != ROOT / "faceid" / "cli" and path != ROOT / "faceid" / "__main__.py"
    ]
    told = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in domain
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(pattern, line) and not OTHER_PROGRAMS.search(line)
    ]
    assert told == []


OTHER_PROGRAMS = re.compile(r"\[npm, ")
"""What faceid runs itself may have flags."""


def test_the_words_of_the_command_line() -> None:
    error = UsageError("fmr 2 is not a rate", remedy="not_a_rate", option="fmr", value=2.0)
    assert message_of(error) == "--fmr 2 is not a rate"
    assert hint_for(error) == "give a number between 0 and 1"
    assert shown_problem(Problem.of(error)) == {
        "code": "usage",
        "message": "--fmr 2 is not a rate",
        "hint": "give a number between 0 and 1",
    }


@pytest.mark.parametrize("facts", [{}, {"option": "fmr"}, {"option": "fmr", "value": "two"}])
def test_a_missing_or_odd_fact_never_hides_the_error(facts: dict[str, object]) -> None:
    error = UsageError("fmr 2 is not a rate", remedy="not_a_rate", **facts)  # type: ignore[arg-type]
    assert message_of(error) == "fmr 2 is not a rate"
    assert hint_for(ModelError("gone", remedy="pull_model")) is None


def test_a_problem_has_the_remedy_of_its_code() -> None:
    assert hint_for(Problem("no_face", "no face found")) == "use a photo that shows a face"
    assert hint_for(Problem("of another world", "nothing")) is None


@pytest.mark.parametrize(
    ("kind", "code"),
    [(Refused, 1), (UsageError, 2), (InputError, 3), (GalleryError, 4), (ModelError, 5), (FaceIDError, 4)],
)
def test_exit_codes(kind: type[FaceIDError], code: int) -> None:
    assert exit_code_of(kind("no")) == code
