"""The commands `dbt ...`: pipelines for dbt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intendant.faces.options import HERE, AsJson, Folder, opened, printed
from intendant.faces.pipelines import Given, pairs

__all__ = ["dbt"]

dbt = typer.Typer(help="Pipelines as dbt projects.", no_args_is_help=True)


@dbt.callback()
def _dbt() -> None:
    """Pipelines as dbt projects."""


@dbt.command()
def export(
    pipelines: Annotated[list[str], typer.Argument(help="The names of pipelines/NAME.intent, one or more.")],
    workspace: Folder = HERE,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where; WORKSPACE/dbt/NAME when left out.")
    ] = None,
    given: Given = None,
    as_json: AsJson = False,
) -> None:
    """Write pipelines as a dbt project of models, sources and tests that dbt-duckdb runs."""
    from intendant.run.dbt import exported

    printed(exported(opened(workspace, as_json), pipelines, out, pairs(given)), as_json, "show_project")
