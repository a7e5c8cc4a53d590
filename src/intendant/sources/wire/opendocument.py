"""Errors, long integers, merged cells and the extent of a sheet of an .ods file, streamed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from xml.parsers import expat

from intendant.errors import SourceDamaged
from intendant.sources.wire.cells import Survey, bounded, is_bent, not_too_many
from intendant.sources.wire.header import Merge

__all__ = ["ods_survey"]

TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0 "
OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0 "
CALC = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0 "
LONG = re.compile(r"-?\d{16,}$")
LONGEST_ERROR = 40
MOST_DIGITS = 12
"""Of a count of rows or columns, which is too large long before."""


def ods_survey(chunks: Iterable[bytes], sheet: str, name: str, where: str) -> Survey:
    """Streams content.xml; all sheets are measured, since the reader lays out all of them.

    Raises SourceTooLarge, SourceDamaged.
    """
    reader = _Reader(sheet, name, where)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        for chunk in chunks:
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise SourceDamaged(f"{name!r} is damaged: {error}", where=where, hint="Save it anew in a spreadsheet program.") from error
    return Survey(reader.errors, reader.exact, reader.merges)


class _Reader:
    def __init__(self, sheet: str, name: str, where: str) -> None:
        self.sheet, self.name, self.where = sheet, name, where
        self.errors: dict[tuple[int, int], str] = {}
        self.exact: dict[tuple[int, int], str] = {}
        self.merges: list[Merge] = []
        self._wanted, self._row, self._column, self._repeat = False, 0, 0, 1
        self._rows = self._columns = 0
        self._row_filled = False
        self._said: list[str] | None = None

    def doctype(self, *_: object) -> None:
        raise SourceDamaged(f"{self.name!r} declares entities, which a workbook has no use for", where=self.where)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == TABLE + "table":
            self._wanted = attributes.get(TABLE + "name") == self.sheet
            self._row = self._rows = self._columns = 0
        elif tag == TABLE + "table-row":
            self._column, self._repeat, self._row_filled = 0, _number(attributes, "number-rows-repeated"), False
        elif tag in (TABLE + "table-cell", TABLE + "covered-table-cell"):
            self._cell(attributes)

    def _cell(self, attributes: Mapping[str, str]) -> None:
        times = _number(attributes, "number-columns-repeated")
        if OFFICE + "value-type" in attributes:
            self._row_filled = True
            self._columns = max(self._columns, self._column + times)
            bounded(self._row + self._repeat, self._columns, self.name, self.where)
            if self._wanted:
                self._odd(attributes, times)
        if self._wanted and TABLE + "number-columns-spanned" in attributes:
            wide, high = _number(attributes, "number-columns-spanned"), _number(attributes, "number-rows-spanned")
            self.merges.append(((self._row, self._column), (self._row + high - 1, self._column + wide - 1)))
        self._column += times

    def _odd(self, attributes: Mapping[str, str], times: int) -> None:
        value = attributes.get(OFFICE + "value", "")
        if LONG.match(value) and is_bent(value):
            self._note(self.exact, value, times)
        if attributes.get(CALC + "value-type") == "error":
            self._said = []
            self._note(self.errors, "an error", times)

    def _note(self, into: dict[tuple[int, int], str], text: str, times: int) -> None:
        not_too_many(len(self.errors) + len(self.exact) + self._repeat * times, self.name, self.where)
        for row in range(self._row, self._row + self._repeat):
            for column in range(self._column, self._column + times):
                into[row, column] = text

    def text(self, data: str) -> None:
        if self._said is not None:
            self._said.append(data)

    def end(self, tag: str) -> None:
        if tag == TABLE + "table-cell" and self._said is not None:
            said = "".join(self._said).strip()[:LONGEST_ERROR]
            at = (self._row, self._column - 1)
            while said and self.errors.get(at) == "an error":
                self.errors[at] = said
                at = (at[0], at[1] - 1)
            self._said = None
        elif tag == TABLE + "table-row":
            if self._row_filled:
                self._rows = self._row + self._repeat
                bounded(self._rows, self._columns, self.name, self.where)
            self._row += self._repeat


def _number(attributes: Mapping[str, str], name: str) -> int:
    value = attributes.get(TABLE + name, "1")
    return max(1, int(value[:MOST_DIGITS])) if value.isdecimal() else 1
