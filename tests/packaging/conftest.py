"""The distributions, built once, and a fresh environment in which the wheel is installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from distributions import Distributions, Environment, build, install, make_environment

BUILT = "FACEID_DISTRIBUTIONS"
"""The environment variable with a folder of built distributions; without it the tests build their own."""


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    folder = Path(os.environ[BUILT]) if BUILT in os.environ else build(tmp_path_factory.mktemp("dist"))
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return Distributions(wheel, sdist)


@pytest.fixture(scope="session")
def installed(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = make_environment(tmp_path_factory.mktemp("environment"))
    install(environment, str(distributions.wheel))
    return environment
