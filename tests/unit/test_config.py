from __future__ import annotations

from pathlib import Path

import pytest

from faceid.config import Settings, write_default_model
from faceid.errors import UsageError


def test_what_was_asked_for_beats_the_environment(tmp_path: Path) -> None:
    environ = {"FACEID_HOME": str(tmp_path), "FACEID_DB": "env.db"}
    assert Settings.load(db="asked.db", environ=environ).db.file == Path("asked.db")
    assert Settings.load(environ=environ).db.file == Path("env.db")
    assert Settings.load(environ={"FACEID_HOME": str(tmp_path)}).db.file == tmp_path / "gallery.db"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///relative.db", "relative.db"),
        ("sqlite:////abs/olute.db", "/abs/olute.db"),
        ("plain.db", "plain.db"),
    ],
)
def test_urls_are_those_of_sqlite(url: str, path: str) -> None:
    assert Settings.load(db=url, environ={"FACEID_HOME": "/nowhere"}).db.file == Path(path)


def test_other_urls_are_refused() -> None:
    with pytest.raises(UsageError, match="postgres"):
        Settings.load(db="postgres://host/db", environ={"FACEID_HOME": "/nowhere"})


def test_a_default_model_is_remembered(tmp_path: Path) -> None:
    environ = {"FACEID_HOME": str(tmp_path / "new")}
    settings = Settings.load(environ=environ)
    assert settings.default_model is None
    write_default_model(settings, "mobilefacenet")
    assert Settings.load(environ=environ).default_model == "mobilefacenet"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["config.toml"]


def test_the_detector_is_asked_for_or_in_the_environment() -> None:
    environ = {"FACEID_HOME": "/nowhere", "FACEID_DETECTOR": "yunet"}
    assert Settings.load(environ={"FACEID_HOME": "/nowhere"}).detector == "auto"
    assert Settings.load(environ=environ).detector == "yunet"
    assert Settings.load(environ=environ | {"FACEID_DETECTOR": ""}).detector == "auto"
    assert Settings.load(detector="mtcnn", environ=environ).detector == "mtcnn"


def test_the_runtime_is_asked_for_or_in_the_environment() -> None:
    environ = {"FACEID_HOME": "/nowhere", "FACEID_RUNTIME": "torch"}
    assert Settings.load(environ={"FACEID_HOME": "/nowhere"}).runtime == "auto"
    assert Settings.load(environ=environ).runtime == "torch"
    assert Settings.load(runtime="openvino", environ=environ).runtime == "openvino"
    with pytest.raises(UsageError, match="tensorrt"):
        Settings.load(runtime="tensorrt", environ=environ)
