"""YuNet as a user gets it: pulled from a file, chosen by itself, recorded with the templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faceid import cli
from faceid.networks import registry
from places import SHARED_DATA

pytestmark = pytest.mark.slow

FILES = {
    name: SHARED_DATA / "models" / registry.detection_card(name).weights.file for name in ("yunet", "yunet-n")
}
PEOPLE = SHARED_DATA / "fixtures_cc0" / "person_lisa"


@pytest.fixture(autouse=True)
def needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [str(path) for path in (*FILES.values(), PEOPLE) if not path.exists()]
    if missing:
        pytest.skip(f"no {', '.join(missing)}; set FACEID_TEST_DATA")
    monkeypatch.setenv("FACEID_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FACEID_DETECTOR", raising=False)


def test_a_pulled_yunet_is_used_and_recorded_and_agrees_with_mtcnn(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def run(*words: object) -> tuple[int, list[dict[str, object]], str]:
        options = ["--json", "--device", "cpu", "--model", "dlib-resnet", "--db", str(tmp_path / "g.db")]
        code = cli.run([*options, *map(str, words)])
        captured = capfd.readouterr()
        return code, [json.loads(line) for line in captured.out.splitlines()], captured.err

    first, second, *_ = sorted(PEOPLE.glob("selfie*.jpg"))
    assert run("enroll", "--name", "before", second)[0] == 0
    code, told, _ = run("models", "pull", "yunet", "--from", FILES["yunet-n"])
    assert code == 5
    assert f"faceid models pull yunet-n --from {FILES['yunet-n']}" in str(told)
    for name in ("yunet-n", "yunet"):
        code, (pulled,), note = run("models", "pull", name, "--from", FILES[name])
        assert (code, pulled["status"]) == (0, "installed")
        assert "WIDER FACE" in note
        code, (compared,), note = run("compare", first, second)
        assert (code, compared["verified"]) == (0, True)
        assert note.count(f"detector: {name} (chosen automatically)") == 1
        by_mtcnn = run("--detector", "mtcnn", "compare", first, second)[1][0]
        # The O-Net sees slightly other crops: landmarks differ by fractions of a pixel.
        assert compared["distance"] == pytest.approx(by_mtcnn["distance"], abs=0.02)
    assert run("verify", "before", first)[1][0]["verified"]
    assert run("remove", "before", "--yes")[0] == 0
    assert run("enroll", "--name", "after", first, second)[0] == 0
    assert [one["detector"] for one in run("show", "after")[1]] == ["yunet"] * 2
