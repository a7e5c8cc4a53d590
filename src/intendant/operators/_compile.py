"""Steps to SQL trees: operators applied in order, and the typing of a query by the engine without running it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias
from weakref import WeakKeyDictionary

from sqlglot import exp

from intendant.catalog import Catalog
from intendant.engines.base import quoted
from intendant.engines.duckdb import DuckDB
from intendant.errors import LakeError, LanguageError, UnknownName
from intendant.language.grammar import grammar
from intendant.language.guard import Guard
from intendant.operators import operators
from intendant.operators.base import Relation, Scope, table_sql
from intendant.types import SCHEMAS, Column, Snapshot, Step, split_table

__all__ = ["Typing", "apply", "reads_of", "scope_of", "sql_text", "table_relation", "trace"]

MOST_TYPED = 500
"""Queries whose types are kept."""
MOST_KEPT = 100
Types: TypeAlias = dict[tuple[object, ...], tuple[Column, ...]]
KNOWN: WeakKeyDictionary[DuckDB, Types] = WeakKeyDictionary()
"""What each engine said so far; a query over columns of these types has one answer, whoever asks."""


class Typing:
    """Asks an engine for the types of a query over a catalog's tables; nothing is read.

    With `snapshot`, which gives a version of a table of the lake (`Lake.snapshot`), it also tells `values`.
    """

    def __init__(self, engine: DuckDB, snapshot: Callable[[str, int | None], Snapshot] | None = None) -> None:
        self.engine, self.snapshot = engine, snapshot
        self._types = KNOWN.setdefault(engine, {})
        self._values: dict[tuple[str, ...], tuple[str | None, ...]] = {}

    def __call__(self, query: exp.Expression, catalog: Catalog) -> tuple[Column, ...]:
        """The columns of `query`. Raises EngineError (said by the engine) for what can't be typed."""
        tables = {_full(t) for t in query.find_all(exp.Table)}
        key = (sql_text(query), *((n, catalog.table(n).columns) for n in sorted(tables)))
        if key not in self._types:
            if len(self._types) >= MOST_TYPED:
                self._types.clear()
            self._types[key] = self._typed(query, catalog)
        return self._types[key]

    def _typed(self, query: exp.Expression, catalog: Catalog) -> tuple[Column, ...]:
        with self.engine.session() as con:
            for schema in SCHEMAS:
                con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            for name in {_full(t) for t in query.find_all(exp.Table)}:
                schema, rest = split_table(name)
                columns = ", ".join(f"{quoted(c.name)} {c.type}" for c in catalog.table(name).columns)
                con.execute(f"CREATE TABLE {schema}.{quoted(rest)} ({columns})")
            rows = con.execute(f"DESCRIBE {sql_text(query)}").fetchall()
        return tuple(Column(r[0], r[1]) for r in rows)

    def values(self, query: exp.Expression, catalog: Catalog) -> tuple[str | None, ...] | None:
        """The first column of `query` over the lake's tables; None where they aren't there yet as the catalog has them.

        Raises EngineError for what can't be run, Damaged for files that can't be read.
        """
        tables = self._snapshots({_full(t) for t in query.find_all(exp.Table)}, catalog)
        if tables is None:
            return None
        sql = sql_text(query)
        key = (sql, *(f for name in sorted(tables) for f in tables[name].files))
        if key not in self._values:
            if len(self._values) >= MOST_KEPT:
                self._values.clear()
            self._values[key] = tuple(row[0] for row in self.engine.rows(sql, tables)[1])
        return self._values[key]

    def _snapshots(self, names: Iterable[str], catalog: Catalog) -> dict[str, Snapshot] | None:
        if self.snapshot is None:
            return None
        out = {}
        for name in names:
            table = catalog.table(name)
            found = [self._version(name, v) for v in (table.version, None)]
            fitting = next((s for s in found if s is not None and s.columns == table.columns), None)
            if fitting is None:
                return None
            out[name] = fitting
        return out

    def _version(self, name: str, version: int | None) -> Snapshot | None:
        """The version that the catalog knows is the one meant, also once the step itself has published the next."""
        assert self.snapshot is not None
        try:
            return self.snapshot(name, version)
        except (UnknownName, LakeError):
            return None


def _full(table: exp.Table) -> str:
    return table.name if table.db in ("", "main") else f"{table.db}.{table.name}"


def sql_text(query: exp.Expression) -> str:
    """The tree in the engine's dialect. Raises LanguageError when it is nested too deeply to be written."""
    try:
        return str(query.sql(dialect="duckdb"))
    except RecursionError:
        raise LanguageError(
            "the step is nested too deeply", hint="Split it: put an intermediate result `into` a table of its own."
        ) from None


def apply(table: str, steps: tuple[Step, ...], catalog: Catalog, typing: Typing, where: str) -> Relation:
    """The relation after all operators. Raises UnknownName, TypeMismatch, LanguageError, EngineError with the place."""
    relation = table_relation(table, catalog, where)
    known = operators()
    for step in steps:
        relation = known[step.verb].apply(step, relation, scope_of(step, catalog, typing, where))
    return relation


def table_relation(table: str, catalog: Catalog, where: str) -> Relation:
    """A table as it is. Raises UnknownName."""
    found = catalog.table(table, where)
    return Relation(table_sql(found.name), found.columns)


def scope_of(step: Step, catalog: Catalog, typing: Typing, where: str, guards: list[Guard] | None = None) -> Scope:
    """What the operator of a step may look at."""
    place = f"`{grammar().write(step)}`" + (f" in {where}" if where else "")
    return Scope(
        lambda n: catalog.table(n, place).columns,
        lambda q: typing(q, catalog),
        place,
        lambda q: typing.values(q, catalog),
        guards,
    )


def reads_of(table: str, steps: tuple[Step, ...], catalog: Catalog) -> tuple[str, ...]:
    """All tables that the operators read, the first one among them."""
    known = operators()
    names = [table, *(n for s in steps for n in known[s.verb].reads(s))]
    return tuple(dict.fromkeys(catalog.table(n).name for n in names))


def trace(table: str, steps: tuple[Step, ...], catalog: Catalog, typing: Typing) -> dict[str, tuple[str, ...]]:
    """Column lineage through the operators: output column to "table.column" inputs."""
    known = operators()
    found = catalog.table(table)
    origin: dict[str, tuple[str, ...]] = {c.name: (f"{found.name}.{c.name}",) for c in found.columns}
    columns = list(origin)
    for i, step in enumerate(steps):
        before, columns = columns, apply(table, steps[: i + 1], catalog, typing, "").names
        own = known[step.verb].origins(step, columns, before)
        others = {c.name: f"{t}.{c.name}" for t in known[step.verb].reads(step) for c in catalog.table(t).columns}
        spelled = {name.lower(): name for name in origin}
        after: dict[str, tuple[str, ...]] = {}
        made = {name.lower(): inputs for name, inputs in (own or {}).items()}
        shared = {a.lower(): b.lower() for a, b in known[step.verb].shares(step, tuple(others)).items()}
        theirs = {name.lower(): full for name, full in others.items()}
        for column in columns:
            inputs = made.get(column.lower(), (column,))
            sources: list[str] = []
            for name in inputs:
                known_as = name if name in origin else spelled.get(name.lower(), name)
                sources += origin.get(known_as, (others[name],) if name in others else _joined(name, step, others))
            if column.lower() in shared:
                sources.append(theirs[shared[column.lower()]])
            after[column] = tuple(dict.fromkeys(sources))
        origin = after
    return origin


def _joined(name: str, step: Step, others: dict[str, str]) -> tuple[str, ...]:
    """A joined column that clashed carries the other table's name as prefix."""
    prefix = f"{str(step.get('table', '')).rpartition('.')[2]}_"
    rest = name.removeprefix(prefix)
    return (others[rest],) if rest != name and rest in others else ()
