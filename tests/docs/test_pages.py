"""The pages hang together: links, the menu, the size of the README, and where every measured table comes from."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pages import DOCS, label, pages
from places import ROOT

RESULTS = sorted((DOCS / "results").glob("*.md"))
PROVENANCE = re.compile(
    r"^ *\*Script: `python (?:-m )?(?P<script>[\w./]+)[^`]*`\. Date: \d{4}-\d\d-\d\d, faceid [\d.]+\."
    r" Machine: [^*]+\.\*$"
)


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= 8 * 1024


@pytest.mark.parametrize("page", pages(), ids=label)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http", "#")):
            path, _, anchor = target.partition("#")
            assert (page.parent / path).exists(), target
            if anchor:
                assert anchor in _anchors((page.parent / path).read_text(encoding="utf-8")), target


def _anchors(text: str) -> set[str]:
    named = set(re.findall(r"\{ #([\w-]+) \}$", text, re.MULTILINE))
    headings = re.findall(r"^#+ (.+?)(?: \{ #[\w-]+ \})?$", text, re.MULTILINE)
    return named | {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_menu() -> None:
    listed = set(
        re.findall(r"^ +- (?:\S.*: )?([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    )
    listed |= set(re.findall(r"^  - ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert listed == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


@pytest.mark.parametrize("page", RESULTS, ids=label)
def test_every_measured_table_names_its_script_date_and_machine(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    starts = [
        number
        for number, line in enumerate(lines)
        if line.strip().startswith("|") and not lines[number - 1].strip().startswith("|")
    ]
    assert starts
    for start in starts:
        before = [line for line in lines[:start] if line.strip()][-1]
        after = [line for line in lines[start:] if line.strip() and not line.strip().startswith("|")][:1]
        table = "\n".join(lines[start : start + 3])
        if "](" in table:  # a table of contents
            continue
        named = PROVENANCE.match(before) or (PROVENANCE.match(after[0]) if after else None)
        assert named, f"no script, date and machine for the table of line {start + 1}"


@pytest.mark.parametrize("page", pages(), ids=label)
def test_every_script_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for module in re.findall(r"`(?:python -m )?(scripts\.[\w.]+)", text):
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists(), module
    for path in re.findall(r"python (scripts/[\w/]+\.py)", text):
        assert (ROOT / path).exists(), path


def test_what_every_page_names_for_import_exists() -> None:
    for name in re.findall(r"^::: ([\w.]+)$", (DOCS / "reference" / "python.md").read_text(), re.MULTILINE):
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_the_site_builds_strictly_without_a_network(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--quiet",
            "--site-dir",
            str(tmp_path / "site"),
        ],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        fetched = re.findall(
            r"<(?:script|img|link)[^>]+(?:src|href)=\"?(https?://[^\"\s>]+)", page.read_text()
        )
        assert not fetched, f"{page.name} fetches {fetched}"
