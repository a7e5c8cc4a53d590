"""Two versions of a table held against each other: how many rows came, changed and went, and a few of each.

With a key that is whole and unique in both versions a row is known by it; without one the versions are compared as
multisets, and a changed row is one that went and one that came. Numbers with a point count as equal when their first 12
digits are: sums over several threads differ in the last ones from run to run. Order is no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from intendant.actions.query import jsonable
from intendant.engines.base import quoted
from intendant.engines.duckdb import DuckDB, fetched
from intendant.language.to_sql import kind_of_type
from intendant.types import Column, Json, Snapshot

if TYPE_CHECKING:
    import duckdb

__all__ = ["SAMPLES", "compared"]

SAMPLES = 3
MOST_TEXT = 200
FLOATS = ("FLOAT", "DOUBLE")
Pair = tuple[Column, Column]


def compared(
    engine: DuckDB, before: Snapshot | None, after: Snapshot | None, keys: Iterable[Sequence[str]] = ()
) -> dict[str, Json]:
    """{"rows_before", "rows_after", "added", "changed", "removed", "by", "columns", "samples"}

    `by` is the first of `keys` that fits, [] for multisets; None stands for no table. Raises EngineError, Damaged.
    """
    out: dict[str, Json] = {
        "rows_before": before.rows if before else 0,
        "rows_after": after.rows if after else 0,
        "added": 0,
        "changed": 0,
        "removed": 0,
        "by": [],
        "columns": columns_of(before, after),
        "samples": {"added": [], "changed": [], "removed": []},
    }
    if before is None or after is None:
        one, what = (after, "added") if before is None else (before, "removed")
        if one is not None:
            out[what] = one.rows
            out["samples"][what] = sampled(engine, one)
    elif before.files != after.files or before.columns != after.columns:
        with engine.session({"before": before, "after": after}) as con:
            pairs = paired(before, after)
            key = next((k for k in (keyed(k, pairs) for k in keys) if k and whole(con, k)), None)
            out |= by_key(con, key, pairs) if key else as_multisets(con, pairs, before, after)
    return out


def columns_of(before: Snapshot | None, after: Snapshot | None) -> dict[str, Json]:
    """{"added", "removed", "retyped"}: names, and of retyped ones [name, type before, type after]."""
    if before is None or after is None:
        return {"added": [], "removed": [], "retyped": []}
    pairs = paired(before, after)
    kept = {b.name for b, _ in pairs}, {a.name for _, a in pairs}
    return {
        "added": [c.name for c in after.columns if c.name not in kept[1]],
        "removed": [c.name for c in before.columns if c.name not in kept[0]],
        "retyped": [[a.name, b.type, a.type] for b, a in pairs if a.type != b.type],
    }


def paired(before: Snapshot, after: Snapshot) -> list[Pair]:
    """The columns that both have, up to case."""
    old = {c.name.casefold(): c for c in before.columns}
    return [(old[c.name.casefold()], c) for c in after.columns if c.name.casefold() in old]


def values(pair: Pair, b: str, a: str) -> tuple[str, str]:
    """SQL of a column's value before and after, of one kind; `b` and `a` are prefixes such as `b.`."""
    old, new = f"{b}{quoted(pair[0].name)}", f"{a}{quoted(pair[1].name)}"
    types = pair[0].type, pair[1].type
    numbers = all(kind_of_type(t) == "number" for t in types)
    if numbers and any(t in FLOATS for t in types):
        return rounded(old), rounded(new)
    if types[0] == types[1] or numbers:
        return old, new
    return f"CAST({old} AS VARCHAR)", f"CAST({new} AS VARCHAR)"


def rounded(sql: str) -> str:
    return f"CAST(format('{{:.12g}}', CAST({sql} AS DOUBLE)) AS DOUBLE)"


# ---------------------------------------------------------------- by a key
def keyed(key: Sequence[str], pairs: Sequence[Pair]) -> list[Pair]:
    """The key's columns, [] unless both versions have them all."""
    by_name = {a.name.casefold(): (b, a) for b, a in pairs}
    found = [by_name[k.casefold()] for k in key if k.casefold() in by_name]
    return found if len(found) == len(key) else []


def whole(con: duckdb.DuckDBPyConnection, key: Sequence[Pair]) -> bool:
    """Whether no row of either version lacks the key or shares it."""
    for side, view in ((0, "before"), (1, "after")):
        names = [quoted(p[side].name) for p in key]
        there = " AND ".join(f"{n} IS NOT NULL" for n in names)
        sql = f"SELECT count(*), count(*) FILTER (WHERE {there}) FROM {view}"
        distinct = f"SELECT count(*) FROM (SELECT DISTINCT {', '.join(names)} FROM {view})"
        rows, filled = con.execute(sql).fetchall()[0]
        if not rows == filled == con.execute(distinct).fetchall()[0][0]:
            return False
    return True


def by_key(con: duckdb.DuckDBPyConnection, key: Sequence[Pair], pairs: Sequence[Pair]) -> dict[str, Json]:
    on = " AND ".join("{} = {}".format(*values(p, "b.", "a.")) for p in key)
    rest = [p for p in pairs if p not in key]
    differ = ["{} IS DISTINCT FROM {}".format(*values(p, "b.", "a.")) for p in rest]
    first = key[0]
    came, went = f"b.{quoted(first[0].name)} IS NULL", f"a.{quoted(first[1].name)} IS NULL"
    same = f"NOT ({came}) AND NOT ({went})"
    changed = f"{same} AND ({' OR '.join(differ) or 'false'})"
    joined = f"FROM before AS b FULL JOIN after AS a ON {on}"
    wanted = ", ".join(f"count(*) FILTER (WHERE {w})" for w in (came, changed, went))
    added, altered, removed = con.execute(f"SELECT {wanted} {joined}").fetchall()[0]
    order = {s: ", ".join(f"{s}.{quoted(p[i].name)}" for p in key) for i, s in ((0, "b"), (1, "a"))}

    def some(side: str, where: str, count: int) -> list[Json]:
        sql = f"SELECT {side}.* {joined} WHERE {where} ORDER BY {order[side]} LIMIT {SAMPLES}"
        return dicts(*fetched(con.execute(sql))) if count else []

    samples = {"added": some("a", came, added), "changed": [], "removed": some("b", went, removed)}
    if altered:
        shown = [f"a.{quoted(a.name)}" for _, a in key]
        for p, d in zip(rest, differ, strict=True):
            shown += [f"b.{quoted(p[0].name)}", f"a.{quoted(p[1].name)}", d]
        sql = f"SELECT {', '.join(shown)} {joined} WHERE {changed} ORDER BY {order['a']} LIMIT {SAMPLES}"
        samples["changed"] = [change(row, key, rest) for row in fetched(con.execute(sql))[1]]
    names = [a.name for _, a in key]
    return {"added": added, "changed": altered, "removed": removed, "by": names, "samples": samples}


def change(row: Sequence[Json], key: Sequence[Pair], rest: Sequence[Pair]) -> dict[str, Json]:
    """{"key", "before", "after"}: the key's values, and those of the columns that differ."""
    out: dict[str, Json] = {
        "key": {a.name: said(v) for (_, a), v in zip(key, row, strict=False)},
        "before": {},
        "after": {},
    }
    for i, (_, a) in enumerate(rest):
        old, new, differs = row[len(key) + 3 * i : len(key) + 3 * i + 3]
        if differs:
            out["before"][a.name], out["after"][a.name] = said(old), said(new)
    return out


# ---------------------------------------------------------------- without one
def as_multisets(
    con: duckdb.DuckDBPyConnection, pairs: Sequence[Pair], before: Snapshot, after: Snapshot
) -> dict[str, Json]:
    if not pairs:
        return {"added": after.rows, "removed": before.rows}
    both = [values(p, "", "") for p in pairs]
    names = [quoted(a.name) for _, a in pairs]
    old = ", ".join(f"{b} AS {n}" for (b, _), n in zip(both, names, strict=True))
    new = ", ".join(f"{a} AS {n}" for (_, a), n in zip(both, names, strict=True))
    out: dict[str, Json] = {"samples": {"added": [], "changed": [], "removed": []}}
    sides = {"added": f"SELECT {new} FROM after EXCEPT ALL SELECT {old} FROM before"}
    sides["removed"] = f"SELECT {old} FROM before EXCEPT ALL SELECT {new} FROM after"
    for what, sql in sides.items():
        con.execute(f"CREATE TEMP TABLE {what}_rows AS {sql}")
        out[what] = con.execute(f"SELECT count(*) FROM {what}_rows").fetchall()[0][0]
        out["samples"][what] = dicts(*fetched(con.execute(f"FROM {what}_rows ORDER BY ALL LIMIT {SAMPLES}")))
        con.execute(f"DROP TABLE {what}_rows")
    return out


def sampled(engine: DuckDB, snapshot: Snapshot) -> list[Json]:
    return dicts(*engine.rows(f"FROM t ORDER BY ALL LIMIT {SAMPLES}", {"t": snapshot})) if snapshot.rows else []


def dicts(names: Sequence[str], rows: Sequence[Sequence[Json]]) -> list[Json]:
    return [{n: said(v) for n, v in zip(names, row, strict=True)} for row in rows]


def said(value: Json) -> Json:
    """A cell as JSON, a long text cut."""
    value = jsonable(value)
    if isinstance(value, Mapping | list):
        value = str(value) if len(str(value)) > MOST_TEXT else value
    return value[:MOST_TEXT] + "…" if isinstance(value, str) and len(value) > MOST_TEXT else value
