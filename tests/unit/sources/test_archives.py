"""ZIP and TAR: what is taken out of them, what is refused, and what remains of damaged ones."""

from __future__ import annotations

import stat
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from archive_files import as_tar, as_zip, names_and_bytes, outcome, sources
from faceid.cli.messages import hint_for
from faceid.errors import UnreadableImage
from faceid.imaging import Limits
from faceid.sources import of_person
from faceid.types import Encoded

Pack = Callable[..., str]
PACKS = [pytest.param(as_zip, ".zip", id="zip"), pytest.param(as_tar, ".tar", id="tar")]
BOMB = Limits(max_bytes=10_000)


@pytest.mark.parametrize(("pack", "suffix"), PACKS)
class TestAnyArchive:
    def test_all_pictures_are_the_persons(self, tmp_path: Path, pack: Pack, suffix: str) -> None:
        path = pack(tmp_path / f"a{suffix}", {"2.jpg": b"two", "deep/in/1.PNG": b"one", "list.txt": b"no"})
        photos = of_person("alice", [path])
        assert names_and_bytes(photos) == [("alice", b"two"), ("alice", b"one")]
        assert sources(photos, tmp_path) == [f"a{suffix}/2.jpg", f"a{suffix}/deep/in/1.PNG"]

    def test_what_a_directory_walk_skips_is_skipped(self, tmp_path: Path, pack: Pack, suffix: str) -> None:
        names = [
            "__MACOSX/._a.jpg",
            "__MACOSX/b.jpg",
            ".hidden.jpg",
            ".cache/c.jpg",
            "a.jpg",
            "notes",
            "dir/",
        ]
        path = pack(tmp_path / f"a{suffix}", dict.fromkeys(names, b""))
        assert sources(of_person("alice", [path]), tmp_path) == [f"a{suffix}/a.jpg"]

    def test_names_that_lead_out_lead_nowhere(self, tmp_path: Path, pack: Pack, suffix: str) -> None:
        path = pack(
            tmp_path / f"a{suffix}", {"../../up.jpg": b"1", "/etc/root.jpg": b"2", "./here.jpg": b"3"}
        )
        photos = of_person("alice", [path])
        assert [outcome(photo) for photo in photos] == [b"1", b"2", b"3"]
        assert sources(photos, tmp_path) == [
            f"a{suffix}/up.jpg",
            f"a{suffix}/etc/root.jpg",
            f"a{suffix}/here.jpg",
        ]
        assert sorted(entry.name for entry in tmp_path.iterdir()) == [f"a{suffix}"]

    def test_the_same_member_twice_is_there_twice(self, tmp_path: Path, pack: Pack, suffix: str) -> None:
        if pack is as_zip:
            with pytest.warns(UserWarning, match="Duplicate name"):
                pack(tmp_path / f"a{suffix}", [("1.jpg", b"a"), ("1.jpg", b"b")])
        else:
            pack(tmp_path / f"a{suffix}", [("1.jpg", b"a"), ("1.jpg", b"b")])
        photos = of_person("alice", [str(tmp_path / f"a{suffix}")])
        assert [outcome(photo) for photo in photos] == [b"a", b"b"]

    @pytest.mark.parametrize("files", [{}, {"notes.txt": b"text"}])
    def test_one_without_pictures_says_so(
        self, tmp_path: Path, pack: Pack, suffix: str, files: dict[str, bytes]
    ) -> None:
        path = pack(tmp_path / f"a{suffix}", files)
        (photo,) = of_person("alice", [path])
        with pytest.raises(UnreadableImage, match="no pictures in this archive") as caught:
            photo.load()
        assert (caught.value.code, photo.source, photo.name) == ("no_images", path, "alice")

    @pytest.mark.parametrize("data", [b"", b"no archive at all"])
    def test_what_is_no_archive(self, tmp_path: Path, pack: Pack, suffix: str, data: bytes) -> None:
        path = tmp_path / f"a{suffix}"
        path.write_bytes(data)
        (photo,) = of_person("alice", [str(path)])
        with pytest.raises(UnreadableImage, match=r"a damaged or incomplete .* archive") as caught:
            photo.load()
        assert (caught.value.code, caught.value.path) == ("unreadable", str(path))
        assert hint_for(caught.value)

    def test_one_that_is_not_there(self, tmp_path: Path, pack: Pack, suffix: str) -> None:
        (photo,) = of_person("alice", [str(tmp_path / f"a{suffix}")])
        assert "no such file" in str(outcome(photo))

    def test_one_that_may_not_be_read(
        self, tmp_path: Path, pack: Pack, suffix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = pack(tmp_path / f"a{suffix}", {"a.jpg": b"a"})

        def forbidden(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", forbidden)
        monkeypatch.setattr("zipfile.io.open", forbidden)
        (photo,) = of_person("alice", [path])
        assert "permission denied" in str(outcome(photo))

    def test_a_folder_of_such_a_name_is_a_folder(self, tmp_path: Path, pack: Pack, suffix: str) -> None:
        (tmp_path / f"a{suffix}").mkdir()
        (tmp_path / f"a{suffix}" / "1.jpg").write_bytes(b"one")
        assert names_and_bytes(of_person("alice", [str(tmp_path / f"a{suffix}")])) == [("alice", b"one")]

    def test_a_member_that_is_too_large_is_refused_alone(
        self, tmp_path: Path, pack: Pack, suffix: str
    ) -> None:
        path = pack(tmp_path / f"a{suffix}", {"1.jpg": b"1", "2.jpg": bytes(10_001), "3.jpg": bytes(10_000)})
        one, two, three = of_person("alice", [path], BOMB)
        assert (outcome(one), outcome(three)) == (b"1", bytes(10_000))
        assert "larger than 0.01 MB" in str(outcome(two))

    def test_photos_are_loaded_in_any_order_on_any_thread(
        self, tmp_path: Path, pack: Pack, suffix: str
    ) -> None:
        files = {f"{number}.jpg": bytes([number]) * 5000 * number for number in range(40)}
        photos = list(of_person("alice", [pack(tmp_path / f"a{suffix}", files)]))
        photos.reverse()
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(outcome, photos)) == list(reversed(files.values()))

    def test_iterating_again_begins_anew(self, tmp_path: Path, pack: Pack, suffix: str) -> None:
        photos = of_person("alice", [pack(tmp_path / f"a{suffix}", {"1.jpg": b"1", "2.jpg": b"2"})])
        next(iter(photos))
        assert len(list(photos)) == len(list(photos)) == 2


class TestZip:
    def test_the_total_is_known(self, tmp_path: Path) -> None:
        files = {"1.jpg": b"", "2.jpg": b"", "3.txt": b""}
        (tmp_path / "broken.zip").write_bytes(b"broken")
        paths = [
            as_zip(tmp_path / "a.zip", files),
            as_zip(tmp_path / "b.zip", {}),
            str(tmp_path / "broken.zip"),
        ]
        photos = of_person("alice", paths)
        assert photos.total == len(list(photos)) == 4

    def test_a_member_that_declares_less_than_it_holds(self, tmp_path: Path) -> None:
        path = Path(as_zip(tmp_path / "a.zip", {"1.jpg": bytes(50_000), "2.jpg": b"2"}))
        small = (9_000).to_bytes(4, "little")
        path.write_bytes(path.read_bytes().replace((50_000).to_bytes(4, "little"), small))
        bomb, sound = of_person("alice", [str(path)], BOMB)
        assert "damaged inside its archive" in str(outcome(bomb))
        assert outcome(sound) == b"2"

    def test_a_damaged_member_is_refused_alone(self, tmp_path: Path) -> None:
        path = Path(as_zip(tmp_path / "a.zip", {"1.jpg": b"x" * 50, "2.jpg": b"2"}, zipfile.ZIP_STORED))
        path.write_bytes(path.read_bytes().replace(b"x" * 50, b"y" * 50))
        damaged, sound = of_person("alice", [str(path)])
        assert "CRC" in str(outcome(damaged))
        assert outcome(sound) == b"2"

    @pytest.mark.parametrize("length", [10, 60, 200])
    def test_one_that_lost_its_end(self, tmp_path: Path, length: int) -> None:
        path = Path(as_zip(tmp_path / "a.zip", {"1.jpg": b"x" * 50, "2.jpg": b"2"}, zipfile.ZIP_STORED))
        path.write_bytes(path.read_bytes()[:length])
        (photo,) = of_person("alice", [str(path)])
        assert "a damaged or incomplete ZIP archive" in str(outcome(photo))

    def test_encrypted_members_are_refused_with_the_way_out(self, tmp_path: Path) -> None:
        path = Path(as_zip(tmp_path / "a.zip", {"1.jpg": b"1"}, zipfile.ZIP_STORED))
        data = bytearray(path.read_bytes())
        data[data.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(data)
        (photo,) = of_person("alice", [str(path)])
        with pytest.raises(UnreadableImage, match="encrypted") as caught:
            photo.load()
        assert "password" in str(hint_for(caught.value))

    def test_only_what_inflates_within_bounds_is_inflated(self, tmp_path: Path) -> None:
        path = as_zip(tmp_path / "a.zip", {"1.jpg": bytes(1000)}, zipfile.ZIP_LZMA)
        (photo,) = of_person("alice", [path])
        assert "other than deflate" in str(outcome(photo))

    def test_links_are_refused(self, tmp_path: Path) -> None:
        link = zipfile.ZipInfo("1.jpg")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(link, "/etc/passwd")
        (photo,) = of_person("alice", [str(tmp_path / "a.zip")])
        assert "a link inside an archive" in str(outcome(photo))

    def test_names_of_programs_that_do_not_follow_the_standard(self, tmp_path: Path) -> None:
        path = Path(
            as_zip(tmp_path / "a.zip", {"Ren\u00e9/1.jpg": b"1", "caf\u00e9/2.jpg": b"2", "x!y!3.jpg": b"3"})
        )
        data = path.read_bytes().replace(b"x!y!3.jpg", b"x\\y\\3.jpg")
        for at in (index for index in range(len(data)) if data.startswith(b"PK\x01\x02", index)):
            # What macOS leaves out: the flag that says UTF-8.
            data = data[: at + 9] + bytes([data[at + 9] & ~8]) + data[at + 10 :]
        path.write_bytes(data)
        found = sources(of_person("alice", [str(path)]), tmp_path)
        assert found == ["a.zip/Ren\u00e9/1.jpg", "a.zip/caf\u00e9/2.jpg", "a.zip/x/y/3.jpg"]


class TestTar:
    @pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
    def test_compressed(self, tmp_path: Path, kind: str) -> None:
        files = {"1.jpg": b"1" * 700, "notes.txt": bytes(5000), "2.jpg": b"2" * 1024}
        path = as_tar(tmp_path / f"a.tar.{kind}", files, f"w:{kind}")
        assert names_and_bytes(of_person("alice", [path])) == [("alice", b"1" * 700), ("alice", b"2" * 1024)]

    def test_the_compression_is_told_by_the_bytes(self, tmp_path: Path) -> None:
        path = as_tar(tmp_path / "a.tar", {"1.jpg": b"1"}, "w:gz")
        assert names_and_bytes(of_person("alice", [path])) == [("alice", b"1")]

    @pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python reads Zstandard")
    def test_what_this_python_cannot_inflate(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
        (photo,) = of_person("alice", [str(tmp_path / "a.tar.zst")])
        with pytest.raises(UnreadableImage, match=r"no module compression\.zstd") as caught:
            photo.load()
        assert "gzip" in str(hint_for(caught.value))

    def test_nothing_is_known_before_it_is_read(self, tmp_path: Path) -> None:
        assert of_person("alice", [as_tar(tmp_path / "a.tar", {"1.jpg": b""})]).total is None

    def test_long_and_foreign_names(self, tmp_path: Path) -> None:
        names = [f"{'long/' * 60}1.jpg", "\u5f20\u4f1f.jpg", "new\nline.jpg"]
        path = as_tar(tmp_path / "a.tar", dict.fromkeys(names, b""))
        assert sources(of_person("alice", [path]), tmp_path) == [f"a.tar/{name}" for name in names]

    def test_links_are_refused_and_devices_skipped(self, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            for name, kind in (
                *(("hard.jpg", tarfile.LNKTYPE), ("soft.jpg", tarfile.SYMTYPE)),
                *(
                    ("pipe.jpg", tarfile.FIFOTYPE),
                    ("disk.jpg", tarfile.BLKTYPE),
                    ("folder.jpg", tarfile.DIRTYPE),
                ),
            ):
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, "/etc/passwd"
                archive.addfile(info)
        photos = list(of_person("alice", [str(tmp_path / "a.tar")]))
        assert sources(photos, tmp_path) == ["a.tar/hard.jpg", "a.tar/soft.jpg"]
        assert all("a link inside an archive" in str(outcome(photo)) for photo in photos)

    @pytest.mark.parametrize("kind", ["", "gz", "xz"])
    def test_one_that_breaks_off_gives_what_stands_before(self, tmp_path: Path, kind: str) -> None:
        noise = [bytes((number * step) % 251 for number in range(3000)) for step in (7, 11, 13)]
        files = {f"{number}.jpg": data for number, data in enumerate(noise)}
        path = Path(as_tar(tmp_path / "a.tar", files, f"w:{kind}"))
        whole = path.read_bytes()
        for length in range(1, len(whole) - 1, 97):
            path.write_bytes(whole[:length])
            *sound, last = of_person("alice", [str(path)])
            found = [outcome(photo) for photo in sound]
            assert found == noise[: len(found)]
            # Zeros behind the first block of them are padding, which may be missing.
            if isinstance(told := outcome(last), bytes):
                assert not kind
                assert [*found, told] == noise
                assert length >= 3 * 3584 + 512
            else:
                assert "a damaged or incomplete TAR archive" in told
                assert last.source == str(path)

    def test_a_damaged_header_is_not_the_end(self, tmp_path: Path) -> None:
        path = Path(as_tar(tmp_path / "a.tar", {"1.jpg": b"1", "2.jpg": b"2", "3.jpg": b"3"}))
        data = bytearray(path.read_bytes())
        data[data.index(b"2.jpg")] ^= 1
        path.write_bytes(data)
        one, last = of_person("alice", [str(path)])
        assert outcome(one) == b"1"
        assert "a damaged or incomplete TAR archive: it has no end" in str(outcome(last))

    def test_the_checksum_behind_a_compressed_one_counts(self, tmp_path: Path) -> None:
        path = Path(as_tar(tmp_path / "a.tar.gz", {"1.jpg": b"1"}, "w:gz"))
        data = bytearray(path.read_bytes())
        data[-6] ^= 1
        path.write_bytes(data)
        one, last = of_person("alice", [str(path)])
        assert outcome(one) == b"1"
        assert "CRC" in str(outcome(last))

    @pytest.mark.parametrize("name", ["1.jpg", "notes.txt"])
    def test_a_bomb_is_given_up(self, tmp_path: Path, name: str) -> None:
        path = as_tar(tmp_path / "a.tar.gz", {"0.jpg": b"0", name: bytes(8_000_000), "2.jpg": b"2"}, "w:gz")
        assert Path(path).stat().st_size < 20_000
        *sound, last = of_person("alice", [path], BOMB)
        assert outcome(sound[0]) == b"0"
        assert "grows more than 200 times" in str(outcome(last))
        assert last.source == path

    def test_a_hostile_header_reserves_no_memory(self, tmp_path: Path) -> None:
        header = tarfile.TarInfo("pax")
        header.type, header.size = tarfile.XHDTYPE, 1 << 32
        (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
        (photo,) = of_person("alice", [str(tmp_path / "a.tar")])
        assert "a header of 4294967296 bytes" in str(outcome(photo))

    def test_headers_that_announce_headers(self, tmp_path: Path) -> None:
        header = tarfile.TarInfo("x")
        header.type, header.size = tarfile.GNUTYPE_LONGNAME, 512
        path = Path(as_tar(tmp_path / "a.tar", {"1.jpg": b"1"}))
        path.write_bytes(path.read_bytes()[:1024] + (header.tobuf(tarfile.GNU_FORMAT) + b"x" * 512) * 5000)
        one, last = of_person("alice", [str(path)])
        assert outcome(one) == b"1"
        assert "a damaged or incomplete TAR archive" in str(outcome(last))

    def test_a_large_one_goes_through_with_flat_memory(self, tmp_path: Path) -> None:
        def peak(members: int) -> int:
            path = as_tar(tmp_path / "a.tar", ((f"{number}.jpg", bytes(20_000)) for number in range(members)))
            taken = 0
            tracemalloc.start()
            try:
                for photo in of_person("alice", [path]):
                    taken += isinstance(photo.load(), Encoded)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
                assert taken == members

        # A TarInfo that is kept is more than 1 kB, a photo 20. The least of several: threads that another test left
        # behind may allocate meanwhile.
        assert min(peak(2000) for _ in range(3)) - peak(100) < 200_000
