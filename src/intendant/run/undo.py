"""Undo: what a run did to tables and schedules is taken back, newest first, as new versions; nothing is erased.

What to take back is read from the tables' own history (every commit carries its run), so it is right after any crash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from intendant.lake import Lake
from intendant.run.journal import Journal
from intendant.types import Event, Json, Snapshot, Stamp

__all__ = ["LAYOUT", "Undo"]

Tell = Callable[[str, str, Mapping[str, Json]], object]
UNDO = "undo "
LAYOUT = ("partition_by", "sort_by", "made_by")


class Undo:
    """Takes back one run. Doing it again does nothing more. `tell(key, kind, data)` records what was done."""

    def __init__(self, lake: Lake, journal: Journal, run: str, tell: Tell) -> None:
        self.lake, self.journal, self.run, self.tell = lake, journal, run, tell

    def all(self) -> None:
        """Raises LakeError when an earlier version is no longer there."""
        events = self.journal.events(self.run)
        for e in events:
            if e.kind == "data.ready":
                self.stage(e.data["table"], e.key.partition(".")[0])
        drops = [e.data["table"] for e in reversed(events) if e.kind == "table.dropped"]
        for table in drops:
            self.dropped(table)
        for table in touched(events):
            self.versions(table, events)
        for table in drops:  # one whose place a table of this run had taken
            self.dropped(table)
        for e in reversed([e for e in events if e.kind == "retention.set"]):
            self.retention(e.data)
        for e in reversed([e for e in events if e.kind == "schedule.set" and not e.key.startswith("undo.")]):
            self.schedule(e)

    def stage(self, table: str, step: str) -> None:
        """Rows that were kept for a person's decision are not needed any more."""
        for name in (table, f"quarantine.{table}"):
            if stage := self.lake.reopen(name, Stamp(self.run, step)):
                stage.discard()

    def versions(self, table: str, events: list[Event]) -> None:
        """Returns a table to what it was before the run's first version of it; a table that the run made goes."""
        stamp = Stamp(self.run, f"{UNDO}{table}")
        if not self.lake.exists(table):
            for d in self.lake.dropped():
                if (d.table.lower(), d.run, d.step) == (table.lower(), stamp.run, stamp.step):
                    self.told(table, [e.data["version"] for e in published(events, table)], None)
            return
        history = self.lake.history(table)
        ours = [s for s in history if s.run == self.run and not s.step.startswith(UNDO)]
        if not ours:
            return
        first = min(s.version for s in ours)
        if self.others_followed(history, first):
            self.tell(f"kept.{table}", "table.kept", {"table": table, "version": history[0].version, "why": OTHERS})
            return
        if first == 0:
            self.lake.drop(table, stamp)
        else:
            self.lake.restore(table, first - 1, stamp)
            self.settings(table, events, stamp)
        self.told(table, [s.version for s in ours], first - 1 if first else None)

    def others_followed(self, history: list[Snapshot], first: int) -> bool:
        return any(s.version > first and s.run != self.run for s in history)

    def told(self, table: str, versions: list[int], to: int | None) -> None:
        for version in sorted(versions, reverse=True):
            self.tell(
                f"undo.{table}.{version}", "table.rolled_back", {"table": table, "undone": version, "to": to}
            )

    def settings(self, table: str, events: list[Event], stamp: Stamp) -> None:
        """The layout that the table had before the run's first publish of it."""
        before = next((e.data["layout_before"] for e in published(events, table) if "layout_before" in e.data), None)
        if before is not None:
            now = self.lake.settings(table)
            kept = {k: v for k, v in now.items() if k not in LAYOUT}
            if (wanted := {**kept, **before}) != now:
                self.lake.set_settings(table, wanted, stamp)

    def retention(self, said: Mapping[str, Json]) -> None:
        """How much of the table's past was to be kept before; nothing was cleaned while the run was on its way."""
        if self.lake.exists(said["table"]):
            now = self.lake.settings(said["table"])
            if (wanted := {**now, **said["was"]}) != now:
                self.lake.set_settings(said["table"], wanted, Stamp(self.run, f"{UNDO}{said['table']}"))

    def dropped(self, table: str) -> None:
        """Brings back a table that the run dropped, unless somebody has made one of that name since."""
        if self.lake.exists(table):
            return
        for d in self.lake.dropped():
            if d.table.lower() == table.lower() and d.run == self.run and not d.step.startswith(UNDO):
                back = self.lake.undrop(table, Stamp(self.run, f"{UNDO}{table}"), dropped_by=Stamp(d.run, d.step))
                self.tell(
                    f"undo.drop.{table}",
                    "table.rolled_back",
                    {"table": table, "undone": None, "to": back.version},
                )
                return

    def schedule(self, event: Event) -> None:
        """The schedule that the target had before, or none."""
        target = event.data["target"]
        earlier = [e for e in self.journal.events(kinds=["schedule.set", "schedule.removed"]) if e.seq < event.seq]
        last = next((e for e in reversed(earlier) if e.data["target"] == target), None)
        if last is not None and last.kind == "schedule.set":
            self.tell(f"undo.schedule.{event.seq}", "schedule.set", last.data)
        else:
            self.tell(f"undo.schedule.{event.seq}", "schedule.removed", {"target": target})


OTHERS = "later runs have built on this run's version; `restore` it by hand if that is what you want"


def touched(events: list[Event]) -> list[str]:
    """The tables that a run may have committed to, newest first, their quarantines first of all."""
    tables = [e.data["table"] for e in events if isinstance(e.data.get("table"), str)]
    tables += [o["table"] for e in events for o in e.data.get("outputs", ()) if e.kind == "step.done"]
    own = list(dict.fromkeys(reversed(tables)))
    return [q for t in own if not t.startswith("quarantine.") and (q := f"quarantine.{t}") not in own] + own


def published(events: list[Event], table: str) -> list[Event]:
    return [e for e in events if e.kind == "table.published" and e.data["table"] == table]
