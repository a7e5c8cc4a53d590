"""A CSV file with types that every value of the whole file survives; lines that don't fit are rejected, not dropped.

Two passes: the first finds what each column can be and which lines are broken, the second streams the typed rows. Where
the head of the file tells the types, one statement reads and checks in one pass, and fails on the first surprise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from intendant.errors import SourceDamaged
from intendant.sources.wire.columns import utc
from intendant.sources.wire.query import condition, quoted, values_of
from intendant.sources.wire.rows import Reject
from intendant.types import Json, ReadRequest

__all__ = ["Csv", "unreadable"]

ISO = r"\d{4}-\d{2}-\d{2}"
NUMBER = r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][+-]?\d+)?"
LONG_NUMBER = r"-?(0|[1-9]\d{0,17})|-?(0|[1-9]\d*)\.\d+"
EXACT = ("CASE WHEN length({c}) <= 16 OR contains(lower({c}), 'e') THEN true "
         "WHEN length(rtrim(ltrim(replace({c}, '.', ''), '-0'), '0')) <= 15 THEN true "
         "ELSE CAST(TRY_CAST({c} AS DOUBLE) AS VARCHAR) = {c} END")
"""Whether a double gives the number back: always up to 15 digits; with an exponent it was a double before."""
DASHES = "substr({c}, 5, 1) = '-' AND substr({c}, 8, 1) = '-'"
TYPES: Mapping[str, str] = {
    "BIGINT": "CAST(TRY_CAST({c} AS BIGINT) AS VARCHAR) IS NOT DISTINCT FROM {c}",
    "DOUBLE": f"regexp_full_match({{c}}, '{NUMBER}') AND isfinite(TRY_CAST({{c}} AS DOUBLE)) AND {EXACT}",
    "DECIMAL": f"length({{c}}) <= 40 AND regexp_full_match({{c}}, '{LONG_NUMBER}')",
    "BOOLEAN": "{c} IN ('true', 'false', 'True', 'False', 'TRUE', 'FALSE')",
    "DATE": f"length({{c}}) = 10 AND {DASHES} AND TRY_CAST({{c}} AS DATE) IS NOT NULL",
    "TIMESTAMP": f"length({{c}}) >= 19 AND {DASHES} AND CAST(TRY_CAST({{c}} AS TIMESTAMP) AS VARCHAR) IS NOT DISTINCT FROM {{c}}",
    "TIMESTAMPTZ": f"length({{c}}) <= 32 AND {DASHES} AND TRY_CAST({{c}} AS TIMESTAMPTZ) IS NOT NULL",
}
"""Types from narrow to wide, each with the predicate that a text survives it. TIMESTAMP is spelled as the
engine itself does, which is quicker to tell; TIMESTAMPTZ is any moment, and becomes UTC."""
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
"""What a text in UTF-16 begins with."""
SAMPLE = 2000
HEAD, GUESSED = 200_000, 50_000
"""Rows that tell the types where not all of them are asked for; those that tell what to expect of a whole file."""
BUFFER = 8 << 20
"""Bytes of the file that a thread holds at a time: a quarter of the engine's own choice, and as fast."""
STRICT = f"all_varchar = true, comment = '', buffer_size = {BUFFER}"
"""A reading that refuses broken lines would otherwise look for comments, and leave out rows that begin with a #."""
SURPRISE = "a value that is not of the type that the head of the file has"


class Csv:
    """One CSV file; `delimiter` and `header` are found out when they are None."""

    def __init__(self, con: duckdb.DuckDBPyConnection, file: str, delimiter: Json, header: Json) -> None:
        self.con, self.file = con, file
        self.dialect = _dialect(con, file, delimiter, header)

    def tables(self, request: ReadRequest, reject: Reject, rows: int) -> Iterator[pa.Table]:
        """Typed rows, `rows` at a time, with the request's columns, order, count and cursor applied."""
        names = self._names()
        if not names:
            return
        types = self._types(names, HEAD if request.count and not request.order and request.count <= HEAD else None)
        for reason, line in self._rejects():
            reject(reason, line)
        picked = [n for n in names if request.columns is None or n in request.columns] or names
        typed = ", ".join(f"{_cast(quoted(n), types[n])} AS {quoted(n)}" for n in names)
        select = ", ".join(quoted(n) for n in picked)
        sql = f"SELECT {select} FROM (SELECT {typed} FROM {self._from(False)}) {condition(request, names)}"
        reader = self.con.execute(sql, [self.file, *values_of(request, names)]).to_arrow_reader(rows)
        yield from (pa.Table.from_batches([batch]) for batch in reader if batch.num_rows)

    def statement(self) -> str | None:
        """A SELECT (over the file as its only parameter) of all typed rows; it fails on a line that doesn't fit and on a value
        that would be bent. None where the head of the file doesn't tell the types."""
        names = self._names()
        if not names:
            return None
        counts = ", ".join(f"count({quoted(n)}) > 0" for n in names)
        seen = self.con.execute(f"SELECT {counts} FROM {self._rows(GUESSED, False)}", [self.file]).fetchall()[0]
        types = self._types(names, GUESSED)
        self._rejects()
        if not any(seen) or "DECIMAL" in {type_.partition("(")[0] for type_ in types.values()}:
            return None
        columns = (_strict(quoted(n), types[n], known) for n, known in zip(names, seen, strict=True))
        return f"SELECT {', '.join(columns)} FROM read_csv(?, {self.dialect}, {STRICT})"

    def _from(self, keep_rejects: bool) -> str:
        keep = ", store_rejects = true" if keep_rejects else ", ignore_errors = true"
        return f"read_csv(?, {self.dialect}, all_varchar = true{keep})"

    def _names(self) -> list[str]:
        found = self.con.execute(f"DESCRIBE SELECT * FROM {self._from(False)}", [self.file]).fetchall()
        return [str(row[0]) for row in found]

    def _types(self, names: list[str], head: int | None = None) -> dict[str, str]:
        """Column -> the narrowest type that a sample suggests and the whole file, or so many rows of it, survive."""
        left = self._survivors(names, dict.fromkeys(names, tuple(TYPES)), SAMPLE, False)
        whole = self._survivors(names, {n: types[:1] for n, types in left.items()}, head, True)
        wider = {n: left[n][1:] for n in names if not whole[n] and left[n][1:]}
        if wider:
            whole = {**whole, **self._survivors(list(wider), wider, head, False)}
        types = {name: next(iter(whole[name]), "VARCHAR") for name in names}
        return {name: self._decimal(name, head) if type_ == "DECIMAL" else type_ for name, type_ in types.items()}

    def _decimal(self, name: str, head: int | None) -> str:
        """DECIMAL with the digits that the column's values need before and after the point; VARCHAR above 38."""
        whole, part = (f"max(length(split_part(ltrim({quoted(name)}, '-'), '.', {n})))" for n in (1, 2))
        found = self.con.execute(f"SELECT {whole}, {part} FROM {self._rows(head, False)}", [self.file]).fetchall()[0]
        digits, scale = int(found[0] or 1) + int(found[1] or 0), int(found[1] or 0)
        return f"DECIMAL({digits},{scale})" if digits <= 38 else "VARCHAR"

    def _rows(self, head: int | None, keep_rejects: bool) -> str:
        return f"(SELECT * FROM {self._from(keep_rejects)} LIMIT {head})" if head else self._from(keep_rejects)

    def _survivors(self, names: list[str], candidates: Mapping[str, tuple[str, ...]], head: int | None,
                   keep_rejects: bool) -> dict[str, tuple[str, ...]]:
        """Column -> the candidates that all values survive; all of them for a column without values in a sample."""
        asked = [(name, type_) for name in names for type_ in candidates[name]]
        tests = [f"coalesce(bool_and({quoted(n)} IS NULL OR ({TYPES[t].replace('{c}', quoted(n))})), false)"
                 for n, t in asked]
        seen = [f"count({quoted(n)}) > 0" for n in names]
        rows = self._rows(head, keep_rejects)
        found = self.con.execute(f"SELECT {', '.join(tests + seen)} FROM {rows}", [self.file]).fetchall()[0]
        passed = {pair for pair, ok in zip(asked, found, strict=False) if ok}
        some = {name for name, ok in zip(names, found[len(asked):], strict=True) if ok}
        return {n: tuple(t for t in candidates[n] if (n, t) in passed) if n in some else (
            candidates[n] if head == SAMPLE else ()) for n in names}

    def _rejects(self) -> list[tuple[str, str]]:
        """Reason and text of each line that didn't fit; forgotten once told."""
        sql = ("SELECT min(error_message) || ' in line ' || line, any_value(csv_line) FROM reject_errors "
               "GROUP BY file_id, line ORDER BY file_id, line")
        found = self.con.execute(sql).fetchall()
        self.con.execute("DROP TABLE IF EXISTS reject_errors")
        self.con.execute("DROP TABLE IF EXISTS reject_scans")
        return [(str(reason), str(line or "")[:500]) for reason, line in found]


def unreadable(file: Path, error: duckdb.Error, where: str) -> SourceDamaged:
    """The error for a file that the engine can't make out as CSV."""
    with file.open("rb") as stream:
        if stream.read(2) in WIDE_MARKS:
            return SourceDamaged(f"{file.name!r} is in UTF-16; CSV is read in UTF-8", where=where,
                                 hint="Save it in UTF-8, or as a workbook.")
    if "Error when sniffing" in str(error):
        return SourceDamaged(f"{file.name!r} can't be read as csv: no delimiter and quotes fit its lines", where=where,
                             hint="Look for a quote that is not closed and for lines that end in two ways, or set delimiter.")
    return SourceDamaged(f"{file.name!r} can't be read as csv: {str(error).partition(chr(10))[0][:200]}", where=where,
                         hint="Look at that line, or save the file anew.")


def _cast(column: str, type_: str) -> str:
    return utc(f"CAST({column} AS TIMESTAMPTZ)") if type_ == "TIMESTAMPTZ" else f"CAST({column} AS {type_})"


def _strict(column: str, type_: str, known: bool) -> str:
    """The typed column, or an error at the first value that doesn't survive; any value of a column without one is that."""
    fits = TYPES[type_].replace("{c}", column) if type_ in TYPES else "true" if known else "false"
    if fits == "true":
        return column
    return f"CASE WHEN {column} IS NULL OR ({fits}) THEN {_cast(column, type_)} ELSE error({_text(SURPRISE)}) END AS {column}"


def _dialect(con: duckdb.DuckDBPyConnection, file: str, delimiter: Json, header: Json) -> str:
    given = {"delim": str(delimiter)} if delimiter else {}
    asked = "".join(f", {k} = {_text(v)}" for k, v in given.items())
    found = con.execute(f"SELECT Delimiter, Quote, Escape, HasHeader FROM sniff_csv(?{asked}, ignore_errors = true)",
                        [file]).fetchone()
    delim, quote, escape, has_header = found or (",", '"', '"', True)
    quote = '"' if quote in ("(empty)", "", "\0") else quote
    escape = quote if escape in ("(empty)", "", "\0") else escape
    options = f"delim = {_text(delim)}, quote = {_text(quote)}, escape = {_text(escape)}, skip = 0"
    if header is None:
        header = has_header or _names_first(con, file, options)
    return f"{options}, header = {_yes(bool(header))}, auto_detect = true"


def _names_first(con: duckdb.DuckDBPyConnection, file: str, options: str) -> bool:
    """Whether the first line reads like names: all there, all different, none a number or a date."""
    sql = f"SELECT * FROM read_csv(?, {options}, header = false, all_varchar = true, ignore_errors = true) LIMIT 1"
    row = con.execute(sql, [file]).fetchone()
    if not row or any(cell is None for cell in row) or len(set(row)) < len(row):
        return False
    check = f"SELECT bool_or(regexp_matches(v, '^({NUMBER}|{ISO}.*)$')) FROM (SELECT unnest(?) AS v)"
    found = con.execute(check, [list(row)]).fetchone()
    return not (found and found[0])


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _yes(value: bool) -> str:
    return "true" if value else "false"
