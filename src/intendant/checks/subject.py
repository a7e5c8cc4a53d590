"""The table under examination: each column's values counted once and remembered, so detectors look at distinct values."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from intendant.checks.settings import Settings
from intendant.engines.base import quoted, text
from intendant.engines.duckdb import DuckDB
from intendant.language.to_sql import find_column, kind_of_type
from intendant.operators.base import table_sql
from intendant.types import Column, Finding, Json, Severity, Snapshot

__all__ = ["Stat", "Subject", "examine", "shown"]

MOST_COLUMNS = 60
"""Columns that are compared with each other."""
LONGEST = 10_000
"""Bytes of a text up to which it is read as a value; a longer one is a document: counted, and never compared."""
WIDE, COPIED_CELLS, COPIED_BYTES = 100, 10_000_000, 100_000_000
"""Tables with more columns than this are copied before they are looked at, up to so many cells and bytes."""
COPY = 'temp.main."the table under examination"'


@dataclass(frozen=True)
class Stat:
    """How many rows have a value (not NULL), and about how many values there are."""

    filled: int
    distinct: int


class Subject:
    """A table attached to an open connection. `key` are its declared key columns."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        table: str,
        columns: Sequence[Column],
        settings: Settings,
        key: Sequence[str],
        others: Mapping[str, Snapshot] | None = None,
    ) -> None:
        self.con, self.table, self.settings = con, table, settings
        self.columns = tuple(columns)
        self.key = tuple(find_column(k, columns, table).name for k in key)
        self.others: Mapping[str, Snapshot] = others or {}
        """Tables that are attached beside this one."""
        self.sql = table_sql(table).sql("duckdb")
        self._values: dict[str, dict[str, int]] = {}
        self._sample: tuple[list[Column], list[tuple[str | None, ...]]] | None = None
        self.disguised: dict[str, frozenset[str]] = {}
        """Per column, the texts that stand for a missing value; filled by the detector of missing values."""

    def query(self, sql: str, params: Sequence[Json] = ()) -> list[tuple[Json, ...]]:
        rows: list[tuple[Json, ...]] = self.con.execute(sql, list(params)).fetchall()
        return rows

    def count(self, predicate: str) -> int:
        """Rows for which a predicate (without window functions) is true."""
        return int(self.query(f"SELECT count(*) FROM {self.sql} WHERE {predicate}")[0][0])

    @functools.cached_property
    def stats(self) -> dict[str, Stat]:
        """Per column that isn't nested."""
        flat = self.flat()
        shown = [f"count({quoted(c.name)}), approx_count_distinct({quoted(c.name)})" for c in flat]
        row = self.query(f"SELECT {', '.join(['count(*)', *shown])} FROM {self.sql}")[0]
        self.__dict__["total"] = int(row[0])
        return {c.name: Stat(int(row[2 * i + 1]), int(row[2 * i + 2])) for i, c in enumerate(flat)}

    @functools.cached_property
    def total(self) -> int:
        """How many rows the table has."""
        return int(self.query(f"SELECT count(*) FROM {self.sql}")[0][0])

    def flat(self, *kinds: str) -> list[Column]:
        """The columns that aren't nested; of these kinds (number, text, time, bool ...) when given."""
        return [
            c for c in self.columns if (kind_of_type(c.type) in kinds if kinds else kind_of_type(c.type) != "other")
        ]

    def sampled(self, column: str) -> bool:
        """Whether `values` are a sample of the column's distinct values."""
        return self.stats[column].distinct > self.settings.max_distinct

    def values(self, column: str) -> dict[str, int]:
        """Distinct values as text, with their exact counts, most frequent first; NULL and documents are not among them."""
        if column not in self._values:
            name, keep = quoted(column), ""
            if self.sampled(column):
                parts = -(-self.stats[column].distinct // self.settings.max_distinct)
                keep = f"AND hash({name}) % {parts} = 0"
            rows = self.query(
                f"SELECT CAST({name} AS VARCHAR) AS v, count(*) AS n FROM {self.sql}"
                f" WHERE {name} IS NOT NULL AND NOT {self.document(column)} {keep} GROUP BY {name} ORDER BY n DESC, v"
            )
            found: dict[str, int] = {}
            for value, n in rows:
                found[value] = found.get(value, 0) + int(n)
            self._values[column] = found
        return self._values[column]

    def document(self, column: str) -> str:
        """The predicate that a text is longer than a value can be."""
        kind = find_column(column, self.columns).type
        return f"(coalesce(strlen({quoted(column)}), 0) > {LONGEST})" if kind == "VARCHAR" else "false"

    def present(self, column: str) -> dict[str, int]:
        """`values` without blank ones and those that stand for a missing value."""
        absent = self.disguised.get(column, frozenset())
        return {v: n for v, n in self.values(column).items() if v not in absent and v.strip()}

    def is_one_of(self, column: str, values: Iterable[str]) -> str:
        """The predicate that a column's text is one of these."""
        kind = next(c.type for c in self.columns if c.name == column)
        own = quoted(column) if kind == "VARCHAR" else f"CAST({quoted(column)} AS VARCHAR)"
        listed = ", ".join(text(v) for v in values)
        return f"{own} IN ({listed})" if listed else "false"

    def missing(self, column: Column) -> str:
        """The predicate that a value is missing: NULL, blank, or a text that stands for nothing."""
        own = quoted(column.name)
        tests = [f"{own} IS NULL"]
        if kind_of_type(column.type) == "text":
            tests.append(f"trim(CAST({own} AS VARCHAR)) = ''")
        if self.disguised.get(column.name):
            tests.append(self.is_one_of(column.name, sorted(self.disguised[column.name])))
        return "(" + " OR ".join(tests) + ")"

    def sample(self) -> tuple[list[Column], list[tuple[str | None, ...]]]:
        """Columns with at least two values, and rows (all, or as many of a large table) as text, None where missing.

        The same rows each time. Asked for once the missing values are known.
        """
        if self._sample is None:
            columns = [c for c in self.flat() if self.stats[c.name].distinct >= 2][:MOST_COLUMNS]
            shown = ", ".join(
                f"CASE WHEN {self.missing(c)} OR {self.document(c.name)} THEN NULL"
                f" ELSE CAST({quoted(c.name)} AS VARCHAR) END"
                for c in columns
            )
            most = self.settings.sample_rows
            source = self.sql
            if self.total > most:
                source = f"(SELECT * FROM {self.sql} USING SAMPLE reservoir({most} ROWS) REPEATABLE (1)) AS t"
            self._sample = columns, self.query(f"SELECT {shown} FROM {source}") if columns else []
        return self._sample

    def so_many(self, rows: int, column: str) -> str:
        """How a sentence of evidence begins: 3 of 100 values of price."""
        return f"{rows} of {self.total} values of {column}"

    def finding(
        self,
        check: str,
        column: str | None,
        rows: int,
        evidence: str,
        *,
        where: str,
        mend: str = "",
        confidence: float = 1.0,
        samples: Iterable[Json] = (),
    ) -> Finding:
        """A finding about this table; severity follows from the share of rows, and is higher on a key."""
        share = rows / self.total if self.total else 0.0
        grave = column is not None and column in self.key
        level: Severity = "HIGH" if share > 0.05 or grave else "MEDIUM" if share > 0.01 else "LOW"
        return Finding(
            check,
            self.table,
            column,
            level,
            rows,
            self.total,
            evidence,
            round(confidence, 3),
            mend,
            where,
            tuple(samples),
        )


@contextmanager
def examine(
    engine: DuckDB,
    table: str,
    snapshot: Snapshot,
    settings: Settings = Settings(),
    key: Sequence[str] = (),
    others: Mapping[str, Snapshot] | None = None,
) -> Iterator[Subject]:
    """The snapshot, attached as `table`, beside the tables that its columns point to.

    Raises UnknownName for a key column that isn't there, Damaged, EngineError.
    """
    with engine.session({**(others or {}), table: snapshot}) as con:
        subject = Subject(con, table, snapshot.columns, settings, key, others)
        cells = snapshot.rows * len(snapshot.columns)
        if len(snapshot.columns) > WIDE and cells <= COPIED_CELLS and snapshot.bytes <= COPIED_BYTES:
            copied(subject)
        yield subject


def copied(subject: Subject) -> None:
    """Reads a wide, small table once: each query over a view of thousands of columns binds them all."""
    subject.query(f"CREATE TEMP TABLE {COPY} AS FROM {subject.sql}")
    subject.sql = COPY


def shown(values: Iterable[Json], most: int = 3) -> str:
    """Example values for a sentence: 'a', 'b' and 4 more; long ones are cut."""
    listed = list(values)
    head = ", ".join(repr(v if not isinstance(v, str) or len(v) <= 60 else v[:57] + "...") for v in listed[:most])
    return head + (f" and {len(listed) - most} more" if len(listed) > most else "")
