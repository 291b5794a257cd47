"""Which module imports which, read from the source: static, inside functions, for types only, and dynamic imports."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from places import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGES = ("faceid", "enrollment_db")

_REFERENCE = re.compile(rf"({'|'.join(PACKAGES)})(\.\w+)+:\w+")

Graph = dict[str, set[str]]


def sources(root: Path = ROOT, packages: Iterable[str] = PACKAGES) -> dict[str, Path]:
    """Module name -> file, for the packages, and for the scripts if `scripts` is among them."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def import_graph(files: dict[str, Path], entry_points: dict[str, set[str]] | None = None) -> Graph:
    """Module -> the modules among `files` that it imports, anywhere in its text.

    `entry_points` maps a group's name to the modules that it declares: what mentions the group may load them all.
    """
    graph: Graph = {}
    for name, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = set()
        for target in _targets(tree, name, path.name == "__init__.py", entry_points or {}):
            found |= _among(files, target)
        graph[name] = found - {name}
    return graph


def declared_entry_points(pyproject: Path = ROOT / "pyproject.toml") -> dict[str, set[str]]:
    """Group -> modules, as pyproject.toml declares them."""
    groups = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"].get("entry-points", {})
    return {name: {value.partition(":")[0] for value in group.values()} for name, group in groups.items()}


def circles(graph: Graph) -> list[list[str]]:
    """The groups of modules that reach each other (Tarjan's strongly connected components of two and more)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)


def _targets(tree: ast.AST, name: str, package: bool, entry_points: dict[str, set[str]]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, name, package)
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            for argument in node.args[:1]:
                yield from _dynamic(argument)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # A registry may keep `package.module:attribute` as text.
            if _REFERENCE.fullmatch(node.value):
                yield node.value.partition(":")[0]
            yield from entry_points.get(node.value, ())


def _dynamic(argument: ast.expr) -> Iterator[str]:
    """What `import_module(argument)` names; `package.*` where only the beginning is known."""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value
    if (
        isinstance(argument, ast.JoinedStr)
        and argument.values
        and isinstance(argument.values[0], ast.Constant)
    ):
        yield f"{str(argument.values[0].value).rpartition('.')[0]}.*"


def _absolute(node: ast.ImportFrom, name: str, package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".") if package else name.split(".")[:-1]
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _among(files: dict[str, Path], target: str) -> set[str]:
    """The module that `target`, a module or a name in one, belongs to; all below a package for `package.*`."""
    if target.endswith(".*"):
        return {name for name in files if name.rpartition(".")[0] == target[:-2]}
    while target:
        if target in files:
            return {target}
        target = target.rpartition(".")[0]
    return set()
