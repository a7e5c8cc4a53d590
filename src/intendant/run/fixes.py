"""What a check found, mended: its mends as one plan, and afterwards the check again; what made it worse is taken back.

The plan takes the way of every plan: preview, policy, journal, versions. Once it has run, the table is held against the
version before it; more findings, more missing or doubtful cells, or more rows gone than the findings named undo the run.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from intendant import checks
from intendant.checks.rules import kinds, rules_of
from intendant.checks.split import bad_rows_sql, free_name
from intendant.checks.subject import examine
from intendant.checks.summary import measured
from intendant.engines.base import quoted
from intendant.errors import IntendantError, PolicyError, UsageError
from intendant.language.plans import parse
from intendant.operators._compile import Typing, apply, sql_text
from intendant.run.prepare import Prepared, prepare
from intendant.run.undo import UNDO, Tell
from intendant.types import Event, Finding, Json, Plan, Result, Snapshot, Stamp, Step

if TYPE_CHECKING:
    from intendant.app import Intendant
    from intendant.run.loop import Loop

__all__ = ["Asked", "asks_for_fixes", "give_back_rules", "look_again", "planned", "sentence", "told"]

DO = r"(?:please\s+)?(?:fix|repair|mend|clean(?:\s+up)?|correct)"
FOUND = r"(?:what(?:ever)?\s+you(?:'ve|\s+have)?\s+found|what\s+the\s+(?:last\s+)?check\s+found)"
THINGS = r"(?:data\s+)?(?:quality\s+)?(?:problems?|findings?|issues?|faults?)"
YOURS = r"(?P<yours>\s+(?:that\s+)?you(?:'ve|\s+have)?\s+found)?"
ALL = r"(?:all\s+(?:of\s+)?(?:(?:the|these|those)\s+)?|(?:the|these|those)\s+)"
NUMBERS = r"findings?\s+(?P<only>\d+(?:\s*(?:,|and)\s*\d+)*)"
WHERE = r"(?:\s+(?:in|of|with|on)\s+(?:the\s+)?(?:table\s+)?(?P<table>\S(?:.*\S)?))?"
ASKS = re.compile(rf"{DO}\s+(?:(?P<found>{FOUND})|{NUMBERS}|{ALL}{THINGS}{YOURS}){WHERE}", re.I)
REMOVES = frozenset(("drop_missing", "drop_duplicates", "drop_rows", "filter", "distinct"))
MOST_CHANGES = 200
RULES = ("rules", "on_failure")


@dataclass(frozen=True)
class Asked:
    """A request for mends of a table's findings; `only` are their numbers, from 1 (all when empty).

    `told`: just those that a check has told of already, if one has.
    """

    table: str
    only: tuple[int, ...] = ()
    told: bool = False


def asks_for_fixes(text: str, tables: Collection[str], last: str | None = None) -> Asked | None:
    """What a sentence asks to mend, None unless it plainly asks for that: fix what you found in staging.orders.

    The table is one of `tables`; without a name it is `last`, the one checked last.
    """
    said = ASKS.fullmatch(text.strip().rstrip(".!").strip())
    if not said:
        return None
    only = tuple(map(int, re.findall(r"\d{1,6}", said["only"] or "")))
    name, told = said["table"], bool(said["found"] or said["yours"])
    if name is None:
        return Asked(last, only, told) if last else None
    name = name.strip("\"'`")
    exact = [t for t in tables if t == name] or [t for t in tables if t.lower() == name.lower()]
    return Asked(exact[0], only, told) if len(exact) == 1 else None


def sentence(table: str, only: Sequence[int] = ()) -> str:
    """The sentence that asks for a table's mends."""
    return f"fix findings {', '.join(map(str, only))} in {table}" if only else f"fix all findings in {table}"


# ---------------------------------------------------------------- before
def planned(app: Intendant, text: str) -> Prepared | Result | None:
    """The plan that a request for mends means; None when the text is no such request, a Result when nothing is to mend.

    The findings are those of a check made now; where the text speaks of what was found, just those that the last check of
    this version told of, if it told of any.
    Raises UsageError for a number that no finding has.
    """
    if not ASKS.fullmatch(text.strip().rstrip(".!").strip()):
        return None
    last = last_check(app)
    asked = asks_for_fixes(text, app.lake.names(), str(last.data["table"]) if last else None)
    if asked is None or not app.lake.exists(asked.table):
        return None
    snapshot = app.lake.snapshot(asked.table)
    found, before = looked(app.loop, snapshot)
    if asked.told:
        found = told_last(app, snapshot, found)
    if wrong := [n for n in asked.only if not 1 <= n <= len(found)]:
        raise UsageError(
            f"there is no finding {wrong[0]} in {snapshot.table!r}",
            hint=f"They are numbered 1 to {len(found)}." if found else "Nothing was found in it.",
        )
    chosen = [f for n, f in enumerate(found, 1) if not asked.only or n in asked.only]
    mended = [f for f in chosen if f.mend]
    if not mended:
        said = f"none of the {len(chosen)} findings has a mend" if chosen else "nothing was found that needs mending"
        return Result("succeeded", intent=text[:2000], reason=f"{snapshot.table}: {said}", findings=dicts(chosen))
    return mend_plan(app, text, snapshot, mended, [f for f in chosen if not f.mend], before)


def mend_plan(
    app: Intendant, text: str, snapshot: Snapshot, found: Sequence[Finding], unmended: Sequence[Finding],
    before: Mapping[str, Json],
) -> Prepared:  # fmt: skip
    """The mends as one plan, as many of them as fit after each other; rows go first, so that just those named go."""
    typing = Typing(app.engine, app.lake.snapshot)
    taken: list[Finding] = []
    later: list[Finding] = []
    prepared: Prepared | None = None
    for f in sorted(found, key=lambda f: not removes(f)):
        if f.mend in {t.mend for t in taken}:
            taken.append(f)
            continue
        steps = merged([s for m in dict.fromkeys(t.mend for t in (*taken, f)) for s in parse(m).steps])
        try:
            prepared = prepare(text, Plan(steps), app.knowledge, typing, 1.0)
            taken.append(f)
        except IntendantError:
            later.append(f)
    if prepared is None:
        said = f"none of the mends of {snapshot.table!r} fits it as it is"
        raise PolicyError(said, hint=f"`intendant check {snapshot.table}` shows them; run them one by one.")
    notes = [f"mend finding: {f.evidence}" for f in taken]
    notes += [f"leave for another time, since it doesn't fit after these: {f.evidence}" for f in later]
    notes += [f"leave alone, since no sentence mends it: {f.evidence}" for f in unmended]
    facts: dict[str, Json] = {
        "table": snapshot.table,
        "before": dict(before),
        "findings": dicts(taken),
        "may_lose": named(app, snapshot, [f for f in taken if removes(f)]),
        "settings": {k: v for k, v in app.lake.settings(snapshot.table).items() if k in RULES},
    }
    return replace(prepared, preview=[*prepared.preview, *notes], fixes=facts)


def merged(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Neighbouring transforms of the table as one, so that they make one version."""
    out: list[Step] = []
    for step in steps:
        if out and out[-1].verb == step.verb == "transform" and not step.get("target"):
            operators = (*out[-1].args["operators"], *step.args["operators"])
            out[-1] = Step("transform", {**out[-1].args, "operators": operators})
        else:
            out.append(step)
    return tuple(out)


def removes(f: Finding) -> bool:
    """Whether a finding's mend takes its rows out of the table (a `check` puts them into quarantine)."""
    return any(s.verb == "check" or {o.verb for o in s.get("operators") or ()} & REMOVES for s in parse(f.mend).steps)


def named(app: Intendant, snapshot: Snapshot, found: Sequence[Finding]) -> int:
    """How many rows these findings are about, each row once."""
    predicates = [f.where for f in found if f.where]
    if not predicates:
        return 0
    others = {
        t: app.lake.snapshot(t) for t in app.lake.names() if any(quoted(t.rpartition(".")[2]) in p for p in predicates)
    }
    bad = bad_rows_sql(app.engine, snapshot.table, snapshot, predicates)
    rows = app.engine.rows(f"SELECT count(*) FROM ({bad}) AS b", {**others, snapshot.table: snapshot})[1]
    return int(rows[0][0])


def looked(loop: Loop, snapshot: Snapshot) -> tuple[list[Finding], dict[str, Json]]:
    """What is wrong with a version, and its measures: rows, findings, and the shares and counts of bad cells."""
    declared = rules_of(loop.lake.settings(snapshot.table))
    read = [t for r in declared for t in kinds()[r.type].reads(r)]
    others = checks.parents(snapshot, loop.lake.names(), loop.lake.snapshot, read)
    broken = checks.audit(loop.engine, snapshot.table, snapshot, declared, others)
    found = [*broken, *checks.detect(loop.engine, snapshot.table, snapshot, others=others)]
    report = checks.report(loop.engine, snapshot.table, snapshot, found, others=others)
    with examine(loop.engine, snapshot.table, snapshot, others=others) as subject:
        missing, touched = measured(subject, found) if snapshot.rows and snapshot.columns else (0, 0)
    return found, {
        "version": snapshot.version,
        "rows": snapshot.rows,
        "findings": len(found),
        "completeness": report.completeness,
        "consistency": report.consistency,
        "missing_cells": missing,
        "doubtful_cells": touched,
    }


def last_check(app: Intendant) -> Event | None:
    events = app.journal.events(kinds=["step.done"], newest=True, limit=500)
    return next((e for e in events if e.data.get("verb") == "check" and e.data.get("table")), None)


def told_last(app: Intendant, snapshot: Snapshot, found: list[Finding]) -> list[Finding]:
    """Just what the last check of this version told of; everything when none looked at it, or it told of nothing."""
    for e in app.journal.events(kinds=["step.done", "table.published", "table.rolled_back"], newest=True, limit=500):
        if snapshot.table not in (e.data.get("table"), *(o["table"] for o in e.data.get("outputs", ()))):
            continue
        if e.data.get("verb") != "check" or e.data.get("outputs"):
            return found
        known = {(f["check"], f["column"], f["evidence"]) for f in e.data.get("findings", ())}
        told_of = [f for f in found if (f.check, f.column, f.evidence) in known]
        return told_of if told_of and len(told_of) == len(known) else found
    return found


def dicts(found: Sequence[Finding]) -> tuple[dict[str, Json], ...]:
    return tuple(f.as_dict() for f in found)


# ---------------------------------------------------------------- after
def look_again(loop: Loop, run_id: str, tell: Tell) -> dict[str, Json]:
    """Tells how a run's mends left the table, beside the version before them: {"worse": what got worse, or ""}.

    It looks at the run's own last version, so that asking again after it was taken back gives the same answer.
    """
    begun = loop.journal.get(run_id, "fix.begun")
    assert begun is not None
    table = str(begun.data["table"])
    ours = [s.version for s in loop.lake.history(table) if s.run == run_id and not s.step.startswith(UNDO)]
    if not ours:
        return {"worse": ""}
    then, before = loop.lake.snapshot(table, min(ours) - 1), begun.data["before"]
    if before["version"] != then.version:  # another run came between the preview and this one
        before = looked(loop, then)[1]
    found, after = looked(loop, loop.lake.snapshot(table, max(ours)))
    why = worse(before, after, int(begun.data["may_lose"]))
    left = list(begun.data["findings"]) if why else [f.as_dict() for f in found]
    facts = {"table": table, "before": before, "after": after, "worse": why, "findings": left}
    tell("fix.settled", "fix.settled", {**facts, "changes": changed(loop, run_id, then)})
    return {"worse": why}


def give_back_rules(loop: Loop, run_id: str) -> None:
    """The rules that a table had before a run of mends, if it is one: undoing a run leaves those that it declared."""
    begun = loop.journal.get(run_id, "fix.begun")
    if begun is None:
        return
    table = str(begun.data["table"])
    kept = {k: v for k, v in loop.lake.settings(table).items() if k not in RULES}
    loop.lake.set_settings(table, {**kept, **begun.data["settings"]}, Stamp(run_id, f"{UNDO}fix"))


def worse(before: Mapping[str, Json], after: Mapping[str, Json], may_lose: int) -> str:
    """What got worse, or ""; shares may fall when whole rows go, so cells are counted."""
    out = [
        f"{name.replace('_', ' ')} went from {before[name]:,} to {after[name]:,}"
        for name in ("findings", "missing_cells", "doubtful_cells")
        if after[name] > before[name]
    ]
    lost = before["rows"] - after["rows"]
    if lost > may_lose:
        out.append(f"{lost:,} rows went, {may_lose:,} were named")
    return "; ".join(out)


def changed(loop: Loop, run_id: str, then: Snapshot) -> list[dict[str, Json]]:
    """Per column that was computed anew, the old and the new values with how many rows each: {"column", "rows", "values"}.

    At most MOST_CHANGES pairs a column; a column that was computed anew twice, or after rows had gone, is left out.
    """
    proposed = loop.journal.get(run_id, "plan.proposed")
    assert proposed is not None
    operators = [o for s in parse(proposed.data["plan"]).steps if s.verb == "transform" for o in s.args["operators"]]
    derived = [o for o in operators if o.verb == "derive"]
    names = [str(o.args["name"]) for o in derived]
    catalog = loop.knowledge.catalog().with_table(then.table, then.columns)
    out = []
    for o in derived:
        column = next((c.name for c in then.columns if c.name.lower() == str(o.args["name"]).lower()), None)
        if column is None or names.count(str(o.args["name"])) > 1:
            continue
        fresh = free_name("_new", then.columns)
        try:
            anew = Step("derive", {"name": fresh, "value": o.args["value"]})
            relation = apply(then.table, (anew,), catalog, Typing(loop.engine, loop.lake.snapshot), "")
            out.append(pairs(loop, then, column, fresh, sql_text(relation.query)))
        except IntendantError:  # it builds on a column that the plan made before
            continue
    return out


def pairs(loop: Loop, then: Snapshot, column: str, fresh: str, sql: str) -> dict[str, Json]:
    """The values of a column beside those computed anew, where they differ."""
    sides = ", ".join(f"CAST({quoted(c)} AS VARCHAR) AS {side}" for c, side in ((column, "a"), (fresh, "b")))
    query = f"SELECT a, b, count(*) AS n FROM (SELECT {sides} FROM ({sql}) AS x) AS y WHERE a IS DISTINCT FROM b"
    found = loop.engine.rows(f"{query} GROUP BY 1, 2 ORDER BY n DESC, 1, 2", {then.table: then})[1]
    values = [{"was": a, "is": b, "rows": int(n)} for a, b, n in found[:MOST_CHANGES]]
    return {"column": column, "rows": sum(int(n) for _, _, n in found), "values": values}


def told(result: Result, events: Sequence[Event]) -> Result:
    """A run's result with what its mends came to: before and after, the findings that are left, why it was taken back."""
    settled = next((e.data for e in events if e.kind == "fix.settled"), None)
    if settled is None:
        return result
    before, after = settled["before"], settled["after"]
    names = ("findings", "completeness", "consistency", "rows")
    answer = {"columns": ["measure", "before", "after"], "rows": [[n, before[n], after[n]] for n in names]}
    if settled["worse"]:
        reason = f"the mends made it worse, so they were taken back: {settled['worse']}"
    else:
        reason = f"{before['findings']} findings before, {after['findings']} after"
    return replace(result, answer=answer, reason=reason, findings=tuple(settled["findings"]))
