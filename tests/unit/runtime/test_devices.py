"""How many threads work on pictures, and how pictures come to a GPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from faceid.app.factories import CPU_WORKERS, make_crew
from faceid.runtime.devices import moved, usable_cores


@pytest.mark.parametrize(
    ("said", "cores"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("20000 100000", 1),
        ("1600000 100000", 8),
        ("0 100000", 1),
        ("1 0", 8),
        ("nonsense", 8),
        (None, 8),
    ],
)
def test_a_containers_quota_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    quota = tmp_path / "cpu.max"
    if said is not None:
        quota.write_text(said)
    assert usable_cores(quota) == cores


def test_workers_run_single_threaded_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceid.app.factories.usable_cores", lambda: 64)
    crew = make_crew("dlib-resnet", "cpu")
    assert crew.workers == CPU_WORKERS
    before = torch.get_num_threads()
    with crew.working():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
def test_workers_beside_a_gpu_have_streams_of_their_own() -> None:
    crew = make_crew("dlib-resnet", "cuda:0")
    streams = []
    for _ in range(2):
        with crew.working():
            streams.append(torch.cuda.current_stream().cuda_stream)
    assert torch.cuda.default_stream().cuda_stream not in streams
    assert len(set(streams)) == 2


class CpuTensor:
    """Records how it was copied."""

    def __init__(self, pinned: bool = False) -> None:
        self.pinned = pinned

    def pin_memory(self) -> CpuTensor:
        return CpuTensor(pinned=True)

    def to(self, device: torch.device, *, non_blocking: bool) -> tuple[torch.device, bool, bool]:
        return device, self.pinned, non_blocking


def test_pixels_go_to_a_gpu_from_pinned_memory_without_waiting() -> None:
    device = torch.device("cuda:1")
    assert moved(CpuTensor(), device) == (device, True, True)  # type: ignore[arg-type, comparison-overlap]
    pixels = torch.arange(12)
    assert moved(pixels, torch.device("cpu")) is pixels


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
def test_a_gpu_gets_the_same_pixels() -> None:
    copies = [moved(torch.full((64, 112, 112, 3), value), torch.device("cuda:0")) for value in range(8)]
    assert [int(copy.min()) for copy in copies] == [int(copy.max()) for copy in copies] == list(range(8))
