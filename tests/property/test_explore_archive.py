"""Archives of embeddings: what was written is read, and what is none is told."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid.errors import InputError, UsageError
from faceid.explore.archive import read_archive
from faceid.explore.archive_writer import ArchiveWriter
from faceid.explore.faces import FaceRow, Faces
from faceid.types import ModelKey
from faces_data import made_up

MODEL = ModelKey("fake", "0" * 64, "none", 16, "cosine")
names = st.lists(st.sampled_from(["", "alice", "Žofia", "\u05d0"]), min_size=1, max_size=12)


def rows_of(faces: Faces) -> list[FaceRow]:
    return [
        FaceRow(vector, name, source, digest, tuple(box), float(quality), float(outside))
        for vector, name, source, digest, box, quality, outside in zip(
            faces.vectors,
            faces.names,
            faces.sources,
            faces.digests,
            faces.boxes.tolist(),
            faces.quality,
            faces.outside,
            strict=True,
        )
    ]


@given(names, st.integers(1, 5))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], held: int
) -> None:
    faces = made_up(names, boxes=np.arange(4 * len(names), dtype=np.float32).reshape(-1, 4))
    file = tmp_path_factory.mktemp("archive") / "faces.npz"
    with ArchiveWriter(file, held) as archive:
        for row in rows_of(faces):
            archive.add(row)
        archive.write(MODEL)
    read = read_archive(file)
    with np.load(file) as loaded:
        assert ("names" in loaded) == any(names)
    for field in ("model", "metric", "names", "sources", "digests"):
        assert getattr(read, field) == getattr(faces, field), field
    np.testing.assert_allclose(read.vectors, faces.vectors, atol=1e-6)
    np.testing.assert_array_equal(read.boxes, faces.boxes)
    assert np.isnan(read.quality).all()
    assert np.isnan(read.outside).all()
    np.testing.assert_array_equal(read.identities(), faces.identities())


def test_memory_does_not_grow_with_the_faces(tmp_path: Path) -> None:
    (row,) = rows_of(made_up(["alice"], dim=128))
    peaks = []
    with ArchiveWriter(tmp_path / "faces.npz", held=256) as archive:
        tracemalloc.start()
        try:
            for _ in range(2):
                for _ in range(8 * 256):
                    archive.add(replace(row, vector=row.vector.copy(), source=f"{tmp_path}/{archive.rows}"))
                peaks.append(tracemalloc.get_traced_memory()[1])
            archive.write(MODEL)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert len(read_archive(tmp_path / "faces.npz")) == 16 * 256
    # The vectors alone are eight times 128 KiB in each half.
    assert max(peaks) - peaks[0] < 128 * 1024


@pytest.mark.parametrize("ending", ["raise SystemExit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_run_that_is_cut_short_leaves_nothing(tmp_path: Path, ending: str) -> None:
    (tmp_path / "faces.npz").write_bytes(b"before")
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from faceid.explore.archive_writer import ArchiveWriter\n"
        "from faceid.explore.faces import FaceRow\n"
        "with ArchiveWriter(Path(sys.argv[1]), held=2) as archive:\n"
        "    for row in range(5):\n"
        "        archive.add(FaceRow(np.ones(4, np.float32), '', 'a', '', (0, 0, 1, 1), 1.0, 0.0))\n"
        f"    {ending}\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "faces.npz"], check=False)
    assert done.returncode in (3, -9)
    assert [path.name for path in tmp_path.iterdir()] == ["faces.npz"]
    assert (tmp_path / "faces.npz").read_bytes() == b"before"


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (row,) = rows_of(made_up(["alice"]))
    with ArchiveWriter(tmp_path / "faces.npz") as archive:
        archive.add(row)
        with monkeypatch.context() as patched:
            patched.setattr(np, "save", full)
            with pytest.raises(UsageError, match=r"cannot write .*faces\.npz: No space left"):
                archive.write(MODEL)
        monkeypatch.setattr("faceid.explore.archive_writer.write_rows", full)
        with pytest.raises(UsageError, match=r"cannot write .*faces\.npz: No space left"):
            archive.write(MODEL)
    assert [*tmp_path.iterdir()] == []


def test_faces_of_one_photo_are_told_by_hash_then_by_source_then_not_at_all() -> None:
    faces = made_up(
        ["", "", "", "", "", ""], sources=("a", "b", "c", "c", "", ""), digests=("x", "x", "", "", "", "")
    )
    assert faces.photos().tolist() == [0, 0, 1, 1, 2, 3]


def test_identities_are_numbered_by_name() -> None:
    assert made_up(["b", "", "a", "b"]).identities().tolist() == [1, -1, 0, 1]


GOOD = {"embeddings": np.eye(3, dtype=np.float32), "model": "fake", "metric": "cosine"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": None}, "has no model"),
        ({"embeddings": np.zeros((0, 3), np.float32)}, r"shape \(0, 3\)"),
        ({"embeddings": np.zeros((2, 3), np.float32)}, "not finite, or zero"),
        ({"embeddings": np.full((2, 3), np.nan, np.float32)}, "not finite, or zero"),
        ({"embeddings": np.zeros((3, 0), np.float32)}, r"shape \(3, 0\)"),
        ({"embeddings": np.ones((3, 1), np.float32)}, r"shape \(3, 1\)"),
        ({"embeddings": np.ones(3, np.float32)}, r"shape \(3,\)"),
        ({"embeddings": np.ones((2, 3), np.int64)}, "int64"),
        ({"metric": "manhattan"}, "metric 'manhattan'"),
        ({"names": np.array(["a"])}, "3 strings are needed"),
        ({"sources": np.arange(3)}, "3 strings are needed"),
        ({"boxes": np.zeros((3, 2), np.float32)}, r"where \(3, 4\)"),
        ({"names": np.array([b"a"] * 3)}, r"type \|S1, where 3 strings"),
        ({"names": np.array([{}] * 3, dtype=object)}, "no|not"),
    ],
)
def test_what_is_no_such_archive_is_told(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    file = tmp_path / "faces.npz"
    arrays = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    np.savez(file, **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said) as caught:
        read_archive(file)
    assert caught.value.code == "bad_archive"


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all"])
def test_bytes_that_are_no_archive_are_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "faces.npz"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"not an \.npz archive"):
        read_archive(file)


def test_an_archive_that_claims_more_than_it_holds_is_told(tmp_path: Path) -> None:
    file = tmp_path / "faces.npz"
    np.savez(file, **GOOD)  # type: ignore[arg-type]
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = io.BytesIO()
    claimed = {"descr": "<f4", "fortran_order": False, "shape": (10**12, 128)}
    np.lib.format.write_array_header_1_0(header, claimed)
    members["embeddings.npy"] = header.getvalue()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match="ends early"):
        read_archive(file)


def test_an_encrypted_archive_is_told(tmp_path: Path) -> None:
    file = tmp_path / "faces.npz"
    np.savez(file, **GOOD)  # type: ignore[arg-type]
    content = bytearray(file.read_bytes())
    # The flag, in the headers of members and in the table of contents.
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + place] |= 1
            at = content.find(mark, at + 1)
    file.write_bytes(content)
    with pytest.raises(InputError, match="encrypted"):
        read_archive(file)


def test_vectors_of_any_length_are_brought_to_one(tmp_path: Path) -> None:
    file = tmp_path / "faces.npz"
    np.savez(file, **{**GOOD, "embeddings": 7 * np.eye(3)})
    np.testing.assert_allclose(read_archive(file).vectors, np.eye(3))
