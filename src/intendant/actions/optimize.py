"""Make queries faster or a table smaller: propose, apply, measure, and revert when it didn't help."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict

from sqlglot import exp, parse_one

from intendant.actions.base import Context, Effect, Footprint, place
from intendant.advisors import Advice, Workload, advisors
from intendant.catalog import Catalog
from intendant.engines.base import quoted, text
from intendant.engines.readonly import checked
from intendant.errors import Conflict, LakeError, SqlRefused, UnknownName, did_you_mean
from intendant.language.to_sql import find_column
from intendant.operators._compile import Typing
from intendant.operators.base import table_sql
from intendant.types import Json, Snapshot, Stamp, Step

__all__ = ["Optimize", "filtered_columns"]

ROUNDS = 7
MEASURABLE_ROWS = 100_000
"""Below this a query's time is all overhead: a layout is then kept when it isn't slower."""
LEAST_GAIN = 0.03
NOISE = 0.25
MOST_GROWTH = 0.05
"""A compaction that makes the table larger by more is taken back."""


class Optimize(Effect):
    verb = "optimize"
    form = "optimize ( query <query:name> | <table:table> ) [for (latency|storage):goal] [by <columns:columns>]"
    agent = "optimization"
    summary = "Choose a layout from the queries that ran, apply it, measure it, and revert it when it didn't help."
    example = "optimize query daily_revenue for latency"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        where, args = place(step), dict(step.args)
        if args.get("query"):
            if args["query"] not in catalog.queries:
                raise UnknownName(
                    f"there is no saved query {args['query']!r}",
                    where=where,
                    hint=did_you_mean(args["query"], catalog.queries, "query"),
                )
            table = catalog.table(main_table(catalog.queries[args["query"]].sql, catalog), where)
        else:
            table = catalog.table(args["table"], where)
            args["table"] = table.name
        if args.get("columns"):
            args["columns"] = tuple(find_column(c, table.columns, where).name for c in args["columns"])
        return Step(self.verb, {"goal": "latency", **args})

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        table = step.get("table") or main_table(catalog.queries[step.args["query"]].sql, catalog)
        return Footprint((table,), (table,))

    def act(self, step: Step, context: Context) -> dict[str, Json]:
        catalog = context.catalog
        table = step.get("table") or main_table(catalog.queries[step.args["query"]].sql, catalog)
        if context.lake.exists(table) and context.lake.published(table, context.stamp):
            return self.report(table, context, {"kept": True, "why": "applied before an interruption"})
        snapshot = context.lake.snapshot(table)
        workload = self.workload(step, table, context)
        advisor = next(a for a in advisors() if a.goal == step.args["goal"])
        advice = advisor.propose(snapshot, snapshot.columns, workload)
        if advice is None and step.args["goal"] == "storage":
            why = f"{snapshot.rows:,} rows in {len(snapshot.files)} files: there is nothing to gather"
            return self.report(table, context, {"kept": True, "why": why, **sizes(snapshot, snapshot)})
        if advice is None:
            raise LakeError(
                f"nothing to optimise {table!r} by", where=place(step), hint="Name the columns: `optimize T by COLUMN`."
            )
        if advice.action == "compact":
            return self.compact(table, snapshot, advice, context)
        return self.sort(step, table, snapshot, advice, context)

    def compact(self, table: str, snapshot: Snapshot, advice: Advice, context: Context) -> dict[str, Json]:
        """Gathers the files, counts them and their bytes, and takes it back when it made the table larger."""
        after = context.lake.compact(table, context.stamp)
        facts = {"kept": after.bytes <= snapshot.bytes * (1 + MOST_GROWTH), "why": advice.why, **sizes(snapshot, after)}
        if not facts["kept"]:
            context.lake.restore(table, snapshot.version, Stamp(context.stamp.run, f"{context.stamp.step} revert"))
        return self.report(table, context, facts)

    def sort(self, step: Step, table: str, snapshot: Snapshot, advice: Advice, context: Context) -> dict[str, Json]:
        """Applies the order, measures the workload's queries on the old and the new version in turns, keeps the better."""
        queries = self.queries(step, table, snapshot, advice, context)
        stage = context.lake.stage(table, context.stamp)
        shown = ", ".join(quoted(c.name) for c in snapshot.columns)
        stage.add_sql(context.engine, f"SELECT {shown} FROM {table_sql(table).sql('duckdb')}", {table: snapshot})
        settings, now = context.lake.settings(table), context.lake.snapshot(table).version
        if now != snapshot.version:
            raise Conflict(
                f"{table!r} became version {now} while version {snapshot.version} was sorted",
                where=place(step),
                hint="Nothing was published. Run it again.",
            )
        after = context.lake.publish(
            stage,
            "replace",
            partition_by=tuple(settings.get("partition_by", ())),
            sort_by=advice.columns,
            operation="optimize",
            follows=snapshot.version,
        )
        before_ms, after_ms = self.measured(queries, table, snapshot, after, context)
        gain = 1 - after_ms / before_ms if before_ms else 0.0
        kept = gain > LEAST_GAIN if snapshot.rows >= MEASURABLE_ROWS else gain > -NOISE
        facts = {
            "kept": kept,
            "why": advice.why,
            "columns": list(advice.columns),
            "before_ms": round(before_ms, 3),
            "after_ms": round(after_ms, 3),
            "queries": queries,
            "measurable": snapshot.rows >= MEASURABLE_ROWS,
        }
        if kept:
            context.lake.set_settings(table, {**settings, "sort_by": list(advice.columns)}, context.stamp)
        else:
            context.lake.restore(table, snapshot.version, Stamp(context.stamp.run, f"{context.stamp.step} revert"))
        return self.report(table, context, facts)

    def report(self, table: str, context: Context, facts: dict[str, Json]) -> dict[str, Json]:
        now = context.lake.snapshot(table)
        output = {"table": table, "version": now.version, "rows_written": 0, "rows_quarantined": 0}
        kind = "optimization.kept" if facts["kept"] else "optimization.reverted"
        return {"outputs": [output], "optimization": facts, "events": [[kind, {"table": table, **facts}]]}

    def workload(self, step: Step, table: str, context: Context) -> Workload:
        """Explicit columns; else the filters of the query, of the log, and of saved queries by how often they run."""
        if step.get("columns"):
            return Workload({c: float(len(step.args["columns"]) - i) for i, c in enumerate(step.args["columns"])})
        known = {c.name.lower(): c.name for c in context.lake.snapshot(table).columns}
        weights: dict[str, float] = defaultdict(float)
        for q in context.catalog.queries.values():
            if step.get("query") in (None, q.name) and table in tables_in(q.sql, context.catalog):
                for column in filtered_columns(q.sql):
                    weights[known.get(column.lower(), "")] += (q.runs_per_day or 1) * (q.avg_ms or 1)
        if not step.get("query"):
            for event in context.journal.events(kinds=["query.ran"])[-5000:]:
                if event.data.get("table") == table:
                    for column in event.data.get("filters", ()):
                        weights[known.get(column.lower(), "")] += float(event.data.get("ms", 1))
        weights.pop("", None)
        return Workload(weights)

    def queries(self, step: Step, table: str, snapshot: Snapshot, advice: Advice, context: Context) -> list[str]:
        """What to measure: the saved queries over the table, else a look-up of a middle value of the first column."""
        saved = [
            q.sql
            for q in context.catalog.queries.values()
            if step.get("query") in (None, q.name) and tables_in(q.sql, context.catalog) == {table}
        ]
        if saved:
            return [checked(sql, context.catalog.tables)[0] for sql in saved[:5]]
        column, source = quoted(advice.columns[0]), table_sql(table).sql("duckdb")
        middle = context.engine.rows(
            f"SELECT CAST(quantile_disc({column}, 0.5) AS VARCHAR) FROM {source}", {table: snapshot}
        )[1][0][0]
        kind = next(c.type for c in snapshot.columns if c.name == advice.columns[0])
        return [f"SELECT count(*), max({column}) FROM {source} WHERE {column} = CAST({text(str(middle))} AS {kind})"]

    def measured(
        self, queries: list[str], table: str, old: Snapshot, new: Snapshot, context: Context
    ) -> tuple[float, float]:
        """Median milliseconds of all queries on the old and the new version, measured in turns."""
        times: dict[int, list[float]] = {0: [], 1: []}
        with context.engine.session({table: old}) as before, context.engine.session({table: new}) as after:
            for _ in range(ROUNDS):
                for i, con in enumerate((before, after)):
                    start = time.perf_counter()
                    for sql in queries:
                        con.execute(sql).fetchall()
                    times[i].append((time.perf_counter() - start) * 1000)
        return statistics.median(times[0][1:]), statistics.median(times[1][1:])


def sizes(before: Snapshot, after: Snapshot) -> dict[str, Json]:
    """What was, and what is."""
    return {
        "bytes_before": before.bytes,
        "bytes_after": after.bytes,
        "files_before": len(before.files),
        "files_after": len(after.files),
    }


def tables_in(sql: str, catalog: Catalog) -> set[str]:
    """The catalogued tables of a query; empty when it isn't read-only SQL on them."""
    try:
        return {catalog.table(t).name for t in checked(sql, catalog.tables)[1]}
    except SqlRefused:
        return set()


def main_table(sql: str, catalog: Catalog) -> str:
    """The largest table of a query. Raises SqlRefused."""
    used = checked(sql, catalog.tables)[1]
    if not used:
        raise LakeError("the saved query reads no table of the lake", hint="Optimise a table: `optimize TABLE`.")
    return max((catalog.table(t) for t in used), key=lambda t: t.rows).name


def filtered_columns(sql: str) -> list[str]:
    """Columns in WHERE conditions of a query, in order."""
    tree = parse_one(sql, dialect="duckdb")
    return list(dict.fromkeys(c.name for w in tree.find_all(exp.Where) for c in w.find_all(exp.Column)))
