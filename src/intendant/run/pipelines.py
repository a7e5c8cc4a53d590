"""Pipeline files: their parameters, which runs before which, and which have to run at all. `build.py` runs them.

Nothing is declared: a pipeline comes after those that write what it reads, and is due when its text is new, when a source
feeds it, or when a table that it reads or writes has changed since it last ran.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from intendant.errors import IntendantError, LanguageError, UnknownName, UsageError, did_you_mean
from intendant.language.expression import Literal, parse_expression, print_expression
from intendant.language.lexer import lex, place, quote_string
from intendant.language.plans import parse, sentences
from intendant.types import Plan, Step

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["Pipeline", "due", "filled", "last_of", "last_run", "named", "needs", "one", "opened", "ordered"]

PARAMETER = re.compile(r"^\s*param\s+([^\W\d]\w*)\s*=\s*(.+?)\s*(?:#.*)?$", re.I)
PLACE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|#[^\n]*|\$([^\W\d]\w*)")
MAKES = ("transform", "provision")
READ_ONLY = ("query", "export", "deliver", "schedule", "limit")
CHANGES = ("table.published", "table.restored", "table.rolled_back", "table.dropped")


@dataclass(frozen=True)
class Pipeline:
    """A file with its parameters filled in. `reads` are tables that stand before it, `writes` what it leaves, both in small
    letters; `feeds` says that it takes rows from a source. `alters` are all tables whose rows may change by it: those that it
    writes, and those that a check, an archive or a restore works on."""

    name: str
    text: str
    plan: Plan
    reads: frozenset[str]
    writes: frozenset[str]
    feeds: bool
    alters: frozenset[str] = field(default=frozenset())

    def meets(self, other: Pipeline) -> bool:
        """Whether one may change a table that the other one uses."""
        return bool(self.alters & (other.reads | other.alters) or other.alters & self.reads)


# ---------------------------------------------------------------- parameters
def filled(text: str, given: Mapping[str, str], where: str) -> str:
    """The text with its parameters in place, `param` lines left empty so that line numbers stay.

    A parameter is declared at the top, `param since = date '2026-01-01'`, and used as `$since`; a value that is given takes
    the kind of the declared one. Raises LanguageError for one that isn't declared or no value, UsageError for a value that
    doesn't fit or that no parameter takes.
    """
    lines, known = text.split("\n"), dict[str, Literal]()
    for i, line in enumerate(lines):
        m = PARAMETER.match(line)
        if m:
            known[m[1]] = literal(m[2], f"{where}, line {i + 1}")
            lines[i] = ""
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    for name in given:
        if name not in known:
            raise UsageError(f"{where} has no parameter {name!r}", hint=did_you_mean(name, known, "parameter"))
    values = {n: print_expression(valued(n, given[n], v) if n in given else v) for n, v in known.items()}

    def put(m: re.Match[str]) -> str:
        if not m[1]:
            return m[0]
        if m[1] not in values:
            raise LanguageError(
                f"there is no parameter {m[0]!r}", where=where, hint=f"Declare it at the top: param {m[1]} = 10"
            )
        return values[m[1]]

    return PLACE.sub(put, "\n".join(lines))


def literal(text: str, where: str) -> Literal:
    try:
        found = parse_expression(text)
    except LanguageError:
        found = None
    if not isinstance(found, Literal):
        raise LanguageError(f"{text!r} is no value", where=where, hint="Write 10, 'text', true, or date '2026-01-01'.")
    return found


def valued(name: str, given: str, declared: Literal) -> Literal:
    """What was given, as a value of the declared kind."""
    kind = declared.kind
    text = quote_string(given) if kind == "text" else given
    if kind in ("date", "timestamp") and not given.lower().startswith(kind):
        text = f"{kind} {quote_string(given)}"
    try:
        found = literal(text, f"parameter {name}")
        if found.kind != kind:
            raise UsageError("")
        if kind == "date":
            date.fromisoformat(found.value)
    except (IntendantError, ValueError):
        raise UsageError(
            f"parameter {name!r} is {given!r}", hint=f"It is a {kind}, like {print_expression(declared)}."
        ) from None
    return found


# ---------------------------------------------------------------- what there is
def opened(app: Intendant, given: Mapping[str, str] | None = None) -> dict[str, Pipeline]:
    """All pipelines of the workspace; `given` fills those parameters that a pipeline has.

    Raises UsageError for a parameter that none has, LanguageError with file and line.
    """
    files, left = app.workspace.pipelines(), set(given or {})
    out = {}
    for name, path in files.items():
        text = read(path)
        own = {n: v for n, v in (given or {}).items() if n in declared(text)}
        left -= set(own)
        out[name] = pipeline(name, filled(text, own, path.name), path)
    if left:
        raise UsageError(
            f"no pipeline has a parameter {sorted(left)[0]!r}", hint="Declare it in the file: param NAME = VALUE"
        )
    return out


def one(app: Intendant, name: str, given: Mapping[str, str] | None = None) -> Pipeline:
    """One pipeline. Raises UnknownName, UsageError for a file that can't be read or a value that doesn't fit, LanguageError
    with file and line."""
    path = found_file(app, name)
    return pipeline(name, filled(read(path), given or {}, path.name), path)


def found_file(app: Intendant, name: str) -> Path:
    files = app.workspace.pipelines()
    if name not in files:
        raise UnknownName(
            f"there is no pipeline {name!r}",
            where=str(app.workspace.root / "pipelines"),
            hint=did_you_mean(name, files, "pipeline"),
        )
    return files[name]


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"{path.name} can't be read: {e}", where=str(path), hint="Save it as UTF-8.") from None


def declared(text: str) -> list[str]:
    return [m[1] for line in text.split("\n") if (m := PARAMETER.match(line))]


def pipeline(name: str, text: str, path: Path) -> Pipeline:
    try:
        plan = parse(text)
    except IntendantError as e:
        e.where = f"{path.name}, {e.where}"
        raise
    reads: set[str] = set()
    writes: set[str] = set()
    for step in plan.steps:
        reads |= {t.lower() for t in read_by(step)} - writes
        writes |= {t.lower() for t in written_by(step)}
    acted = {str(s.args["table"]).lower() for s in plan.steps if s.verb not in (*READ_ONLY, *MAKES) and s.get("table")}
    feeds = any(s.verb == "ingest" for s in plan.steps)
    return Pipeline(name, text, plan, frozenset(reads), frozenset(writes), feeds, frozenset(writes | acted))


def read_by(step: Step) -> Iterator[str]:
    """The tables that a step reads."""
    if step.get("table"):
        yield str(step.args["table"])
    for operator in step.get("operators") or ():
        if operator.get("table"):
            yield str(operator.args["table"])
    for rule in step.get("rules") or ():
        if rule.get("ref"):
            yield str(rule.args["ref"][0])


def written_by(step: Step) -> Iterator[str]:
    """The tables that a step makes or changes."""
    if step.verb == "ingest":
        yield str(step.get("target") or f"staging.{str(step.args['resource']).rpartition('.')[2]}")
    elif step.verb in MAKES:
        yield str(step.get("target") or step.args["table"])


# ---------------------------------------------------------------- order
def ordered(found: Mapping[str, Pipeline], wanted: Sequence[str] = ()) -> list[Pipeline]:
    """The pipelines (those wanted, and those that they need) so that each comes after what it reads.

    Raises UnknownName, UsageError for two that write one table and for a circle.
    """
    for name in wanted:
        if name not in found:
            raise UnknownName(f"there is no pipeline {name!r}", hint=did_you_mean(name, found, "pipeline"))
    writer: dict[str, str] = {}
    for p in found.values():
        for table in sorted(p.writes):
            if table in writer:
                raise UsageError(
                    f"{writer[table]!r} and {p.name!r} both write {table}",
                    where=f"{place_of(found[writer[table]], table)} and {place_of(p, table)}",
                    hint="One table has one pipeline: put both in one file, or write to another table by `into`.",
                )
            writer[table] = p.name
    out: list[Pipeline] = []
    above: list[str] = []

    def visit(name: str) -> None:
        if found[name] in out:
            return
        if name in above:
            ring = [*above[above.index(name) :], name]
            raise UsageError(
                f"pipelines need each other: {' -> '.join(ring)}",
                where="; ".join(link(found[a], found[b]) for a, b in pairwise(ring)),
                hint="Split one of them in two.",
            )
        above.append(name)
        for before in needs(found[name], writer):
            visit(before)
        above.pop()
        out.append(found[name])

    for name in wanted or sorted(found):
        visit(name)
    return out


def link(p: Pipeline, before: Pipeline) -> str:
    """Where a pipeline reads what another one writes: a.intent, line 2, reads x, which b.intent, line 1, writes."""
    table = min(p.reads & before.writes)
    return f"{place_of(p, table, read_by)}, reads {table}, which {place_of(before, table)}, writes"


def place_of(p: Pipeline, table: str, tables: Callable[[Step], Iterator[str]] | None = None) -> str:
    """File and line of the first step that writes a table (or that has it among other `tables` of a step)."""
    for step, tokens in zip(p.plan.steps, sentences(lex(p.text), p.text), strict=False):
        if table in {t.lower() for t in (tables or written_by)(step)}:
            return f"{p.name}.intent, line {place(p.text, tokens[0].at)[0]}"
    return f"{p.name}.intent"


def needs(p: Pipeline, writer: Mapping[str, str]) -> list[str]:
    """The pipelines that write what this one reads."""
    return sorted({writer[t] for t in p.reads if t in writer} - {p.name})


def due(app: Intendant, p: Pipeline) -> str:
    """Why a pipeline has to run, or "" when everything stands as its last run left it."""
    last = last_run(app, p)
    if last is None:
        return "it has not run yet" if not any(app.lake.exists(t) for t in p.writes) else "it is new, or was changed"
    run, seq = last
    for t in sorted(p.writes):
        if not app.lake.exists(t):
            return f"{t} is gone"
    for e in app.journal.events(kinds=CHANGES, after=seq):
        table = str(e.data.get("table", "")).lower()
        if e.run != run and table in p.reads:
            return f"{table} has changed"
        if e.run != run and table in p.writes:
            return f"{table} was changed by another run"
    return "a source feeds it" if p.feeds else ""


def last_run(app: Intendant, p: Pipeline) -> tuple[str, int] | None:
    """The newest run of this very text that succeeded, and when it was asked for in the journal's order."""
    ended = {e.run: e.data["status"] for e in app.journal.events(kinds=["run.finished"])}
    for e in app.journal.events(kinds=["intent.received"], newest=True, limit=10_000):
        if e.data.get("text") == p.text and ended.get(e.run) == "succeeded":
            return e.run, e.seq
    return None


def last_of(app: Intendant, p: Pipeline) -> tuple[str, str] | None:
    """The newest run of this pipeline that succeeded, whatever its text was then, and its plan."""
    ended = {e.run: e.data["status"] for e in app.journal.events(kinds=["run.finished"])}
    for e in app.journal.events(kinds=["intent.received"], newest=True, limit=10_000):
        own = e.data.get("text") == p.text or str(e.data.get("by", "")).endswith(named("", p.name))
        if own and ended.get(e.run) == "succeeded" and (proposed := app.journal.get(e.run, "plan.proposed")):
            return e.run, str(proposed.data["plan"])
    return None


def named(by: str, name: str) -> str:
    """Who asked for a run, with the pipeline's name: it is found again by that."""
    return f"{by}, pipeline {name}"
