"""MySQL and MariaDB tables as Arrow, streamed from one snapshot; a row with a date that is none is rejected."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pymysql

from intendant.engines.mysql import connected, mysql_error, ticked
from intendant.errors import SourceRefused
from intendant.sources.wire.guess import likely_moment
from intendant.sources.wire.packets import columns_of
from intendant.sources.wire.rows import Reject
from intendant.types import Column, Json, ReadRequest, Resource

__all__ = ["MySql"]

CATALOG = """
SELECT c.table_name, c.column_name, LOWER(c.data_type), LOWER(c.column_type), c.numeric_precision, c.numeric_scale,
       c.column_key = 'PRI', c.is_nullable = 'YES', t.table_type = 'VIEW'
FROM information_schema.columns c JOIN information_schema.tables t
  ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.table_type <> 'SEQUENCE'
WHERE c.table_schema = DATABASE() ORDER BY c.table_name, c.ordinal_position
"""
SNAPSHOT = ("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
WHOLE = {"tinyint": ("TINYINT", pa.int8(), pa.uint8()), "smallint": ("SMALLINT", pa.int16(), pa.uint16()),
         "mediumint": ("INTEGER", pa.int32(), pa.uint32()), "int": ("INTEGER", pa.int32(), pa.uint32()),
         "bigint": ("BIGINT", pa.int64(), pa.uint64()), "year": ("SMALLINT", pa.int16(), pa.uint16())}
BINARY = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "geometry", "point", "linestring", "polygon",
          "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection", "vector")
TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set")
MOMENTS = ("date", "datetime", "timestamp")
DAY = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
DIGITS = 38
SHOWN = 2000


@dataclass(frozen=True)
class Attribute:
    """A column as the catalog has it."""

    type: str
    declared: str
    precision: int
    scale: int
    nullable: bool

    @property
    def unsigned(self) -> bool:
        return "unsigned" in self.declared or self.type == "year"

    @property
    def duck_type(self) -> str:
        if self.type in WHOLE:
            return ("U" if self.unsigned and self.type != "year" else "") + WHOLE[self.type][0]
        if self.type == "decimal":
            return f"DECIMAL({self.precision},{self.scale})" if self.precision <= DIGITS else "VARCHAR"
        if self.type == "bit":
            return "BOOLEAN" if self.declared == "bit(1)" else "UBIGINT"
        if self.type in BINARY:
            return "BLOB"
        return {"float": "FLOAT", "double": "DOUBLE", "date": "DATE", "datetime": "TIMESTAMP",
                "timestamp": "TIMESTAMP WITH TIME ZONE"}.get(self.type, "VARCHAR")

    @property
    def arrow(self) -> pa.DataType:
        """The type that the values' texts become."""
        if self.type in WHOLE:
            return WHOLE[self.type][2 if self.unsigned and self.type != "year" else 1]
        if self.type == "decimal" and self.precision <= DIGITS:
            return pa.decimal128(self.precision, self.scale)
        if self.type == "bit":
            return pa.bool_() if self.declared == "bit(1)" else pa.uint64()
        if self.type in BINARY:
            return pa.binary()
        return {"float": pa.float32(), "double": pa.float64(), "date": pa.date32(), "datetime": pa.timestamp("us"),
                "timestamp": pa.timestamp("us", "UTC")}.get(self.type, pa.string())

    def select(self, column: str) -> str:
        """SQL for the column as it is to come: a FLOAT with all its digits, bits as a number."""
        return {"float": f"({column} + 0e0)", "bit": f"({column} + 0)"}.get(self.type, column)

    def ordered(self, column: str) -> str:
        """SQL for the column in the order of its characters, whatever its collation says of case and accents."""
        return f"CONVERT({column} USING utf8mb4) COLLATE utf8mb4_bin" if self.type in TEXTS else column


class MySql:
    """One database, in a read-only transaction that sees one moment; `reject` is told of rows that can't be kept."""

    def __init__(self, source: str, url: str, reject: Reject) -> None:
        self.source, self.reject = source, reject
        self.where = f"[sources.{source}]"
        self._con = connected(url, self.where)
        self._columns: dict[str, dict[str, Attribute]] = {}
        try:
            for statement in SNAPSHOT:
                self._rows(statement)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._con._force_close()

    def tables(self) -> Mapping[str, Resource]:
        keys: dict[str, list[str]] = {}
        self._columns.clear()
        for table, column, type_, declared, precision, scale, is_key, nullable, _ in self._rows(CATALOG):
            known = self._columns.setdefault(str(table), {})
            known[str(column)] = Attribute(str(type_), str(declared), int(precision or 0), int(scale or 0), bool(nullable))
            if is_key:
                keys.setdefault(str(table), []).append(str(column))
        return {name: self._resource(name, keys.get(name, [])) for name in self._columns}

    def _resource(self, name: str, keys: Sequence[str]) -> Resource:
        found = tuple(Column(c, a.duck_type) for c, a in self._columns[name].items())
        return Resource(self.source, name, keys[0] if len(keys) == 1 else None, likely_moment(found), found)

    def _rows(self, sql: str) -> Sequence[tuple[Any, ...]]:
        try:
            with self._con.cursor() as cursor:
                cursor.execute(sql)
                return tuple(cursor.fetchall())
        except (pymysql.Error, OSError, RuntimeError) as error:
            raise mysql_error(error, self.where) from None

    def batches(self, table: str, request: ReadRequest) -> Iterator[pa.Table]:
        types = self._columns[table]
        picked = [c for c in types if request.columns is None or c in request.columns] or list(types)
        select = ", ".join(types[c].select(ticked(c)) for c in picked)
        sql = f"SELECT {select} FROM {ticked(table)} {self._condition(request, types)}"
        try:
            for columns in columns_of(self._con, sql):
                yield self._table(columns, picked, types)
        except (pymysql.Error, OSError, RuntimeError) as error:
            raise mysql_error(error, self.where) from None

    def _condition(self, request: ReadRequest, types: Mapping[str, Attribute]) -> str:
        """WHERE, ORDER BY and LIMIT; NULLs come last."""
        parts = []
        if request.after and request.after[0] in types:
            name, value = request.after
            parts.append(f"WHERE {types[name].ordered(ticked(name))} > {self._literal(value, types[name])}")
        sortable = request.order and request.by in types
        if sortable and request.by and request.count:
            column = types[request.by].ordered(ticked(request.by))
            last = f"{ticked(request.by)} IS NULL, " if types[request.by].nullable and request.order != "latest" else ""
            parts.append(f"ORDER BY {last}{column} {'DESC' if request.order == 'latest' else 'ASC'}")
        if request.count and (sortable or not request.order):
            parts.append(f"LIMIT {int(request.count)}")
        return " ".join(parts)

    def _literal(self, value: Json, attribute: Attribute) -> str:
        """A value as SQL that stands for nothing else; a moment in UTC."""
        if isinstance(value, str) and attribute.type in MOMENTS:
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise SourceRefused(f"{value[:40]!r} is no moment to go on from", where=self.where,
                                    hint="Write it as 2024-01-31 or 2024-01-31T10:00:00.") from None
        if isinstance(value, datetime) and value.tzinfo:
            value = value.astimezone(UTC).replace(tzinfo=None)
        if isinstance(value, datetime | date):
            value = value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
        if not isinstance(value, bool | int | float | Decimal | str):
            raise SourceRefused(f"A cursor can't be a {type(value).__name__}", where=self.where)
        return str(self._con.literal(value))

    def _table(self, columns: Sequence[pa.Array], picked: Sequence[str], types: Mapping[str, Attribute]) -> pa.Table:
        """Typed columns, without the rows of which a value has no such type."""
        kept, good = list(columns), None
        out: list[pa.Array] = []
        for column, name in zip(columns, picked, strict=True):
            typed = _typed(column, types[name])
            if typed is None:
                fits = _fitting(column, types[name])
                good = fits if good is None else pc.and_(good, fits)
            out.append(typed)
        if good is None:
            return pa.table(out, names=list(picked))
        self._tell(kept, picked, types, good)
        sound = [column.filter(good) for column in kept]
        return pa.table([_typed(c, types[n]) for c, n in zip(sound, picked, strict=True)], names=list(picked))

    def _tell(self, columns: Sequence[pa.Array], names: Sequence[str], types: Mapping[str, Attribute], good: pa.Array) -> None:
        for i in pc.indices_nonzero(pc.invert(good)).to_pylist():
            values = [column[i].as_py() for column in columns]
            texts = {n: v.decode("utf-8", "backslashreplace") if v is not None else None for n, v in zip(names, values, strict=True)}
            bad = next(n for n, column in zip(names, columns, strict=True) if _typed(column.slice(i, 1), types[n]) is None)
            self.reject(f"{bad} is {texts[bad]!r}, which is no {types[bad].type}", json.dumps(texts, ensure_ascii=False)[:SHOWN])


def _fitting(column: pa.Array, attribute: Attribute) -> pa.Array:
    """Which values have the type; looks at each alone only where more is wrong than a day or a month of zero."""
    if attribute.type in MOMENTS:
        fits = pc.fill_null(pc.match_substring_regex(column.cast(pa.large_string()), DAY), True)
        if _typed(column.filter(fits), attribute) is not None:
            return fits
    return pa.array([_typed(column.slice(i, 1), attribute) is not None for i in range(len(column))])


def _typed(column: pa.Array, attribute: Attribute) -> pa.Array | None:
    """The values as their type; None when one of them has none, such as 0000-00-00."""
    type_ = attribute.arrow
    if pa.types.is_binary(type_):
        return column.cast(type_)
    try:
        texts = column.cast(pa.large_string())
        if pa.types.is_string(type_):
            return texts.cast(type_)
        if pa.types.is_boolean(type_):
            return pc.equal(texts, "1")
        if pa.types.is_timestamp(type_):
            moments = texts.cast(pa.timestamp("us"))
            return moments.cast(pa.int64()).cast(type_) if type_.tz else moments
        return texts.cast(type_)
    except pa.ArrowInvalid:
        return None


