"""Make a store: a columnar table of its own with a layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from intendant.actions.base import Context, Footprint, Staged, TableAction, overwrites, place
from intendant.advisors._layout import Chosen, chosen, spreads
from intendant.advisors._workload import asked_of
from intendant.catalog import Catalog, Table
from intendant.errors import LakeError, LanguageError, UnknownName
from intendant.language.expression import columns_of, parse_expression
from intendant.language.to_sql import column_sql, find_column, kind_of_type
from intendant.operators._compile import Typing, sql_text
from intendant.operators.base import table_sql
from intendant.types import Step

if TYPE_CHECKING:
    from intendant.lake import Stage

__all__ = ["Provision"]


class Provision(TableAction):
    verb = "provision"
    form = "provision <target:table> from <table:table> [partition by <partition:layout>] [sort by <sort:columns>]"
    agent = "storage"
    summary = "Make a new columnar table from another; partitions and sort order, when not said, by its rows and by queries."
    example = "provision sales_mart from orders partition by month(created_at) sort by cust_id"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        where = place(step)
        table = catalog.table(step.args["table"], where)
        target = str(step.args["target"])
        if target.lower() == table.name.lower():
            raise LanguageError(
                f"{target!r} can't be provisioned from itself",
                where=where,
                hint="Give the new table a name of its own.",
            )
        if catalog.has(target):
            target = catalog.table(target).name
        for part in step.get("partition") or ():
            column = find_column(columns_of(parse_expression(part))[0].name, table.columns, where)
            if "(" in part and kind_of_type(column.type) != "time":
                raise LanguageError(
                    f"{part} needs a date or time; {column.name!r} is {column.type}",
                    where=where,
                    hint=f"Partition by {column.name} itself.",
                )
        sort = tuple(find_column(c, table.columns, where).name for c in step.get("sort") or ())
        partition = tuple(step.get("partition") or ())
        if not sort and not partition:
            layout = best_layout(table, catalog, typing)
            sort, partition = layout.sort, layout.partition
        args = dict(step.args, table=table.name, target=target, sort=sort, partition=partition)
        return Step(self.verb, {k: v for k, v in args.items() if v})

    def target(self, step: Step) -> str:
        return str(step.args["target"])

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        target = self.target(step)
        why = overwrites(step, target, str(step.args["table"]), catalog)
        return Footprint((step.args["table"],), (target,), why)

    def after(self, step: Step, catalog: Catalog, typing: Typing) -> Catalog:
        return catalog.with_table(self.target(step), catalog.table(step.args["table"]).columns)

    def origins(self, step: Step, catalog: Catalog, typing: Typing) -> dict[str, tuple[str, ...]]:
        table = catalog.table(step.args["table"])
        return {c.name: (f"{table.name}.{c.name}",) for c in table.columns}

    def stage(self, step: Step, stage: Stage, context: Context) -> Staged:
        table, sort = step.args["table"], tuple(step.get("sort") or ())
        snapshots = context.snapshots([table])
        query = exp.Select(expressions=[column_sql(c.name) for c in snapshots[table].columns]).from_(table_sql(table))
        if sort:
            query = query.order_by(*(exp.Ordered(this=column_sql(c), nulls_first=False) for c in sort))
        stage.add_sql(context.engine, sql_text(query), snapshots)
        layout = best_layout(context.catalog.table(table), context.catalog, context.typing)
        ours = (layout.partition, layout.sort) == (tuple(step.get("partition") or ()), sort)
        return Staged(
            stage.table,
            "replace",
            (),
            tuple(step.get("partition") or ()),
            sort,
            {"inputs": {table: snapshots[table].version}, **({"note": layout.why} if ours else {})},
        )


def best_layout(table: Table, catalog: Catalog, typing: Typing) -> Chosen:
    """By the rows as they lie in the lake; of a table that isn't there yet only the columns and the queries are known."""
    asked = asked_of(catalog, table.name)
    try:
        snapshot = typing.snapshot(table.name, None) if typing.snapshot else None
    except (LakeError, UnknownName):
        snapshot = None
    if snapshot is None or snapshot.columns != table.columns:
        return chosen(table.columns, 0, 0, {}, asked)
    return chosen(table.columns, snapshot.rows, snapshot.bytes, spreads(typing.engine, snapshot, asked), asked)
