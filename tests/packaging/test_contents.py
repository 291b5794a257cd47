"""What the distributions contain, and what they are called."""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from distributions import Distributions, build
from faceid.distribution import NAME, VERSION
from places import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.packaging

LARGEST_BYTES = 4_000_000
"""No weights ship."""

DIST_INFO = f"{NAME.replace('-', '_')}-{VERSION}.dist-info"


@pytest.fixture(scope="module")
def names(distributions: Distributions) -> list[str]:
    with zipfile.ZipFile(distributions.wheel) as archive:
        return archive.namelist()


def test_the_top_of_the_wheel_holds_the_two_packages_and_nothing_else(names: list[str]) -> None:
    assert {name.split("/")[0] for name in names} == {"faceid", "enrollment_db", DIST_INFO}


def test_the_wheel_has_every_module_of_the_checkout(names: list[str]) -> None:
    sources = [path for package in ("faceid", "enrollment_db") for path in (ROOT / package).rglob("*.py")]
    expected = {path.relative_to(ROOT).as_posix() for path in sources}
    assert {name for name in names if name.endswith(".py")} == expected


def test_the_wheel_has_cards_and_type_markers(names: list[str]) -> None:
    cards = {
        f"faceid/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "models" / "cards").rglob("*.toml")
    }
    assert len(cards) >= 6
    assert cards <= set(names)
    assert {"faceid/py.typed", "enrollment_db/py.typed"} <= set(names)


def test_the_wheel_has_no_tests_scripts_or_leftovers(names: list[str]) -> None:
    unwanted = re.compile(r"(^|/)(tests?|scripts|docs|weights|__pycache__)/|\.(part|lock|tmp|db|pyc)$")
    assert [name for name in names if unwanted.search(name)] == []
    assert [name for name in names if not name.startswith(DIST_INFO) and "/." in name] == []


def test_what_is_for_research_only_stays_in_the_checkout(
    names: list[str], distributions: Distributions
) -> None:
    with tarfile.open(distributions.sdist) as archive:
        carried = [*names, *archive.getnames()]
    assert (ROOT / "models" / "research" / "faceid-triplet.safetensors").is_file()
    assert [name for name in carried if "research/" in name or name.endswith(".safetensors")] == []


def test_the_distributions_are_of_a_sensible_size(distributions: Distributions) -> None:
    for path in (distributions.wheel, distributions.sdist):
        assert 100_000 < path.stat().st_size < LARGEST_BYTES


def test_the_metadata_names_the_distribution_and_its_licence(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as archive:
        metadata = archive.read(f"{DIST_INFO}/METADATA").decode()
        commands = archive.read(f"{DIST_INFO}/entry_points.txt").decode()
        assert f"{DIST_INFO}/licenses/LICENSE" in archive.namelist()
    assert f"\nName: {NAME}\nVersion: {VERSION}\n" in metadata
    assert "faceid = faceid.cli:main" in commands


def test_the_source_distribution_builds_the_same_wheel(distributions: Distributions, tmp_path: Path) -> None:
    with tarfile.open(distributions.sdist) as archive:
        # The archive was made by this test run; older Pythons know no extraction filters.
        archive.extractall(tmp_path)
    (source,) = tmp_path.iterdir()
    (again,) = build(tmp_path / "again", "--wheel", source=source).glob("*.whl")
    (direct,) = build(tmp_path / "direct", "--wheel", source=ROOT).glob("*.whl")
    with zipfile.ZipFile(again) as ours, zipfile.ZipFile(direct) as other:
        assert {item.filename: item.CRC for item in ours.infolist()} == {
            item.filename: item.CRC for item in other.infolist()
        }


def test_the_citation_and_the_changelog_name_the_version() -> None:
    assert f"\nversion: {VERSION}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {VERSION} (" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_pyproject_and_the_code_agree_on_the_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == NAME
    assert project["tool"]["hatch"]["version"]["path"] == "faceid/distribution.py"
    own = [line for line in project["project"]["optional-dependencies"]["dev"] if line.startswith("faceid")]
    assert [line.partition("[")[0] for line in own] == [NAME]
