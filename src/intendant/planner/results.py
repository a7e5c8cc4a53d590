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
MOST_PLANS = 5
SURE = -0.05
"""Log-probability above which the likeliest plan needs nobody else's word."""


class Results:
    """Tries plans on the tables of a lake."""

    def __init__(self, engine: DuckDB, typing: Typing, snapshot: Callable[[str], Snapshot]) -> None:
        self.engine, self.typing, self.snapshot = engine, typing, snapshot

    def joined(self, found: Sequence[Checked], catalog: Catalog) -> list[Checked]:
        """The candidates, those of the likeliest that give the same rows as one, which has all their probability."""
        if not found or found[0].logprob > SURE:
            return list(found)
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
