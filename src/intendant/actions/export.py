"""Write a table to a file."""

from __future__ import annotations

from pathlib import Path

from sqlglot import exp

from intendant.actions.base import Context, Effect, Footprint, place
from intendant.catalog import Catalog
from intendant.errors import LanguageError, PathRefused
from intendant.language.expression import parse_expression
from intendant.language.to_sql import Compiler
from intendant.operators._compile import Typing, sql_text
from intendant.operators.base import table_sql
from intendant.sinks import files
from intendant.types import Json, Step

__all__ = ["Export", "chosen"]

SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")


class Export(Effect):
    verb = "export"
    form = "export <table:table> [where <where:expr>] to <path:text>"
    agent = "storage"
    summary = "Write a table to a CSV, JSON, JSON lines or Parquet file inside the workspace."
    example = "export revenue_by_region to 'out/revenue.parquet'"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        table = catalog.table(step.args["table"], place(step))
        if step.get("where"):
            Compiler(table.columns, place(step)).condition(parse_expression(step.args["where"]))
        path = str(step.args["path"])
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise PathRefused(
                f"{path!r} leads out of the workspace", where=place(step), hint="Use a path such as 'out/file.parquet'."
            )
        if not path.lower().endswith(SUFFIXES):
            raise LanguageError(
                f"{path!r} has no ending that says its format",
                where=place(step),
                hint=f"Use one of {', '.join(SUFFIXES)}.",
            )
        return Step(self.verb, dict(step.args, table=table.name))

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        return Footprint(reads=(step.args["table"],))

    def act(self, step: Step, context: Context) -> dict[str, Json]:
        path = context.workspace.inside(step.args["path"])
        with context.engine.session(context.snapshots([step.args["table"]])) as con:
            rows = files.export(con, sql_text(chosen(step, context.catalog)), path)
        return {"events": [["file.exported", {"table": step.args["table"], "path": step.args["path"], "rows": rows}]]}


def chosen(step: Step, catalog: Catalog) -> exp.Select:
    """SELECT * FROM the step's table, its `where` applied."""
    table = catalog.table(step.args["table"])
    query = exp.Select(expressions=[exp.Star()]).from_(table_sql(table.name))
    if step.get("where"):
        query = query.where(Compiler(table.columns, place(step)).condition(parse_expression(step.args["where"])))
    return query
