"""The comparison of galleries: that it runs, agrees with an exact search, and catches who does not."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.benchmarks import bench_gallery
from scripts.benchmarks.gallery import data, runs
from scripts.benchmarks.gallery.contenders import RIVALS, Spec, spec_of

LIMITS = runs.Limits(threads=1, cap_s=120)

# Exact in all but one thing, which stands for {fault}.
LIAR = """
import numpy as np
from scripts.benchmarks.gallery.contenders import Contender

def make(directory, dim, count, threads, **options):
    return Liar(directory, dim, count, threads)

class Liar(Contender):
    persistent = False
    removed = ()

    def build(self, blocks):
        blocks = list(blocks)
        self.ids = np.concatenate([ids for ids, _ in blocks])
        self.vectors = np.concatenate([vectors for _, vectors in blocks])

    def search(self, probes, k):
        cosines = probes @ self.vectors.T
        cosines[:, np.isin(self.ids, self.removed)] = -2
        answers = self.ids[np.argsort(-cosines, axis=1)[:, :k]]
        {lie}
        return answers

    def add(self, id_, vector):
        self.ids = np.append(self.ids, id_)
        self.vectors = np.vstack([self.vectors, vector])

    def remove(self, id_):
        self.removed = ({forget})
"""


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> data.Trial:
    people = data.synthetic_people(dim=16)
    return data.prepare(people, 600, tmp_path_factory.mktemp("trial"), 40)


def test_a_quick_run_agrees_with_exact_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = tmp_path / "gallery.json"
    names = ["faceid", "index:numpy", "index:rabitq", "faiss-flat"]
    options = ["--quick", "--synthetic", "--templates", "2k", "--threads", "1", "--cache", str(tmp_path)]
    monkeypatch.setattr(
        sys, "argv", ["bench_gallery", *options, "--contenders", ",".join(names), "--json", str(report)]
    )
    bench_gallery.main()

    read = json.loads(report.read_text(encoding="utf-8"))
    (size,) = read["sizes"]
    assert (size["templates"], size["mated_probes"], size["non_mated_probes"]) == (2000, 100, 100)
    assert {row["contender"]: row["status"] for row in size["rows"]} == dict.fromkeys(names, "ok")
    for row in size["rows"]:
        assert row["batch"]["exact"] >= spec_of(row["contender"]).least_exact
        assert row["batch"]["probes"] == row["single"]["probes"] == 200
        assert 0 < row["build_s"] < 120
        assert 0 < row["single"]["p50_ms"] <= row["single"]["p99_ms"]
        assert row["removed_found"] == 0
        # Whoever keeps things has been opened twice and weighed; the others have no such figures.
        kept = row["contender"] in ("faceid", "faiss-flat")
        kept_only = {"disk_bytes", "open_s", "open_changed_s", "add_saved", "remove_saved", "bare_fsync"}
        assert kept_only & row.keys() == (kept_only if kept else set())
    assert set(size["pareto_on_disk"]) == {"faceid", "faiss-flat"}
    assert not list(tmp_path.glob("gallery-*"))


@pytest.mark.parametrize(
    ("lie", "forget", "fault"),
    [
        (
            "answers = np.broadcast_to(np.arange(k), answers.shape)",
            "*self.removed, id_",
            "the exact nearest of",
        ),
        ("answers[:] = answers[:, :1]", "*self.removed, id_", "returned an id twice"),
        ("answers[0, 0] = 10**9", "*self.removed, id_", "ids that are not in the gallery"),
        ("", "", "100 of 100 removed vectors are found"),
    ],
)
def test_wrong_answers_are_caught(
    trial: data.Trial,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lie: str,
    forget: str,
    fault: str,
) -> None:
    (row,) = run_liar(trial, tmp_path, monkeypatch, lie, forget)
    assert row["status"].startswith("wrong: ")
    assert fault in row["status"]
    assert not bench_gallery.front([row])


def test_the_honest_liar_passes(trial: data.Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = run_liar(trial, tmp_path, monkeypatch, "", "*self.removed, id_")
    assert row["status"] == "ok"
    assert row["batch"]["exact"] == row["single"]["exact"] == 1


def test_too_slow_and_failing_contenders_say_so(
    trial: data.Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = runs.Limits(threads=1, cap_s=3)
    (row,) = run_liar(trial, tmp_path, monkeypatch, "import time; time.sleep(60)", "", limits)
    assert row["status"] == "over 3 s in build"
    (row,) = runs.run(spec_of("index:no-such-kind"), trial, tmp_path, LIMITS)
    assert row["status"].startswith("failed in build: ValueError: ")


def test_an_environment_that_cannot_be_made_is_reported(
    trial: data.Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\necho no such module >&2\nexit 1\n", encoding="utf-8")
    (tmp_path / "python").chmod(0o755)
    spec = Spec(
        "rival", "nowhere", "", requirements=("rival==1",), environment="rival", settings=({"ef": 1},)
    )
    rows = runs.run(spec, trial, tmp_path, LIMITS)
    assert rows == [{"contender": "rival ef=1", "status": "absent: no such module"}]


def test_mates_are_where_they_are_said_to_be(trial: data.Trial) -> None:
    gallery, probes = np.load(trial.vectors), np.load(trial.probes)
    people = data.synthetic_people(dim=16)
    owner = {vector.tobytes(): who for vector, who in zip(people.vectors, people.identity, strict=True)}
    mated = trial.mates >= 0
    assert mated.sum() == 40
    assert [owner[gallery[mate].tobytes()] for mate in trial.mates[mated]] == [
        owner[probe.tobytes()] for probe in probes[mated]
    ]
    # Nobody of the others is in the gallery, and no probe is in it as it stands.
    held = {vector.tobytes() for vector in gallery}
    enrolled = {owner[vector] for vector in held if vector in owner}
    assert not enrolled & {owner[probe.tobytes()] for probe in probes[~mated]}
    assert not held & {probe.tobytes() for probe in probes}
    assert np.allclose(np.linalg.norm(gallery, axis=1), 1, atol=1e-6)


def test_drawn_vectors_have_the_mean_and_covariance_of_the_real_ones(tmp_path: Path) -> None:
    people = data.synthetic_people(dim=16)
    data.prepare(people, 20_000, tmp_path, 1)
    drawn = np.load(tmp_path / "vectors.npy")
    # Scaling to unit length after drawing changes both a little.
    assert np.abs(drawn.mean(axis=0) - people.vectors.mean(axis=0)).max() < 0.03
    assert np.abs(np.cov(drawn.T) - np.cov(people.vectors.T)).max() < 0.03


def test_equal_cosines_count_as_the_nearest(trial: data.Trial) -> None:
    answers = np.stack([trial.nearest, (trial.nearest + 1) % trial.count], axis=1)
    assert data.judge(trial, answers).exact == 1
    verdict = data.judge(trial, answers[:, ::-1])
    assert verdict.exact < 0.1
    assert verdict.fault is None


def test_the_front_is_of_those_whom_nobody_beats_in_everything() -> None:
    def row(name: str, build_s: float, exact: float, p50_ms: float) -> dict[str, object]:
        return {
            "contender": name,
            "status": "ok",
            "build_s": build_s,
            "batch": {"exact": exact},
            "single": {"p50_ms": p50_ms},
        }

    rows = [row("fast", 1, 0.9, 1), row("exact", 1, 1, 5), row("bad", 2, 0.9, 5), row("twin", 1, 0.9, 1)]
    assert bench_gallery.front(rows) == {
        "fast": [],
        "exact": [],
        "bad": ["fast", "exact", "twin"],
        "twin": [],
    }


def test_growth_compares_the_largest_gallery_with_the_smallest() -> None:
    def size(templates: int, add_ms: float) -> dict[str, object]:
        rows = [{"contender": f"graph ef={ef}", "add": {"p50_ms": add_ms}} for ef in (1, 2)]
        return {"templates": templates, "rows": [*rows, {"contender": "gone"}]}

    assert bench_gallery.growth([size(1000, 2.0)]) == []
    grown = bench_gallery.growth([size(1000, 2.0), size(5000, 9.0), size(10_000, 3.0)])
    assert grown == ["graph, 1,000 to 10,000: add 1.5 times"]


def test_a_stopped_contender_shows_what_was_measured_before() -> None:
    row = {"contender": "slow", "status": "over 9 s in use", "build_s": 8.25}
    shown = {path: bench_gallery.cell(row, path, *form) for _, path, *form in bench_gallery.COLUMNS}
    assert shown.pop("build_s") == "8.25"
    assert set(shown.values()) == {"-"}
    assert bench_gallery.front([row]) == {}


def test_names_and_sizes_are_understood() -> None:
    assert bench_gallery.sizes("10k,1M,77") == [10_000, 1_000_000, 77]
    assert len({spec.name for spec in RIVALS}) == len(RIVALS)
    with pytest.raises(ValueError, match="no contender hnswlob"):
        spec_of("hnswlob")


def test_the_picture_names_every_contender(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    from scripts.benchmarks.gallery.plot import apart, draw

    assert apart([0.1, 0.5, 0.5, 0.9], 0.1) == pytest.approx([0.1, 0.45, 0.55, 0.9])
    assert apart([0.95, 0.98, 0.99], 0.1) == pytest.approx([0.8, 0.9, 1.0])

    def row(name: str, count: int, *, ours: bool = False) -> dict[str, object]:
        cost = {"p50_ms": count / 1000}
        return {
            "contender": name,
            "status": "ok",
            "ours": ours,
            "single": cost,
            "first_answer_s": 0.1,
            "add_saved": cost,
            "remove_saved": cost,
        }

    sizes = [
        {"templates": count, "rows": [row("faceid", count, ours=True), row("graph ef=1", count)]}
        for count in (1000, 10_000)
    ]
    draw({"sizes": sizes}, tmp_path / "gallery.svg")
    drawn = (tmp_path / "gallery.svg").read_text(encoding="utf-8")
    assert drawn.count(">faceid<") == 4
    assert drawn.count(">graph ef=1<") == 1
    assert drawn.count(">graph<") == 3


def run_liar(
    trial: data.Trial,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lie: str,
    forget: str,
    limits: runs.Limits = LIMITS,
) -> list[runs.Row]:
    """The rows of a contender that is exact but for what is said, in a directory of its own."""
    source = LIAR.replace("{lie}", lie).replace("{forget}", forget).replace("{fault}", "a fault")
    (tmp_path / "liar.py").write_text(source, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    named = Spec(f"liar-{tmp_path.name}", "liar", "")
    return runs.run(named, trial, tmp_path, limits)
