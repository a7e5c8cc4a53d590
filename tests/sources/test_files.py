"""Files as people drop them: sniffed dialects, packed files, broken lines, links that lead away."""

from __future__ import annotations

import gzip
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from intendant.errors import PathRefused, SourceDamaged, SourceRefused
from intendant.sources import open_source
from intendant.types import ReadRequest


def read(root: Path, resource: str, told: list[Any] | None = None, request: ReadRequest | None = None,
         **config: Any) -> pa.Table:
    source = open_source("drops", {"kind": "files", "path": "drops", **config}, root)

    def notify(kind: str, data: Any) -> None:
        if told is not None and kind != "source.progress":
            told.append((kind, data))

    return pa.concat_tables(source.read(request or ReadRequest(resource), notify), promote_options="permissive")


@pytest.fixture
def drops(tmp_path: Path) -> Path:
    (tmp_path / "drops").mkdir()
    return tmp_path / "drops"


@pytest.mark.parametrize(("name", "text"), [
    ("a.csv", "id,name,v\n1,\"x, y\",1.5\n2,b,2\n"), ("a.csv", "id;name;v\n1;\"x, y\";1.5\n2;b;2\n"),
    ("a.tsv", "id\tname\tv\n1\tx, y\t1.5\n2\tb\t2\n"), ("a.txt", "id|name|v\n1|x, y|1.5\n2|b|2\n"),
])
def test_a_delimiter_is_found(drops: Path, name: str, text: str) -> None:
    (drops / name).write_text(text)
    rows = [{"id": 1, "name": "x, y", "v": 1.5}, {"id": 2, "name": "b", "v": 2.0}]
    assert read(drops.parent, "a").to_pylist() == rows


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "csv.zst", "json", "json.gz", "jsonl", "jsonl.gz", "parquet"])
def test_each_format_gives_the_same_rows(drops: Path, suffix: str) -> None:
    path = drops / f"a.{suffix}"
    shape = {"csv": "FORMAT csv", "json": "FORMAT json, ARRAY true", "jsonl": "FORMAT json",
             "parquet": "FORMAT parquet"}
    kind, _, packed = suffix.partition(".")
    options = shape[kind] + {"": "", "gz": ", COMPRESSION gzip", "zst": ", COMPRESSION zstd"}[packed]
    duckdb.execute(f"COPY (SELECT i AS id, 'x' || i AS \"two words\" FROM range(5000) t(i)) TO '{path}' ({options})")
    assert read(drops.parent, "a").to_pylist() == [{"id": i, "two words": f"x{i}"} for i in range(5000)]


def test_types_survive_every_value_of_the_file(drops: Path) -> None:
    head = "code,n,f,day,at,ok,mixed,long,empty\n"
    line = "007,{i},1.5,2024-01-01,2024-01-01T10:00:00+02:00,true,{i},12345678901234567890,\n"
    last = "010,5,2,2024-01-02,2024-01-01 08:00:00,false,n/a,1,\n"
    (drops / "a.csv").write_text(head + "".join(line.format(i=i) for i in range(5000)) + last)
    table = read(drops.parent, "a")
    assert table.slice(5000).to_pylist() == [{
        "code": "010", "n": 5, "f": 2.0, "day": date(2024, 1, 2), "at": datetime(2024, 1, 1, 8), "ok": False,
        "mixed": "n/a", "long": "1", "empty": None}]
    assert table["at"][0].as_py() == datetime(2024, 1, 1, 8) and table["long"][0].as_py() == "12345678901234567890"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_name_with_signs_of_a_pattern_stands_for_its_own_file(drops: Path, ending: str) -> None:
    for name, value in (("a[1]", 1), ("a1", 2), ("a?", 3)):
        duckdb.execute(f"COPY (SELECT {value} AS id, 'x' AS name) TO '{drops / 'new'}' (FORMAT {ending})")
        (drops / "new").rename(drops / f"{name}.{ending}")
    found = {name: read(drops.parent, name)["id"].to_pylist() for name in (f"a[1].{ending}", "a1", "a")}
    assert found == {f"a[1].{ending}": [1], "a1": [2], "a": [3]}


def test_a_broken_line_is_rejected_with_its_text(drops: Path) -> None:
    (drops / "a.csv").write_text("id,v\n1,2\noops\n3,4\n5,6,7\n")
    told: list[Any] = []
    assert read(drops.parent, "a", told)["id"].to_pylist() == [1, 3]
    assert [(kind, data["raw"]) for kind, data in told] == [("source.row_rejected", "oops"),
                                                            ("source.row_rejected", "5,6,7")]
    assert "Expected Number of Columns: 2" in told[0][1]["reason"]


def test_a_broken_json_line_is_rejected(drops: Path) -> None:
    (drops / "a.jsonl").write_text('{"id": 1}\n{"id": NaN}\nnope\n{"id": 2}\n')
    told: list[Any] = []
    assert read(drops.parent, "a", told)["id"].to_pylist() == [1, 2]
    assert [data["reason"].split(":")[0] for _, data in told] == ["NaN is no JSON number", "not JSON"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize(("odd", "expected"), [('"n/a"', [("source.mixed_column", {"column": "v"})]), ("2.5", []),
                                               ("null", []), ('"007"', [])])
def test_numbers_and_texts_in_one_json_column_are_reported_once(
        drops: Path, name: str, odd: str, expected: list[Any]) -> None:
    lines = [f'{{"id": {i}, "v": {odd if i % 9 == 4 else i}, "code": "00{i}"}}' for i in range(30)]
    (drops / name).write_text("\n".join(lines) if name == "a.jsonl" else f"[{','.join(lines)}]")
    told: list[Any] = []
    assert len(read(drops.parent, "a", told)) == 30
    assert told == expected


def test_numbers_in_one_json_file_and_texts_in_the_next_are_mixed(drops: Path) -> None:
    (drops / "daily").mkdir()
    (drops / "daily" / "1.jsonl").write_text('{"v": 1}\n{"v": 2}\n')
    (drops / "daily" / "2.jsonl").write_text('{"v": "n/a"}\n{"v": "x"}\n')
    source = open_source("drops", {"kind": "files", "path": "drops/"}, drops.parent)
    told: list[Any] = []
    assert sum(b.num_rows for b in source.read(ReadRequest("daily"), lambda kind, data: told.append((kind, data)))) == 4
    assert [data for kind, data in told if kind == "source.mixed_column"] == [{"column": "v"}]


def test_a_text_without_header_keeps_its_first_row(drops: Path) -> None:
    (drops / "a.csv").write_text("1,x\n2,y\n")
    assert len(read(drops.parent, "a")) == 2


def test_a_header_of_an_all_text_file_is_a_header(drops: Path) -> None:
    (drops / "a.csv").write_text("name,city\nann,rome\nbob,oslo\n")
    assert read(drops.parent, "a").column_names == ["name", "city"]


def test_the_cursor_order_and_count_are_pushed_down(drops: Path) -> None:
    (drops / "a.csv").write_text("id,at\n" + "".join(f"{i},2024-01-{i:02d}\n" for i in range(1, 29)))
    request = ReadRequest("a", count=3, order="latest", by="id", after=("at", "2024-01-20"), columns=("id",))
    assert read(drops.parent, "a", request=request).to_pylist() == [{"id": 28}, {"id": 27}, {"id": 26}]


def test_a_sub_folder_is_one_resource(drops: Path) -> None:
    (drops / "days").mkdir()
    for day in (1, 2):
        (drops / "days" / f"{day}.csv").write_text(f"id,day\n{day},x\n")
    assert read(drops.parent, "days")["id"].to_pylist() == [1, 2]


def test_a_glob_is_one_resource_whose_files_may_differ_in_columns(drops: Path) -> None:
    (drops / "o-1.csv").write_text("id,a\n1,x\n")
    (drops / "o-2.csv").write_text("id,b\n2,y\n")
    table = read(drops.parent, "o", path="drops/o-*.csv")
    assert table.to_pylist() == [{"id": 1, "a": "x", "b": None}, {"id": 2, "a": None, "b": "y"}]


def test_an_envelope_in_a_file_is_opened(drops: Path) -> None:
    (drops / "a.json").write_text(json.dumps({"count": 2, "items": [{"id": 1}, {"id": 2}]}))
    assert read(drops.parent, "a")["id"].to_pylist() == [1, 2]


def test_a_link_that_leads_out_of_the_folder_is_refused(drops: Path) -> None:
    (drops.parent / "secret.csv").write_text("a\n1\n")
    (drops / "a.csv").symlink_to(drops.parent / "secret.csv")
    with pytest.raises(PathRefused, match=r"'a.csv' leads out of the source's folder"):
        read(drops.parent, "a")


def test_a_declared_path_that_leads_out_is_refused(drops: Path) -> None:
    (drops.parent / "secret.csv").write_text("a\n1\n")
    with pytest.raises(PathRefused, match="leads out"):
        read(drops.parent, "a", resources={"a": {"path": "../secret.csv"}})


def test_a_missing_file_and_an_unknown_format_are_named(drops: Path) -> None:
    with pytest.raises(SourceRefused, match="No file for the resource 'a'"):
        read(drops.parent, "a", resources={"a": {"path": "gone.csv"}})
    (drops / "b.xyz").write_text("")
    with pytest.raises(SourceRefused, match=r"'b.xyz' is of no known format"):
        read(drops.parent, "b", resources={"b": {"path": "b.xyz"}})


@pytest.mark.parametrize(("data", "said"), [("id,n\n1,a\n".encode("utf-16"), "is in UTF-16.*Save it in UTF-8"),
                                            (b"id,n\r\n1,a\n2,b\r\n", "no delimiter and quotes fit.*a quote that is not closed")])
def test_a_csv_file_that_cannot_be_made_out_is_named_with_the_mend(drops: Path, data: bytes, said: str) -> None:
    (drops / "o-1.csv").write_text("id,n\n1,a\n")
    (drops / "o-2.csv").write_bytes(data)
    with pytest.raises(SourceDamaged, match=f"'o-2.csv' .*{said}"):
        read(drops.parent, "o", path="drops/o-*.csv")


@pytest.mark.parametrize(("name", "data"), [("a.parquet", b"PAR1 nothing"), ("a.json", b'[{"id": 1}'),
                                            ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 99, mtime=0)[:30])])
def test_a_damaged_file_is_named(drops: Path, name: str, data: bytes) -> None:
    (drops / name).write_bytes(data)
    with pytest.raises(SourceDamaged, match="a"):
        read(drops.parent, "a")
