"""The command `rules`: a table's rules with where they came from; suggested, accepted, written for and read from others."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from intendant.errors import UsageError
from intendant.faces.options import EXIT, HERE, AsJson, Folder, ended, opened, printed
from intendant.types import Json

__all__ = ["numbers", "rules"]

FAILURES = ("rollback", "quarantine", "review", "warn")


def rules(
    table: str,
    file: Annotated[Path | None, typer.Argument(help="With --export: where to write; printed when left out.")] = None,
    workspace: Folder = HERE,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Rules that the rows keep already, with evidence.")
    ] = False,
    ask_model: Annotated[
        bool, typer.Option("--ask-model", help="With --suggest or --accept: also what the language model proposes.")
    ] = False,
    accept: Annotated[
        str, typer.Option("--accept", help="Declare suggestions: their numbers, e.g. 1,3, or `all` that no row breaks.")
    ] = "",
    export: Annotated[
        str, typer.Option("--export", metavar="FORMAT", help="Write the rules for dbt, great-expectations or odcs.")
    ] = "",
    take: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Declare the rules of a file of one of these.")
    ] = None,
    on_failure: Annotated[
        str, typer.Option("--on-failure", help=f"With --accept or --import: {', '.join(FAILURES)}.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """A table's rules, where each came from and since when; or suggested, accepted, written out, read in."""
    from intendant.run import rulebook

    one_of(suggest or bool(accept), bool(export), take is not None)
    if on_failure and on_failure not in FAILURES:
        raise UsageError(f"--on-failure is {on_failure!r}", hint=f"Use one of {', '.join(FAILURES)}.")
    if file is not None and not export:
        raise UsageError(f"{str(file)!r} is one word too many", hint="A file goes with --export or behind --import.")
    intendant = opened(workspace, as_json)
    if accept:
        chosen = () if accept.strip().lower() == "all" else numbers(accept)
        ended(rulebook.accept(intendant, table, chosen, on_failure=on_failure, by="cli", ask_model=ask_model), as_json)
    elif suggest:
        shown(rulebook.suggestions(intendant, table, ask_model=ask_model), as_json, "suggestions")
    elif export:
        show_exported(written(rulebook.exported(intendant, table, export), file), as_json)
    elif take is not None:
        show_imported(rulebook.imported(intendant, table, take, on_failure=on_failure, by="cli"), as_json)
    else:
        shown(rulebook.rules(intendant, table), as_json, "rules")


def one_of(*asked: bool) -> None:
    if sum(asked) > 1:
        raise UsageError("--suggest, --export and --import exclude each other", hint="Do one after the other.")


def numbers(text: str) -> tuple[int, ...]:
    """`1,3` as (1, 3). Raises UsageError."""
    found = [w for w in re.split(r"[,\s]+", text.strip()) if w]
    if not all(re.fullmatch(r"[0-9]{1,6}", w) for w in found) or (text and not found):
        raise UsageError(f"{text!r} are no numbers", hint="Give them like 1,3.")
    return tuple(map(int, found))


def written(made: dict[str, Json], file: Path | None) -> dict[str, Json]:
    """The export, in its file when there is one. Raises UsageError for a file that is there or can't be made."""
    if file is None:
        return made
    try:
        with file.open("x", encoding="utf-8") as f:
            f.write(made["text"])
    except FileExistsError:
        raise UsageError(f"{str(file)!r} is there already", hint="Name another file, or move that one away.") from None
    except OSError as e:
        raise UsageError(f"{str(file)!r} can't be written: {e.strerror}", hint="Check the path.") from None
    return {**made, "file": str(file)}


def shown(found: Mapping[str, Json], as_json: bool, rows: str) -> None:
    """A table's rules or suggestions: as they are, or for people as a list of what tells them apart."""
    if as_json:
        printed(found, True, "")
        return
    hidden = ("type", "column", "intent", "run_id") if rows == "rules" else ("intent",)
    listed = [{k: v for k, v in r.items() if k not in hidden} for r in found[rows]]
    if not any(r.get("problem") for r in listed):
        listed = [{k: v for k, v in r.items() if k != "problem"} for r in listed]
    printed(listed, False, "show_list")
    if rows == "suggestions" and listed:
        typer.echo(f"Accept them with `intendant rules {found['table']} --accept 1,3` or `--accept all`.")


def show_exported(made: Mapping[str, Json], as_json: bool) -> None:
    if as_json:
        printed(made, True, "")
        return
    if "file" in made:
        printed({"file": made["file"], "rules": made["rules"]}, False, "show_made")
    else:
        typer.echo(made["text"], nl=False)
    name_left_out(made)


def show_imported(made: Mapping[str, Json], as_json: bool) -> None:
    """What was declared; ends with the run's exit status."""
    if as_json:
        printed(made, True, "")
    else:
        name_left_out(made)
        if made["result"]:
            printed(made["result"], False, "show_result")
        else:
            typer.echo(f"No rule of {made['file']} ({made['format']}) fits {made['table']}.")
    raise typer.Exit(EXIT[made["result"]["status"]] if made["result"] else 0)


def name_left_out(made: Mapping[str, Json]) -> None:
    """What wasn't carried over, beside the output itself."""
    for x in made["left_out"]:
        line = f" (line {x['line']})" if x["line"] else ""
        typer.echo(json.dumps(f"left out: {x['what']}{line}: {x['why']}", ensure_ascii=False)[1:-1], err=True)
