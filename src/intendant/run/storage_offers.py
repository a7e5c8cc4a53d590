"""Room that is offered when the lake nears its quota: each way measured, ranked by the storage agent, put to a person."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from intendant.agents.storage import Offer, StorageAgent
from intendant.errors import IntendantError
from intendant.language import parse
from intendant.operators._compile import Typing
from intendant.run.prepare import prepare
from intendant.run.rules import reaction_to
from intendant.run.storage_room import candidates
from intendant.types import Event, Json

if TYPE_CHECKING:
    from intendant.run.journal import Journal
    from intendant.run.loop import Loop

__all__ = ["offer"]

NEAR = 0.8
"""The share of the quota from which room is offered."""
BY = "storage agent"
AGAIN_DAYS = 7
"""What a person said no to isn't offered again for so long."""
MOST = 8

Tell = Callable[[str, str, Mapping[str, Json]], None]


def offer(loop: Loop, run_id: str, tell: Tell) -> None:
    """Near the quota: a fact, and a plan for each way to make room, which waits for a person's yes.

    While such plans wait, none is added; those on a table whose rows a run has changed since are taken back first.
    """
    outdated(loop, run_id)
    used, quota = loop.lake.size(), loop.workspace.policy.quota_gb * 1e9
    if used <= NEAR * quota:
        return
    facts: dict[str, Json] = {"used_bytes": used, "quota_bytes": quota, "share": round(used / quota, 3)}
    tell("storage", "storage.near_capacity", facts)
    if reaction_to("storage.near_capacity", facts) != "agent:storage":
        return
    if waiting(loop.journal):
        return
    agent, refused = StorageAgent(), rejected(loop.journal)
    offers = agent.offers({**facts, "candidates": candidates(loop)})
    n = 0
    for o in offers:
        if n < MOST and o.intent not in refused and put(loop, run_id, n, o, facts, tell):
            n += 1
    if not n:
        tell(
            "storage.why",
            "storage.full",
            {"why": agent.decide("storage.near_capacity", facts, loop.knowledge.catalog()).why},
        )


def put(loop: Loop, run_id: str, n: int, o: Offer, facts: Mapping[str, Json], tell: Tell) -> bool:
    """A run of its own that waits for its approval; False where the plan doesn't fit the tables."""
    try:
        prepared = prepare(o.intent, parse(o.intent), loop.knowledge, Typing(loop.engine, loop.lake.snapshot), 1.0)
    except IntendantError:
        return False
    own = f"{run_id}-room-{hashlib.sha256(o.intent.encode()).hexdigest()[:6]}"
    why = f"{o.why} (the lake holds {facts['share']:.0%} of its quota)"
    said = {
        "intent": o.intent,
        "why": why,
        "agent": "storage",
        "bytes": o.bytes,
        "kind": o.kind,
        "table": o.table,
        "rank": n + 1,
    }
    needs = "; ".join(dict.fromkeys([why, *filter(None, prepared.needs_approval.split("; "))]))
    loop.journal.append_all(own, [
        ("intent.received", "intent.received", {"text": o.intent, "by": BY}),
        ("plan.proposed", "plan.proposed",
         {"plan": prepared.rendered, "intent": o.intent, "confidence": 1.0, "needs_approval": needs}),
        ("proposal", "proposal.made", said),
        ("approval", "approval.requested", {"start": 0, "why": needs, "plan": prepared.rendered, "kind": "plan"}),
        ("finished.waiting_approval", "run.finished", {"status": "waiting_approval"}),
    ])  # fmt: skip
    loop.watch("proposal.made", said)
    return True


def ours(journal: Journal) -> list[Event]:
    return [
        e for e in journal.events(kinds=["proposal.made"]) if e.key == "proposal" and e.data.get("agent") == "storage"
    ]


def waiting(journal: Journal) -> list[Event]:
    """The offers that nobody has decided about."""
    if not (made := ours(journal)):
        return []
    decided = {e.run for e in journal.events(kinds=["approval.granted", "approval.rejected"])}
    return [e for e in made if e.run not in decided]


def rejected(journal: Journal) -> set[str]:
    """What a person said no to lately."""
    edge = (datetime.now(UTC) - timedelta(days=AGAIN_DAYS)).isoformat()
    no = {e.run for e in journal.events(kinds=["approval.rejected"]) if e.at > edge and e.data["by"] != BY}
    return {e.data["intent"] for e in ours(journal) if e.run in no}


def outdated(loop: Loop, run_id: str) -> None:
    """Takes back the offers on tables that this run wrote or cleaned: what was measured is no longer so."""
    kinds = ["table.published", "table.vacuumed", "table.dropped", "step.done"]
    events = loop.journal.events(run_id, kinds=kinds)
    changed = {str(e.data.get("table", "")).lower() for e in events}
    changed |= {o["table"].lower() for e in events for o in e.data.get("outputs", ())}
    for e in waiting(loop.journal):
        request = loop.journal.get(e.run, "approval")
        if request is not None and str(e.data["table"]).lower() in changed:
            loop.journal.append_all(e.run, [
                (f"rejected.{request.seq}", "approval.rejected", {"by": BY, "request": request.seq, "why": "measured anew"}),
                (f"finished.rejected.{request.seq}", "run.finished", {"status": "rolled_back"}),
            ])  # fmt: skip
