"""Sheets of Excel and OpenDocument workbooks as typed Arrow tables; a row with an error in a cell is rejected, not emptied.

Two passes over a sheet: the first learns what each column holds, the second builds batches of one schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa
import python_calamine as calamine

from intendant.errors import SourceDamaged, SourceRefused, SourceTooLarge, did_you_mean
from intendant.sources.wire.cells import Survey, address, bounded
from intendant.sources.wire.columns import ISO_MIXED, engine, settle
from intendant.sources.wire.header import HEAD_ROWS, Header, Merge, header_of, text_of
from intendant.sources.wire.kinds import Kind, Kinds
from intendant.sources.wire.probing import probe
from intendant.sources.wire.rows import Reject
from intendant.sources.wire.survey import kind_of, sheet_names, surveyed
from intendant.types import Json, ReadRequest

__all__ = ["ENDINGS", "Excel", "sheets_shown"]

ENDINGS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
BATCH_ROWS = 50_000
BATCH_CELLS = 500_000
EXACT = 2**53
LONG_TEXT = re.compile(r"-?(0\d+|\d{16,})$")


class Excel:
    """One sheet of a workbook; the first that is shown when `sheet` is None.

    `header_row` is the row with the columns' names as the program numbers it, 0 when there is none; found when None.
    Raises SourceDamaged, SourceTooLarge, SourceRefused (a password, no such sheet or row).
    """

    def __init__(self, file: str, where: str, sheet: str | None = None, header_row: int | None = None) -> None:
        self.path, self.where, self._header_row = Path(file), f"{where} {Path(file).name}", header_row
        kind = kind_of(self.path, self.where)
        if kind != "xlsx":
            _prepared(self.path, kind, sheet, self.where)
        with self._guarded(), self.path.open("rb") as stream:
            book = calamine.load_workbook(stream)
            self.sheet = _chosen(book, sheet, self.path.name, self.where)
            self._survey: Survey = surveyed(self.path, kind, self.sheet, self.where)
            self._cells = book.get_sheet_by_name(self.sheet)
            bounded(self._cells.height, self._cells.width, self.path.name, self.where)
            merges = self._survey.merges or self._cells.merged_cell_ranges or []
        self._top, self._left = self._cells.start or (0, 0)
        self._merges: list[Merge] = [((a - self._top, b - self._left), (c - self._top, d - self._left))
                                     for (a, b), (c, d) in merges]

    def tables(self, request: ReadRequest, reject: Reject, kinds: Kinds) -> Iterator[pa.Table]:
        """Typed rows with the request's columns; reads no further than its count when no order is asked for."""
        header = self._header()
        columns = self._learned(header)
        picked = [c for c in columns if request.columns is None or c.name in request.columns] or columns
        within = {c.name: c.within for c in picked if c.is_mixed}
        con = engine() if any(c.is_iso for c in picked) else None
        try:
            for first, rows in self._blocks(header.first):
                good = self._sound(first, rows, columns, reject)
                if good:
                    table = _table(good, picked)
                    if con:
                        table = _settled(table, picked, con)
                    kinds.note(table, within)
                    yield table
        finally:
            if con:
                con.close()

    def _learned(self, header: Header) -> list[_Column]:
        """The columns that have a name or a value, each with what it holds."""
        columns = [_Column(i, name) for i, name in enumerate(header.names)]
        for _, rows in self._blocks(header.first):
            for column, values in zip(columns, zip(*rows, strict=True), strict=True):
                column.learn(values)
        taken = {column.name.lower() for column in columns}
        for column in columns:
            while not column.name or (column.unnamed and column.name in taken):
                column.name, column.unnamed = f"{column.name or 'column'}_{column.index + 1}", True
        return [c for c in columns if c.kinds or not c.unnamed]

    def _header(self) -> Header:
        head = next(self._blocks(0, HEAD_ROWS), (0, []))[1]
        if not self._header_row:
            return header_of(head, self._merges, None if self._header_row is None else -1)
        row = self._header_row - 1 - self._top
        if not 0 <= row < self._cells.height:
            raise SourceRefused(f"The sheet {self.sheet!r} has nothing in row {self._header_row}", where=self.where,
                                hint=f"Its rows are {self._top + 1} to {self._top + self._cells.height}: set header_row.")
        if row < len(head) - 1:
            return header_of(head, self._merges, row)
        return header_of(next(self._blocks(0, row + 2))[1], self._merges, row)

    def _blocks(self, first: int, size: int = 0) -> Iterator[tuple[int, list[list[Json]]]]:
        """Number of the first row within the sheet's area, and rows from there, of all its columns."""
        if not self._cells.width:
            return
        rows = size or max(1, min(BATCH_ROWS, BATCH_CELLS // self._cells.width))
        exact: dict[int, list[tuple[int, str]]] = {}
        for (row, column), digits in self._survey.exact.items():
            exact.setdefault(row - self._top, []).append((column - self._left, digits))
        with self._guarded():
            cells = islice(self._cells.iter_rows(), first, None)
            while block := [list(row) for row in islice(cells, rows)]:
                for offset in exact.keys() & set(range(first, first + len(block))) if exact else ():
                    for column, digits in exact[offset]:
                        block[offset - first][column] = digits
                yield first, block
                first += len(block)

    def _sound(self, first: int, rows: list[list[Json]], columns: Sequence[_Column], reject: Reject) -> list[list[Json]]:
        """The rows that hold something and no error."""
        bad: dict[int, list[int]] = {}
        for row, column in self._survey.errors:
            if 0 <= row - self._top - first < len(rows):
                bad.setdefault(row - self._top - first, []).append(column)
        for n in sorted(bad):
            said = {c: self._survey.errors[self._top + first + n, c] for c in sorted(bad[n])}
            named = ", ".join(f"cell {address(self._top + first + n, c)} is {text}" for c, text in said.items())
            shown = {c.name: said.get(c.index + self._left, rows[n][c.index]) for c in columns}
            reject(named, json.dumps({k: _raw(v) for k, v in shown.items()}, ensure_ascii=False))
        return [row for n, row in enumerate(rows) if n not in bad and any(v != "" for v in row)]

    def _guarded(self) -> AbstractContextManager[None]:
        return guarded(self.path, self.where)


@contextmanager
def guarded(path: Path, where: str) -> Iterator[None]:
    """The reader's errors, its panics included, as ours."""
    try:
        yield
    except calamine.PasswordError as error:
        raise SourceRefused(f"{path.name!r} is protected by a password", where=where,
                            hint="Save it without a password, and protect the folder instead.") from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise _damaged(path, where, error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise _damaged(path, where, error) from None


def _damaged(path: Path, where: str, error: BaseException) -> SourceDamaged:
    return SourceDamaged(f"{path.name!r} can't be read as a workbook: {str(error)[:200]}", where=where,
                         hint="Open it in a spreadsheet program and save it anew.")


@dataclass
class _Column:
    """What a column of a sheet holds: the types of its cells, and whether its numbers are whole and its texts moments."""

    index: int
    name: str
    kinds: set[type] = field(default_factory=set)
    whole: bool = True
    iso: bool = True
    bends: bool = False
    unnamed: bool = False

    @property
    def is_mixed(self) -> bool:
        """Whether numbers and texts are in it, and nothing else."""
        return str in self.kinds and bool(self.kinds & {int, float}) and self.kinds <= {int, float, str}

    @property
    def is_iso(self) -> bool:
        return self.kinds == {str} and self.iso

    @property
    def within(self) -> set[Kind]:
        return {"number", "text", "exact"} if self.bends else {"number", "text"}

    def learn(self, values: Sequence[Json]) -> None:
        some = [v for v in values if v != ""]
        kinds = set(map(type, some))
        self.kinds |= kinds
        if self.whole and float in kinds:
            self.whole = all(v.is_integer() and -EXACT <= v <= EXACT for v in some if type(v) is float)
        if str in kinds and (self.iso or not self.bends):
            texts = [v for v in some if type(v) is str]
            self.iso = self.iso and all(re.match(ISO_MIXED, v) for v in texts)
            self.bends = self.bends or any(LONG_TEXT.match(v) for v in texts)

    def array(self, values: Sequence[Json]) -> pa.Array:
        """The values in the narrowest type that holds the whole column; empty cells are null."""
        some = [None if v == "" else v for v in values]
        kinds = self.kinds
        if not kinds:
            return pa.nulls(len(some))
        if kinds == {str}:
            return pa.array(some, pa.string())
        if kinds <= {int, float}:
            return pa.array(_whole(some), pa.int64()) if self.whole else pa.array(some, pa.float64())
        if kinds == {bool}:
            return pa.array(some, pa.bool_())
        if kinds == {date}:
            return pa.array(some, pa.date32())
        if kinds <= {date, datetime}:
            return pa.array([None if v is None else _moment(v) for v in some], pa.timestamp("us"))
        return pa.array([None if v is None else _shown(v) for v in some], pa.string())


def _table(rows: Sequence[Sequence[Json]], columns: Sequence[_Column]) -> pa.Table:
    values = list(zip(*rows, strict=True))
    return pa.table([c.array(values[c.index]) for c in columns], names=[c.name for c in columns])


def _settled(table: pa.Table, columns: Sequence[_Column], con: duckdb.DuckDBPyConnection) -> pa.Table:
    """The columns whose texts are all ISO dates or moments as such."""
    iso = [i for i, c in enumerate(columns) if c.is_iso]
    moments = settle(table.select(iso), con)
    for n, i in enumerate(iso):
        table = table.set_column(i, columns[i].name, moments.column(n))
    return table


def sheets_shown(file: str, where: str) -> list[str]:
    """The sheets of a workbook that are shown, the first one first; none when it can't be read, which a read will say."""
    try:
        path = Path(file)
        known = sheet_names(path, where)
        if known is None:
            _prepared(path, kind_of(path, where), None, where)
            with guarded(path, where), path.open("rb") as stream:
                book = calamine.load_workbook(stream)
            known = [(m.name, m.visible == calamine.SheetVisibleEnum.Visible) for m in _sheets(book)]
        return [name for name, shown in known if shown] or [name for name, _ in known]
    except (SourceDamaged, SourceRefused, SourceTooLarge, OSError):
        return []


def _prepared(path: Path, kind: str, sheet: str | None, where: str) -> None:
    """Makes sure that a workbook other than .xlsx can be opened, at which its reader unpacks more than one sheet."""
    surveyed(path, kind, sheet or "", where)
    if kind in ("xls", "xlsb"):
        probe(path, sheet, where)


def _chosen(book: calamine.CalamineWorkbook, sheet: str | None, name: str, where: str) -> str:
    sheets = _sheets(book)
    names = [m.name for m in sheets]
    if sheet is None:
        shown = [m.name for m in sheets if m.visible == calamine.SheetVisibleEnum.Visible] or names
        if shown:
            return str(shown[0])
        raise SourceDamaged(f"{name!r} has no sheet of cells", where=where)
    found = [n for n in names if n == sheet] or [n for n in names if n.lower() == sheet.lower()]
    if len(found) != 1:
        raise SourceRefused(f"{name!r} has no sheet {sheet!r}", where=where, hint=did_you_mean(sheet, names, "sheet"))
    return str(found[0])


def _sheets(book: calamine.CalamineWorkbook) -> list[calamine.SheetMetadata]:
    return [m for m in book.sheets_metadata if m.typ == calamine.SheetTypeEnum.WorkSheet]


def _whole(values: Sequence[Json]) -> list[int | None]:
    return [None if v is None else int(v) for v in values]


def _moment(value: date) -> datetime:
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)


def _raw(value: Json) -> Json:
    """A cell as JSON has it."""
    if value == "":
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        return int(value)
    return value if isinstance(value, str | bool | int | float) else _shown(value)


def _shown(value: Json) -> str:
    """A cell of a column that holds several kinds, or times: as text, lengths of time as hours:minutes:seconds."""
    if isinstance(value, timedelta):
        sign, seconds = ("-", -value) if value < timedelta() else ("", value)
        minutes, rest = divmod(seconds // timedelta(seconds=1), 60)
        part = f".{seconds.microseconds:06d}".rstrip("0") if seconds.microseconds else ""
        return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}{part}"
    return text_of(value)
