from __future__ import annotations

from pathlib import Path

import pytest

from cli_runs import ALICE, Faceid, Photo
from faceid.config import Settings
from faceid.networks import registry


def test_models(faceid: Faceid) -> None:
    found = {item["name"]: item for item in faceid("--json", "models").objects}
    recognition = set(registry.names())
    liveness = {"minifasnet-v1se", "minifasnet-v2"}
    assert {name: item["kind"] for name, item in found.items()} == {
        **dict.fromkeys(recognition, "recognition"),
        **dict.fromkeys(liveness, "liveness"),
    }
    default = found["dlib-resnet"]
    assert list(default)[:8] == [
        "name",
        "dim",
        "metric",
        "input_size",
        "weights",
        "licence",
        "source",
        "sha256",
    ]
    assert (default["dim"], default["weights"], default["default"]) == (128, "installed", True)
    assert found["mobilefacenet"]["weights"] == "available"


def test_a_network_that_nobody_pulled_is_an_error_with_the_command(faceid: Faceid, photo: Photo) -> None:
    ran = faceid("--json", "compare", photo(ALICE), photo(ALICE), model="mobilefacenet")
    assert (ran.code, ran.object["error"]["code"]) == (5, "weights_missing")
    assert "faceid models pull mobilefacenet" in ran.err


def test_an_unknown_network(faceid: Faceid, photo: Photo) -> None:
    ran = faceid("--json", "compare", photo(ALICE), photo(ALICE), model="resnet-9000")
    assert ran.code == 5
    assert "dlib-resnet" in ran.err


def test_a_network_for_liveness_is_no_model_of_a_gallery(
    faceid: Faceid, photo: Photo, tmp_path: Path
) -> None:
    ran = faceid("--json", "compare", photo(ALICE), photo(ALICE), model="minifasnet-v2")
    assert (ran.code, ran.object["error"]["code"]) == (5, "unknown_model")
    ran = faceid("--json", "models", "pull", "minifasnet-v2", "--default")
    assert (ran.code, ran.object["error"]["code"]) == (5, "unknown_model")
    assert not (tmp_path / "home" / "config.toml").exists()


def test_weights_that_are_another_file_are_refused(faceid: Faceid, tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(b"not the weights")
    ran = faceid("--json", "models", "pull", "mobilefacenet", "--from", other, "--default")
    assert ran.code == 5
    assert [
        item["weights"] for item in faceid("--json", "models").objects if item["name"] == "mobilefacenet"
    ] == ["available"]
    assert not (tmp_path / "home" / "config.toml").exists()


def test_a_network_for_research_needs_accepted_terms(faceid: Faceid, tmp_path: Path) -> None:
    file = tmp_path / "any.onnx"
    file.write_bytes(b"not the weights")
    ran = faceid("--json", "models", "pull", "lvface-b", "--from", file, "--default")
    error = ran.object["error"]
    assert (ran.code, error["code"]) == (2, "terms_not_accepted")
    assert "ByteDance" in error["message"]
    assert ran.err.count("non-commercial research only") == 1
    assert "faceid models pull lvface-b --accept-terms" in ran.err
    assert not (tmp_path / "home").exists()
    accepted = faceid("--json", "models", "pull", "lvface-b", "--from", file, "--accept-terms")
    assert (accepted.code, accepted.object["error"]["code"]) == (5, "weights_altered")
    assert "non-commercial research only" in accepted.err


def test_a_chosen_default_is_kept_and_shown(faceid: Faceid, tmp_path: Path) -> None:
    ran = faceid("--json", "models", "pull", "dlib-resnet", "--default")
    assert (ran.code, ran.object["default"]) == (0, True)
    assert (tmp_path / "home" / "config.toml").read_text() == 'default_model = "dlib-resnet"\n'


def test_a_broken_config_file_is_named(faceid: Faceid, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text("default_model = ")
    ran = faceid("--json", "models")
    assert (ran.code, ran.object["error"]["code"]) == (2, "bad_config")


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "tpu"])
def test_a_device_that_is_not_there_is_never_replaced(
    faceid: Faceid, photo: Photo, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    ran = faceid("--device", device, "compare", photo(ALICE), photo(ALICE))
    assert ran.code == 5
    assert len(ran.err.splitlines()) == 1


def test_doctor(faceid: Faceid, photo: Photo) -> None:
    faceid("enroll", "--name", "alice", photo(ALICE))
    ran = faceid("--json", "doctor")
    assert ran.code == 0, ran.out
    checks = {item["check"]: item for item in ran.objects}
    assert all(list(item) == ["check", "ok", "detail"] for item in ran.objects)
    wanted = {
        "version",
        "device",
        "detector",
        "model dlib-resnet",
        "sqlite",
        "gallery",
        "integrity",
        "index",
        "disk",
    }
    assert wanted <= set(checks)
    assert "1 identities, 1 templates" in checks["gallery"]["detail"]


def test_doctor_looks_at_networks_for_liveness(faceid: Faceid) -> None:
    checks = {item["check"]: item for item in faceid("--json", "doctor").objects}
    assert "faceid models pull minifasnet-v2" in checks["model minifasnet-v2"]["detail"]
    card = registry.liveness_card("minifasnet-v2")
    altered = Settings.load().weights_dir / card.weights.file
    altered.write_bytes(bytes(card.weights.size))
    ran = faceid("--json", "doctor")
    assert ran.code == 5
    assert [item["check"] for item in ran.objects if not item["ok"]] == ["model minifasnet-v2"]


def test_doctor_finds_a_broken_gallery_and_looks_on(faceid: Faceid, db: Path) -> None:
    db.write_bytes(b"x" * 8192)
    ran = faceid("--json", "doctor")
    assert ran.code == 4
    failed = [item["check"] for item in ran.objects if not item["ok"]]
    assert failed == ["gallery"]
    assert ran.objects[-1]["check"] == "disk"
