"""Change a table, or make one from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intendant.actions._values import fill, within_budget
from intendant.actions.base import Context, Footprint, Staged, TableAction, overwrites, place, placed
from intendant.catalog import Catalog
from intendant.operators._compile import Typing, apply, reads_of, trace
from intendant.types import Step

if TYPE_CHECKING:
    from intendant.lake import Stage

__all__ = ["Transform"]


class Transform(TableAction):
    verb = "transform"
    form = "transform <table:table> <operators:operators> [into <target:table>]"
    agent = "transformation"
    summary = "Apply operators in order; in place, or into another table."
    example = "transform staging.orders filter status = 'paid' derive total_revenue = price * quantity into orders"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        table = catalog.table(step.args["table"], place(step)).name
        target = step.get("target") or table
        if catalog.has(target):
            target = catalog.table(target).name
        apply(table, step.args["operators"], catalog, typing, "")
        into = {} if target == table else {"target": target}
        return Step(self.verb, {"table": table, "operators": step.args["operators"], **into})

    def target(self, step: Step) -> str:
        return str(step.get("target") or step.args["table"])

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        reads = reads_of(step.args["table"], step.args["operators"], catalog)
        target = self.target(step)
        why = "" if target in reads else overwrites(step, target, str(step.args["table"]), catalog)
        return Footprint(reads, (target,), why)

    def after(self, step: Step, catalog: Catalog, typing: Typing) -> Catalog:
        relation = apply(step.args["table"], step.args["operators"], catalog, typing, "")
        return catalog.with_table(self.target(step), relation.columns)

    def origins(self, step: Step, catalog: Catalog, typing: Typing) -> dict[str, tuple[str, ...]]:
        return trace(step.args["table"], step.args["operators"], catalog, typing)

    def stage(self, step: Step, stage: Stage, context: Context) -> Staged:
        relation = apply(step.args["table"], step.args["operators"], context.catalog, context.typing, place(step))
        reads = reads_of(step.args["table"], step.args["operators"], context.catalog)
        snapshots = context.snapshots(reads)
        with placed(step):
            within_budget(step, snapshots, context)
            aside = fill(step, relation, stage, snapshots, context)
        inputs = {n: s.version for n, s in snapshots.items()}
        before = snapshots[step.args["table"]].rows
        settings = context.catalog.table(stage.table).settings if context.catalog.has(stage.table) else {}
        names = {c.name for c in relation.columns}
        partition = tuple(
            p
            for p in settings.get("partition_by", ())
            if p.partition("(")[2].rstrip(")").strip('"') in names or p.strip('"') in names
        )
        sort = tuple(s for s in settings.get("sort_by", ()) if s in names)
        return Staged(stage.table, "replace", (), partition, sort, {"inputs": inputs, "rows_before": before, **aside})
