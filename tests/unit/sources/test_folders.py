"""A folder a person: the same people come out of a folder, a ZIP and a TAR, and out of WebDataset shards."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from archive_files import Files, as_tar, as_zip, names_and_bytes, outcome, sources
from faceid.errors import InputError, UsageError
from faceid.imaging import Limits
from faceid.sources import of_folders
from faceid.sources.shards import expand_braces
from faceid.sources.survey import Survey

PEOPLE = {
    "alice/1.jpg": b"a1",
    "alice/deep/er/2.jpg": b"a2",
    "alice/notes.txt": b"no photo",
    "bob/1.png": b"b1",
    ".hidden/1.jpg": b"no",
    "bob/.hidden.jpg": b"no",
}
EXPECTED = [("alice", b"a1"), ("alice", b"a2"), ("bob", b"b1")]
Pack = Callable[[Path, Files], str]


def as_folder(root: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return str(root)


def below(prefix: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {prefix + name: data for name, data in files.items()}


class TestFolders:
    def test_the_first_level_is_the_name(self, tmp_path: Path) -> None:
        photos = of_folders(as_folder(tmp_path / "people", PEOPLE))
        assert names_and_bytes(photos) == EXPECTED
        assert sources(photos, tmp_path / "people") == ["alice/1.jpg", "alice/deep/er/2.jpg", "bob/1.png"]
        assert photos.total == 3
        assert photos.loose == ()

    def test_pictures_beside_the_folders_are_told_but_not_taken(self, tmp_path: Path) -> None:
        loose = {"stray.jpg": b"s", "notes.txt": b"no photo", ".hidden.jpg": b"no"}
        photos = of_folders(as_folder(tmp_path / "people", PEOPLE | loose))
        assert names_and_bytes(photos) == EXPECTED
        assert photos.loose == (str(tmp_path / "people" / "stray.jpg"),)

    def test_a_folder_without_photos_says_so(self, tmp_path: Path) -> None:
        root = as_folder(tmp_path / "people", {"alice/notes.txt": b""})
        (photo,) = of_folders(root)
        assert (photo.name, photo.source) == ("alice", str(tmp_path / "people" / "alice"))
        assert "no pictures in this directory" in str(outcome(photo))

    @pytest.mark.parametrize("files", [{}, {"loose.jpg": b""}, {".hidden/1.jpg": b""}])
    def test_one_without_folders(self, tmp_path: Path, files: dict[str, bytes]) -> None:
        (tmp_path / "people").mkdir()
        with pytest.raises(UsageError, match="has no sub-folders"):
            of_folders(as_folder(tmp_path / "people", files))

    @pytest.mark.parametrize(
        "name", ["nowhere", "a.jpg", "gone.zip", "gone.tar", "gone-{0..1}.tar", "a\0b", "x" * 5000]
    )
    def test_what_is_not_there(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UsageError) as caught:
            of_folders(str(tmp_path / name))
        assert caught.value.code == "not_found"

    def test_folders_beside_archives(self, tmp_path: Path) -> None:
        as_folder(tmp_path, PEOPLE)
        as_tar(tmp_path / "a.tar", PEOPLE)
        with pytest.raises(UsageError, match="side by side"):
            of_folders(str(tmp_path))

    def test_one_that_may_not_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def forbidden(_: Path) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "iterdir", forbidden)
        with pytest.raises(InputError, match="permission denied"):
            of_folders(str(tmp_path))


@pytest.mark.parametrize(("pack", "suffix"), [(as_zip, ".zip"), (as_tar, ".tar")])
@pytest.mark.parametrize("prefix", ["", "./", "/", "people/", "./export/2026/people/"])
def test_an_archive_gives_what_its_folder_gives(tmp_path: Path, pack: Pack, suffix: str, prefix: str) -> None:
    path = pack(tmp_path / f"a{suffix}", below(prefix, PEOPLE))
    photos = of_folders(path)
    assert names_and_bytes(photos) == EXPECTED
    assert [photo.source.rpartition("alice")[2] for photo in photos][:2] == ["/1.jpg", "/deep/er/2.jpg"]
    assert photos.total == (3 if suffix == ".zip" else None)


@pytest.mark.parametrize(
    ("pictures", "root"),
    [
        (["alice/1.jpg", "bob/1.jpg"], ()),
        (["people/alice/1.jpg", "people/bob/deep/1.jpg"], ("people",)),
        (["alice/1.jpg", "alice/2.jpg"], ()),
        (["people/alice/1.jpg"], ("people",)),
        (["people/alice/a/1.jpg", "people/alice/b/1.jpg", "people/alicia/1.jpg"], ("people",)),
        (["people/group.jpg", "people/alice/1.jpg"], ("people",)),
        (["group.jpg", "alice/1.jpg"], ()),
        (["a/b/1.jpg", "c/1.jpg"], ()),
        (["1.jpg", "2.jpg"], None),
        ([], ()),
    ],
)
def test_the_root_inside_an_archive(pictures: list[str], root: tuple[str, ...] | None) -> None:
    for order in (pictures, pictures[::-1]):
        survey = Survey()
        survey.add(order)
        assert survey.root == root
        assert not survey.has_samples


@pytest.mark.parametrize(
    ("paths", "samples"),
    [
        (["0.jpg", "0.txt", "1.jpg", "1.txt"], True),
        (["shard/0.jpg", "shard/0.txt"], True),
        (["alice/0.jpg", "alice/0.txt", "bob/0.jpg", "bob/0.txt"], False),
        (["alice/0.jpg", "alice/0.cls", "bob/0.jpg", "bob/0.cls"], True),
        (["alice/0.jpg", "alice/0.json", "bob/0.jpg", "bob/1.jpg"], False),
        (["0.jpg", "0.npy", "0.cls", "1.cls", "1.jpg", "2.jpg"], True),
        (["0.jpg", "1.jpg", "0.cls", "1.cls"], False),
        (["0.jpg", "names.txt"], False),
        (["0.jpg", "0.jpg.json"], False),
        (["0.cls"], False),
    ],
)
def test_samples_are_told_from_folders_with_notes(paths: list[str], samples: bool) -> None:
    survey = Survey()
    survey.add(paths)
    assert survey.has_samples == samples


@pytest.mark.parametrize(("pack", "suffix"), [(as_zip, ".zip"), (as_tar, ".tar")])
class TestArchives:
    def test_a_photo_beside_the_people_is_refused(self, tmp_path: Path, pack: Pack, suffix: str) -> None:
        path = pack(tmp_path / f"a{suffix}", {"p/group.jpg": b"", "p/alice/1.jpg": b"1", "p/bob/1.jpg": b"2"})
        group, *people = of_folders(path)
        assert group.name is None
        assert "it lies in no person's folder" in str(outcome(group))
        assert names_and_bytes(people) == [("alice", b"1"), ("bob", b"2")]

    def test_one_without_folders(self, tmp_path: Path, pack: Pack, suffix: str) -> None:
        path = pack(tmp_path / f"a{suffix}", {"1.jpg": b"", "2.jpg": b""})
        with pytest.raises(UsageError, match="has no folders") as caught:
            of_folders(path)
        assert caught.value.path == path

    def test_one_without_pictures(self, tmp_path: Path, pack: Pack, suffix: str) -> None:
        (photo,) = of_folders(pack(tmp_path / f"a{suffix}", {"alice/notes.txt": b""}))
        assert photo.name is None
        assert "no pictures in this archive" in str(outcome(photo))

    def test_a_damaged_one(self, tmp_path: Path, pack: Pack, suffix: str) -> None:
        (tmp_path / f"a{suffix}").write_bytes(b"nothing of the kind")
        photos = of_folders(str(tmp_path / f"a{suffix}"))
        (photo,) = photos
        assert (photo.name, photo.source) == (None, str(tmp_path / f"a{suffix}"))
        assert "a damaged or incomplete" in str(outcome(photo))
        assert photos.total in (1, None)


def test_in_a_zip_the_photos_of_a_person_come_together(tmp_path: Path) -> None:
    files = {"bob/1.jpg": b"1", "alice/1.jpg": b"2", "bob/2.jpg": b"3", "alice/2.jpg": b"4"}
    photos = names_and_bytes(of_folders(as_zip(tmp_path / "a.zip", files)))
    assert photos == [("bob", b"1"), ("bob", b"3"), ("alice", b"2"), ("alice", b"4")]


def test_a_tar_that_breaks_off_loses_no_photo_before(tmp_path: Path) -> None:
    path = Path(as_tar(tmp_path / "a.tar", {"p/alice/1.jpg": b"1", "p/bob/1.jpg": b"2", "p/bob/2.jpg": b"3"}))
    path.write_bytes(path.read_bytes()[: 5 * 512])
    *photos, last = of_folders(str(path))
    assert names_and_bytes(photos) == [("alice", b"1"), ("bob", b"2")]
    assert last.name is None
    assert "a damaged or incomplete TAR archive" in str(outcome(last))


def sample(key: str, name: str | None, data: bytes = b"photo") -> Files:
    return {f"{key}.jpg": data, **({} if name is None else {f"{key}.cls": name.encode()})}


class TestShards:
    @pytest.mark.parametrize(
        ("kind", "label", "name"),
        [
            ("json", {"name": "alice", "label": 7}, "alice"),
            ("json", {"label": 7}, "7"),
            ("json", {"identity": "Ren\u00e9", "name": "", "label": True}, "Ren\u00e9"),
            ("cls", "alice\n", "alice"),
            ("CLS", "12", "12"),
            ("txt", "\ufeffalice", "alice"),
            ("json", {"caption": "a face"}, None),
            ("json", ["alice"], None),
            ("cls", "  \n", None),
            ("txt", "x" * 1_000_001, None),
        ],
    )
    @pytest.mark.parametrize("first", ["picture", "label"])
    def test_labels(self, tmp_path: Path, kind: str, label: object, name: str | None, first: str) -> None:
        text = json.dumps(label) if kind == "json" else str(label)
        files = [("0.jpg", b"photo"), (f"0.{kind}", text.encode())]
        (photo,) = of_folders(as_tar(tmp_path / "a.tar", files if first == "picture" else files[::-1]))
        assert photo.name == name
        assert photo.source == str(tmp_path / "a.tar" / "0.jpg")
        if name is None:
            assert "its sample carries no name" in str(outcome(photo))
        else:
            assert outcome(photo) == b"photo"

    @pytest.mark.parametrize("label", [b"\xff\xfe", b"{", b"[" * 100_000, b'{"name": 1e999}'])
    def test_labels_that_are_none(self, tmp_path: Path, label: bytes) -> None:
        files = {"0.jpg": b"photo", "0.json": label, "0.txt": b"alice", "1.jpg": b"photo", "1.cls": b"\xff"}
        one, two = of_folders(as_tar(tmp_path / "a.tar", files))
        assert (one.name, two.name) == ("alice", None)

    def test_the_json_counts_before_the_class_and_the_caption(self, tmp_path: Path) -> None:
        files = {"0.txt": b"caption", "0.cls": b"3", "0.jpg": b"", "0.json": b'{"name": "alice"}'}
        (photo,) = of_folders(as_tar(tmp_path / "a.tar", files))
        assert photo.name == "alice"

    def test_keys_end_at_the_first_dot_of_the_file_name(self, tmp_path: Path) -> None:
        files = {
            **{"v1.0/x.left.jpg": b"left", "v1.0/x.right.PNG": b"right", "v1.0/x.cls": b"alice"},
            **{"v1.0/y.seg.npy": b"", "v1.0/y.jpg": b"y", "v1.0/y.cls": b"bob", "v2.0/y.jpg": b"other"},
        }
        photos = of_folders(as_tar(tmp_path / "a.tar", files))
        assert [(photo.name, photo.source.rpartition("/")[2]) for photo in photos] == [
            *(("alice", "x.left.jpg"), ("alice", "x.right.PNG"), ("bob", "y.jpg"), (None, "y.jpg")),
        ]

    def test_several_by_braces_and_by_folder(self, tmp_path: Path) -> None:
        for number in range(3):
            as_tar(tmp_path / f"s-00{number}.tar", sample("0", f"person {number}"))
        by_braces = of_folders(str(tmp_path / "s-{000..002}.tar"))
        by_folder = of_folders(str(tmp_path))
        assert names_and_bytes(by_braces) == names_and_bytes(by_folder)
        assert [photo.name for photo in by_folder] == ["person 0", "person 1", "person 2"]
        assert by_folder.total is None
        assert [photo.name for photo in of_folders(str(tmp_path / "s-{002,000}.tar"))] == [
            "person 2",
            "person 0",
        ]

    def test_a_missing_shard_is_said_at_once(self, tmp_path: Path) -> None:
        as_tar(tmp_path / "s-0.tar", sample("0", "alice"))
        with pytest.raises(UsageError, match=r"s-1\.tar: no such file"):
            of_folders(str(tmp_path / "s-{0..1}.tar"))

    def test_a_damaged_shard_does_not_end_the_others(self, tmp_path: Path) -> None:
        for number in range(3):
            files = {**sample("0", f"person {number}"), **sample("1", f"person {number}")}
            path = Path(as_tar(tmp_path / f"{number}.tar", files))
            if number == 1:
                path.write_bytes(path.read_bytes()[: 7 * 512 + 3])
        *_, before, broken, after, _ = found = list(of_folders(str(tmp_path)))
        assert [photo.name for photo in found] == [
            *("person 0", "person 0", "person 1", None, None, "person 2", "person 2"),
        ]
        # The photo of the sample that lost its label, and then the shard.
        assert "its sample carries no name" in str(outcome(before))
        assert "a damaged or incomplete TAR archive" in str(outcome(broken))
        assert outcome(after) == b"photo"

    def test_a_shard_that_only_lost_its_end_loses_no_sample(self, tmp_path: Path) -> None:
        path = Path(as_tar(tmp_path / "a.tar", sample("0", "alice")))
        path.write_bytes(path.read_bytes()[: 4 * 512])
        photo, broken = of_folders(str(path))
        assert (photo.name, outcome(photo)) == ("alice", b"photo")
        assert "it has no end" in str(outcome(broken))

    def test_folders_over_several_archives_have_one_root(self, tmp_path: Path) -> None:
        as_tar(tmp_path / "1.tar", {"p/alice/deep/1.jpg": b"1"})
        as_tar(tmp_path / "2.tar", {"p/bob/1.jpg": b"2"})
        assert names_and_bytes(of_folders(str(tmp_path))) == [("alice", b"1"), ("bob", b"2")]

    def test_a_sample_is_held_within_the_limit(self, tmp_path: Path) -> None:
        files = {**{f"0.{number}.jpg": bytes(400) for number in range(4)}, "0.cls": b"alice"}
        photos = list(of_folders(as_tar(tmp_path / "a.tar", files), Limits(max_bytes=1000)))
        assert [photo.name for photo in photos] == ["alice"] * 4
        assert [len(outcome(photo)) == 400 for photo in photos] == [True, True, False, False]
        assert "a sample of more than 0.001 MB" in str(outcome(photos[3]))

    def test_a_label_that_is_a_link_is_none(self, tmp_path: Path) -> None:
        path = as_tar(tmp_path / "a.tar", {"0.jpg": b"photo"})
        with tarfile.open(path, "a") as archive:
            link = tarfile.TarInfo("0.cls")
            link.type, link.linkname = tarfile.SYMTYPE, "elsewhere"
            archive.addfile(link)
        (photo,) = of_folders(path)
        assert photo.name is None


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("a.tar", ["a.tar"]),
        ("a-{08..10}.tar", ["a-08.tar", "a-09.tar", "a-10.tar"]),
        ("a-{9..10}.tar", ["a-9.tar", "a-10.tar"]),
        ("{a,b}-{0..1}.tar", ["a-0.tar", "a-1.tar", "b-0.tar", "b-1.tar"]),
        ("{x}.tar", ["{x}.tar"]),
        ("{2..1}.tar", ["{2..1}.tar"]),
    ],
)
def test_braces(pattern: str, paths: list[str]) -> None:
    assert expand_braces(pattern) == paths


@pytest.mark.parametrize("pattern", ["{0..99999999999}.tar", "{0..999}{0..999}.tar"])
def test_braces_without_bounds(pattern: str) -> None:
    with pytest.raises(UsageError, match="more than 100,000 paths"):
        expand_braces(pattern)
