"""Tables of photos: CSV in the forms that spreadsheets write, Parquet, and what bad ones are told."""

from __future__ import annotations

import csv
import datetime
import sys
from pathlib import Path

import pytest

from archive_files import names_and_bytes, outcome
from faceid.cli.messages import exit_code_of, hint_for
from faceid.errors import InputError, UsageError
from faceid.imaging import Limits
from faceid.sources import of_table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a1.jpg", "a2.jpg", "b1.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def table(folder: Path, text: str, encoding: str = "utf-8") -> str:
    path = folder / "people.csv"
    path.write_bytes(text.encode(encoding))
    return str(path)


def refusal(path: str) -> InputError:
    with pytest.raises(InputError) as caught:
        of_table(path)
    assert caught.value.path == path
    assert exit_code_of(caught.value) == 3
    return caught.value


class TestCsv:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_as_spreadsheets_write_it(self, folder: Path, delimiter: str, end: str, encoding: str) -> None:
        rows = [["a1.jpg", 'M\u00fcller, "A"; B'], ["b1.jpg", "\u5f20\u4f1f"]]
        with (folder / "people.csv").open("w", encoding=encoding, newline="") as file:
            csv.writer(file, delimiter=delimiter, lineterminator=end).writerows([["path", "name"], *rows])
        photos = of_table(str(folder / "people.csv"))
        assert names_and_bytes(photos) == [('M\u00fcller, "A"; B', b"a1.jpg"), ("\u5f20\u4f1f", b"b1.jpg")]
        assert photos.total == 2

    def test_columns_in_any_order_and_case(self, folder: Path) -> None:
        photos = of_table(table(folder, "Team, NAME ,Path\nred,alice,a1.jpg\n"))
        assert names_and_bytes(photos) == [("alice", b"a1.jpg")]
        assert photos.attributes == {"alice": {"team": "red"}}

    def test_rows_of_one_identity_come_together(self, folder: Path) -> None:
        rows = "b1.jpg,bob\na1.jpg,alice\nb1.jpg,bob\n\na2.jpg,alice\nb1.jpg,alice\n"
        photos = of_table(table(folder, "path,name\n" + rows))
        assert names_and_bytes(photos) == [
            *(("bob", b"b1.jpg"), ("bob", b"b1.jpg")),
            *(("alice", b"a1.jpg"), ("alice", b"a2.jpg"), ("alice", b"b1.jpg")),
        ]
        assert photos.total == 5

    def test_paths_are_relative_to_the_table(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = f"path,name\na1.jpg,alice\n{folder / 'a2.jpg'},alice\n"
        sources = [photo.source for photo in of_table(table(folder, text))]
        assert sources == [str(folder / "a1.jpg"), str(folder / "a2.jpg")]
        monkeypatch.chdir(folder)
        assert next(iter(of_table("people.csv"))).source == "a1.jpg"

    def test_what_is_not_there_is_one_photo_that_is_refused(self, folder: Path) -> None:
        gone, sound = of_table(table(folder, "path,name\ngone.jpg,alice\na1.jpg,alice\n"))
        assert "no such file" in str(outcome(gone))
        assert (gone.source, outcome(sound)) == (str(folder / "gone.jpg"), b"a1.jpg")

    def test_a_dash_is_a_file(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder)
        Path("-").write_bytes(b"dash")
        table(folder, "path,name\n-,alice\n")
        assert names_and_bytes(of_table("people.csv")) == [("alice", b"dash")]

    def test_limits_hold(self, folder: Path) -> None:
        (photo,) = of_table(table(folder, "path,name\na1.jpg,alice\n"), Limits(max_bytes=3))
        assert "larger than" in str(outcome(photo))

    def test_attributes_belong_to_the_identity(self, folder: Path) -> None:
        text = "path,name,team,since\na1.jpg,alice,,2019\nb1.jpg,bob,,\na2.jpg,alice,red,2019\n"
        assert of_table(table(folder, text)).attributes == {
            "alice": {"team": "red", "since": "2019"},
            "bob": {},
        }

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("", "no column path and no name"),
            ("path,team\na.jpg,red\n", "no column name"),
            ("path;nom\na.jpg;alice\n", "no column path and no name"),
            ("path,name,Name\na.jpg,b,c\n", "the column 'name' is there twice"),
            ("path,name\n", "no rows"),
            ("path,name\na.jpg,alice\nb.jpg,\n", ", line 3: no name"),
            ("path,name\n  ,alice\n", ", line 2: no path"),
            ("path,name\na.jpg,alice,red\n", ", line 2: 3 cells, where the header has 2"),
            ("path,name\n\na.jpg\n", ", line 3: 1 cells, where the header has 2"),
            ('path,name\na.jpg,"alice\nb.jpg,bob\n', ", line 3: unexpected end of data"),
            (f"path,name\na.jpg,{'x' * 200_000}\n", ", line 2: field larger than field limit"),
            (
                "path,name,team\na.jpg,alice,red\nb.jpg,bob,red\nc.jpg,alice,blue\n",
                ", line 4: the team of alice is 'blue' here and 'red' above",
            ),
        ],
    )
    def test_bad_ones(self, folder: Path, text: str, told: str) -> None:
        error = refusal(table(folder, text))
        assert error.code == "bad_table"
        assert told in str(error)
        assert str(error).isprintable()

    def test_another_encoding_is_not_guessed(self, folder: Path) -> None:
        error = refusal(table(folder, "path,name\na1.jpg,Ren\u00e9\n", "latin-1"))
        assert "neither UTF-8 nor UTF-16" in str(error)
        assert "UTF-8" in str(hint_for(error))

    def test_what_cannot_be_read(self, folder: Path) -> None:
        assert refusal(str(folder / "gone.csv")).code == "not_found"
        assert "directory" in str(refusal(str(folder)))


class TestParquet:
    def test_without_pyarrow_there_is_a_way_out(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        (folder / "people.parquet").write_bytes(b"PAR1")
        with pytest.raises(UsageError, match="need pyarrow") as caught:
            of_table(str(folder / "people.parquet"))
        assert caught.value.code == "no_pyarrow"
        assert "faceid-verify[parquet]" in str(hint_for(caught.value))

    def write(self, folder: Path, **columns: list[object]) -> str:
        pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
        parquet = pytest.importorskip("pyarrow.parquet")
        path = folder / "people.parquet"
        parquet.write_table(pyarrow.table(columns), path, row_group_size=2)
        return str(path)

    def test_rows(self, folder: Path) -> None:
        path = self.write(
            folder,
            since=[datetime.date(2019, 5, 1), None, datetime.date(2019, 5, 1)],
            level=[3, 4, None],
            name=["alice", "bob", "alice"],
            path=["a1.jpg", "b1.jpg", "a2.jpg"],
        )
        photos = of_table(path)
        assert names_and_bytes(photos) == [("alice", b"a1.jpg"), ("alice", b"a2.jpg"), ("bob", b"b1.jpg")]
        assert photos.attributes == {"alice": {"since": "2019-05-01", "level": "3"}, "bob": {"level": "4"}}
        assert photos.total == 3

    def test_names_that_are_numbers_or_few(self, folder: Path) -> None:
        pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
        names = pyarrow.array(["x", "x"]).dictionary_encode()
        assert [photo.name for photo in of_table(self.write(folder, path=["a", "b"], name=names))] == [
            "x",
            "x",
        ]
        assert [photo.name for photo in of_table(self.write(folder, path=["a"], name=[12]))] == ["12"]

    def test_bad_ones(self, folder: Path) -> None:
        assert "no column name" in str(refusal(self.write(folder, path=["a"])))
        assert "row 2: no name" in str(refusal(self.write(folder, path=["a", "b"], name=["x", None])))
        assert "no rows" in str(refusal(self.write(folder, path=[], name=[])))
        for values in ([[1, 2]], [{"bytes": 1}], [b"\xff\xd8"]):
            told = str(refusal(self.write(folder, path=["a"], name=["x"], image=values)))
            assert "the column 'image' holds no plain values" in told
        path = Path(self.write(folder, path=["a", "b"], name=["x", "x"], team=["red", "blue"]))
        assert "row 2: the team of x is 'blue' here and 'red' above" in str(refusal(str(path)))
        path.write_bytes(path.read_bytes()[:-20])
        assert "no whole Parquet file" in str(refusal(str(path)))
