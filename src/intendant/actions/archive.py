"""Move old rows out of a table into cold storage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlglot import exp

from intendant.actions.base import Context, Footprint, Staged, TableAction, place
from intendant.catalog import Catalog
from intendant.errors import TypeMismatch
from intendant.lake.names import encode
from intendant.language.expression import parse_expression
from intendant.language.to_sql import Compiler, column_sql, find_column, kind_of_type
from intendant.operators._compile import Typing, sql_text
from intendant.operators.base import table_sql
from intendant.sinks import files
from intendant.types import Step

if TYPE_CHECKING:
    from intendant.lake import Stage

__all__ = ["Archive"]


class Archive(TableAction):
    verb = "archive"
    form = "archive <table:table> ( older than <age:duration> by <column:column> | where <where:expr> )"
    agent = "storage"
    summary = "Move rows out of a table into a compressed file with a manifest; `intendant load` brings them back."
    example = "archive orders older than 365 days by created_at"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        table = catalog.table(step.args["table"], place(step))
        args = dict(step.args, table=table.name)
        if args.get("column"):
            column = find_column(args["column"], table.columns, place(step))
            if kind_of_type(column.type) != "time":
                raise TypeMismatch(
                    f"`older than` needs a date or time; {column.name!r} is {column.type}",
                    where=place(step),
                    hint="Name a date column, or use `archive ... where`.",
                )
            args["column"] = column.name
        else:
            Compiler(table.columns, place(step)).condition(parse_expression(args["where"]))
        return Step(self.verb, args)

    def target(self, step: Step) -> str:
        return str(step.args["table"])

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        table = self.target(step)
        return Footprint((table,), (table,), f"it moves rows out of {table!r} into the archive")

    def origins(self, step: Step, catalog: Catalog, typing: Typing) -> dict[str, tuple[str, ...]]:
        table = catalog.table(self.target(step))
        return {c.name: (f"{table.name}.{c.name}",) for c in table.columns}

    def condition(self, step: Step, catalog: Catalog) -> exp.Expression:
        """True for the rows that leave."""
        table = catalog.table(self.target(step))
        if step.get("where"):
            return Compiler(table.columns, place(step)).condition(parse_expression(step.args["where"]))
        n, unit = step.args["age"].split()
        age = exp.Interval(this=exp.Literal.string(n), unit=exp.Var(this=unit.rstrip("s").upper()))
        now = exp.cast(exp.CurrentTimestamp(), "TIMESTAMP")
        return exp.LT(this=column_sql(step.args["column"]), expression=exp.paren(exp.Sub(this=now, expression=age)))

    def stage(self, step: Step, stage: Stage, context: Context) -> Staged:
        table = self.target(step)
        snapshots = context.snapshots([table])
        leaves = self.condition(step, context.catalog)
        base = exp.Select(expressions=[column_sql(c.name) for c in snapshots[table].columns]).from_(table_sql(table))
        folder = context.workspace.state / "archive" / encode(table) / f"{context.stamp.run}-{context.stamp.step}"
        with context.engine.session(snapshots) as con:
            moved = files.export(con, sql_text(base.where(leaves)), folder / "rows.parquet")
        kept = base.where(exp.Not(this=exp.Coalesce(this=exp.paren(leaves), expressions=[exp.false()])))
        stage.add_sql(context.engine, sql_text(kept), snapshots)
        manifest = {"table": table, "version": snapshots[table].version, "rows": moved, "step": place(step)}
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        where = str(folder.relative_to(context.workspace.root))
        settings = context.catalog.table(table).settings
        return Staged(
            table,
            "replace",
            (),
            tuple(settings.get("partition_by", ())),
            tuple(settings.get("sort_by", ())),
            {"archived": moved, "archive": where, "shrinks": True, "inputs": {table: snapshots[table].version}},
        )
