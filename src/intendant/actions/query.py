"""Answer a question; nothing changes."""

from __future__ import annotations

import math
import time
from datetime import date, datetime
from decimal import Decimal

from intendant.actions._values import answered, within_budget
from intendant.actions.base import Context, Effect, Footprint, place, placed
from intendant.catalog import Catalog
from intendant.language.expression import columns_of, parse_expression
from intendant.language.guard import strict
from intendant.operators._compile import Typing, apply, reads_of, sql_text
from intendant.operators.base import select_from
from intendant.types import Json, Step

__all__ = ["Query", "jsonable"]

MOST_ROWS = 100_000


class Query(Effect):
    verb = "query"
    form = "query <table:table> [<operators:operators>]"
    agent = "transformation"
    summary = "Show rows after some operators; reads only."
    example = "query orders group by region: sum amount as revenue sort by revenue descending"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        table = catalog.table(step.args["table"], place(step)).name
        apply(table, step.get("operators") or (), catalog, typing, "")
        return Step(self.verb, dict(step.args, table=table))

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        return Footprint(reads=reads_of(step.args["table"], step.get("operators") or (), catalog))

    def act(self, step: Step, context: Context) -> dict[str, Json]:
        steps = step.get("operators") or ()
        relation = apply(step.args["table"], steps, context.catalog, context.typing, place(step))
        shown = relation.query if relation.ordered else select_from(relation).limit(MOST_ROWS, copy=False)
        sql = sql_text(shown)
        start = time.perf_counter()
        snapshots = context.snapshots(reads_of(step.args["table"], steps, context.catalog))
        with placed(step):
            within_budget(step, snapshots, context)
            names, rows, empty = answered(step, sql_text(strict(shown)), snapshots, context)
        ms = (time.perf_counter() - start) * 1000
        answer = {"columns": names, "rows": [[jsonable(v) for v in r] for r in rows[:MOST_ROWS]]}
        ran = {"table": step.args["table"], "filters": filters(steps), "ms": round(ms, 2), "sql": sql}
        events = [["query.ran", ran]]
        if ms > context.workspace.thresholds.slow_query_ms:
            events.append(["performance.degraded", {"table": step.args["table"], "ms": round(ms, 2)}])
        told = {"findings": [f.as_dict() for f in empty]} if empty else {}
        return {"answer": answer, "events": events, **told}


def filters(steps: tuple[Step, ...]) -> list[str]:
    """The columns that rows are chosen by, as the optimisation agent counts them."""
    names = [c.name for s in steps if s.verb in ("filter", "drop_rows") for c in columns_of(parse_expression(s.args["condition"]))]
    return list(dict.fromkeys(names))


def jsonable(value: Json) -> Json:
    """A cell as JSON: times in ISO, decimals as numbers, bytes as hex; NaN and infinity as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value) if len(value.as_tuple().digits) <= 15 else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [jsonable(v) for v in value]
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
