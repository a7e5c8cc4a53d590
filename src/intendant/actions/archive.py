"""Move old rows out of a table into cold storage: copied, read again and compared, and only then taken out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlglot import exp

from intendant.actions._cold import place_of, work_of
from intendant.actions.base import Context, Footprint, Staged, TableAction, place
from intendant.catalog import Catalog
from intendant.errors import Conflict, LanguageError, TypeMismatch, VolumeGuard
from intendant.lake import cold
from intendant.language.expression import parse_expression
from intendant.language.to_sql import Compiler, column_sql, find_column, kind_of_type
from intendant.operators._compile import Typing, sql_text
from intendant.operators.base import table_sql
from intendant.types import Step

if TYPE_CHECKING:
    from intendant.lake import Stage

__all__ = ["Archive"]


class Archive(TableAction):
    verb = "archive"
    form = "archive <table:table> ( older than <age:duration> by <column:column> | where <where:expr> )"
    agent = "storage"
    summary = "Move rows out of a table into cold storage, with a manifest; `restore ... from archive` brings them back."
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
            if args["age"].split()[0] == "0":
                raise LanguageError("an age of 0 would archive every row", where=place(step), hint="Use 1 or more.")
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
        """True for the rows that leave, as of this moment: whoever uses it twice means the same rows."""
        table = catalog.table(self.target(step))
        if step.get("where"):
            return Compiler(table.columns, place(step)).condition(parse_expression(step.args["where"]))
        n, unit = step.args["age"].split()
        age = exp.Interval(this=exp.Literal.string(n), unit=exp.Var(this=unit.rstrip("s").upper()))
        now = exp.cast(exp.Literal.string(datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")), "TIMESTAMP")
        return exp.LT(this=column_sql(step.args["column"]), expression=exp.paren(exp.Sub(this=now, expression=age)))

    def stage(self, step: Step, stage: Stage, context: Context) -> Staged:
        table = self.target(step)
        snapshot = context.lake.snapshot(table)
        leaves = exp.Coalesce(this=exp.paren(self.condition(step, context.catalog)), expressions=[exp.false()])
        shown = exp.Select(expressions=[column_sql(c.name) for c in snapshot.columns]).from_(table_sql(table))
        stage.add_sql(context.engine, sql_text(shown.where(exp.Not(this=leaves))), {table: snapshot})
        if stage.rows == snapshot.rows:
            stage.discard()
            return Staged(table, "append")
        if not stage.rows:
            raise VolumeGuard(
                f"it would leave no row in {table!r}",
                where=place(step),
                hint=f"Archive a part of it, or `export` and `drop` {table}.",
            )
        at, work, fence = place_of(context.workspace), work_of(context), context.lake.store.fence
        sentence = place(step).strip("`")
        manifest = cold.moved(context.engine, snapshot, sql_text(leaves), at, context.stamp, sentence, work, fence)
        if manifest is None or manifest.rows + stage.rows != snapshot.rows:
            raise Conflict(
                f"the rows of {table!r} that leave and that stay don't add up",
                where=place(step),
                hint="A function in `where` gives another answer each time; use one that doesn't.",
            )
        settings = context.catalog.table(table).settings
        archive = {
            "id": manifest.id,
            "rows": manifest.rows,
            "bytes": manifest.bytes,
            "where": at.named(manifest.key("")).removeprefix(f"{context.workspace.root}/"),
            "digest": manifest.digest,
        }
        return Staged(
            table,
            "replace",
            (),
            tuple(settings.get("partition_by", ())),
            tuple(settings.get("sort_by", ())),
            {"archived": manifest.rows, "archive": archive, "shrinks": True, "inputs": {table: snapshot.version}},
        )
