"""What queries ask of a table: the columns that they filter, join and group by, and how far back they reach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlglot
from sqlglot import exp

from intendant.catalog import Catalog, Query
from intendant.types import split_table

__all__ = ["Asked", "Asks", "asked_of"]

RANGES = (exp.GT, exp.GTE, exp.EQ)


@dataclass(frozen=True)
class Asks:
    """One query's use of a table, by the table's column names; `weight` is how often it runs. `lows` has the lowest value of
    a time column that it looks at, where it says one."""

    weight: float
    filters: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    lows: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """All known queries on a table."""

    asks: tuple[Asks, ...] = ()

    @property
    def queries(self) -> int:
        return len(self.asks)

    def lows(self, column: str) -> list[datetime | None]:
        """For each query the lowest value of the column that it looks at; None where it sets no bound."""
        return [a.lows.get(column) for a in self.asks]

    def weights(self, part: str) -> dict[str, float]:
        """How often each column is used in a part ("filters", "joins", "groups")."""
        out: dict[str, float] = defaultdict(float)
        for a in self.asks:
            for column in getattr(a, part):
                out[column] += a.weight
        return dict(out)

    def count(self, part: str, column: str) -> int:
        """How many queries use the column there."""
        return sum(column in getattr(a, part) for a in self.asks)


def asked_of(catalog: Catalog, table: str) -> Asked:
    """What the saved queries, and those that ran, ask of a table."""
    found = catalog.table(table)
    known = {c.name.lower(): c.name for c in found.columns}
    asks = (_asks(q, found.name, known) for q in (*catalog.queries.values(), *catalog.ran))
    return Asked(tuple(a for a in asks if a is not None))


def _asks(query: Query, table: str, known: Mapping[str, str]) -> Asks | None:
    try:
        tree = sqlglot.parse_one(query.sql, dialect="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return None
    names = {t.alias_or_name.lower() for t in tree.find_all(exp.Table) if _is(t, table)}
    if not names:
        return None
    wheres = [c for w in tree.find_all(exp.Where) for c in _columns(w, names, known)]
    joins = [c for j in tree.find_all(exp.Join) for c in _joined(j, names, known)]
    groups = [c for g in tree.find_all(exp.Group) for c in _columns(g, names, known)]
    filters, joined, grouped = (tuple(dict.fromkeys(part)) for part in (wheres, joins, groups))
    return Asks(query.runs_per_day or 1.0, filters, joined, grouped, _lows(tree, names, known))


def _is(node: exp.Table, table: str) -> bool:
    schema, name = split_table(table)
    return node.name.lower() == name.lower() and (node.db.lower() or "main") == schema


def _columns(node: exp.Expression, names: Iterable[str], known: Mapping[str, str]) -> Iterator[str]:
    for column in node.find_all(exp.Column):
        if column.name.lower() in known and (not column.table or column.table.lower() in names):
            yield known[column.name.lower()]


def _joined(join: exp.Join, names: Sequence[str] | set[str], known: Mapping[str, str]) -> Iterator[str]:
    on = join.args.get("on")
    if on is not None:
        yield from _columns(on, names, known)
    yield from (known[i.name.lower()] for i in join.args.get("using") or () if i.name.lower() in known)


def _lows(tree: exp.Expression, names: set[str], known: Mapping[str, str]) -> dict[str, datetime]:
    """Of the bounds that hold for the whole query, those that stand in an `and` of its conditions."""
    found: dict[str, datetime] = {}
    for where in tree.find_all(exp.Where):
        for part in where.this.flatten() if isinstance(where.this, exp.And) else (where.this,):
            bound = part.unnest()
            value = (
                bound.args.get("low")
                if isinstance(bound, exp.Between)
                else bound.expression
                if isinstance(bound, RANGES)
                else None
            )
            columns = (
                list(_columns(bound.this, names, known))
                if value is not None and isinstance(bound.this, exp.Column)
                else []
            )
            moment = _moment(value) if columns else None
            if moment is not None:
                found[columns[0]] = moment
    return found


def _moment(value: exp.Expression | None) -> datetime | None:
    literal = value.find(exp.Literal) if value is not None else None
    try:
        return (
            datetime.fromisoformat(literal.this).replace(tzinfo=None)
            if literal is not None and literal.is_string
            else None
        )
    except ValueError:
        return None
