"""Workbooks for the tests: .xlsx and .xls by their libraries, .ods and .xlsb spelled out byte by byte."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import xlsxwriter

__all__ = ["ods", "with_part", "xlsb", "xlsx"]

OFFICE = "urn:oasis:names:tc:opendocument:xmlns:"
NAMESPACES = (
    f'xmlns:office="{OFFICE}office:1.0" xmlns:table="{OFFICE}table:1.0" xmlns:text="{OFFICE}text:1.0" '
    'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
)
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def xlsx(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]], hidden: Sequence[str] = (), **options: Any) -> Path:
    """Sheets of rows; a cell is a value, or (value, number format), or a formula with its result: ("=1/0", "", "#DIV/0!")."""
    book = xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd hh:mm:ss", **options})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        if name in hidden:
            sheet.hide()
        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                if isinstance(cell, tuple) and len(cell) == 3:
                    sheet.write_formula(r, c, cell[0], None, cell[2])
                elif isinstance(cell, tuple):
                    sheet.write(r, c, cell[0], book.add_format({"num_format": cell[1]}))
                elif isinstance(cell, str):
                    sheet.write_string(r, c, cell)
                elif cell is not None:
                    sheet.write(r, c, cell)
    book.close()
    return path


def with_part(path: Path, part: str, change: Any) -> Path:
    """The same zip file with one part's bytes changed."""
    with zipfile.ZipFile(path) as old:
        parts = {info.filename: old.read(info) for info in old.infolist()}
    parts[part] = change(parts.get(part, b""))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, body in parts.items():
            new.writestr(name, body)
    return path


def ods(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """One sheet `Sheet1`; a cell is the XML of its element, as `number`, `words` and others below make it."""
    cells = "".join(f"<table:table-row>{''.join(row)}</table:table-row>" for row in rows)
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {NAMESPACES} office:version="1.3"><office:body>'
        f'<office:spreadsheet><table:table table:name="Sheet1">{cells}</table:table></office:spreadsheet>'
        "</office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        out.writestr("META-INF/manifest.xml", "<manifest/>")
        out.writestr("content.xml", content)
    return path


def words(text: str, more: str = "") -> str:
    return f'<table:table-cell office:value-type="string" {more}><text:p>{text}</text:p></table:table-cell>'


def figure(value: str, kind: str = "float", more: str = "") -> str:
    name = {"date": "date-value", "time": "time-value", "boolean": "boolean-value"}.get(kind, "value")
    return (
        f'<table:table-cell office:value-type="{kind}" office:{name}={quoteattr(value)} {more}>'
        f"<text:p>{value}</text:p></table:table-cell>"
    )


def error(text: str) -> str:
    return (
        '<table:table-cell table:formula="of:=1/0" office:value-type="string" office:string-value="" '
        f'calcext:value-type="error"><text:p>{text}</text:p></table:table-cell>'
    )


def blank(times: int = 1) -> str:
    return f'<table:table-cell table:number-columns-repeated="{times}"/>'


def xlsb(path: Path, rows: Sequence[Sequence[str | float | bool | bytes | None]]) -> Path:
    """One sheet `Sheet1`; a cell of bytes is an error's code."""
    kinds = {str: 6, float: 5, bool: 4, bytes: 3}
    body = (
        _record(129) + _record(148, struct.pack("<IIII", 0, len(rows) - 1, 0, max(map(len, rows)) - 1)) + _record(145)
    )
    for r, row in enumerate(rows):
        body += _record(0, struct.pack("<II", r, 0) + bytes(9))
        for c, cell in enumerate(row):
            if cell is not None:
                value = {
                    str: lambda v: _wide(v),
                    float: lambda v: struct.pack("<d", v),
                    bool: lambda v: bytes([v]),
                    bytes: lambda v: v,
                }[type(cell)](cell)
                body += _record(kinds[type(cell)], struct.pack("<II", c, 0) + value)
    body += _record(146) + _record(130)
    book = (
        _record(131)
        + _record(143)
        + _record(156, struct.pack("<II", 0, 1) + _wide("rId1") + _wide("Sheet1"))
        + _record(144)
        + _record(132)
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("[Content_Types].xml", "<Types/>")
        out.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{RELATIONS}"><Relationship Id="rId1" Type="{KINDS}/officeDocument" '
            'Target="xl/workbook.bin"/></Relationships>',
        )
        out.writestr(
            "xl/_rels/workbook.bin.rels",
            f'<Relationships xmlns="{RELATIONS}"><Relationship Id="rId1" '
            f'Type="{KINDS}/worksheet" Target="worksheets/sheet1.bin"/></Relationships>',
        )
        out.writestr("xl/workbook.bin", book)
        out.writestr("xl/worksheets/sheet1.bin", body)
    return path


def _record(kind: int, body: bytes = b"") -> bytes:
    head = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size, packed = len(body), b""
    while True:
        packed += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
        size >>= 7
        if not size:
            return head + packed + body


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")
