"""Two plans that give the same rows of the tables as they are now mean the same here, however they are said.

Only plans of one `query` or `transform` are tried, on tables small enough to be read while a person waits; nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from intendant.catalog import Catalog
from intendant.engines.base import quoted
from intendant.engines.duckdb import DuckDB
from intendant.errors import IntendantError
from intendant.operators._compile import Typing, apply, reads_of, sql_text
from intendant.planner.check import Checked
from intendant.planner.merge import both
from intendant.types import Plan, Snapshot, Step

__all__ = ["Results"]

MOST_ROWS = 200_000
"""Rows of all tables that a plan reads."""
FEWEST_ROWS = 20
"""Rows from which it is no chance that no two have the same value."""
MOST_PLANS = 5
SURE = -0.05
"""Log-probability above which the likeliest plan needs nobody else's word."""
WIDENING = frozenset(("join", "union", "explode", "unpivot", "wide_to_long", "group", "pivot", "transpose"))
"""Operators after which a row is no longer a row of the table."""


class Results:
    """Tries plans on the tables of a lake."""

    def __init__(self, engine: DuckDB, typing: Typing, snapshot: Callable[[str], Snapshot]) -> None:
        self.engine, self.typing, self.snapshot = engine, typing, snapshot
        self.keys: dict[tuple[str, int, tuple[str, ...]], bool] = {}

    def joined(self, found: Sequence[Checked], catalog: Catalog) -> list[Checked]:
        """The candidates, those of the likeliest that give the same rows as one, which has all their probability."""
        found = [self.sensible(c, catalog) for c in found]
        if not found or found[0].logprob > SURE:
            return found
        out: list[Checked] = []
        place: dict[str, int] = {}
        tried = 0
        for c in found:
            key = None
            if c.plan is not None and tried < MOST_PLANS:
                tried += 1
                key, empty = self.tried(c.plan, catalog)
                c = replace(c, empty=empty)
            if key is not None and key in place:
                held = out[place[key]]
                out[place[key]] = both(held, c)
                continue
            if key is not None:
                place[key] = len(out)
            out.append(c)
        return sorted(out, key=lambda c: -c.rank)

    def sensible(self, c: Checked, catalog: Catalog) -> Checked:
        """The candidate, without its plan when that looks at neighbours "per" something of which every row has its own."""
        for step in c.plan.steps if c.plan is not None else ():
            for o in step.get("operators") or ():
                if o.verb in WIDENING:
                    break
                if o.get("per") and o.verb != "fill" and self.is_key(str(step.get("table")), o.args["per"], catalog):
                    per = ", ".join(o.args["per"])
                    return replace(c, plan=None, steps=(), error=f"every row has a {per} of its own: nothing is per {per}")
        return c

    def is_key(self, table: str, columns: tuple[str, ...], catalog: Catalog) -> bool:
        """Whether no two rows of a table that isn't small have the same values of these columns."""
        if not catalog.has(table):
            return False
        try:
            snapshot = self.snapshot(table)
            own = {c.name.lower() for c in snapshot.columns}
            if not FEWEST_ROWS <= snapshot.rows <= MOST_ROWS or any(c.lower() not in own for c in columns):
                return False
            key = (snapshot.table, snapshot.version, columns)
            if key not in self.keys:
                listed = ", ".join(map(quoted, columns))
                sql = f"SELECT count(*) = count(DISTINCT ({listed})) FROM {quoted(table)}"
                self.keys[key] = bool(self.engine.rows(sql, {table: snapshot})[1][0][0])
            return self.keys[key]
        except IntendantError:
            return False

    def tried(self, plan: Plan, catalog: Catalog) -> tuple[str | None, bool]:
        """What a plan does with the tables as they are (None where that can't be told, or nothing would be left), and
        whether its first step would leave no row of a table that has some."""
        step = plan.steps[0]
        if step.verb not in ("query", "transform"):
            return None, False
        operators: tuple[Step, ...] = step.get("operators") or ()
        if any(o.verb == "sample" for o in operators):
            return None, False
        try:
            snapshots = {n: self.snapshot(n) for n in reads_of(step.args["table"], operators, catalog)}
            if sum(s.rows for s in snapshots.values()) > MOST_ROWS:
                return None, False
            relation = apply(step.args["table"], operators, catalog, self.typing, "")
            names = sorted(relation.names, key=str.lower)
            listed = ", ".join(map(quoted, names))
            sql = f"SELECT count(*), sum(hash(t)) FROM (SELECT {listed} FROM ({sql_text(relation.query)})) AS t"
            count, rows = self.engine.rows(sql, snapshots)[1][0]
            full = all(s.rows for s in snapshots.values())
        except IntendantError:
            return None, False
        if not count or len(plan.steps) > 1:
            return None, not count and full
        said = (step.verb, step.get("table"), step.get("target"), order_of(operators), [n.lower() for n in names])
        kept = said if step.verb == "transform" else (said[0], *said[3:])
        return f"{kept} {count} {rows}", False


def order_of(operators: Sequence[Step]) -> tuple[tuple[str, str], ...]:
    """The order that the rows come in, as far as it was asked for."""
    for o in reversed(operators):
        if o.verb == "sort":
            return tuple(o.args["keys"])
        if o.verb == "top" and "side" in o.args:
            fall = {"ascending": "descending", "descending": "ascending"}
            turned = o.args["side"] == "top"
            return tuple((n, fall[d] if turned else d) for n, d in o.args["keys"])
        if o.verb in ("group", "join", "union", "pivot", "distinct"):
            break
    return ()
