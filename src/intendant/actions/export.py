"""Write a table to a file."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sqlglot import exp

from intendant.actions.base import Context, Effect, Footprint, place
from intendant.catalog import Catalog
from intendant.errors import LanguageError, PathRefused, WorkspaceError
from intendant.language.expression import parse_expression
from intendant.language.to_sql import Compiler
from intendant.objects.addresses import Address, covers
from intendant.operators._compile import Typing, sql_text
from intendant.operators.base import table_sql
from intendant.sinks import files
from intendant.sources import open_source
from intendant.types import Json, Step

__all__ = ["Export", "chosen"]

SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")


class Export(Effect):
    verb = "export"
    form = "export <table:table> [where <where:expr>] to <path:text>"
    agent = "storage"
    summary = "Write a table to a CSV, JSON, JSON lines or Parquet file inside the workspace, or to declared S3 storage."
    example = "export revenue_by_region to 'out/revenue.parquet'"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        table = catalog.table(step.args["table"], place(step))
        if step.get("where"):
            Compiler(table.columns, place(step)).condition(parse_expression(step.args["where"]))
        path = str(step.args["path"])
        if path.startswith("s3://"):
            _declared(path, catalog, place(step))
        elif "://" in path:
            raise PathRefused(f"{path!r} is no place to export to", where=place(step),
                              hint="Export into the workspace, or to s3:// below a source with `writable = true`.")
        elif Path(path).is_absolute() or ".." in Path(path).parts:
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
        target = str(step.args["path"])
        if target.startswith("s3://"):
            rows = _to_storage(step, target, context)
        else:
            rows = _to_file(step, context.workspace.inside(target), context)
        return {"events": [["file.exported", {"table": step.args["table"], "path": step.args["path"], "rows": rows}]]}


def _to_file(step: Step, path: Path, context: Context) -> int:
    with context.engine.session(context.snapshots([step.args["table"]])) as con:
        return files.export(con, sql_text(chosen(step, context.catalog)), path)


def _to_storage(step: Step, target: str, context: Context) -> int:
    """Writes the file into a folder for temporary files, then puts it whole to the declared source that covers it."""
    from intendant.sources.files import FilesSource

    workspace = context.workspace
    writable = [name for name, config in workspace.sources.items() if config.get("writable") is True]
    for name in writable:
        source = open_source(name, workspace.source_config(name), workspace.root)
        if isinstance(source, FilesSource) and source.may_write(target):
            with tempfile.TemporaryDirectory(prefix="intendant-export-") as folder:
                file = Path(folder) / f"export{_suffix(target)}"
                rows = _to_file(step, file, context)
                source.put(file, target, context.tell)
            return rows
    raise _undeclared(target, writable, place(step))


def _declared(target: str, catalog: Catalog, where: str) -> None:
    """Raises PathRefused for an object that lies below no source that says `writable = true`; where a source's path has a
    secret in it, that is known only when the step runs."""
    try:
        key = Address.of(target, where).key
    except WorkspaceError as error:
        raise PathRefused(error.message, where=where, hint=error.hint) from None
    if set("*?[") & set(key):
        raise PathRefused(f"{target!r} names no single object", where=where, hint="Write it without *, ? and [.")
    if not any("${" in base or covers(base, target, where) for base in catalog.writable):
        raise _undeclared(target, catalog.writable, where)


def _undeclared(target: str, writable: Sequence[str], where: str) -> PathRefused:
    hint = f"Below these exports may be written: {', '.join(writable)}." if writable else (
        'Declare the bucket: [sources.NAME] with kind = "files", path = "s3://BUCKET/FOLDER/" and writable = true.')
    return PathRefused(f"{target!r} lies below no source that may be written", where=where, hint=hint)


def _suffix(target: str) -> str:
    return "".join(Path(target.rpartition("/")[2]).suffixes[-2:]) if target.endswith((".gz", ".zst")) else Path(target).suffix


def chosen(step: Step, catalog: Catalog) -> exp.Select:
    """SELECT * FROM the step's table, its `where` applied."""
    table = catalog.table(step.args["table"])
    query = exp.Select(expressions=[exp.Star()]).from_(table_sql(table.name))
    if step.get("where"):
        query = query.where(Compiler(table.columns, place(step)).condition(parse_expression(step.args["where"])))
    return query
