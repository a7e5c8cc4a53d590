"""The command line: parse, call the app's verb, print. `--json` prints the verb's result as it is."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from intendant.errors import IntendantError, UsageError
from intendant.faces.dbt import dbt
from intendant.faces.lineage import lineage
from intendant.faces.models import model
from intendant.faces.options import HERE, AsJson, Folder, ended, opened, printed
from intendant.faces.pipelines import Given, backfill, build, pairs
from intendant.faces.quality import numbers, rules
from intendant.faces.workers import state, worker, workers
from intendant.types import Json

if TYPE_CHECKING:
    from intendant.app import Intendant
    from intendant.types import Result

__all__ = ["app", "main"]

app = typer.Typer(
    name="intendant",
    help="Runs data pipelines from short sentences.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(model, name="model")
app.add_typer(dbt, name="dbt")
app.add_typer(state, name="state")
app.command()(rules)
app.command()(worker)
app.command()(workers)


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Where.")] = HERE, as_json: AsJson = False) -> None:
    """Make a workspace."""
    from intendant.workspace import Workspace

    made = Workspace.create(folder)
    printed({"workspace": str(made.root)}, as_json, "show_made")


@app.command()
def demo(folder: Annotated[Path, typer.Argument(help="Where; it is made anew.")] = Path("demo")) -> None:
    """Make a workspace with a live sample sales API and a sensor stream, run both pipelines from sentences, report."""
    from intendant.demo import run

    raise typer.Exit(run(folder))


@app.command()
def do(
    text: Annotated[str, typer.Argument(help="A sentence, or the intent language.")],
    workspace: Folder = HERE,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve what needs an approval.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compile and preview only.")] = False,
    answer: Annotated[str, typer.Option("--answer", help="The answer to the question that the sentence raises.")] = "",
    as_json: AsJson = False,
) -> None:
    """Compile a sentence, preview it, approve it, run it."""
    ended(_done(opened(workspace, as_json), text, yes, dry_run, answer, as_json), as_json)


def _done(intendant: Intendant, text: str, yes: bool, dry_run: bool, answer: str, as_json: bool) -> Result:
    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    answers: dict[str, str] = {}
    while True:
        confirm = _confirm if interactive and not yes else None
        result = intendant.do(text, approve=yes, dry_run=dry_run, answers=answers, by="cli", confirm=confirm)
        if result.status != "needs_answer" or not result.questions or len(answers) >= 5:
            return result
        question = result.questions[0]
        said, answer = answer, ""
        if not said and interactive:
            from intendant.faces.terminal import ask

            said = ask(question)
        if not said or question.about in answers:
            return result
        chosen = [c for n, c in enumerate(question.choices, 1) if said.strip().lower() in (c.label.lower(), str(n))]
        answers[question.about] = (chosen[0].plan if chosen else None) or said


def _confirm(prepared: Any) -> bool:
    from intendant.faces.terminal import confirm

    return confirm(prepared)


@app.command()
def plan(
    text: Annotated[str, typer.Argument(help="A sentence, or the intent language.")],
    workspace: Folder = HERE,
    answer: Annotated[str, typer.Option("--answer", help="The answer to the question that the sentence raises.")] = "",
    as_json: AsJson = False,
) -> None:
    """Compile and preview only."""
    ended(_done(opened(workspace, as_json), text, False, True, answer, as_json), as_json)


@app.command("run")
def run_pipeline(
    pipeline: Annotated[str, typer.Argument(help="The name of pipelines/NAME.intent.")],
    workspace: Folder = HERE,
    given: Given = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve what needs an approval.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which rows would change; run nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a pipeline file."""
    ended(opened(workspace, as_json).run(pipeline, pairs(given), approve=yes, by="cli", dry_run=dry_run), as_json)


app.command()(build)
app.command()(backfill)


@app.command()
def load(
    file: Path,
    table: str,
    workspace: Folder = HERE,
    types: Annotated[str, typer.Option("--types", help='JSON: {"column": "SQL type"}')] = "",
    sheet: Annotated[str | None, typer.Option("--sheet", help="Sheet of a workbook; the first that is shown.")] = None,
    as_json: AsJson = False,
) -> None:
    """Load a local file as the table's new version, without the model."""
    printed(
        opened(workspace, as_json).load(file, table, _object(types, "--types") if types else None, sheet=sheet),
        as_json,
        "show_loaded",
    )


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help='A SELECT; staging tables are staging."name".')],
    workspace: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Read-only SQL on the lake."""
    printed(opened(workspace, as_json).sql(statement), as_json, "show_rows")


@app.command()
def tables(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """The tables, their versions and rows."""
    printed(opened(workspace, as_json).tables(), as_json, "show_list")


@app.command()
def sources(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """The sources, what they offer, how fast they are read."""
    printed(opened(workspace, as_json).sources(), as_json, "show_sources")


@app.command()
def show(table: str, workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """Everything about a table."""
    printed(opened(workspace, as_json).show(table), as_json, "show_table")


@app.command()
def history(table: str, workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """A table's versions, and the sentence behind each."""
    printed(opened(workspace, as_json).history(table), as_json, "show_list")


app.command()(lineage)


@app.command()
def rollback(
    table: str,
    workspace: Folder = HERE,
    to: Annotated[int | None, typer.Option("--to", help="The version; the previous one when left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Undo: make an earlier version current again."""
    ended(opened(workspace, as_json).rollback(table, to, by="cli"), as_json)


@app.command()
def check(
    subject: Annotated[str, typer.Argument(help="A table, or a file.")],
    workspace: Folder = HERE,
    cells: Annotated[
        Path | None, typer.Option("--cells", help="Write suspicious cells to this CSV: row,column,reason,confidence.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the report to this file as a page with pictures.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Let the language model of `[model]` say in words what is wrong.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """A quality report; nothing changes."""
    found = opened(workspace, as_json).check(subject, cells=cells, html=html, explain=explain)
    printed(found, as_json, "show_report")


@app.command()
def fix(
    table: str,
    workspace: Folder = HERE,
    only: Annotated[str, typer.Option("--only", help="The numbers of the findings to mend, e.g. 1,3.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve what needs an approval.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Preview only.")] = False,
    as_json: AsJson = False,
) -> None:
    """Mend what the check found in a table, look again, and take it back when that made it worse."""
    from intendant.run.fixes import sentence

    intendant = opened(workspace, as_json)
    text = sentence(intendant.lake.spelled(table), numbers(only))
    ended(_done(intendant, text, yes, dry_run, "", as_json), as_json)


@app.command()
def replay(
    table: str,
    workspace: Folder = HERE,
    mend: Annotated[
        str, typer.Option("--mend", help="Operators for the rows first, e.g. `derive amount = abs(amount)`.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve what needs an approval.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Preview only.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put rows that were set aside back into their table; those that break its rules still are set aside again."""
    from intendant.run.replay import sentence

    intendant = opened(workspace, as_json)
    ended(_done(intendant, sentence(intendant, table, mend), yes, dry_run, "", as_json), as_json)


@app.command()
def runs(workspace: Folder = HERE, limit: int = 20, as_json: AsJson = False) -> None:
    """The last runs."""
    printed(opened(workspace, as_json).runs(limit), as_json, "show_list")


@app.command()
def events(
    workspace: Folder = HERE,
    run: Annotated[str | None, typer.Option("--run", help="Of one run only.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events come.")] = False,
    as_json: AsJson = False,
) -> None:
    """The journal."""
    intendant = opened(workspace, as_json)
    for event in intendant.follow() if follow else intendant.events(run=run):
        printed(dict(event.__dict__), as_json, "show_event")
        sys.stdout.flush()


@app.command()
def approvals(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """What waits for a person."""
    printed(opened(workspace, as_json).approvals(), as_json, "show_list")


@app.command()
def approve(
    approval: Annotated[str, typer.Argument(help="The id that `approvals` shows.")],
    workspace: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Say yes: the run goes on."""
    ended(opened(workspace, as_json).approve(approval, by="cli"), as_json)


@app.command()
def reject(
    approval: Annotated[str, typer.Argument(help="The id that `approvals` shows.")],
    workspace: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Say no: what the run did is undone."""
    printed(opened(workspace, as_json).reject(approval, by="cli").as_dict(), as_json, "show_result")


@app.command()
def schedules(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """What runs when."""
    printed(opened(workspace, as_json).schedules(), as_json, "show_list")


@app.command()
def resume(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """Finish the runs that a stopped process left."""
    with opened(workspace, as_json) as intendant:
        printed({"finished": intendant.resume()}, as_json, "show_made")


@app.command()
def advise(
    pipeline: Annotated[Path, typer.Argument(help="A JSON file that describes the pipeline; - for standard input.")],
    workspace: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Strategy, severity and priority for a described pipeline."""
    from intendant.run.advise import advise as advised
    from intendant.workspace import Thresholds

    try:
        text = sys.stdin.read() if str(pipeline) == "-" else pipeline.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"{str(pipeline)!r} can't be read: {e}", hint="Give a JSON file.") from None
    described = _object(text, str(pipeline))
    if (workspace / "intendant.toml").exists():
        printed(opened(workspace, as_json).advise(described), as_json, "show_advice")
    else:
        printed(advised(described, Thresholds()), as_json, "show_advice")


@app.command()
def serve(workspace: Folder = HERE, host: str = "127.0.0.1", port: int = 8383) -> None:
    """Run schedules and queued runs, and answer REST requests, until stopped."""
    from intendant.faces.http import serve as serve_http

    serve_http(opened(workspace, True), host, port)


@app.command()
def doctor(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """What is installed, reachable, misconfigured, with the mend."""
    found = opened(workspace, as_json).doctor()
    printed(found, as_json, "show_list")
    raise typer.Exit(1 if any(r["state"] == "problem" for r in found) else 0)


def _object(text: str, where: str) -> Mapping[str, Json]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as e:
        raise UsageError(
            f"this is not JSON: {e}", where=where, hint='Give an object, e.g. {"amount": "DOUBLE"}.'
        ) from None
    if not isinstance(value, dict):
        raise UsageError("this is no JSON object", where=where, hint='Give an object, e.g. {"amount": "DOUBLE"}.')
    return value


def main() -> None:
    """The entry point. Errors are one object (JSON) or three lines (what, where, mend); never a traceback."""
    gc.set_threshold(50_000, 20, 100)  # imports make many objects that stay; collecting them costs a tenth of the start
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # on busy cores two threads wait for each other: twice the time
    words = ordered(sys.argv[1:])
    as_json = "--json" in words
    try:
        code = app(args=words, standalone_mode=False) or 0
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as e:
        code = told(e, as_json)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)  # threads of the run engine would hold the exit for a second


def ordered(words: list[str]) -> list[str]:
    """`--workspace DIR` and `--json` may stand before the command as well as after it."""
    before: list[str] = []
    rest = list(words)
    while rest and (rest[0] in ("--workspace", "-w", "--json") or rest[0].startswith("--workspace=")):
        n = 2 if rest[0] in ("--workspace", "-w") else 1
        before, rest = before + rest[:n], rest[n:]
    return [rest[0], *before, *rest[1:]] if rest else before


def told(e: Exception, as_json: bool) -> int:
    """Says an error and gives the exit status: 2 for wrong words on the command line, 1 for anything else."""
    if type(e).__name__ == "Exit":
        return int(getattr(e, "exit_code", 0))
    wording = getattr(e, "format_message", None)
    if wording is not None:
        error: IntendantError = UsageError(wording().rstrip("."), hint="`intendant --help` shows the commands.")
    elif isinstance(e, IntendantError):
        error = e
    else:
        error = Internal(
            f"{type(e).__name__}: {e}"[:500], hint="This is a fault of ours. INTENDANT_DEBUG=1 shows where."
        )
        if os.environ.get("INTENDANT_DEBUG"):
            import traceback

            traceback.print_exception(e)
    if as_json:
        print(json.dumps({"status": "failed", "error": error.as_dict()}, ensure_ascii=False))
    elif wording is not None and hasattr(e, "show"):
        e.show()
    else:
        from intendant.faces.terminal import show_error

        show_error(error.as_dict())
    return 2 if isinstance(error, UsageError) else 1


class Internal(IntendantError):
    """A fault of ours, not of what was asked for."""

    code = "internal"


if __name__ == "__main__":
    main()
