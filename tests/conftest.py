"""Property tests judge what code does, not how busy the machine is. Fast tests see no networks of the developer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("faceid", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("faceid")


@pytest.fixture(scope="session")
def home_without_networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "home"


@pytest.fixture(autouse=True)
def no_networks_of_the_developer(
    request: pytest.FixtureRequest, home_without_networks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is pulled or configured in the user's folder decides no fast test."""
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setenv("FACEID_HOME", str(home_without_networks))
        for name in ("FACEID_DB", "FACEID_DETECTOR"):
            monkeypatch.delenv(name, raising=False)
