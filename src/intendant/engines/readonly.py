"""SQL from people: read-only, on catalogued tables, with approved functions, in an engine that can open nothing else.

Two parsers must agree that a statement is harmless, sqlglot's and DuckDB's own (so what was checked is what runs); then
it runs in a database of its own that is locked to the lake's files.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import duckdb
import sqlglot
from sqlglot import exp

from intendant.engines.base import text
from intendant.engines.duckdb import fetched
from intendant.engines.failures import translated
from intendant.engines.functions import FUNCTIONS, TABLE_FUNCTIONS
from intendant.engines.leases import reading
from intendant.engines.parquet import escaped
from intendant.errors import EngineError, SqlRefused, did_you_mean
from intendant.types import SCHEMAS, Json, Snapshot

if TYPE_CHECKING:
    from intendant.engines.duckdb import DuckDB

__all__ = ["Tabled", "checked", "confine", "query"]

LONGEST = 100_000  # characters
MOST_ROWS = 1_000_000
SECONDS = 60.0
ATTEMPTS = 3
ROOTS = (exp.Select, exp.SetOperation, exp.Subquery, exp.Values)
FORBIDDEN = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Attach, exp.Detach, exp.Pragma, exp.Set, exp.Use, exp.Copy,
             exp.Describe, exp.Show, exp.Drop, exp.Alter, exp.TruncateTable, exp.LoadData, exp.Kill, exp.Transaction,
             exp.Commit, exp.Rollback, exp.Cache, exp.Uncache, exp.Analyze, exp.Export, exp.Install)
NODES = frozenset(("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE", "EMPTY", "BASE_TABLE", "JOIN",
                   "SUBQUERY", "TABLE_FUNCTION", "EXPRESSION_LIST", "PIVOT"))
ONLY_SELECT = "Only one SELECT statement may be used here; say what should change as an intent instead."


class Tabled(Protocol):
    """What a query needs of the lake."""

    @property
    def readable(self) -> tuple[Path, ...]:
        """The folders below which the files of snapshots lie."""
        ...

    def names(self) -> list[str]: ...

    def snapshot(self, table: str, version: int | None = None) -> Snapshot: ...


def checked(sql: str, tables: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """The statement and the tables it uses, spelled as in `tables`. Raises SqlRefused with what, where and the mend."""
    if len(sql) > LONGEST:
        raise SqlRefused(f"The statement is longer than {LONGEST} characters", hint="Shorten it.")
    known = {name.casefold(): name for name in tables}
    try:
        used = _checked_tree(_parsed(sql), known)
        used |= _checked_ast(_own_ast(sql), known)
    except RecursionError as error:
        raise SqlRefused("The statement is nested too deeply", hint="Use WITH to take it apart.") from error
    return sql, tuple(sorted(used))


def query(lake: Tabled, engine: DuckDB, sql: str, limit: int | None = None, *,
          seconds: float = SECONDS) -> tuple[list[str], list[tuple[Json, ...]]]:
    """Runs read-only SQL on the lake: column names and at most `limit` rows.

    Raises SqlRefused; EngineError when it takes longer than `seconds` or gives more than a million rows.
    """
    statement, used = checked(sql, lake.names())
    with current(lake, used, engine) as tables:
        names, rows = _answered(lake, engine, statement, tables, limit, seconds)
    if limit is None and len(rows) > MOST_ROWS:
        raise EngineError(f"The result has more than {MOST_ROWS} rows", hint="Add LIMIT, or export the table.")
    return names, rows


@contextmanager
def current(lake: Tabled, used: Iterable[str], engine: DuckDB) -> Iterator[dict[str, Snapshot]]:
    """The tables as they are now; as long as the block lasts, none of their files is cleaned away."""
    with ExitStack() as held:
        for _ in range(ATTEMPTS):
            tables = {name: lake.snapshot(name) for name in used}
            files = [f for s in tables.values() for f in s.files]
            held.enter_context(engine.holding(files))
            held.enter_context(reading(files))
            if all("://" in f or os.path.exists(f) for f in files):  # noqa: PTH110 (paths by the thousand)
                break
            held.close()
        yield tables


def _answered(lake: Tabled, engine: DuckDB, statement: str, tables: dict[str, Snapshot], limit: int | None,
              seconds: float) -> tuple[list[str], list[tuple[Json, ...]]]:
    con = engine.connect()
    try:
        with translated(tables):
            engine.attach(con, tables)
            confine(con, *lake.readable)
            with _time_limit(con.interrupt, seconds):
                return fetched(con.execute(statement), (limit if limit is not None else MOST_ROWS + 1))
    finally:
        con.close()


def confine(con: duckdb.DuckDBPyConnection, *roots: Path) -> None:
    """From here on the connection opens only files under `roots`, and no setting can change that."""
    folders = ", ".join(text(f"{form}/") for form in dict.fromkeys(f for r in roots for f in (str(r), escaped(str(r)))))
    con.execute(f"SET allowed_directories = [{folders}]; SET enable_external_access = false;"
                " SET lock_configuration = true")


@contextmanager
def _time_limit(interrupt: Callable[[], None], seconds: float) -> Iterator[None]:
    late = threading.Event()

    def stop() -> None:
        late.set()
        interrupt()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException as error:
        if late.is_set():
            raise EngineError(f"The query took longer than {seconds:g} seconds",
                              hint="Filter or aggregate more, or save the result as a table.") from error
        raise
    finally:
        timer.cancel()


def _parsed(sql: str) -> exp.Expression:
    try:
        statements = [tree for tree in sqlglot.parse(sql, read="duckdb") if tree is not None]
    except sqlglot.errors.SqlglotError as error:
        raise SqlRefused(f"The statement can't be read: {str(error).partition(chr(10))[0]}",
                         hint="Check its syntax.") from error
    if len(statements) != 1:
        raise SqlRefused(f"There are {len(statements)} statements", hint=ONLY_SELECT)
    tree = statements[0]
    if not isinstance(tree, ROOTS):
        raise SqlRefused(f"{tree.key.upper()} is not a query", where=_head(sql), hint=ONLY_SELECT)
    return tree


def _checked_tree(tree: exp.Expression, known: dict[str, str]) -> set[str]:
    shadows = {cte.alias_or_name.casefold() for cte in tree.find_all(exp.CTE)}
    used = set()
    for node in tree.walk():
        if isinstance(node, FORBIDDEN):
            raise SqlRefused(f"{node.key.upper()} changes something", where=_head(node.sql("duckdb")), hint=ONLY_SELECT)
        if isinstance(node, exp.Anonymous):
            _approve(str(node.this), FUNCTIONS | TABLE_FUNCTIONS)
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            used |= _resolved(node.catalog, node.db, node.name, known, shadows)
    return used


def _own_ast(sql: str) -> Json:
    with duckdb.connect(":memory:") as con:
        answer = json.loads(con.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()[0][0])
    if answer["error"] or len(answer["statements"]) != 1:
        raise SqlRefused(f"The statement isn't a query: {answer.get('error_message', 'more than one statement')}",
                         where=_head(sql), hint=ONLY_SELECT)
    return answer["statements"]


def _inner(node: Json) -> Iterator[dict[str, Json]]:
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _checked_ast(ast: Json, known: dict[str, str]) -> set[str]:
    nodes = list(_inner(ast))
    shadows = {entry["key"].casefold() for n in nodes for entry in (n.get("cte_map") or {}).get("map", ())}
    used = set()
    for node in nodes:
        if "sample" in node and node.get("type") not in NODES:
            raise SqlRefused(f"{node.get('type')} is not allowed in a query", hint=ONLY_SELECT)
        if node.get("type") == "TABLE_FUNCTION":
            _approve(node["function"]["function_name"], TABLE_FUNCTIONS)
        elif "function_name" in node:
            _approve(node["function_name"], FUNCTIONS | TABLE_FUNCTIONS)
        if node.get("type") == "BASE_TABLE":
            used |= _resolved(node["catalog_name"], node["schema_name"], node["table_name"], known, shadows)
    return used


def _resolved(catalog: str, schema: str, name: str, known: dict[str, str], shadows: set[str]) -> set[str]:
    if not schema and not catalog and name.casefold() in shadows:
        return {known[name.casefold()]} if name.casefold() in known else set()
    plain = schema.casefold() in ("", "main")
    full = name if plain else f"{schema}.{name}"
    allowed_schema = plain or schema.casefold() in SCHEMAS
    if catalog or not allowed_schema or full.casefold() not in known:
        shown = ".".join(part for part in (catalog, schema, name) if part)
        raise SqlRefused(f"{shown!r} is not a table of the lake", where=shown,
                         hint=did_you_mean(full, known.values(), "table"))
    return {known[full.casefold()]}


def _approve(name: str, allowed: Iterable[str]) -> None:
    if name.casefold() not in allowed:
        raise SqlRefused(f"The function {name!r} is not allowed in SQL from people", where=name,
                         hint=did_you_mean(name, (f for f in allowed if f.isidentifier()), "function"))


def _head(sql: str) -> str:
    return sql.strip()[:60]
