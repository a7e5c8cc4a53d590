"""Write a table into a declared database, or into a topic."""

from __future__ import annotations

from itertools import chain

from intendant.actions import _topic
from intendant.actions.base import Context, Effect, Footprint, place
from intendant.actions.export import chosen
from intendant.catalog import Catalog
from intendant.errors import LanguageError, UnknownName, did_you_mean
from intendant.language.to_sql import find_column
from intendant.operators._compile import Typing, sql_text
from intendant.types import Json, Step

__all__ = ["Deliver"]

ARROW_ROWS = 65_536


class Deliver(Effect):
    verb = "deliver"
    form = "deliver <table:table> [where <where:expr>] to <resource:resource> [(append|replace):mode | upsert on <keys:key>]"
    agent = "storage"
    summary = "Write a table into a table of a declared SQL source, or into a topic of a Kafka one, in one transaction."
    example = "deliver revenue_by_region to crm.revenue upsert on region"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        where = place(step)
        table = catalog.table(step.args["table"], where)
        source, dot, name = str(step.args["resource"]).partition(".")
        if source not in catalog.sources:
            raise UnknownName(
                f"there is no source {source!r}", where=where, hint=did_you_mean(source, catalog.sources, "source")
            )
        kind = catalog.sources[source]
        if kind not in ("sql", "kafka"):
            raise LanguageError(
                f"source {source!r} is {kind}, not a database",
                where=where,
                hint="Deliver to a source of kind sql or kafka; files are written by `export`.",
            )
        if kind == "kafka":
            args = _topic.resolved(step, table, catalog)
            return Step(self.verb, args)
        if not dot or not name:
            raise LanguageError("which table of the database?", where=where, hint=f"Write `to {source}.TABLE`.")
        for key in step.get("keys") or ():
            find_column(key, table.columns, where)
        args = dict(step.args, table=table.name)
        if not args.get("mode") and not args.get("keys"):
            args["mode"] = "replace"
        return Step(self.verb, args)

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        target = step.args["resource"]
        exists = target in catalog.resources
        replaces = exists and step.get("mode") == "replace"
        return Footprint((step.args["table"],), (), f"it overwrites {target!r} in the database" if replaces else "")

    def act(self, step: Step, context: Context) -> dict[str, Json]:
        import pyarrow as pa

        from intendant.sinks import sql as sink

        source, _, name = str(step.args["resource"]).partition(".")
        if context.catalog.sources[source] == "kafka":
            rows = _topic.delivered(step, context)
            return _told(step, rows)
        url = str(context.workspace.source_config(source)["url"])
        keys = list(step.get("keys") or ())
        mode: sink.Mode = "upsert" if keys else step.args["mode"]
        with context.engine.session(context.snapshots([step.args["table"]])) as con:
            reader = con.execute(sql_text(chosen(step, context.catalog))).to_arrow_reader(ARROW_ROWS)
            tables = chain([reader.schema.empty_table()], (pa.Table.from_batches([b]) for b in reader))
            rows = sink.deliver(url, name, tables, mode, keys, root=context.workspace.root, stamp=context.stamp)
        return _told(step, rows)


def _told(step: Step, rows: int) -> dict[str, Json]:
    to = step.args["resource"]
    event = ["table.delivered", {"table": step.args["table"], "to": to, "rows": rows}]
    return {"events": [event], "note": f"{rows:,} row{'' if rows == 1 else 's'} delivered to {to}"}
