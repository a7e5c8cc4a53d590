"""Delivers rows into a MySQL or MariaDB table through a temporary stage, in one transaction; a value that the target would
bend is refused, so that nothing changes on its way unseen.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pymysql

from intendant.engines.mysql import connected, mysql_error, ticked
from intendant.errors import IntendantError, SourceError, SourceRefused
from intendant.sinks.ledger import LEDGER
from intendant.sinks.merge import Mode
from intendant.sinks.mysql_text import flat, stage_type, statements, table_type
from intendant.types import Stamp

__all__ = ["to_mysql"]

STAGE = "intendant_stage"
HELD = "intendant_held_"
COLUMNS = """
SELECT column_name, LOWER(data_type), column_type, character_set_name, collation_name FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position
"""
UNIQUE = """
SELECT index_name, GROUP_CONCAT(column_name SEPARATOR '\\0'), MAX(nullable = 'YES' OR sub_part IS NOT NULL)
FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = %s AND non_unique = 0 GROUP BY index_name
"""
ENGINE = """
SELECT t.engine, e.transactions FROM information_schema.tables t JOIN information_schema.engines e ON e.engine = t.engine
WHERE t.table_schema = DATABASE() AND t.table_name = %s
"""
NOTES = f"""
CREATE TABLE {LEDGER} (`run` VARCHAR(191) NOT NULL, `step` VARCHAR(191) NOT NULL, `table` VARCHAR(191) NOT NULL,
`rows` BIGINT NOT NULL, `at` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (`run`, `step`, `table`))
ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
"""
WAIT_SECONDS = 600
DUPLICATE, EXISTS, UNKNOWN_TABLE, TOO_LARGE = 1062, 1050, 1146, (1153, 2020)
WHOLE = ("tinyint", "smallint", "mediumint", "int", "bigint")
EXACT = (*WHOLE, "decimal", "bit", "year")
TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set")
BINARY = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
FITTING: Mapping[str, Sequence[str]] = {
    "whole": WHOLE, "bool": ("tinyint", "bit"), "float": ("float", "double"), "decimal": ("decimal",), "date": ("date",),
    "moment": ("datetime", "timestamp"), "time": ("time",), "binary": BINARY, "json": ("json", "longtext")}
"""Kind of our values -> types of a table that keeps its definition when its rows are replaced; text fits them all."""
OFFSET = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"


@dataclass(frozen=True)
class Place:
    """A column's way: the kind of its values, the type it is staged as, and the target's own, declared in full."""

    name: str
    kind: str
    ours: str
    theirs: str
    declared: str
    held: str = ""

    @property
    def value(self) -> str:
        """The stage's column that has the target's type."""
        return ticked(self.held or self.name)

    @property
    def bent(self) -> str:
        """SQL that is true for a staged value which the target's type changed; "" where it changes none."""
        held, ours, theirs = ticked(self.held), ticked(self.name), self.theirs
        if not self.held or theirs in ("float", "json") or self.kind == "json":
            return ""
        same = f"NOT ({held} <=> {ours})"
        if self.kind == "text" and theirs in (*EXACT, "double"):
            return f"NOT ({held} <=> CAST({ours} AS DECIMAL(65,30)))" if theirs in EXACT else ""
        if self.kind == "text" and theirs in ("date", "datetime", "timestamp"):
            return f"{ours} REGEXP '{OFFSET}' AND LENGTH({ours}) > 10 OR NOT ({held} <=> CAST({ours} AS DATETIME(6)))"
        if self.kind == "text" and theirs in TEXTS:
            return f"NOT (CAST(CONVERT({held} USING utf8mb4) AS BINARY) <=> CAST({ours} AS BINARY))"
        if theirs == "double" and self.kind in ("whole", "decimal"):
            return f"NOT (CAST({held} AS DECIMAL(65,20)) <=> CAST({ours} AS DECIMAL(65,20)))"
        numbers = theirs in (*EXACT, "double") and self.kind in ("whole", "bool", "float", "decimal")
        moments = theirs in ("date", "datetime", "timestamp", "time") and self.kind in ("date", "moment", "time")
        return same if numbers or moments or (theirs in BINARY and self.kind == "binary") else ""


def to_mysql(url: str, table: str, schema: pa.Schema, rows: Iterator[pa.Table], mode: Mode, keys: Sequence[str],
             stamp: Stamp | None) -> int:
    """See `sinks.sql.deliver`."""
    con = connected(url, table)
    try:
        delivery = _Delivery(con, table, schema, mode, keys, stamp)
        try:
            return delivery.carried_out(rows)
        except BaseException:
            delivery.undo()
            raise
    except (pymysql.Error, OSError) as error:
        raise _refused(error, table, schema.names) from None
    finally:
        con._force_close()


class _Delivery:
    """One delivery over a connection of its own; tables are made before its transaction, which MySQL ends at each DDL."""

    def __init__(self, con: pymysql.Connection[Any], table: str, schema: pa.Schema, mode: Mode, keys: Sequence[str],
                 stamp: Stamp | None) -> None:
        self.con, self.table, self.schema, self.mode, self.keys, self.stamp = con, table, schema, mode, keys, stamp
        self.made = ""
        self.target = table

    def carried_out(self, rows: Iterator[pa.Table]) -> int:
        self._run(f"SET SESSION innodb_lock_wait_timeout = {WAIT_SECONDS}")
        if self.stamp and (done := self._noted()) is not None:
            return done
        theirs = self._theirs()
        if theirs:
            self._transactional()
        keeps = bool(theirs) and (self.mode != "replace" or _fits(self.schema, theirs))
        if not keeps:
            self._make(fresh=bool(theirs))
            theirs = self._theirs()
        places = self._places(theirs)
        self._stage(places)
        swaps = self.target != self.table
        self._run("START TRANSACTION")
        if not swaps and self.stamp and (done := self._begin()) is not None:
            return done
        written = self._fill(rows)
        self._check(places)
        self._put(places)
        if swaps:
            self._run("COMMIT")
            self._swap()  # noted after it, so that a delivery that ends here is made again
            if self.stamp and self._begin() is not None:
                return written
        if self.stamp:
            self._run(f"UPDATE {LEDGER} SET `rows` = %s WHERE `run` = %s AND `step` = %s AND `table` = %s", (written, *self._note))
        self._run("COMMIT")
        self.made = ""
        return written

    def undo(self) -> None:
        """Takes back a table that this delivery made; the rows go with the transaction."""
        try:
            self._run("ROLLBACK")
            if self.made:
                self._run(f"DROP TABLE IF EXISTS {ticked(self.made)}")
        except (pymysql.Error, OSError):
            pass  # the error that led here says more

    def _run(self, sql: str, values: Sequence[Any] | None = None) -> Sequence[tuple[Any, ...]]:
        with self.con.cursor() as cursor:
            cursor.execute(sql, values)
            return tuple(cursor.fetchall())

    @property
    def _note(self) -> tuple[str, str, str]:
        assert self.stamp is not None
        return self.stamp.run, self.stamp.step, self.table

    def _noted(self) -> int | None:
        """How many rows this delivery wrote before; makes the ledger when there is none."""
        try:
            found = self._run(f"SELECT `rows` FROM {LEDGER} WHERE `run` = %s AND `step` = %s AND `table` = %s", self._note)
            self._run("COMMIT")
            return int(found[0][0]) if found else None
        except pymysql.Error as error:
            if error.args[0] != UNKNOWN_TABLE:
                raise
        try:
            self._run(NOTES)
        except pymysql.Error as error:
            if error.args[0] != EXISTS:
                raise
        return None

    def _begin(self) -> int | None:
        """Notes the delivery; waits for one of the same stamp that is under way, and says what it wrote."""
        try:
            self._run(f"INSERT INTO {LEDGER} (`run`, `step`, `table`, `rows`) VALUES (%s, %s, %s, 0)", self._note)
            return None
        except pymysql.Error as error:
            if error.args[0] != DUPLICATE:
                raise
        self._run("ROLLBACK")  # gives back the lock that the refused insert took, and looks at what is there now
        found = self._run(f"SELECT `rows` FROM {LEDGER} WHERE `run` = %s AND `step` = %s AND `table` = %s", self._note)
        return int(found[0][0])

    def _theirs(self) -> dict[str, tuple[str, str]]:
        """Column -> its type, and its declaration in full, of the target; empty when there is no table."""
        return {str(name): (str(type_), f"{declared}{f' CHARACTER SET {charset} COLLATE {collation}' if charset else ''}")
                for name, type_, declared, charset, collation in self._run(COLUMNS, (self.target,))}

    def _transactional(self) -> None:
        found = self._run(ENGINE, (self.table,))
        if found and str(found[0][1]).upper() != "YES":
            raise SourceRefused(f"The table is kept by {found[0][0]}, which has no transactions", where=self.table,
                                hint=f"Nothing was written. ALTER TABLE {ticked(self.table)} ENGINE = InnoDB makes it one that has.")

    def _make(self, fresh: bool) -> None:
        """The table, or one beside it that takes its place once it is filled."""
        self.target = f"intendant_new_{secrets.token_hex(6)}" if fresh else self.table
        columns = ", ".join(f"{ticked(f.name)} {table_type(f.type)} NULL DEFAULT NULL" for f in self.schema)
        self._run(f"CREATE TABLE {ticked(self.target)} ({columns}) ENGINE = InnoDB CHARACTER SET utf8mb4")
        self.made = self.target

    def _swap(self) -> None:
        old = f"{self.target}_old"
        self._run(f"RENAME TABLE {ticked(self.table)} TO {ticked(old)}, {ticked(self.target)} TO {ticked(self.table)}")
        self.made = ""
        self._run(f"DROP TABLE {ticked(old)}")

    def _places(self, theirs: Mapping[str, tuple[str, str]]) -> list[Place]:
        out = []
        for number, field in enumerate(self.schema):
            if field.name not in theirs:
                raise SourceRefused(f"The table has no column {field.name!r}", where=self.table,
                                    hint=f"Nothing was written. It has: {', '.join(theirs)}.")
            kind, ours = stage_type(field.type)
            type_, declared = theirs[field.name]
            held = "" if declared.lower() == ours.lower() else f"{HELD}{number}"
            out.append(Place(field.name, kind, ours, type_, declared, held))
        return out

    def _stage(self, places: Sequence[Place]) -> None:
        columns = [f"{ticked(p.name)} {p.ours} NULL DEFAULT NULL" for p in places]
        columns += [f"{ticked(p.held)} {p.declared} NULL DEFAULT NULL" for p in places if p.held]
        by_name = {p.name: p for p in places}
        if self.keys and not any(by_name[k].declared.split()[0].endswith(("text", "blob", "json")) for k in self.keys):
            columns.append(f"KEY ({', '.join(by_name[k].value for k in self.keys)})")
        self._run(f"CREATE TEMPORARY TABLE {STAGE} ({', '.join(columns)}) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")

    def _fill(self, rows: Iterator[pa.Table]) -> int:
        most = int(self._run("SELECT @@max_allowed_packet")[0][0])
        names = ", ".join(ticked(name) for name in self.schema.names)
        written = 0
        for batch in rows:
            for statement in statements(flat(batch, self.table), f"INSERT INTO {STAGE} ({names}) VALUES ", most):
                self.con.query(statement)
            written += batch.num_rows
        return written

    def _check(self, places: Sequence[Place]) -> None:
        """Gives the values the target's types. Raises SourceRefused for one that they would change."""
        held = [p for p in places if p.held]
        if held:
            self._run(f"UPDATE {STAGE} SET {', '.join(f'{ticked(p.held)} = {ticked(p.name)}' for p in held)}")
        for place in held:
            if not place.bent:
                continue
            found = self._run(f"SELECT CAST({ticked(place.name)} AS CHAR) FROM {STAGE} WHERE {ticked(place.name)} IS NOT NULL "
                              f"AND ({place.bent}) LIMIT 1")
            if found:
                raise SourceRefused(
                    f"The column {place.name!r} is {place.declared.partition(' CHARACTER')[0]} there, which would change "
                    f"{str(found[0][0])[:60]!r}", where=self.table,
                    hint="Nothing was written. Cast or round the column before it is delivered, or widen the target's column.")

    def _put(self, places: Sequence[Place]) -> None:
        """The stage's rows into the target, by its one unique index where that is on the keys."""
        target = ticked(self.target)
        values = {p.name: f"s.{p.value}" for p in places}
        insert = (f"INSERT INTO {target} ({', '.join(ticked(n) for n in values)}) SELECT {', '.join(values.values())} FROM {STAGE} AS s")
        if self.mode == "replace" and self.target == self.table:
            self._run(f"DELETE FROM {target}")
        if self.mode == "upsert":
            self._once(values)
            if self._indexed():
                insert += f" ON DUPLICATE KEY UPDATE {', '.join(f'{target}.{ticked(n)} = {v}' for n, v in values.items())}"
            else:
                on = " AND ".join(f"t.{ticked(k)} <=> {values[k]}" for k in self.keys)
                self._run(f"DELETE t FROM {target} AS t JOIN {STAGE} AS s ON {on}")
        self._run(insert)

    def _once(self, values: Mapping[str, str]) -> None:
        """Raises SourceRefused for a key that two rows have."""
        keys = ", ".join(values[k] for k in self.keys)
        found = self._run(f"SELECT {keys} FROM {STAGE} AS s GROUP BY {keys} HAVING COUNT(*) > 1 LIMIT 1")
        if found:
            shown = ", ".join(f"{k} = {v!r}" for k, v in zip(self.keys, found[0], strict=True))
            raise SourceRefused(f"Two rows have the same key, {shown[:100]}", where=self.table,
                                hint="Nothing was written. Drop duplicates by the key first.")

    def _indexed(self) -> bool:
        """Whether the target's one unique index is on the keys, so that a row that is there is changed in its place."""
        found = self._run(UNIQUE, (self.target,))
        return len(found) == 1 and not found[0][2] and set(str(found[0][1]).split("\0")) == set(self.keys)


def _fits(schema: pa.Schema, theirs: Mapping[str, tuple[str, str]]) -> bool:
    """Whether a table keeps its definition when its rows are replaced: the same columns, of types for such values."""
    def fits(field: pa.Field) -> bool:
        kind = stage_type(field.type)[0]
        return kind == "text" or theirs[field.name][0] in FITTING[kind]

    return set(schema.names) == set(theirs) and all(fits(field) for field in schema)


def _refused(error: Exception, table: str, names: Sequence[str]) -> IntendantError:
    found: SourceError = mysql_error(error, table)
    number = error.args[0] if error.args else 0
    if found.retry or not isinstance(error, pymysql.Error):
        return found
    text = " ".join(str(error.args[1] if len(error.args) > 1 else error).split())[:300]
    for place in range(len(names) - 1, -1, -1):
        text = text.replace(f"`{STAGE}`.`{HELD}{place}`", repr(names[place])).replace(f"'{HELD}{place}'", repr(names[place]))
    hint = ("Nothing was written. Raise max_allowed_packet of the server." if number in TOO_LARGE else
            "Nothing was written. Mend the rows or the table's definition.")
    return SourceRefused(f"MySQL refused the rows: {text}", where=table, hint=hint)
