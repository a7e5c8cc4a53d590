"""A table's rules: where each came from, which ones its rows would bear besides, and their way out and in as files.

Rules are declared by `check` plans alone: what is accepted or imported is one, and takes the way of every plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from intendant.checks.contracts import read_contract, write_contract
from intendant.checks.contracts.base import LeftOut, short_name
from intendant.checks.contracts.document import MOST_BYTES
from intendant.checks.rules import kinds, rule_of, rules_of, sentence_of
from intendant.checks.suggest import Suggestion, suggest
from intendant.errors import IntendantError, LakeError, UnknownName, UsageError
from intendant.language import print_step
from intendant.language.plans import looks_like_plan
from intendant.language.to_sql import find_column
from intendant.run.opinion import asking, proposed
from intendant.types import Column, Event, Json, Result, Rule, Snapshot, Step

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["accept", "exported", "imported", "rules", "suggestions"]

PAST = 10
NO_LOAD = ("quarantine", "restore", "advance")
MOST_CHARS = 15_000
"""Of one plan; more rules take several."""


def rules(app: Intendant, table: str) -> dict[str, Json]:
    """{"table", "on_failure", "rules"}: each rule's sentence, since which version, and who declared it in which words.

    Raises UnknownName.
    """
    name = app.lake.snapshot(table).table
    settings = app.lake.settings(name)
    history = app.lake.history(name)
    declared = declarations(app, name)
    columns = app.lake.snapshot(name).columns
    out = []
    for rule in rules_of(settings):
        first = declared.get(rule)
        received = app.journal.get(first.run, "intent.received") if first else None
        out.append(
            {
                "rule": sentence_of(rule),
                "type": rule.type,
                "column": rule.column or ", ".join(rule.columns),
                "since_version": since(history, first) if first else None,
                "at": first.at if first else "",
                "run_id": first.run if first else "",
                "by": received.data["by"] if received else "",
                "intent": received.data["text"][:500] if received else "",
                "problem": problem(app, rule, columns),
            }
        )
    on_failure = settings.get("on_failure") or app.workspace.policy.on_failure
    return {"table": name, "on_failure": on_failure, "rules": out}


def declarations(app: Intendant, table: str) -> dict[Rule, Event]:
    """Each rule's first declaration in the journal."""
    out: dict[Rule, Event] = {}
    for e in app.journal.events(kinds=["step.done"]):
        if e.data.get("verb") != "check" or e.data.get("table") != table:
            continue
        plan = looks_like_plan(str(e.data.get("step", "")))
        for step in (plan.steps[0].get("rules") or ()) if plan else ():
            out.setdefault(rule_of(step), e)
    return out


def since(history: Sequence[Snapshot], declared: Event) -> int | None:
    """The version that was current when the rule was declared; None once that is vacuumed."""
    at = datetime.fromisoformat(declared.at)
    earlier = [s.version for s in history if s.run != declared.run and datetime.fromisoformat(s.at) <= at]
    return max(earlier, default=None)


def problem(app: Intendant, rule: Rule, columns: Sequence[Column]) -> str:
    """Why a rule doesn't fit the table and the others as they are now, or ""."""
    try:
        kinds()[rule.type].broken(rule, columns)
        for other in kinds()[rule.type].reads(rule):
            find_column(str(rule.ref).rpartition(".")[2], app.lake.snapshot(other).columns, other)
    except IntendantError as e:
        return e.message
    return ""


# ---------------------------------------------------------------- suggested and accepted
def suggestions(app: Intendant, table: str, *, ask_model: bool = False) -> dict[str, Json]:
    """{"table", "version", "rows", "suggestions"}: rules that the rows keep already, numbered from 1, with evidence;
    `ask_model` adds those that the workspace's language model proposes.

    Raises UnknownName, Damaged; ModelError when no model is named, or it doesn't answer.
    """
    snapshot, found = suggested(app, table, ask_model=ask_model)
    return {
        "table": snapshot.table,
        "version": snapshot.version,
        "rows": snapshot.rows,
        "suggestions": [
            {
                "n": n,
                "rule": s.sentence,
                "intent": sentence(snapshot.table, [s.rule]),
                "support": s.support,
                "confidence": s.confidence,
                "breaks": s.breaks,
                "evidence": s.evidence,
            }
            for n, s in enumerate(found, 1)
        ],
    }


def suggested(app: Intendant, table: str, *, ask_model: bool = False) -> tuple[Snapshot, list[Suggestion]]:
    snapshot = app.lake.snapshot(table)
    past: list[Snapshot] = []
    for s in app.lake.history(snapshot.table):
        if s.version < snapshot.version and s.operation not in NO_LOAD and len(past) < PAST:
            with suppress(LakeError):  # a version whose files are gone tells nothing
                past.append(app.lake.snapshot(snapshot.table, s.version))
    others = {}
    for name in app.lake.names():
        if name != snapshot.table and not name.startswith("quarantine."):
            with suppress(LakeError):
                others[name] = app.lake.snapshot(name)
    declared = rules_of(app.lake.settings(snapshot.table))
    found = suggest(app.engine, snapshot.table, snapshot, past=past, others=others, declared=declared)
    if ask_model:
        known = [*declared, *(s.rule for s in found)]
        found += proposed(asking(app.workspace), app.engine, snapshot.table, snapshot, others, known)
    return snapshot, found


def accept(
    app: Intendant,
    table: str,
    numbers: Sequence[int] = (),
    *,
    on_failure: str = "",
    by: str = "api",
    ask_model: bool = False,
) -> Result:
    """Declares suggestions by one `check` plan: those of `numbers`, or all that no row breaks now.

    Raises UsageError for a number that isn't there.
    """
    snapshot, found = suggested(app, table, ask_model=ask_model)
    wrong = [n for n in numbers if not 1 <= n <= len(found)]
    if wrong:
        raise UsageError(
            f"there is no suggestion {wrong[0]}",
            where=snapshot.table,
            hint=f"`intendant rules {snapshot.table} --suggest` shows 1 to {len(found)}."
            if found
            else "There is none.",
        )
    chosen = [found[n - 1].rule for n in dict.fromkeys(numbers)] or [s.rule for s in found if not s.breaks]
    if not chosen:
        return Result("succeeded", reason=f"there is nothing to accept for {snapshot.table}")
    return app.do(sentence(snapshot.table, chosen, on_failure), by=f"{by}, suggested by the data")


def sentence(table: str, chosen: Sequence[Rule], on_failure: str = "") -> str:
    """`check TABLE for RULES [on failure ...]`."""
    steps = tuple(kinds()[r.type].step(r) for r in chosen)
    failing = {"on_failure": on_failure} if on_failure else {}
    return print_step(Step("check", {"table": table, "rules": steps, **failing}))


# ---------------------------------------------------------------- out and in
def exported(app: Intendant, table: str, form: str) -> dict[str, Json]:
    """{"table", "format", "text", "rules", "left_out"}: the rules as a file of another tool, and what it can't say.

    Raises UnknownName for a table or a format that isn't there.
    """
    snapshot = app.lake.snapshot(table)
    kept, left = [], []
    for rule in rules_of(app.lake.settings(snapshot.table)):
        if why := problem(app, rule, snapshot.columns):
            left.append(LeftOut(sentence_of(rule), why))
        else:
            kept.append(rule)
    made = write_contract(form, snapshot.table, snapshot.columns, kept)
    left += made.left_out
    return {
        "table": snapshot.table,
        "format": form,
        "text": made.text,
        "rules": len(kept) - len(made.left_out),
        "left_out": [x.as_dict() for x in left],
    }


def imported(app: Intendant, table: str, file: Path, *, on_failure: str = "", by: str = "api") -> dict[str, Json]:
    """Declares the rules of a file by `check` plans: {"table", "format", "file", "imported", "left_out", "result"}.

    `result` is that of the (last) run, None when no rule of the file fits the table. Raises UsageError (with the file's
    line), UnknownName.
    """
    snapshot = app.lake.snapshot(table)
    form, read = read_contract(text_of(file), file.name, snapshot.table)
    left, fitting = list(read.left_out), []
    for rule in (located(app, r, snapshot.table) for r in read.rules):
        why = problem(app, rule, snapshot.columns)
        if not why and len(sentence(snapshot.table, [rule])) > MOST_CHARS:
            why = "it is too long for a sentence"
        if why:
            left.append(LeftOut(sentence_of(rule), why))
        else:
            fitting.append(rule)
    result: Result | None = None
    for part in parted(snapshot.table, fitting):
        text = sentence(snapshot.table, part, on_failure)
        result = app.do(text, by=f"{by}, imported from {file.name} ({form})")
        if result.status not in ("succeeded", "rolled_back"):
            break
    return {
        "table": snapshot.table,
        "format": form,
        "file": str(file),
        "imported": [sentence_of(r) for r in fitting],
        "left_out": [x.as_dict() for x in left],
        "result": result.as_dict() if result else None,
    }


def text_of(file: Path) -> str:
    try:
        with file.open("rb") as f:
            return f.read(MOST_BYTES + 1).decode("utf-8-sig")
    except OSError as e:
        raise UsageError(f"{str(file)!r} can't be read: {e.strerror}", hint="Check the path.") from None
    except UnicodeDecodeError as e:
        raise UsageError(f"{file.name!r} isn't UTF-8 (byte {e.start:,})", hint="Save it as UTF-8.") from None


def located(app: Intendant, rule: Rule, table: str) -> Rule:
    """The rule with its column in true case, and with the table of ours that a file's reference means."""
    fields = dict(rule.__dict__)
    columns = app.lake.snapshot(table).columns
    with suppress(UnknownName):
        if rule.column:
            fields["column"] = find_column(rule.column, columns).name
        fields["columns"] = tuple(find_column(c, columns).name for c in rule.columns)
    if rule.ref:
        other, _, column = rule.ref.rpartition(".")
        same = [t for t in app.lake.names() if short_name(t).lower() == short_name(other).lower()]
        near = [t for t in same if t.lower() == other.lower()] or [t for t in same if not t.startswith("quarantine.")]
        if near:
            fields["ref"] = f"{near[0]}.{column}"
    return Rule(**fields)


def parted(table: str, chosen: Sequence[Rule]) -> list[list[Rule]]:
    """The rules in as many groups as plans are needed for."""
    out: list[list[Rule]] = []
    for rule in chosen:
        if out and len(sentence(table, [*out[-1], rule])) <= MOST_CHARS:
            out[-1].append(rule)
        else:
            out.append([rule])
    return out
