"""The training of the last block and head: who takes part, what learns, and that the file that ships is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PilImage

from faceid.networks import registry
from faceid.networks.backbones.dlib_resnet import DlibResnet, build
from faceid.networks.files import sha256_of
from faceid.networks.losses.settings import LossSettings
from faceid.networks.state import read_tensors, write_tensors
from faceid.networks.training.seen import marks, photos_seen_by
from faceid.recognition.align import ALIGNERS
from faceid.recognition.embed.torch import open_embedder
from faceid.training.judging import cosine_distances
from faceid.types import Face
from scripts.datasets.lfw import Photos, vectors_of
from scripts.studies.default import training
from scripts.studies.default.split import CHOOSING, HELD_OUT, LEARNING, SAME_PERSON_ELSEWHERE, parted
from scripts.studies.default.training import FROZEN, Collection, Top, Upper, Way, learn, templates, weights
from scripts.studies.lab_default import NAME, START, ship


@pytest.fixture
def network() -> DlibResnet:
    torch.manual_seed(0)
    return DlibResnet().eval().requires_grad_(False)


def collection(people: int, photos: int, noise: float = 2.0) -> Collection:
    """People who differ from each other, and whose photos differ more."""
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(people), photos)
    middle = rng.normal(size=(people, 1, 256, 4, 4))[identity]
    below = np.abs(middle + noise * rng.normal(size=(len(identity), 2, 256, 4, 4))).astype(np.float16)
    return Collection("made up", identity, below)


PEOPLE = [f"person {number}" for number in range(400)]


def test_nobody_is_in_two_parts() -> None:
    part = parted([name for name in PEOPLE for _ in range(3)])
    assert all(len(set(part[3 * person : 3 * person + 3])) == 1 for person in range(len(PEOPLE)))
    shares = {name: float(np.mean(part == name)) for name in (LEARNING, CHOOSING, HELD_OUT)}
    assert shares == pytest.approx({LEARNING: 0.64, CHOOSING: 0.16, HELD_OUT: 0.2}, abs=0.05)
    # Photos that come later move nobody.
    assert list(parted(PEOPLE[:50])) == list(part[: 3 * 50 : 3])


def test_one_person_of_two_collections_is_in_one_part() -> None:
    for name, elsewhere in SAME_PERSON_ELSEWHERE.items():
        (one,), (other,) = parted([name]), parted([elsewhere])
        assert one == other


def test_learns_from_the_people_kept_and_leaves_the_start(
    network: DlibResnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "WARMUP", 2)
    one = collection(24, 4)
    kept = one.identity < 16
    # What nobody may look at.
    one.below[~kept] = np.nan
    start = Top(network)
    before = {key: value.clone() for key, value in start.state_dict().items()}
    way = Way("", LossSettings("partial_auc"), rate=1e-2, steps=30, people=(16,), shares=(1.0,))
    learnt = learn(start, way, [one], [kept], seed=0)
    assert all(torch.equal(value, before[key]) for key, value in start.state_dict().items())
    assert not torch.equal(learnt.head.weight, start.head.weight)

    def gap(top: Upper) -> float:
        vectors = templates(top, one.below[kept])
        cosines = vectors @ vectors.T
        alike = one.identity[kept][:, None] == one.identity[kept][None]
        return float(cosines[alike].mean() - cosines[~alike].mean())

    assert gap(learnt) > 2 * gap(start) > 0


def test_what_is_written_is_the_network_with_the_new_top(network: DlibResnet, tmp_path: Path) -> None:
    top = Top(network)
    with torch.no_grad():
        for tensor in top.parameters():
            tensor.mul_(1.5)
    write_tensors(tmp_path / "whole.safetensors", weights(network, top))
    written = read_tensors(tmp_path / "whole.safetensors")
    assert all(tensor.dtype == torch.float32 for tensor in written.values())
    crops = 255 * torch.rand(2, 3, 150, 150)
    with torch.inference_mode():
        whole = build(written)(crops)
        inner = torch.nn.functional.max_pool2d(torch.relu(network.stem(crops)), 3, stride=2)
        expected = top(network.blocks[:FROZEN](inner))
    # Half precision: three digits.
    apart = torch.linalg.vector_norm(whole - expected, dim=1) / torch.linalg.vector_norm(expected, dim=1)
    assert float(apart.max()) < 5e-3


def test_templates_are_of_unit_length_with_the_mirror_image(network: DlibResnet) -> None:
    one = collection(3, 2)
    vectors = templates(Top(network), one.below)
    assert vectors.shape == (6, 128)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert np.allclose(vectors, templates(Top(network), one.below[:, ::-1].copy()), atol=1e-5)


def photos(folder: Path, names: list[str]) -> Photos:
    """Two pictures of noise for each name, with a face where the aligner expects it."""
    rng = np.random.default_rng(0)
    landmarks = ALIGNERS["dlib-150-v1"].template
    assert landmarks is not None
    folder.mkdir()
    paths = []
    for number, _ in enumerate(names):
        paths.append(folder / f"{number}.png")
        PilImage.fromarray(rng.integers(0, 256, (150, 150, 3), np.uint8)).save(paths[-1])
    face = Face((0.0, 0.0, 150.0, 150.0), np.asarray(landmarks, np.float32), 1.0)
    return Photos(tuple(paths), tuple(names), (face,) * len(names))


def test_the_file_that_ships_is_calibrated_on_people_who_took_no_part(
    network: DlibResnet, tmp_path: Path
) -> None:
    part = parted(PEOPLE)
    outside = [name for name, where in zip(PEOPLE, part, strict=True) if where == HELD_OUT][:8]
    inside = [name for name, where in zip(PEOPLE, part, strict=True) if where != HELD_OUT][:4]
    held = photos(tmp_path / "held", [name for name in outside for _ in range(2)])
    taught = photos(tmp_path / "taught", [*inside, outside[0]])
    one = Collection(
        "made up",
        np.arange(5, dtype=np.int64),
        np.zeros((5, 2, 256, 4, 4), np.float16),
        taught.names,
        taught.paths,
    )
    top = Top(network)
    with torch.no_grad():
        top.head.weight.normal_()
    card = registry.card(START)
    written = ship(card, [one], weights(network, top), held, tmp_path / "research")
    made = registry.card(NAME, written.parent)
    assert made.calibration is not None
    assert made.calibration.weights_sha256 == made.weights.sha256 == sha256_of(Path(made.weights.source))
    # The collection has a photo of a person who is held out; the network did not learn from it.
    assert photos_seen_by(Path(made.weights.source)) == marks(map(sha256_of, taught.paths[:4]))
    embedder = open_embedder(made, device="cpu", weights_dir=tmp_path)
    identity = np.unique(held.names, return_inverse=True)[1]
    mated, non_mated = cosine_distances(vectors_of(held, embedder), identity)
    assert (made.calibration.mated, made.calibration.non_mated) == (mated.size, non_mated.size) == (8, 112)
    for point in made.calibration.points:
        assert point.count == np.count_nonzero(non_mated <= point.distance)
    with pytest.raises(ValueError, match=inside[0]):
        ship(card, [one], weights(network, top), taught, tmp_path / "research")
