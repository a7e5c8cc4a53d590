"""Bring rows from a source into a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from intendant.actions.base import Context, Footprint, Mode, Staged, TableAction, overwrites, place
from intendant.catalog import Catalog
from intendant.errors import LanguageError, UnknownName
from intendant.language.expression import parse_expression
from intendant.language.to_sql import Compiler, column_sql, find_column
from intendant.operators._compile import Typing, sql_text
from intendant.operators.base import table_sql
from intendant.types import Column, Json, ReadRequest, Resource, Stamp, Step

if TYPE_CHECKING:
    from intendant.lake import Stage

__all__ = ["Ingest"]

SHAPING = ("order", "count", "cursor", "where", "columns")


class Ingest(TableAction):
    verb = "ingest"
    form = (
        "ingest <resource:resource> [(latest|oldest):order <count:int> [by <by:column>] | first <count:int>]"
        " [new rows by <cursor:column>] [where <where:expr>] [columns <columns:columns>]"
        " [(append|replace):mode | upsert on <keys:key>] [into <target:table>]"
    )
    agent = "ingestion"
    summary = "Bring rows of a source's resource into a table (staging.<resource> when none is named)."
    example = "ingest sales_api.orders latest 10000 by created_at into staging.orders"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        resource = catalog.resource(step.args["resource"], place(step))
        args = dict(step.args, resource=resource.full, target=step.get("target") or catalog.staging_name(resource))
        if catalog.has(args["target"]):
            args["target"] = catalog.table(args["target"]).name
        if args.get("order") and not args.get("by"):
            args["by"] = resource.timestamp or _only_time(resource, step)
        for name in ("by", "cursor"):
            if args.get(name) and resource.columns:
                args[name] = find_column(args[name], resource.columns, place(step)).name
        for name in (*args.get("columns", ()), *args.get("keys", ())):
            if resource.columns:
                find_column(name, resource.columns, place(step))
        if args.get("where") and resource.columns:
            Compiler(resource.columns, place(step)).condition(parse_expression(args["where"]))
        if not args.get("mode") and not args.get("keys"):
            args["mode"] = "append" if args.get("cursor") else "replace"
        return Step(self.verb, args)

    def target(self, step: Step) -> str:
        return str(step.args["target"])

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        target = self.target(step)
        held = step.get("mode") == "replace" and not step.get("keys") and not target.startswith("staging.")
        return Footprint((), (target,), overwrites(step, target, str(step.args["resource"]), catalog) if held else "")

    def after(self, step: Step, catalog: Catalog, typing: Typing) -> Catalog:
        columns = catalog.resource(step.args["resource"]).columns
        if step.get("columns"):
            columns = tuple(find_column(c, columns) for c in step.args["columns"]) if columns else ()
        target = self.target(step)
        known = {c.name: c for c in catalog.table(target).columns} if catalog.has(target) else {}
        columns = tuple(known.get(c.name, c) if c.type == "VARCHAR" else c for c in columns)  # as the gate will see to
        return catalog.with_table(target, columns or tuple(known.values()))

    def origins(self, step: Step, catalog: Catalog, typing: Typing) -> dict[str, tuple[str, ...]]:
        table = catalog.table(self.target(step))
        return {c.name: (f"{step.args['resource']}.{c.name}",) for c in table.columns}

    def stage(self, step: Step, stage: Stage, context: Context) -> Staged:
        resource = context.catalog.resource(step.args["resource"])
        request = self.request(step, resource, context)
        source = context.source(resource.full)
        rejected: list[dict[str, Json]] = []
        mixed: set[str] = set()
        batches = source.read(request, _listener(context, rejected, mixed))
        if any(step.get(k) for k in SHAPING):
            raw = context.lake.stage(f"staging.raw {stage.table}", Stamp(context.stamp.run, context.stamp.step))
            try:
                _fill(raw, batches, context)
                self.shape(step, request, raw, stage, context)
            finally:
                raw.discard()
        else:
            _fill(stage, batches, context)
        keys = tuple(step.get("keys") or ())
        mode: Mode = "upsert" if keys else step.args["mode"]
        return Staged(
            stage.table, mode, keys, facts={"resource": resource.full, "rejected": rejected, "mixed": sorted(mixed)}
        )

    def request(self, step: Step, resource: Resource, context: Context) -> ReadRequest:
        after = None
        if step.get("cursor"):
            value = _reached(step.args["cursor"], self.target(step), context)
            after = (step.args["cursor"], value) if value is not None else None
        whole = step.get("where") or step.get("cursor")
        return ReadRequest(
            resource.name,
            None if whole else step.get("count"),
            step.get("order"),
            step.get("by"),
            after,
            None if step.get("where") else step.get("columns"),
        )

    def shape(self, step: Step, request: ReadRequest, raw: Stage, stage: Stage, context: Context) -> None:
        """Applies exactly what was asked to whatever the source gave."""
        snapshot = raw.snapshot()
        if not snapshot.columns:
            return
        columns, where = snapshot.columns, place(step)
        shown = [find_column(c, columns, where) for c in step.get("columns") or ()] or list(columns)
        query = exp.Select(expressions=[column_sql(c.name) for c in shown]).from_(table_sql("staging.raw"))
        if request.after:
            column = find_column(request.after[0], columns, where)
            bound = exp.cast(
                exp.Literal.string(str(request.after[1])), exp.DataType.build(column.type, dialect="duckdb")
            )
            query = query.where(exp.GT(this=column_sql(column.name), expression=bound))
        if step.get("where"):
            query = query.where(Compiler(columns, where).condition(parse_expression(step.args["where"])))
        if step.get("order"):
            column = find_column(step.args["by"], columns, where)
            latest = step.args["order"] == "latest"
            query = query.order_by(exp.Ordered(this=column_sql(column.name), desc=latest, nulls_first=False))
        if step.get("count"):
            query = query.limit(step.args["count"])
        stage.add_sql(context.engine, sql_text(query), {"staging.raw": snapshot})


def _fill(stage: Stage, batches: Iterator[Any], context: Context) -> None:
    rows = 0
    for batch in batches:
        stage.add(batch)
        rows += batch.num_rows
        context.tell("rows", {"rows": rows, "table": stage.table})


def _listener(context: Context, rejected: list[dict[str, Json]], mixed: set[str]) -> Any:
    def notify(kind: str, data: Any) -> None:
        if kind == "source.mixed_column":
            mixed.add(str(data["column"]))
        if kind == "source.row_rejected":
            rejected.append({"reason": str(data.get("reason", "")), "raw": str(data.get("raw", ""))[:2000]})
        context.tell(kind, data)

    return notify


def _reached(cursor: str, target: str, context: Context) -> Json:
    """The highest cursor value in committed data, rows set aside in quarantine included; None before the first load."""
    best: Json = None
    for name in (target, f"quarantine.{target}"):
        if not context.lake.exists(name):
            continue
        snapshot = context.lake.snapshot(name)
        if name == target:
            cursor = _cursor_column(cursor, snapshot.columns, target)
        elif not any(c.name == cursor for c in snapshot.columns):
            continue
        query = exp.Select(expressions=[exp.cast(exp.Max(this=column_sql(cursor)), "TEXT")]).from_(table_sql(name))
        value = context.engine.rows(sql_text(query), {name: snapshot})[1][0][0]
        best = value if best is None or (value is not None and _later(value, best)) else best
    return best


def _later(a: str, b: str) -> bool:
    try:
        return float(a) > float(b)
    except ValueError:
        return a > b


def _cursor_column(cursor: str, columns: tuple[Column, ...], target: str) -> str:
    try:
        return find_column(cursor, columns).name
    except UnknownName as e:
        raise UnknownName(
            f"table {target!r} has no column {cursor!r} to go on from", hint="Load it whole once: leave `new rows` out."
        ) from e


def _only_time(resource: Resource, step: Step) -> str:
    times = [c.name for c in resource.columns if c.type.upper().startswith(("TIMESTAMP", "DATE"))]
    if len(times) == 1:
        return times[0]
    said = (
        f"It has: {', '.join(times)}." if times else f"Say it: `{step.args['order']} {step.args['count']} by COLUMN`."
    )
    raise LanguageError(
        f"which column says what is {step.args['order']} in {resource.full}?", where=place(step), hint=said
    )
