"""Workbooks as they are in offices: titles above the table, merged headers, errors, dates, hidden sheets, damage."""

from __future__ import annotations

import contextlib
import datetime as dt
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xlsxwriter
import xlwt
from tests.sources.workbooks import blank, error, figure, ods, with_part, words, xlsb, xlsx

from intendant import Intendant
from intendant.errors import (
    IntendantError,
    SourceDamaged,
    SourceRefused,
    SourceTooLarge,
    UnknownName,
    UsageError,
    WorkspaceError,
)
from intendant.sources import open_source
from intendant.sources.wire import cells, excel, header, survey
from intendant.types import ReadRequest

Rejected = list[tuple[str, str]]


def read(
    path: Path,
    resource: str | None = None,
    rejected: Rejected | None = None,
    mixed: list[str] | None = None,
    **config: Any,
) -> pa.Table:
    source = open_source("drops", {"kind": "files", "path": path.name, **config}, path.parent)

    def notify(kind: str, data: Any) -> None:
        if kind == "source.row_rejected":
            assert rejected is not None, data
            rejected.append((data["reason"], data["raw"]))
        if kind == "source.mixed_column" and mixed is not None:
            mixed.append(data["column"])

    batches = list(source.read(ReadRequest(resource or path.stem), notify))
    assert len({batch.schema for batch in batches}) <= 1
    return pa.concat_tables(batches) if batches else pa.table({})


def test_types_of_cells_are_kept(tmp_path: Path) -> None:
    moment = dt.datetime(2024, 2, 3, 12, 30, 15, 250000)
    table = read(
        xlsx(
            tmp_path / "book.xlsx",
            {
                "S": [
                    ["id", "share", "day", "at", "time", "length", "ok", "code", "long", "iso", "sum", "nothing"],
                    [
                        1,
                        (0.25, "0.00%"),
                        (dt.date(2024, 2, 3), "yyyy-mm-dd"),
                        moment,
                        (dt.time(10, 30), "hh:mm"),
                        (1.25, "[h]:mm:ss"),
                        True,
                        "007",
                        "12345678901234567890",
                        "2024-01-02",
                        ("=1+1", "", 2.5),
                    ],
                    [
                        2,
                        (1, "0%"),
                        None,
                        dt.datetime(2024, 2, 4),
                        None,
                        (0.5, "[h]:mm:ss"),
                        False,
                        "12",
                        "1",
                        None,
                        ("=1", "", 1),
                    ],
                ]
            },
        )
    )
    assert table.to_pylist()[0] == {
        "id": 1,
        "share": 0.25,
        "day": dt.date(2024, 2, 3),
        "at": moment,
        "time": "10:30:00",
        "length": "30:00:00",
        "ok": True,
        "code": "007",
        "long": "12345678901234567890",
        "iso": dt.date(2024, 1, 2),
        "sum": 2.5,
        "nothing": None,
    }
    assert table.schema.field("id").type == pa.int64() and table.schema.field("at").type == pa.timestamp("us")
    assert table.to_pylist()[1]["length"] == "12:00:00"


def test_title_rows_blank_rows_and_blank_columns_are_stepped_over(tmp_path: Path) -> None:
    table = read(
        xlsx(
            tmp_path / "book.xlsx",
            {
                "S": [
                    [],
                    [None, "Sales of the year"],
                    [None, "made by", "Ann"],
                    [],
                    [None, "region", "product", None, "amount", "count"],
                    [None, "north", "pen", None, 1.5, 3],
                    [],
                    [None, "south", None, None, 2, 4],
                ]
            },
        )
    )
    assert table.to_pylist() == [
        {"region": "north", "product": "pen", "amount": 1.5, "count": 3},
        {"region": "south", "product": None, "amount": 2.0, "count": 4},
    ]


def test_merged_cells_of_a_header_name_the_columns_below(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.merge_range(0, 0, 0, 4, "A title over all")
    sheet.merge_range(1, 0, 2, 0, "region")
    sheet.merge_range(1, 1, 1, 2, "Q1")
    sheet.merge_range(1, 3, 1, 4, "Q2")
    sheet.write_row(2, 1, ["sales", "cost", "sales", "cost"])
    sheet.write_row(3, 0, ["north", 1, 2, 3, 4])
    book.close()
    assert read(path).to_pylist() == [{"region": "north", "Q1 sales": 1, "Q1 cost": 2, "Q2 sales": 3, "Q2 cost": 4}]


def test_names_that_come_twice_or_are_missing_or_are_years(tmp_path: Path) -> None:
    table = read(
        xlsx(
            tmp_path / "book.xlsx",
            {"S": [["id", "ID", None, "two\nlines ", 2023, 2024, "column_3"], [1, 2, 3, 4, 5, 6, 7]]},
        )
    )
    assert table.column_names == ["id", "ID_1", "column_3_3", "two lines", "2023", "2024", "column_3"]
    assert table.to_pylist()[0]["column_3"] == 7


def test_a_header_of_one_name_for_all_columns_is_told_apart_in_no_time() -> None:
    started = time.monotonic()
    names = header.header_of([["id"] * cells.MOST_COLUMNS, [1] * cells.MOST_COLUMNS], (), 0).names
    assert len(set(names)) == cells.MOST_COLUMNS and names[:3] == ("id", "id_1", "id_2")
    assert time.monotonic() - started < 20


def test_a_table_without_a_header_loses_no_row(tmp_path: Path) -> None:
    rows = [[1, "a", 2.5], [2, "b", 3.5]]
    table = read(xlsx(tmp_path / "book.xlsx", {"S": rows}))
    assert [list(row.values()) for row in table.to_pylist()] == rows and table.column_names == [
        "column_1",
        "column_2",
        "column_3",
    ]


def test_the_header_row_may_be_said(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "book.xlsx", {"S": [["x", "y"], ["id", "n"], [1, 2]]})
    assert read(path, header_row=2).to_pylist() == [{"id": 1, "n": 2}]
    assert len(read(path, header_row=0)) == 3
    with pytest.raises(SourceRefused, match=r"nothing in row 9.*rows are 1 to 3"):
        read(path, header_row=9)
    with pytest.raises(WorkspaceError, match=r"header_row must be a row's number, not 'x'.*Write header_row = 3"):
        read(path, header_row="x")
    with pytest.raises(WorkspaceError, match="sheet must be a sheet's name"):
        read(path, sheet=2)


def test_a_row_with_an_error_is_rejected_with_its_cell_and_loads_nothing_in_its_place(tmp_path: Path) -> None:
    rejected: Rejected = []
    table = read(
        xlsx(
            tmp_path / "book.xlsx",
            {
                "S": [
                    ["id", "rate", "note"],
                    [1, ("=1/0", "", "#DIV/0!"), "a"],
                    [2, 0.5, "b"],
                    [3, 1, ("=NA()", "", "#N/A")],
                ]
            },
        ),
        rejected=rejected,
    )
    assert table.to_pylist() == [{"id": 2, "rate": 0.5, "note": "b"}]
    assert rejected == [
        ("cell B2 is #DIV/0!", '{"id": 1, "rate": "#DIV/0!", "note": "a"}'),
        ("cell C4 is #N/A", '{"id": 3, "rate": 1, "note": "#N/A"}'),
    ]


def test_errors_in_old_binary_and_open_workbooks_are_found_too(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet1")
    for c, name in enumerate(["id", "v"]):
        sheet.write(0, c, name)
    sheet.write(1, 0, 1)
    sheet.row(1).set_cell_error(1, 0x07)
    sheet.write(2, 0, 2)
    sheet.write(2, 1, 2.5)
    book.save(str(tmp_path / "old.xls"))
    for path, reason in (
        (tmp_path / "old.xls", "cell B2 is #DIV/0!"),
        (xlsb(tmp_path / "binary.xlsb", [["id", "v"], [1.0, b"\x2a"], [2.0, 2.5]]), "cell B2 is #N/A"),
        (
            ods(
                tmp_path / "open.ods",
                [[words("id"), words("v")], [figure("1"), error("#REF!")], [figure("2"), figure("2.5")]],
            ),
            "cell B2 is #REF!",
        ),
    ):
        rejected: Rejected = []
        assert read(path, rejected=rejected).to_pylist() == [{"id": 2, "v": 2.5}]
        assert [r for r, _ in rejected] == [reason]


def test_integers_that_a_double_cannot_hold_keep_their_digits(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "book.xlsx", {"S": [["id", "n"], [1, 5], [2, 6]]})
    with_part(path, "xl/worksheets/sheet1.xml", lambda xml: xml.replace(b"<v>5</v>", b"<v>1234567890123456789</v>"))
    mixed: list[str] = []
    assert read(path, mixed=mixed)["n"].to_pylist() == ["1234567890123456789", "6"] and mixed == []
    table = read(ods(tmp_path / "o.ods", [[words("id")], [figure("1234567890123456789")]]))
    assert table.to_pylist() == [{"id": "1234567890123456789"}]


def test_a_column_of_numbers_and_texts_is_told_so_that_odd_cells_can_be_set_aside(tmp_path: Path) -> None:
    mixed: list[str] = []
    table = read(xlsx(tmp_path / "book.xlsx", {"S": [["id", "n"], [1, 5], [2, "n/a"], [3, 2.5]]}), mixed=mixed)
    assert table["n"].to_pylist() == ["5", "n/a", "2.5"] and mixed == ["n"]


def test_dates_counted_from_1904_are_the_same_dates(tmp_path: Path) -> None:
    day = dt.date(2024, 2, 29)
    for system in (False, True):
        path = xlsx(tmp_path / f"b{system}.xlsx", {"S": [["id", "day"], [1, (day, "yyyy-mm-dd")]]}, date_1904=system)
        assert read(path).to_pylist() == [{"id": 1, "day": day}]


def test_open_documents_keep_dates_shares_and_repeated_cells(tmp_path: Path) -> None:
    path = ods(
        tmp_path / "open.ods",
        [
            [words("a"), words("b"), words("day"), words("share"), words("ok")],
            [
                figure("7", more='table:number-columns-repeated="2"'),
                figure("2024-01-02", "date"),
                figure("0.25", "percentage"),
                figure("true", "boolean"),
            ],
            [blank(5)],
        ],
    )
    assert read(path).to_pylist() == [{"a": 7, "b": 7, "day": dt.date(2024, 1, 2), "share": 0.25, "ok": True}]


def test_sheets_are_resources_and_hidden_ones_are_read_when_they_are_named(tmp_path: Path) -> None:
    xlsx(
        tmp_path / "book.xlsx",
        {"Sales": [["id", "a"], [1, 2]], "Two words": [["id", "b"], [3, 4]], "Lists": [["x", "y"], [5, 6]]},
        hidden=["Lists"],
    )
    source = open_source("drops", {"kind": "files", "path": "."}, tmp_path)
    assert [r.name for r in source.resources()] == ["book", "book.Two words"]

    def rows(name: str) -> list[dict[str, Any]]:
        return pa.concat_tables(source.read(ReadRequest(name), lambda *_: None)).to_pylist()

    assert (
        rows("book") == [{"id": 1, "a": 2}]
        and rows("book.two words") == [{"id": 3, "b": 4}]
        and rows("book.Lists") == [{"x": 5, "y": 6}]
    )
    with pytest.raises(SourceRefused, match=r"no sheet 'Sale'.*Did you mean 'Sales'"):
        rows("book.Sale")
    with pytest.raises(UnknownName, match="Did you mean 'book'"):
        rows("bok")
    declared = open_source(
        "drops",
        {"kind": "files", "path": ".", "resources": {"b": {"path": "book.xlsx", "sheet": "Two words"}}},
        tmp_path,
    )
    assert pa.concat_tables(declared.read(ReadRequest("b"), lambda *_: None)).to_pylist() == [{"id": 3, "b": 4}]


def test_the_file_that_marks_an_open_workbook_is_no_workbook(tmp_path: Path) -> None:
    for folder in (tmp_path / "drops", tmp_path / "drops" / "days"):
        folder.mkdir()
        xlsx(folder / "sales.xlsx", {"S": [["id"], [1]]})
        (folder / "~$sales.xlsx").write_bytes(b"\x04user" + bytes(160))
    for path, names in (("drops", ["days", "sales"]), ("drops/*.xlsx", ["files"])):
        source = open_source("drops", {"kind": "files", "path": path}, tmp_path)
        assert [r.name for r in source.resources()] == names
        assert [t.num_rows for t in source.read(ReadRequest(names[0]), lambda *_: None)] == [1]


def test_a_file_that_cannot_be_read_is_in_the_way_of_no_other(tmp_path: Path) -> None:
    Intendant.init(tmp_path)
    (tmp_path / "drops").mkdir()
    (tmp_path / "drops" / "orders.csv").write_text("id\n1\n")
    (tmp_path / "drops" / "secret.xlsx").write_bytes(locked(tmp_path))
    (tmp_path / "intendant.toml").write_text('[sources.drops]\nkind = "files"\npath = "drops"\n')
    with Intendant(tmp_path) as app:
        assert app.do("ingest drops.orders into orders", approve=True).outputs[0].rows_written == 1
        failed = app.do("ingest drops.secret into secrets", approve=True)
        assert failed.status == "failed" and "protected by a password" in str(failed.error)
        xlsx(tmp_path / "drops" / "secret.xlsx", {"S": [["id"], [1], [2]]})
        assert app.do("ingest drops.secret into secrets", approve=True).outputs[0].rows_written == 2


def test_several_workbooks_are_one_resource(tmp_path: Path) -> None:
    for n in range(3):
        xlsx(tmp_path / f"m{n}.xlsx", {"S": [["id", "v"], [n, n / 2]]})
    source = open_source("drops", {"kind": "files", "path": "m*.xlsx"}, tmp_path)
    table = pa.concat_tables(source.read(ReadRequest("m"), lambda *_: None), promote_options="permissive")
    assert sorted(table["id"].to_pylist()) == [0, 1, 2]


def locked(path: Path) -> bytes:
    return survey.OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600)


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        (lambda p: p.read_bytes()[:2000], SourceDamaged, "is damaged.*Fetch the file again"),
        (lambda p: b"", SourceDamaged, "is no workbook"),
        (lambda p: b"<html><table></table></html>", SourceDamaged, "is no workbook.*save it as .xlsx"),
        (locked, SourceRefused, "protected by a password.*Save it without"),
        (lambda p: survey.OLE + bytes(4000), SourceDamaged, "damaged|can't be read as a workbook"),
    ],
)
def test_a_file_that_is_no_whole_workbook_is_an_error_with_its_mend(
    body: Any, error: type[Exception], text: str, tmp_path: Path
) -> None:
    path = xlsx(tmp_path / "book.xlsx", {"S": [["id"], [1]]})
    path.write_bytes(body(path))
    with pytest.raises(error, match=text):
        read(path)
    assert [r.name for r in open_source("drops", {"kind": "files", "path": "."}, tmp_path).resources()] == ["book"]


def test_a_flipped_bit_is_found_by_the_check_sum(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "book.xlsx", {"S": [["id", "v"], *([i, i * 7] for i in range(2000))]})
    with zipfile.ZipFile(path) as packed:
        info = packed.getinfo("xl/worksheets/sheet1.xml")
    body = bytearray(path.read_bytes())
    body[info.header_offset + 30 + len(info.filename) + info.compress_size // 2] ^= 4
    path.write_bytes(bytes(body))
    with pytest.raises(SourceDamaged, match="damaged"):
        read(path)


def test_damage_anywhere_is_an_error_or_reads_the_same(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "book.xlsx", {"S": [["id", "v"], *([i, f"v{i}"] for i in range(50))]})
    whole, rows = path.read_bytes(), read(path).to_pylist()
    for at in range(0, len(whole), 389):
        body = bytearray(whole)
        body[at] ^= 0xFF
        path.write_bytes(bytes(body))
        try:
            assert read(path).to_pylist() == rows
        except IntendantError as e:
            assert e.hint or e.where, e


def test_a_zip_bomb_is_stopped_while_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = xlsx(tmp_path / "book.xlsx", {"S": [["id"], [1]]})
    with_part(path, "xl/sharedStrings.xml", lambda xml: xml + b" " * (8 << 20))
    monkeypatch.setattr(survey, "MOST_UNPACKED", 4 << 20)
    with pytest.raises(SourceTooLarge, match="unpacks to more than"):
        read(path)


def test_a_list_of_sectors_that_goes_round_is_damage(tmp_path: Path) -> None:
    body = bytearray(survey.OLE + bytes(4 * 512 - len(survey.OLE)))
    struct.pack_into("<H", body, 30, 9)  # sectors of 512 bytes
    struct.pack_into("<I", body, 44, 2**32 - 256)  # so many of them list the others; the first one names itself as the next
    (tmp_path / "old.xls").write_bytes(bytes(body))
    with pytest.raises(SourceDamaged, match="its sectors go round"):
        read(tmp_path / "old.xls")


def test_a_count_of_too_many_digits_is_too_large(tmp_path: Path) -> None:
    path = ods(tmp_path / "book.ods", [[words("id")], [figure("1", more=f'table:number-columns-repeated="{"9" * 5000}"')]])
    with pytest.raises(SourceTooLarge):
        read(path)


@pytest.mark.parametrize("lie", ["size", "sum"])
def test_a_directory_that_lies_about_a_part_is_damage(lie: str, tmp_path: Path) -> None:
    path = xlsx(tmp_path / "book.xlsx", {"S": [["id"], [1]]})
    body = bytearray(path.read_bytes())
    entry = body.rfind(b"PK\1\2", 0, body.rfind(b"xl/worksheets/sheet1.xml"))
    struct.pack_into("<I", body, entry + (24 if lie == "size" else 16), 12)
    path.write_bytes(bytes(body))
    with pytest.raises(SourceDamaged, match="check sum"):
        read(path)


def test_two_cells_at_the_ends_of_a_sheet_do_not_take_all_memory(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write(0, 0, "id")
    sheet.write(1_048_575, 16_383, 1)
    book.close()
    with pytest.raises(SourceTooLarge, match=r"reaches to cell XFD1048576.*Delete stray cells"):
        read(path)
    many = figure("1", more='table:number-columns-repeated="16384"')
    wide = f'<table:table-row table:number-rows-repeated="1048576">{many}</table:table-row>'
    with_part(
        ods(tmp_path / "open.ods", [[words("a")]]),
        "content.xml",
        lambda xml: xml.replace(b"</table:table>", wide.encode() + b"</table:table>"),
    )
    with pytest.raises(SourceTooLarge, match="reaches to cell"):
        read(tmp_path / "open.ods")


def test_entities_are_refused(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "book.xlsx", {"S": [["id"], [1]]})
    with_part(
        path,
        "xl/workbook.xml",
        lambda xml: b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aa">]>' + xml.split(b"?>", 1)[1],
    )
    with pytest.raises(SourceDamaged, match="declares entities"):
        read(path)


def test_a_large_sheet_comes_in_batches_of_one_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "BATCH_ROWS", 1000)
    xlsx(tmp_path / "book.xlsx", {"S": [["id", "v"], *([i, i] for i in range(1200)), [1200, 0.5]]})
    source = open_source("drops", {"kind": "files", "path": "book.xlsx"}, tmp_path)
    batches = list(source.read(ReadRequest("book"), lambda *_: None))
    assert [len(b) for b in batches] == [1000, 201] and {str(b.schema.field("v").type) for b in batches} == {"double"}
    few = source.read(ReadRequest("book", count=10), lambda *_: None)
    assert len(next(few)) == 1000 and next(few, None) is None


def test_cells_are_named_as_spreadsheets_name_them() -> None:
    assert [cells.address(r, c) for r, c in ((0, 0), (6, 25), (0, 26), (1_048_575, 16_383))] == [
        "A1",
        "Z7",
        "AA1",
        "XFD1048576",
    ]


def test_a_workbook_is_loaded_without_the_model(tmp_path: Path) -> None:
    Intendant.init(tmp_path / "ws")
    with Intendant(tmp_path / "ws") as app:
        path = xlsx(
            tmp_path / "book.xlsx",
            {"Sales": [["Report"], ["id", "code", "v"], [1, "007", 2.5]], "Two": [["a", "b"], [1, 2]]},
        )
        assert app.load(path, "sales") == {"table": "sales", "version": 0, "rows": 1}
        assert app.sql("SELECT * FROM sales")["rows"] == [[1, "007", 2.5]]
        assert app.load(path, "two", {"a": "VARCHAR"}, sheet="Two")["rows"] == 1
        assert app.sql("SELECT * FROM two")["rows"] == [["1", 2]]
        with pytest.raises(SourceRefused, match=r"no sheet 'Tow'.*Did you mean 'Two'"):
            app.load(path, "two", sheet="Tow")
        bad = xlsx(tmp_path / "bad.xlsx", {"S": [["id", "v"], [1, ("=1/0", "", "#DIV/0!")]]})
        with pytest.raises(SourceDamaged, match=r"cell B2 is #DIV/0!.*Mend the cells"):
            app.load(bad, "bad")
        (tmp_path / "plain.csv").write_text("id\n1\n")
        with pytest.raises(UsageError, match=r"has no sheets.*Leave --sheet out"):
            app.load(tmp_path / "plain.csv", "plain", sheet="S")
        assert app.check(str(path))["rows"] == 1


def test_errors_in_cells_are_kept_in_quarantine(tmp_path: Path) -> None:
    Intendant.init(tmp_path / "ws")
    ws = tmp_path / "ws"
    (ws / "intendant.toml").write_text(
        (ws / "intendant.toml").read_text() + '\n[sources.drops]\nkind = "files"\npath = "drops/"\n'
    )
    (ws / "drops").mkdir(exist_ok=True)
    xlsx(
        ws / "drops" / "book.xlsx",
        {"S": [["id", "v"], [1, ("=1/0", "", "#DIV/0!")], [2, 3]], "Other": [["id", "w"], [7, 8]]},
    )
    with Intendant(ws) as app:
        done = app.do("ingest drops.book into sales", approve=True)
        assert done.status == "succeeded", done
        assert app.sql("SELECT id, v FROM sales")["rows"] == [[2, 3]]
        assert app.sql("SELECT count(*) FROM quarantine.sales")["rows"] == [[1]]
        assert app.do('ingest drops."book.Other" into other', approve=True).status == "succeeded"


def test_cells_with_odd_spelling_of_their_xml_are_seen_too(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "book.xlsx", {"S": [["id", "v"], [1, ("=1/0", "", "#DIV/0!")], [2, 3]]})

    def respelled(xml: bytes) -> bytes:
        return xml.replace(b'<c r="B2" t="e">', b"<c\n  t='e'\tr='B2'>").replace(b"<c r", b"<c\tr")

    with_part(path, "xl/worksheets/sheet1.xml", respelled)
    rejected: Rejected = []
    assert read(path, rejected=rejected).to_pylist() == [{"id": 2, "v": 3}]
    assert [r for r, _ in rejected] == ["cell B2 is #DIV/0!"]


def test_a_hostile_sheet_costs_little_time(tmp_path: Path) -> None:
    for filler in (
        b"<c " * 300_000,
        b"<c r=" * 200_000,
        b'<c r="A1" ' + b"x" * 3_000_000,
        b"<v>" + b"9" * 5000 + b"</v>",
    ):
        path = xlsx(tmp_path / "book.xlsx", {"S": [["id"], [1]]})
        with_part(
            path, "xl/worksheets/sheet1.xml", lambda xml, f=filler: xml.replace(b"</sheetData>", f + b"</sheetData>")
        )
        started = time.monotonic()
        with contextlib.suppress(IntendantError):
            read(path)
        assert time.monotonic() - started < 20


def test_more_errors_than_can_be_kept_apart_refuse_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "MOST_ODD", 2)
    path = xlsx(tmp_path / "book.xlsx", {"S": [["id"], *([("=1/0", "", "#DIV/0!")] for _ in range(3))]})
    with pytest.raises(SourceDamaged, match=r"More than 2 cells.*Mend the formulas"):
        read(path)


def test_a_binary_file_that_breaks_its_reader_does_not_end_the_process(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet1")
    sheet.write(0, 0, "id")
    sheet.write(1, 0, 1)
    book.save(str(tmp_path / "old.xls"))
    body = bytearray((tmp_path / "old.xls").read_bytes())
    at = body.find(struct.pack("<HH", 0x200, 14))
    struct.pack_into("<IIHH", body, at + 4, 0, 2**31, 0, 2**16 - 1)
    (tmp_path / "old.xls").write_bytes(bytes(body))
    with pytest.raises(SourceDamaged, match=r"its reader breaks on it.*save it as .xlsx"):
        read(tmp_path / "old.xls")
