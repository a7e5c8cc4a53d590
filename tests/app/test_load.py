"""`load` takes a file of any usual form as a table, or says what is wrong with it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from intendant.app import Intendant
from intendant.errors import IntendantError, LakeError, SourceDamaged, TypeMismatch, UnknownName, UsageError


def rows(app: Intendant, sql: str) -> Any:
    return app.sql(sql)["rows"]


def test_a_csv_keeps_quotes_commas_and_line_ends_inside_of_cells(app: Intendant, workspace: Path) -> None:
    (workspace / "q.csv").write_text('id,says\n1,"a, ""b""\nc"\n2,\n', encoding="utf-8")
    assert app.load(workspace / "q.csv", "q") == {"table": "q", "version": 0, "rows": 2}
    assert rows(app, "SELECT * FROM q ORDER BY id") == [[1, 'a, "b"\nc'], [2, None]]


def test_a_row_that_looks_like_a_comment_is_a_row(app: Intendant, workspace: Path) -> None:
    (workspace / "tags.csv").write_text("tag,name\n1,a\n#2,b\n3,c\n", encoding="utf-8")
    assert app.load(workspace / "tags.csv", "tags")["rows"] == 3
    (workspace / "head.csv").write_text("# made by hand\ntag,name\n1,a\n", encoding="utf-8")
    assert app.load(workspace / "head.csv", "head") == {"table": "head", "version": 0, "rows": 1}


def test_a_name_with_signs_of_a_pattern_is_its_own_file(app: Intendant, workspace: Path) -> None:
    (workspace / "a[1].csv").write_text("id\n1\n", encoding="utf-8")
    (workspace / "a1.csv").write_text("id\n99\n", encoding="utf-8")
    app.load(workspace / "a[1].csv", "t")
    assert rows(app, "SELECT id FROM t") == [[1]]


def test_json_lines_json_gzip_and_parquet_load_as_the_same_rows(app: Intendant, workspace: Path) -> None:
    data = [{"id": 1, "name": "Ünï 🙂"}, {"id": 2, "name": None}]
    lines = "".join(json.dumps(r) + "\n" for r in data)
    (workspace / "a.jsonl").write_text(lines, encoding="utf-8")
    (workspace / "b.json").write_text(json.dumps(data), encoding="utf-8")
    (workspace / "c.csv.gz").write_bytes(gzip.compress("id,name\n1,Ünï 🙂\n2,\n".encode()))
    (workspace / "d.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    with duckdb.connect() as con:
        con.execute(f"COPY (FROM '{workspace}/b.json') TO '{workspace}/e.parquet'")
    for file in ("a.jsonl", "b.json", "c.csv.gz", "d.jsonl.gz", "e.parquet"):
        assert app.load(workspace / file, "t")["rows"] == 2, file
        assert rows(app, "SELECT id, name FROM t ORDER BY id") == [[1, "Ünï 🙂"], [2, None]], file
    assert [v["rows"] for v in app.history("t")] == [2] * 5


def test_a_file_of_one_row_and_a_header_alone_are_whole_tables(app: Intendant, workspace: Path) -> None:
    (workspace / "one.csv").write_text("größe,名前\n1,x\n", encoding="utf-8")
    (workspace / "none.csv").write_text("a,b\n", encoding="utf-8")
    assert app.load(workspace / "one.csv", "größen")["rows"] == 1
    assert rows(app, 'SELECT "größe", "名前" FROM "größen"') == [[1, "x"]]
    assert app.load(workspace / "none.csv", "none")["rows"] == 0
    assert list(app.show("none")["columns"]) == ["a", "b"]


def test_types_fix_columns(app: Intendant, workspace: Path) -> None:
    (workspace / "t.csv").write_text("code,n\n007,1\n", encoding="utf-8")
    app.load(workspace / "t.csv", "t", {"code": "VARCHAR", "n": "DOUBLE"})
    assert app.show("t")["columns"] == {"code": "VARCHAR", "n": "DOUBLE"}
    assert rows(app, "SELECT * FROM t") == [["007", 1.0]]
    (workspace / "t.json").write_text('[{"code": "007", "n": 1, "more": [1]}]', encoding="utf-8")
    app.load(workspace / "t.json", "t", {"n": "DOUBLE"})
    assert rows(app, "SELECT * FROM t") == [["007", 1.0, [1]]]


def test_what_can_t_be_loaded_says_why_and_leaves_nothing(app: Intendant, workspace: Path) -> None:
    (workspace / "good.csv").write_text("a\n1\nx\n", encoding="utf-8")
    (workspace / "empty.csv").write_text("", encoding="utf-8")
    (workspace / "empty.json").write_text("", encoding="utf-8")
    (workspace / "blank.csv.gz").write_bytes(gzip.compress(b"\n\n"))
    (workspace / "broken.json").write_text('{"a": 1', encoding="utf-8")
    (workspace / "noise.parquet").write_bytes(b"no parquet")
    (workspace / "noise.csv.gz").write_bytes(b"no gzip")
    (workspace / "x.docx").write_text("a", encoding="utf-8")
    (workspace / "folder.csv").mkdir()
    cases: list[tuple[str, dict[str, str] | None, type[IntendantError], str]] = [
        ("missing.csv", None, UsageError, "there is no file"),
        ("folder.csv", None, UsageError, "there is no file"),
        ("x.docx", None, UsageError, "has no ending that says its format"),
        ("empty.csv", None, SourceDamaged, "'empty.csv' is empty"),
        ("empty.json", None, SourceDamaged, "'empty.json' is empty"),
        ("blank.csv.gz", None, SourceDamaged, "'blank.csv.gz' is empty"),
        ("broken.json", None, SourceDamaged, "'broken.json' can't be loaded"),
        ("noise.parquet", None, SourceDamaged, "'noise.parquet' can't be loaded"),
        ("noise.csv.gz", None, SourceDamaged, "'noise.csv.gz' can't be loaded"),
        ("good.csv", {"a": "INTEGER"}, SourceDamaged, "'good.csv' can't be loaded"),
        ("good.csv", {"b": "INTEGER"}, UnknownName, "has no column 'b'"),
        ("good.csv", {"a": "NO SUCH"}, TypeMismatch, "is no SQL type"),
        ("good.csv", {"a": "INT); DROP TABLE x; --"}, TypeMismatch, "is no SQL type"),
        ("broken.json", {"a": "INTEGER"}, SourceDamaged, "'broken.json' can't be loaded"),
    ]
    for file, types, kind, message in cases:
        with pytest.raises(kind) as e:
            app.load(workspace / file, "t", types)
        assert message in e.value.message and e.value.hint, file
    assert app.tables() == []
    assert not list(app.workspace.lake.rglob("*.parquet"))


@pytest.mark.parametrize("name", ['"; DROP TABLE x; --', "../../etc", "a/b\\c", "..", "SELECT"])
def test_any_name_is_only_a_name(name: str, app: Intendant, workspace: Path) -> None:
    app.load(workspace / "customers.csv", "x")
    before = {p for p in workspace.parent.rglob("*") if ".intendant" not in p.parts}
    app.load(workspace / "orders.csv", name)
    assert {t["name"]: t["rows"] for t in app.tables()} == {"x": 3, name: 6}
    quoted = '"' + name.replace('"', '""') + '"'
    assert rows(app, f"SELECT count(*) FROM {quoted}") == [[6]]
    assert app.history(name)[0]["rows"] == 6 and app.show(name)["rows"] == 6
    assert {p for p in workspace.parent.rglob("*") if ".intendant" not in p.parts} == before


def test_a_name_that_no_folder_can_have_is_said(app: Intendant, workspace: Path) -> None:
    with pytest.raises(LakeError, match=r"is too long \(300 characters\)"):
        app.load(workspace / "orders.csv", "x" * 300)


@pytest.mark.parametrize("name", ["", "  ", "a\0b"])
def test_no_name_is_refused(name: str, app: Intendant, workspace: Path) -> None:
    with pytest.raises(UsageError, match="is no table name"):
        app.load(workspace / "orders.csv", name)


def test_a_json_record_larger_than_most_is_loaded_too(app: Intendant, workspace: Path) -> None:
    rows = [{"id": i, "note": "x" * (18_000_000 if i == 3 else 10)} for i in range(5)]
    (workspace / "notes.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert app.load(workspace / "notes.jsonl", "notes")["rows"] == 5
    assert app.load(workspace / "notes.jsonl", "notes", {"id": "INTEGER"})["rows"] == 5
    assert app.sql("SELECT max(length(note)) FROM notes")["rows"] == [[18_000_000]]
