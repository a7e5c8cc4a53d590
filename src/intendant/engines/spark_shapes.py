"""Shapes of queries that Spark hasn't: QUALIFY, UNNEST among columns, as-of joins, rows numbered as they come; aggregates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp

from intendant.engines.spark_types import is_integer, ticked
from intendant.errors import EngineError

if TYPE_CHECKING:
    from intendant.engines.spark_sql import Printer

__all__ = ["AGGREGATES", "MADE", "aggregated", "filtered", "ordered", "over", "selected", "sources", "table"]

MADE = "__intendant_"
"""How the names begin of columns that only the translation makes."""
Wrap: TypeAlias = Callable[[str], str]
"""Puts FILTER or OVER behind an aggregate."""
AGGREGATES = (exp.Avg, exp.Sum, exp.Median, exp.Mode, exp.ArrayAgg, exp.IgnoreNulls)


# ---------------------------------------------------------------- aggregates
def aggregated(p: Printer, node: exp.Expression) -> str:
    return aggregate(p, node, lambda sql: sql)


def filtered(p: Printer, node: exp.Expression) -> str:
    test = p.sql(node.expression.this)
    return aggregate(p, node.this, lambda sql: f"{sql} FILTER (WHERE {test})")


def aggregate(p: Printer, node: exp.Expression, wrap: Wrap) -> str:
    if isinstance(node, exp.Avg):
        return average(p, node, wrap)
    if isinstance(node, exp.Sum):
        return wrap(f"SUM({summed(p, node.this)})")
    if isinstance(node, exp.Median):
        return median(p, node, wrap)
    if isinstance(node, exp.Mode):
        return wrap(f"MODE({p.sql(node.this)}, TRUE)")
    if isinstance(node, exp.ArrayAgg):
        return gathered(p, node, wrap)
    if isinstance(node, exp.IgnoreNulls) and isinstance(node.this, exp.AnyValue):
        return wrap(f"ANY_VALUE({p.sql(node.this.this)}, TRUE)")
    if isinstance(node, exp.IgnoreNulls):
        return wrap(f"{type(node.this).sql_name()}({p.sql(node.this.this)}) IGNORE NULLS")
    return wrap(p.sql(node))


def summed(p: Printer, value: exp.Expression) -> str:
    return f"CAST({p.sql(value)} AS DECIMAL(38,0))" if p.wide and is_integer(p.types.of(value)) else p.sql(value)


def average(p: Printer, node: exp.Avg, wrap: Wrap) -> str:
    """Sums of exact numbers are exact, and are divided as floating numbers."""
    value, kind = node.this, p.types.of(node.this)
    count = f"NULLIF({wrap(f'COUNT({p.sql(value)})')}, 0)"
    if is_integer(kind):
        return f"(CAST({wrap(f'SUM({summed(p, value)})')} AS DOUBLE) / {count})"
    if kind.startswith("DECIMAL"):
        scale = int(kind.rstrip(")").rpartition(",")[2])
        digits = f"CAST({wrap(f'SUM({p.sql(value)})')} * 1{'0' * scale} AS DECIMAL(38,0))"
        return f"(CAST({digits} AS DOUBLE) / ({count} * 1e{scale}))"
    return wrap(f"AVG({p.sql(value)})")


def median(p: Printer, node: exp.Median, wrap: Wrap) -> str:
    """The middle value, or what lies halfway between the two, computed as `low + (high - low) / 2`."""
    value, kind = p.sql(node.this), p.types.of(node.this)
    ends = [
        wrap(f"PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY CAST({value} AS DOUBLE){order})") for order in ("", " DESC")
    ]
    low, high = (f"({e})" for e in ends)
    if kind.startswith("DECIMAL"):
        power = "1e" + kind.rstrip(")").rpartition(",")[2]
        return f"((RINT({low} * {power}) + RINT(RINT({high} * {power} - {low} * {power}) * 5e-1)) / {power})"
    return f"CASE WHEN {low} = {high} THEN {low} ELSE {low} + ({high} - {low}) * 5e-1 END"


def gathered(p: Printer, node: exp.ArrayAgg, wrap: Wrap) -> str:
    """A sorted list; none where there is nothing, where Spark gives an empty one."""
    value, order = node.this, None
    if isinstance(value, exp.Order):
        value, order = value.this, value.expressions
    if order is None or len(order) != 1 or order[0].this != value or order[0].args.get("desc"):
        raise EngineError("Spark only gathers lists sorted by their values", hint="Use `list` of a column.")
    items = f"SORT_ARRAY({wrap(f'COLLECT_LIST({p.sql(value)})')})"
    return f"CASE WHEN SIZE({items}) > 0 THEN {items} END"


def over(p: Printer, node: exp.Window) -> str:
    order = node.args.get("order")
    if isinstance(node.this, exp.RowNumber) and order is None:
        return "MONOTONICALLY_INCREASING_ID()"
    parts = [f"PARTITION BY {p.list(node.args['partition_by'])}"] if node.args.get("partition_by") else []
    parts += [f"ORDER BY {p.list(order.expressions)}"] if order is not None else []
    parts += [p.sql(node.args["spec"])] if node.args.get("spec") else []
    return aggregate(p, node.this, lambda sql: f"{sql} OVER ({' '.join(parts)})")


def ordered(p: Printer, node: exp.Ordered) -> str:
    return f"{p.sql(node.this)}{' DESC' if node.args.get('desc') else ''} NULLS {'FIRST' if node.args.get('nulls_first') else 'LAST'}"


# ---------------------------------------------------------------- queries
def table(p: Printer, node: exp.Table) -> str:
    name = node.name if node.db in ("", "main") else f"{node.db}.{node.name}"
    view = p.views.get(name)
    if view is None:
        raise EngineError(f"{name!r} is not a table that the step reads", hint="Name it in the step.")
    return ticked(view) + (f" AS {ticked(node.alias)}" if node.alias else "")


def sources(select: exp.Select) -> list[exp.Expression]:
    """What stands in FROM and behind JOIN."""
    start = source(select)
    return [*([start] if start is not None else []), *(j.this for j in select.args.get("joins") or ())]


def source(select: exp.Select) -> exp.Expression | None:
    start = select.args.get("from_") or select.args.get("from")
    return start.this if start is not None else None


def selected(p: Printer, node: exp.Select) -> str:
    joins = node.args.get("joins") or ()
    if node.args.get("qualify"):
        return qualified(p, node)
    if any(e.find(exp.Explode) for e in node.expressions):
        return exploded(p, node)
    if any(str(j.args.get("method") or "").upper() == "ASOF" for j in joins):
        return as_of(p, node)
    if node.args.get("limit") and not node.args.get("order") and comes_sorted(source(node)):
        return first_rows(p, node)
    return plain(p, node, p.list(node.expressions), from_of(p, node))


def from_of(p: Printer, node: exp.Select) -> str:
    start = source(node)
    joins = "".join(" " + p.sql(j).strip() for j in node.args.get("joins") or ())
    return f" FROM {p.sql(start)}{joins}" if start is not None else ""


def plain(p: Printer, node: exp.Select, shown: str, start: str) -> str:
    out = f"SELECT {'DISTINCT ' if node.args.get('distinct') else ''}{shown}{start}"
    if node.args.get("where"):
        out += f" WHERE {p.sql(node.args['where'].this)}"
    if node.args.get("group"):
        out += f" GROUP BY {p.list(node.args['group'].expressions)}"
    return out + end_of(p, node)


def end_of(p: Printer, node: exp.Select) -> str:
    out = f" ORDER BY {p.list(node.args['order'].expressions)}" if node.args.get("order") else ""
    return out + (f" LIMIT {p.sql(node.args['limit'].expression)}" if node.args.get("limit") else "")


def qualified(p: Printer, node: exp.Select) -> str:
    """Windows become columns of a query within."""
    windows = list(node.args["qualify"].find_all(exp.Window))
    made = [f"{p.sql(w)} AS {ticked(f'{MADE}{i}')}" for i, w in enumerate(windows)]
    inner = plain_inner(p, node, [*(p.sql(e) for e in node.expressions), *made])
    test = node.args["qualify"].this.copy()
    for i, window in enumerate(list(test.find_all(exp.Window))):
        window.replace(exp.Column(this=exp.Identifier(this=f"{MADE}{i}", quoted=True)))
    shown = ", ".join(ticked(e.alias_or_name) for e in node.expressions)
    return f"SELECT {shown} FROM ({inner}) AS t WHERE {p.sql(test)}{end_of(p, node)}"


def plain_inner(p: Printer, node: exp.Select, shown: Iterable[str]) -> str:
    where = f" WHERE {p.sql(node.args['where'].this)}" if node.args.get("where") else ""
    return f"SELECT {', '.join(shown)}{from_of(p, node)}{where}"


def exploded(p: Printer, node: exp.Select) -> str:
    """UNNEST among the columns, several in step: a row for each element."""
    shown: list[str] = []
    lists: list[str] = []
    for e in node.expressions:
        value = e.this if isinstance(e, exp.Alias) else e
        if isinstance(value, exp.Explode):
            shown.append(f"z.{ticked(f'{MADE}{len(lists)}')} AS {ticked(e.alias)}")
            lists.append(p.sql(value.this))
        else:
            shown.append(p.sql(e))
    names = ", ".join(ticked(f"{MADE}{i}") for i in range(len(lists)))
    each = f"EXPLODE({lists[0]})" if len(lists) == 1 else f"INLINE(ARRAYS_ZIP({', '.join(lists)}))"
    return plain(p, node, ", ".join(shown), f"{from_of(p, node)} LATERAL VIEW {each} z AS {names}")


def as_of(p: Printer, node: exp.Select) -> str:
    """Both tables' rows in one order of time: each row of ours takes the last of theirs before it."""
    join = node.args["joins"][0]
    tests = list(join.args["on"].flatten()) if isinstance(join.args["on"], exp.And) else [join.args["on"]]
    tests = [t.unnest() for t in tests]
    matches = [(t.this, t.expression) for t in (*(t for t in tests if isinstance(t, exp.EQ)), *later(tests))]
    names = [ticked(f"{MADE}{i}") for i in range(len(matches))]
    ours = ", ".join(f"{p.sql(a)} AS {n}" for (a, _), n in zip(matches, names, strict=True))
    theirs = ", ".join(f"{p.sql(b)} AS {n}" for (_, b), n in zip(matches, names, strict=True))
    present = " AND ".join(f"{p.sql(b)} IS NOT NULL" for _, b in matches)
    rows = (f"SELECT {ours}, 1 AS {MADE}side, STRUCT(l.*) AS l, NULL AS r FROM {p.sql(source(node))} UNION ALL "
            f"SELECT {theirs}, 0 AS {MADE}side, NULL AS l, STRUCT(r.*) AS r FROM {p.sql(join.this)} WHERE {present}")  # fmt: skip
    per = f"PARTITION BY {', '.join(names[:-1])} " if names[:-1] else ""
    window = f"{per}ORDER BY {names[-1]} NULLS FIRST, {MADE}side ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
    found = f"SELECT {MADE}side, l, LAST_VALUE(r) IGNORE NULLS OVER ({window}) AS r FROM ({rows})"
    kept = f"{MADE}side = 1" + ("" if str(join.args.get("side") or "").upper() == "LEFT" else " AND r IS NOT NULL")
    return f"SELECT {p.list(node.expressions)} FROM ({found}) WHERE {kept}"


def later(tests: Iterable[exp.Expression]) -> list[exp.Expression]:
    found = [t for t in tests if isinstance(t, exp.GTE)]
    if len(found) != 1:
        raise EngineError("Spark joins as of one time that is at or after the other", hint="Say `by TIME = TIME`.")
    return found


def comes_sorted(node: exp.Expression | None) -> bool:
    """Whether the rows come in an order that was asked for: of the query itself, or of what it merely passes on."""
    inner = node.this if isinstance(node, exp.Subquery) else None
    if not isinstance(inner, exp.Select):
        return False
    shuffles = inner.args.get("group") or inner.args.get("distinct") or inner.args.get("joins")
    return bool(inner.args.get("order")) or (not shuffles and comes_sorted(source(inner)))


def first_rows(p: Printer, node: exp.Select) -> str:
    """LIMIT of sorted rows that come from a query within: their places are kept, since Spark forgets the order."""
    place = ticked(f"{MADE}place")
    inner = plain_inner(p, node, [*(p.sql(e) for e in node.expressions), f"MONOTONICALLY_INCREASING_ID() AS {place}"])
    shown = ", ".join(ticked(e.alias_or_name) for e in node.expressions)
    return f"SELECT {shown} FROM ({inner}) AS t ORDER BY {place} LIMIT {p.sql(node.args['limit'].expression)}"
