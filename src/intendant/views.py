"""The verbs that look: tables, versions, lineage, runs, approvals. They change no table; a query that ran is noted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from intendant.actions.query import jsonable
from intendant.catalog import Catalog
from intendant.engines.duckdb import DuckDB
from intendant.errors import Damaged
from intendant.lake import Lake
from intendant.run.journal import Journal
from intendant.run.knowledge import Knowledge
from intendant.run.storage import takes
from intendant.types import Event, Json
from intendant.workspace import Workspace

if TYPE_CHECKING:
    from intendant.run.state_team import Team

__all__ = ["Views"]


class Views:
    """What there is in a workspace; `Intendant` adds what changes it."""

    workspace: Workspace
    engine: DuckDB
    lake: Lake
    journal: Journal
    knowledge: Knowledge
    team: Team | None

    def catalog(self) -> Catalog:
        return self.knowledge.catalog()

    def sql(self, statement: str) -> dict[str, Json]:
        """Read-only SQL on the lake: {"columns", "rows"}. Raises SqlRefused, EngineError."""
        from intendant.actions.optimize import filtered_columns
        from intendant.engines.readonly import checked, query

        started = time.perf_counter()
        names, rows = query(self.lake, self.engine, statement)
        ms = round((time.perf_counter() - started) * 1000, 1)
        for table in checked(statement, self.lake.names())[1]:
            fact = {"table": table, "filters": filtered_columns(statement), "ms": ms, "sql": statement[:5000]}
            self.journal.append("", f"sql {time.time_ns()} {table}", "query.ran", fact)
            if ms > self.workspace.thresholds.slow_query_ms:
                self._tell_slow(table, ms)
        return {"columns": names, "rows": [[jsonable(v) for v in r] for r in rows]}

    def _tell_slow(self, table: str, ms: float) -> None:
        """A slow query is a fact; the agent that the rules name for it proposes what follows."""
        from intendant.agents import deciders
        from intendant.run.rules import reaction_to

        fact = {"table": table, "ms": ms}
        key = f"slow {time.time_ns()}"
        self.journal.append("", key, "performance.degraded", fact)
        agent = str(reaction_to("performance.degraded", fact)).removeprefix("agent:")
        decision = deciders()[agent].decide("performance.degraded", fact, self.catalog())
        for n, intent in enumerate(decision.intents):
            self.journal.append(
                "", f"{key} {n}", "proposal.made", {"intent": intent, "why": decision.why, "agent": agent}
            )

    def tables(self) -> list[dict[str, Json]]:
        """[{"name", "version", "rows"}]"""
        return [self._listed(name) for name in self.lake.names()]

    def _listed(self, name: str) -> dict[str, Json]:
        """A table of the list; a damaged one says so instead of hiding the others."""
        try:
            s = self.lake.snapshot(name)
        except Damaged as e:
            return {"name": name, "version": None, "rows": None, "damaged": str(e)}
        return {"name": s.table, "version": s.version, "rows": s.rows}

    def show(self, table: str) -> dict[str, Json]:
        """Everything about a table, in the shape of the contract. Raises UnknownName."""
        snapshot = self.lake.snapshot(table)
        settings, quarantine = self.lake.settings(snapshot.table), f"quarantine.{snapshot.table}"
        schedule = next((s for s in self.schedules() if s["target"] == snapshot.table), None)
        return {
            "name": snapshot.table,
            "version": snapshot.version,
            "rows": snapshot.rows,
            "columns": {c.name: c.type for c in snapshot.columns},
            "partition_by": list(settings.get("partition_by") or ()),
            "sort_by": list(settings.get("sort_by") or ()),
            "indexes": [],
            "rules": list(settings.get("rules") or ()),
            "on_failure": settings.get("on_failure") or self.workspace.policy.on_failure,
            "retention_days": settings.get("retention_days"),
            "snapshots": settings.get("snapshots") or len(self.lake.history(snapshot.table)),
            "schedule": {"cron": schedule["cron"], "timezone": schedule["timezone"]} if schedule else None,
            "quarantined_rows": self.lake.snapshot(quarantine).rows if self.lake.exists(quarantine) else 0,
            **takes(self, snapshot.table),
            "made_by": settings.get("made_by", ""),
        }

    def history(self, table: str) -> list[dict[str, Json]]:
        """The table's versions, newest first, with the run, the step and the sentence behind each. Raises UnknownName."""
        name = self.lake.snapshot(table).table
        published = {
            (e.data["table"], e.data.get("version")): e for e in self.journal.events(kinds=["table.published"])
        }
        said = {e.run: e.data["text"] for e in self.journal.events(kinds=["intent.received"])}
        out = []
        for s in self.lake.history(name):
            e = published.get((name, s.version))
            out.append(
                {
                    "version": s.version,
                    "at": s.at,
                    "rows": s.rows,
                    "bytes": s.bytes,
                    "operation": s.operation,
                    "run_id": s.run,
                    "step": e.data.get("step", "") if e else "",
                    "intent": e.data.get("intent", said.get(e.run, "")) if e else "",
                }
            )
        return out

    def lineage(self, name: str) -> dict[str, Json]:
        """Where a table or "table.column" came from, up to source and sentence. Raises UnknownName."""
        from intendant.run.lineage import lineage

        tables = {t: [c.name for c in self.lake.snapshot(t).columns] for t in self.lake.names()}
        return lineage(self.journal, name, tables).as_dict()

    def sources(self) -> list[dict[str, Json]]:
        """[{"name", "kind", "resources", "limits"}]; contacts no source that is known already."""
        catalog = self.knowledge.learn_all()
        limits = self.knowledge.limits()
        return [
            {
                "name": n,
                "kind": k,
                "resources": [r.name for r in catalog.resources.values() if r.source == n],
                "limits": [
                    {"source": x["source"], x["what"]: x["count"], "per_seconds": x["per_seconds"]}
                    for x in limits
                    if x["source"].partition(".")[0] == n
                ],
            }
            for n, k in catalog.sources.items()
        ]

    def runs(self, limit: int = 50) -> list[dict[str, Json]]:
        """The last runs, newest first: [{"run_id", "at", "intent", "status"}]"""
        received = self.journal.events(kinds=["intent.received"], newest=True, limit=limit)
        ended = {e.run: e.data["status"] for e in self.journal.events(kinds=["run.finished"])}
        return [
            {
                "run_id": e.run,
                "at": e.at,
                "intent": e.data["text"],
                "by": e.data["by"],
                "status": ended.get(e.run, "running"),
            }
            for e in received
        ]

    def events(self, after: int = 0, run: str | None = None) -> list[Event]:
        """Facts of the journal in order."""
        return self.journal.events(run, after=after)

    def follow(self, after: int = 0) -> Iterator[Event]:
        """Facts as they come, for ever."""
        while True:
            for e in self.journal.events(after=after):
                after = e.seq
                yield e
            time.sleep(0.2)

    def approvals(self) -> list[dict[str, Json]]:
        """What waits for a person: [{"id", "run_id", "why", "plan", "intent", "at"}]"""
        decided = {
            (e.run, e.data["request"])
            for e in self.journal.events(kinds=["approval.granted", "approval.rejected"])
            if "request" in e.data
        }
        return [
            {
                "id": f"{e.run}.{e.seq}",
                "run_id": e.run,
                "why": e.data["why"],
                "plan": e.data["plan"],
                "kind": e.data["kind"],
                "at": e.at,
            }
            for e in self.journal.events(kinds=["approval.requested"])
            if (e.run, e.seq) not in decided
        ]

    def workers(self) -> list[dict[str, Json]]:
        """Who runs things where the state is shared: [{"name", "host", "pid", "serves", "lease_s", "running"}]"""
        return self.team.workers() if self.team is not None else []

    def schedules(self) -> list[dict[str, Json]]:
        """[{"target", "plan", "cron", "timezone", "next"}]"""
        from intendant.run.schedules import schedules

        return schedules(self.journal)
