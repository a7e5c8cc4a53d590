"""Bring rows from a source into a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from intendant.actions._letters import Letters, letters_in
from intendant.actions._stream import Heard
from intendant.actions.base import Context, Footprint, Mode, Staged, TableAction, overwrites, place
from intendant.catalog import Catalog
from intendant.engines.base import quoted
from intendant.errors import LanguageError, SourceDamaged, UnknownName
from intendant.lake.filling import fill, taken
from intendant.language import print_step
from intendant.language.expression import parse_expression
from intendant.language.to_sql import Compiler, column_sql, find_column
from intendant.operators._compile import Typing, sql_text
from intendant.operators.base import table_sql
from intendant.sources import source_class
from intendant.types import Column, Json, ReadRequest, Resource, Snapshot, Stamp, Step

if TYPE_CHECKING:
    from intendant.lake import Stage

__all__ = ["Ingest"]

SHAPING = ("order", "count", "cursor", "where", "columns")
CAME = "\ufff9came"
"""A column of one's own while a load of a stream is put in order: no text of a source has that character in a name."""


class Ingest(TableAction):
    verb = "ingest"
    form = (
        "ingest <resource:resource> [(latest|oldest):order <count:int> [by <by:column>] | first <count:int>]"
        " [new rows by <cursor:column> | (new rows):fresh] [where <where:expr>] [columns <columns:columns>]"
        " [(append|replace):mode | upsert on <keys:key>] [into <target:table>]"
    )
    agent = "ingestion"
    summary = "Bring rows of a source's resource into a table (staging.<resource> when none is named)."
    example = "ingest sales_api.orders latest 10000 by created_at into staging.orders"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        resource = letters_in(step.args["resource"], catalog) or catalog.resource(step.args["resource"], place(step))
        args = dict(step.args, resource=resource.full, target=step.get("target") or catalog.staging_name(resource))
        if catalog.has(args["target"]):
            args["target"] = catalog.table(args["target"]).name
        if args.get("fresh"):
            _followed(args, resource, catalog, step)
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
            args["mode"] = "append" if args.get("cursor") or args.get("fresh") else "replace"
        return Step(self.verb, args)

    def target(self, step: Step) -> str:
        return str(step.args["target"])

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        target = self.target(step)
        held = step.get("mode") == "replace" and not step.get("keys") and not target.startswith("staging.")
        return Footprint((), (target,), overwrites(step, target, str(step.args["resource"]), catalog) if held else "")

    def after(self, step: Step, catalog: Catalog, typing: Typing) -> Catalog:
        columns = (letters_in(step.args["resource"], catalog) or catalog.resource(step.args["resource"])).columns
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
        letters = letters_in(step.args["resource"], context.catalog)
        resource = letters or context.catalog.resource(step.args["resource"])
        request = self.request(step, resource, context)
        source = Letters(context, resource.full, stage.table) if letters else context.source(resource.full)
        heard = Heard(context, stage, resource.full, print_step(step))
        batches = source.read(request, heard)
        keys = tuple(step.get("keys") or ())
        versions = keys if source.follows else ()
        there = context.lake.snapshot(stage.table).columns if source.follows and context.lake.exists(stage.table) else ()
        if versions or any(step.get(k) for k in SHAPING):
            raw = context.lake.stage(f"staging.raw {stage.table}", Stamp(context.stamp.run, context.stamp.step))
            try:
                fill(raw, _numbered(batches) if versions else batches, context.tell)
                if versions and raw.files:
                    _newest(raw, versions, there, heard, context)
                self.shape(step, request, raw, there, stage, context)
            finally:
                raw.discard()
        elif not taken(stage, source.direct(request), context.engine, context.tell):
            fill(stage, batches, context.tell)
        heard.finished()
        mode: Mode = "upsert" if keys else step.args["mode"]
        facts = heard.facts(request.position, bool(step.get("fresh")))
        if heard.letters and not stage.files and not context.lake.exists(stage.table):
            raise SourceDamaged(
                f"none of the {heard.letters} messages of {resource.full} is a row: {heard.first}",
                where=place(step),
                hint="Nothing was kept, and they are read again next time. Look at what is sent to the topic.",
            )
        return Staged(stage.table, mode, keys, facts=facts)

    def request(self, step: Step, resource: Resource, context: Context) -> ReadRequest:
        after = None
        if step.get("cursor"):
            value = _reached(step.args["cursor"], self.target(step), context)
            after = (step.args["cursor"], value) if value is not None else None
        fresh = step.get("fresh")
        whole = not fresh and (step.get("where") or step.get("cursor"))
        return ReadRequest(
            resource.name,
            None if whole else step.get("count"),
            step.get("order"),
            step.get("by"),
            after,
            None if step.get("where") else step.get("columns"),
            context.lake.positions(self.target(step)).get(resource.full) if fresh else None,
        )

    def shape(
        self, step: Step, request: ReadRequest, raw: Stage, there: Sequence[Column], stage: Stage, context: Context
    ) -> None:
        """Applies exactly what was asked to whatever the source gave; `there` are columns that it may lack this time."""
        own = raw.snapshot()
        if not own.columns:
            return
        snapshot = _padded(own, there)
        columns, where = snapshot.columns, place(step)
        shown = [find_column(c, columns, where) for c in step.get("columns") or ()] or list(own.columns)
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
        if step.get("count") and not step.get("fresh"):  # of a stream so many messages were read, and none may be left
            query = query.limit(step.args["count"])
        stage.add_sql(context.engine, sql_text(query), {"staging.raw": snapshot})


def _numbered(batches: Iterator[Any]) -> Iterator[Any]:
    """The batches with a last column that says in which order the rows came."""
    import pyarrow as pa

    came = 0
    for batch in batches:
        yield batch.append_column(CAME, pa.array(range(came, came + batch.num_rows), pa.int64()))
        came += batch.num_rows


def _padded(snapshot: Snapshot, there: Sequence[Column]) -> Snapshot:
    """The snapshot with the columns of `there` that it lacks, without a value."""
    own = {c.name.casefold() for c in snapshot.columns}
    return replace(snapshot, columns=(*snapshot.columns, *(c for c in there if c.name.casefold() not in own)))


def _newest(raw: Stage, keys: tuple[str, ...], there: Sequence[Column], heard: Heard, context: Context) -> None:
    """Keeps of each key the row that came last; rows without a key are set aside, with all their columns."""
    columns = tuple(c for c in raw.snapshot().columns if c.name != CAME)
    snapshot = _padded(raw.snapshot(), there)
    named = [find_column(k, snapshot.columns, f"{heard.resource} upsert on {', '.join(keys)}").name for k in keys]
    shown, listed = ", ".join(quoted(c.name) for c in columns), ", ".join(map(quoted, named))
    missing = " OR ".join(f"{quoted(k)} IS NULL" for k in named)
    source, tables = table_sql("staging.raw").sql("duckdb"), {"staging.raw": snapshot}
    count = f"SELECT count(*) FROM {source} WHERE {missing}"
    if context.engine.rows(count, tables)[1][0][0]:
        reason = f"no {' and '.join(named)} to upsert on"
        heard.add_rows(f"SELECT {shown} FROM {source} WHERE {missing}", reason, tables)
    newest = f"QUALIFY row_number() OVER (PARTITION BY {listed} ORDER BY {quoted(CAME)} DESC) = 1"
    sql = f"SELECT {shown} FROM {source} WHERE ({missing}) IS NOT TRUE {newest}"
    raw.rewrite(context.engine, sql, tables)


def _followed(args: Mapping[str, Any], resource: Resource, catalog: Catalog, step: Step) -> None:
    """Raises LanguageError where `new rows` needs a column, or doesn't go with what else is asked."""
    if not source_class(catalog.sources[resource.source]).follows:
        raise LanguageError(
            f"new rows of {resource.full} by which column?",
            where=place(step),
            hint="Write `new rows by COLUMN`; only a stream knows by itself what is new.",
        )
    if args.get("order"):
        raise LanguageError(
            f"`{args['order']}` doesn't go with `new rows`: none of a stream's messages may be left out",
            where=place(step),
            hint="`first N new rows` reads at most N messages; the next load goes on behind them.",
        )


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
