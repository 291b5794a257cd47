"""The study of characters, on made-up drawings: its loader, its episodes against loops, and what it makes of cells."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scripts.studies import lab_omniglot
from scripts.studies.omniglot import data as data
from scripts.studies.omniglot.episodes import all_episodes
from scripts.studies.omniglot.findings import difference, findings, mean
from scripts.studies.omniglot.training import WAYS, CharacterNet, Way, embed, l2, moved, train

SHAPES = np.random.default_rng(0).random((40, 7, 7)) < 0.4


def png(shape: int, drawing: int) -> bytes:
    """Blocks of ink on paper, 105 pixels a side as Omniglot's, a little different in each drawing."""
    ink = np.kron(SHAPES[shape], np.ones((15, 15), dtype=bool))
    ink[drawing * 4 : drawing * 4 + 4, :8] ^= True
    held = io.BytesIO()
    Image.fromarray(~ink).save(held, "PNG")
    return held.getvalue()


def background(alphabets: dict[str, int], drawings: int = 3) -> dict[str, bytes]:
    """Files of a background set: `alphabets` have so many characters, numbered through."""
    numbers = itertools.count()
    return {
        f"images/{alphabet}/character{character:02d}/{number:04d}_{drawing:02d}.png": png(number, drawing)
        for alphabet, characters in alphabets.items()
        for character, number in zip(range(characters), numbers, strict=False)
        for drawing in range(drawings)
    }


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, held in files.items():
            archive.writestr(name, held)
    return path


def unpacked(root: Path, files: dict[str, bytes]) -> Path:
    for name, held in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(held)
    return root


def run_files(number: int, shapes: list[int], answers: list[int]) -> dict[str, bytes]:
    run = f"run{number:02d}"
    lines = [
        f"{run}/test/item{k:02d}.png {run}/training/class{answer:02d}.png" for k, answer in enumerate(answers)
    ]
    return {
        f"{run}/class_labels.txt": "\n".join(lines).encode(),
        **{f"{run}/training/class{k:02d}.png": png(shape, 0) for k, shape in enumerate(shapes)},
        **{f"{run}/test/item{k:02d}.png": png(shapes[answer], 1) for k, answer in enumerate(answers)},
    }


def test_archives_and_folders_hold_the_same_drawings(tmp_path: Path) -> None:
    files = background({"Greek": 2, "Latin": 3})
    again = {name: png(9, 0) for name in background({"Latin": 1})}
    archive = packed(tmp_path / "one.zip", files | {"images/README.txt": b"read me"})
    folder = unpacked(tmp_path / "unpacked", files)
    found = data.read_drawings([archive, packed(tmp_path / "two.zip", again)])
    assert found.characters == (
        "Greek/character00",
        "Greek/character01",
        "Latin/character00",
        "Latin/character01",
        "Latin/character02",
    )
    assert found.alphabets == ("Greek", "Latin")
    # Latin's first drawings are in both archives by other names: numbers are those of the whole set.
    assert found.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 6 + [3] * 3 + [4] * 3
    for root in (folder, folder / "images"):
        same = data.read_drawings([root])
        np.testing.assert_array_equal(same.pixels, data.read_drawings([archive]).pixels)
    one = data.read_drawings([folder / "images" / "Greek"])
    assert one.characters == ("Greek/character00", "Greek/character01")


def test_a_drawing_in_two_archives_is_taken_once(tmp_path: Path) -> None:
    files = background({"Greek": 2})
    twice = data.read_drawings([packed(tmp_path / "1.zip", files), packed(tmp_path / "2.zip", files)])
    assert len(twice.pixels) == len(files)


def test_ink_is_light_and_keeps_its_amount() -> None:
    drawing = png(3, 0)
    pixels = data.reduced(drawing)
    assert pixels.shape == (data.SIDE, data.SIDE)
    with Image.open(io.BytesIO(drawing)) as picture:
        ink = 1 - np.asarray(picture, dtype=float).mean()
    assert pixels.mean() / 255 == pytest.approx(ink, abs=0.01)


def test_alphabets_are_parted_with_their_drawings(tmp_path: Path) -> None:
    whole = data.read_drawings([packed(tmp_path / "a.zip", background({"A": 2, "B": 3, "C": 1}))])
    part = whole.of_alphabets(["A", "C"])
    assert part.characters == ("A/character00", "A/character01", "C/character00")
    assert part.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    np.testing.assert_array_equal(part.pixels, np.concatenate([whole.pixels[:6], whole.pixels[-3:]]))


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_runs_say_which_class_each_item_is_of(tmp_path: Path, kind: str) -> None:
    files = run_files(2, [5, 6, 7], [2, 0, 1]) | run_files(1, [1, 2], [1, 0])
    path = packed(tmp_path / "runs.zip", files) if kind == "zip" else unpacked(tmp_path / "runs", files)
    first, second = data.read_runs(path)
    assert first.answers.tolist() == [1, 0]
    assert second.answers.tolist() == [2, 0, 1]
    np.testing.assert_array_equal(second.known[2], data.reduced(png(7, 0)))
    np.testing.assert_array_equal(second.asked[0], data.reduced(png(7, 1)))


def test_what_is_no_omniglot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no drawings"):
        data.read_drawings([packed(tmp_path / "empty.zip", {"a/b/c.txt": b""})])
    with pytest.raises(ValueError, match="lies in no folder alphabet/character"):
        data.read_drawings([packed(tmp_path / "flat.zip", {"a.png": png(0, 0)})])
    with pytest.raises(ValueError, match=r"holds no class_labels\.txt"):
        data.read_runs(tmp_path / "empty.zip")
    files = run_files(1, [1, 2], [1, 0])
    del files["run01/training/class01.png"]
    with pytest.raises(ValueError, match=r"class01\.png, which is not there"):
        data.read_runs(packed(tmp_path / "torn.zip", files))


def test_all_episodes_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.repeat(np.arange(4), [2, 3, 4, 2]))
    vectors = rng.normal(size=(4, 3))[labels] + 0.8 * rng.normal(size=(labels.size, 3))
    # Some ties too.
    distances = np.round(np.linalg.norm(vectors[:, None] - vectors[None], axis=2), 1)
    found = all_episodes(distances, labels, 4)
    for ways in (2, 3, 4):
        assert found[ways - 2] == pytest.approx(by_loop(distances, labels, ways))


def by_loop(distances: np.ndarray, labels: np.ndarray, ways: int) -> float:
    places = {k: np.flatnonzero(labels == k) for k in range(labels.max() + 1)}
    of_classes = []
    for own in places:
        of_pairs = []
        for asked, known in itertools.permutations(places[own], 2):
            of_choices = []
            for others in itertools.combinations([k for k in places if k != own], ways - 1):
                shown = itertools.product(*(places[other] for other in others))
                right = [distances[asked, known] < min(distances[asked, k] for k in each) for each in shown]
                of_choices.append(np.mean(right))
            of_pairs.append(np.mean(of_choices))
        of_classes.append(np.mean(of_pairs))
    return float(np.mean(of_classes))


def test_embeddings_that_tell_nothing_are_right_by_chance() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(30), 10)
    vectors = rng.normal(size=(300, 20)).astype(np.float32)
    found = all_episodes(l2(vectors, vectors), labels, 20)
    np.testing.assert_allclose(found, 1 / np.arange(2, 21), atol=0.02)
    assert all_episodes(l2(vectors, vectors) * (labels[:, None] != labels), labels, 20) == pytest.approx(1.0)


def test_too_few_classes_or_drawings_make_no_episode() -> None:
    distances = np.zeros((6, 6))
    with pytest.raises(ValueError, match="too few for 4 ways"):
        all_episodes(distances, np.repeat(np.arange(3), 2), 4)
    with pytest.raises(ValueError, match="too few for 2 ways"):
        all_episodes(distances, np.array([0, 0, 1, 1, 1, 2]), 2)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_every_way_learns_what_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way) -> None:
    monkeypatch.setattr("scripts.studies.omniglot.training.CHARACTERS", 8)
    drawings = data.read_drawings([packed(tmp_path / "a.zip", background({"A": 20}, drawings=4))])
    _, early = train(way, drawings, dim=8, seed=0, steps=2)
    network, late = train(way, drawings, dim=8, seed=0, steps=25)
    assert late < early
    vectors = embed(network, way, drawings.pixels)
    lengths = np.linalg.norm(vectors, axis=1)
    assert way.unit == bool(np.ptp(lengths) < 1e-3)
    assert all_episodes(l2(vectors, vectors), drawings.labels, 10)[-1] > 0.5


def test_networks_of_a_seed_begin_alike_whatever_their_size() -> None:
    bodies = []
    for dim in (8, 64):
        torch.manual_seed(1)
        bodies.append(CharacterNet(dim).body[0].weight)
    assert torch.equal(*bodies)


def test_pictures_move_a_little_each_in_its_own_way() -> None:
    pictures = torch.zeros(3, 1, 28, 28)
    pictures[:, :, 10:18, 10:18] = 1.0
    one, two = (moved(pictures, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one[0], one[1])
    amounts = one.sum(dim=(1, 2, 3)) / 64
    assert ((amounts > 0.75) & (amounts < 1.3)).all()


CELL = lab_omniglot.Cell(
    way="triplet, cosine",
    size=8,
    seed=0,
    steps=5,
    accuracy=[0.9, 0.8],
    official_error=[0.4, 0.5],
    tested=["A"],
    last_loss=0.1,
    seconds=1.0,
)


def test_intervals_are_over_seeds() -> None:
    assert mean([0.5]).reach is None
    found = mean([0.1, 0.2, 0.3])
    # Student's quantile for two degrees of freedom is 4.303.
    assert found.reach == pytest.approx(4.303 * 0.1 / 3**0.5, abs=1e-4)
    assert found.sign == 0
    assert difference([0.5, 0.6, 0.7], [0.4, 0.5, 0.601]).sign == 1


def test_findings_compare_the_same_seeds() -> None:
    worse = {"triplet, L2": 0.1, "contrastive, L2": 0.3}
    cells = [replace(CELL, seed=seed, accuracy=[0.9, 0.8 + 0.01 * seed]) for seed in range(3)]
    cells += [
        replace(cell, way=way, accuracy=[0.9, cell.accuracy[1] - by])
        for way, by in worse.items()
        for cell in cells[:2]
    ]
    cells += [
        replace(cell, way="autoencoder", accuracy=[0.9, cell.accuracy[1] - 0.2 + 0.01 * (-1) ** cell.seed])
        for cell in cells[:3]
    ]
    lines = findings(lab_omniglot.grouped(cells))
    assert [line for line in lines if line.startswith("better with labels: agrees")]
    assert [line for line in lines if "cosine less L2, triplets, size 8: +10.0 points" in line]
    assert [line for line in lines if line.startswith("contrastive falls faster: agrees")]
    assert not [line for line in lines if "of any length" in line or "when larger" in line]


def test_an_autoencoder_needs_no_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.studies.omniglot.training.CHARACTERS", 4)
    drawings = data.read_drawings([packed(tmp_path / "a.zip", background({"A": 8}, drawings=4))])
    way = WAYS[-1]
    network, _ = train(way, drawings, dim=8, seed=0, steps=1)
    objective = way.objective(network)
    pictures, labels = torch.rand(4, 1, 28, 28), torch.arange(4)
    assert objective(pictures, labels) == objective(pictures, labels * 0)


def test_pixels_are_compared_without_any_training(tmp_path: Path) -> None:
    drawings = data.read_drawings([packed(tmp_path / "a.zip", background(dict.fromkeys("ABC", 8)))])
    runs = data.read_runs(packed(tmp_path / "runs.zip", run_files(1, [1, 2, 3], [2, 0, 1])))
    found = lab_omniglot.cell(lab_omniglot.Plan(None, 28 * 28, 0, 0), drawings, runs)
    assert (found.way, found.size, found.steps) == ("pixels", 784, 0)
    # A few blocks of ink differ between drawings of one of these characters, many between two.
    assert found.accuracy[-1] > 0.9
    assert found.official_error == [0.0]
    assert not lab_omniglot.grouped([found])


def test_a_run_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "omniglot"
    root.mkdir()
    alphabets = dict.fromkeys("ABCD", 8)
    packed(root / "images_background_small1.zip", background(alphabets, drawings=2))
    packed(root / "images_background_small2.zip", background({"A": 8}, drawings=2))
    packed(root / "all_runs.zip", run_files(1, [1, 2, 3], [2, 0, 1]))
    kept, figure = tmp_path / "kept.json", tmp_path / "drawn.png"
    monkeypatch.setattr("scripts.studies.omniglot.training.CHARACTERS", 4)
    monkeypatch.setattr(lab_omniglot, "TESTED", 3)
    drawings = data.read_drawings([root / "images_background_small1.zip"])
    runs = data.read_runs(root / "all_runs.zip")
    plans = [lab_omniglot.Plan(way, 8, 0, 2) for way in range(len(WAYS))]
    plans.append(lab_omniglot.Plan(None, 28 * 28, 0, 0))
    cells = {plan.key: lab_omniglot.cell(plan, drawings, runs) for plan in plans}
    kept.write_text(json.dumps({key: lab_omniglot.asdict(cell) for key, cell in cells.items()}))
    before = kept.read_bytes()
    one = cells[plans[0].key]
    assert len(one.accuracy) == 19
    assert len(one.official_error) == 1
    assert len(one.tested) == 3
    arguments = ["lab", "--data", root, "--sizes", "8", "--steps", "2", "--json", kept, "--figure", figure]

    def called(*more: object) -> str:
        monkeypatch.setattr("sys.argv", [str(part) for part in (*arguments, *more)])
        lab_omniglot.main()
        return capsys.readouterr().out

    assert "not finished" not in called("--seeds", "1")
    assert "6 of 12 cells are not finished" in called("--seeds", "2", "--limit", "0")
    assert kept.read_bytes() == before
    (root / "images_background_small2.zip").unlink()
    with pytest.raises(SystemExit, match=r"no .*images_background_small2\.zip, nor a folder"):
        called("--seeds", "2", "--limit", "0")
    unpacked(root / "images_background_small2", background({"A": 8}, drawings=2))
    assert "6 of 12 cells are not finished" in called("--seeds", "2", "--limit", "0")
    with Image.open(figure) as picture:
        assert picture.width > 500
    monkeypatch.setattr(
        "sys.argv", ["lab", "--data", str(root), "--json", str(tmp_path / "none.json"), "--limit", "0"]
    )
    with pytest.raises(SystemExit, match="no cell is finished"):
        lab_omniglot.main()
