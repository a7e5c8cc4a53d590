"""The commands `build` and `backfill`: what of the pipelines is due, in order; and one pipeline over a range of days."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date
from typing import Annotated

import typer

from intendant.errors import UsageError
from intendant.faces.options import EXIT, HERE, AsJson, Folder, opened, printed
from intendant.types import Json

__all__ = ["Given", "backfill", "build", "pairs"]

Given = Annotated[list[str] | None, typer.Option("--set", help="A parameter: NAME=VALUE. May be given again.")]
GOOD = ("succeeded", "fresh", "due")


def pairs(given: list[str] | None) -> dict[str, str]:
    """NAME=VALUE, each. Raises UsageError."""
    out = {}
    for text in given or ():
        name, sign, value = text.partition("=")
        if not sign or not name.strip().isidentifier():
            raise UsageError(f"--set is {text!r}", hint="Write it as NAME=VALUE.")
        out[name.strip()] = value
    return out


def build(
    pipelines: Annotated[list[str] | None, typer.Argument(help="Those and what they need; all when left out.")] = None,
    workspace: Folder = HERE,
    given: Given = None,
    every: Annotated[bool, typer.Option("--every", help="Run also what is not due.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Pipelines that run at the same time, where they share no table.")] = 2,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is due and why, and which rows would change; run nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve what needs an approval.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the pipelines that are due, each after those that write what it reads."""
    from intendant.run.build import build as built

    app, names, values = opened(workspace, as_json), pipelines or (), pairs(given)
    done = built(app, names, values, every=every, dry_run=dry_run, approve=yes, by="cli", jobs=jobs)
    told(done, as_json)


def backfill(
    pipeline: Annotated[str, typer.Argument(help="A pipeline with the parameters `from` and `to`.")],
    span: Annotated[str, typer.Argument(metavar="FROM..TO", help="Days, e.g. 2026-01-01..2026-04-01; TO is left out.")],
    workspace: Folder = HERE,
    every: Annotated[str, typer.Option("--every", help="The length of a period: day, week or month.")] = "day",
    given: Given = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve what needs an approval.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a pipeline once for each period; those that ran already are passed over."""
    from intendant.run.build import backfill as filled
    from intendant.run.build import periods

    start, _, end = span.partition("..")
    try:
        spans = periods(date.fromisoformat(start), date.fromisoformat(end), every)
    except ValueError:
        raise UsageError(f"{span!r} is no range of days", hint="Write 2026-01-01..2026-04-01.") from None
    done = []
    for row in filled(opened(workspace, as_json), pipeline, spans, pairs(given), approve=yes, by="cli"):
        done.append(row)
        if not as_json:
            typer.echo(f"{row['from']}..{row['to']} {row['status']}", err=True)
    told(done, as_json)


def told(done: list[dict[str, Json]], as_json: bool) -> None:
    """The rows, with what each would change, and the exit status of the worst."""
    errors = any(r.get("error") for r in done)
    printed(done if as_json else [shown(r, errors) for r in done], as_json, "show_list")
    for row in () if as_json else done:
        if row.get("changes"):
            printed({"title": row["pipeline"], **row["changes"]}, False, "show_changes")
    bad = next((r for r in done if r["status"] not in GOOD), None)
    if bad is not None:
        sys.exit(EXIT.get(str(bad["status"]), 1))


def shown(row: Mapping[str, Json], errors: bool) -> dict[str, Json]:
    """A row for people; with a column for errors where any has one."""
    kept = {k: v for k, v in row.items() if k not in ("after", "error", "changes")}
    return {**kept, "run_id": row.get("run_id", ""), "error": (row.get("error") or {}).get("message", "")} if errors else kept
