"""Which tables a lake on object storage has, and which are in its trash: one object, changed under a condition only.

A dropped table isn't moved: the register says where it lies and that it is dropped. A name that is used again gets another
home, so that the files of two tables never meet. A table is there once its first version is in its log; then the register says
that it was seen, so that the log needn't be asked. Of two that take one name, one is first, and the other is told.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from intendant.errors import Conflict, Damaged
from intendant.lake.names import encode
from intendant.lake.store import Dropped
from intendant.lake.trash import missing, occupying
from intendant.types import Json, Stamp, split_table

__all__ = ["Register"]

KEY = "_tables.json"
HOME = re.compile(r"(main|staging|quarantine)/[a-z0-9_\-%A-F]+(~\d+)?")
TRIES = 20
HOLDS = 1.0
"""Seconds for which a table that was found is taken to be where it was; writers and lists of tables look anew."""


class Small(Protocol):
    """What the register needs of the store it lies in."""

    def shown(self, key: str) -> str: ...

    def read(self, key: str) -> tuple[str, object] | None: ...

    def replace(self, key: str, content: str, seen: object = ...) -> None: ...

    def logged(self, home: str) -> bool: ...

    def bytes_below(self, home: str) -> int: ...

    def refresh(self) -> None: ...

    def purge(self, home: str) -> None: ...

    def begun(self) -> bool:
        """Whether anything lies in the store."""
        ...


class Register:
    """The register in a store; also its trash."""

    def __init__(self, store: Small) -> None:
        self.store = store
        self._known: tuple[float, dict[str, Json]] = (-HOLDS, {})

    def refresh(self) -> None:
        """What is asked from now on is looked at anew."""
        self._known = (-HOLDS, {})

    def _now(self) -> dict[str, Json]:
        document = self._read()[0]
        self._known = (time.monotonic(), document)
        return document

    def _entry(self, table: str) -> dict[str, Json] | None:
        at, document = self._known
        held = document["tables"].get(_folded(table)) if time.monotonic() - at < HOLDS else None
        found: dict[str, Json] | None = held if held and held["seen"] else self._now()["tables"].get(_folded(table))
        return found

    def _read(self) -> tuple[dict[str, Json], object]:
        found = self.store.read(KEY)
        if found is None:
            if self.store.begun():
                raise Damaged(
                    "The register of the lake's tables is missing",
                    where=self.store.shown(KEY),
                    hint="Bring the object back from the bucket's versions or a copy; the tables' files are there.",
                )
            return {"tables": {}, "made": {}, "trash": []}, None
        try:
            document = json.loads(found[0])
            assert all(isinstance(document[k], t) for k, t in (("tables", dict), ("made", dict), ("trash", list)))
            assert all(HOME.fullmatch(t["home"]) for t in (*document["tables"].values(), *document["trash"]))
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            raise Damaged(
                "The register of the lake's tables can't be read",
                where=self.store.shown(KEY),
                hint="Bring the object back from the bucket's versions or a copy; the tables' files are there.",
            ) from error
        return document, found[1]

    def _change(self, change: Callable[[dict[str, Json]], bool]) -> None:
        """Applies `change` to the document and writes it, again when another writer was first; False: nothing to write."""
        for last in [False] * (TRIES - 1) + [True]:
            self.store.refresh()
            document, seen = self._read()
            if not change(document):
                return
            try:
                self.store.replace(KEY, json.dumps(document, ensure_ascii=False, indent=1), seen)
            except Conflict:
                if last:
                    raise
            else:
                self.refresh()
                return

    # tables

    def tables(self) -> dict[str, str]:
        """The tables that there are, with their homes."""
        entered = self._now()["tables"].values()
        return {t["table"]: t["home"] for t in entered if t["seen"] or self.store.logged(t["home"])}

    def find(self, table: str) -> dict[str, Json] | None:
        """{"table", "home", "seen", ...} of a table, up to case."""
        return self._entry(table)

    def next_home(self, table: str) -> str:
        """Where a table would be made."""
        return _next_home(self._read()[0], table)

    def make(self, table: str) -> str:
        """The home of a table, entered when it isn't yet."""
        made = {"home": ""}

        def change(document: dict[str, Json]) -> bool:
            entry = document["tables"].get(_folded(table))
            made["home"] = entry["home"] if entry else _next_home(document, table)
            if entry is None:
                document["tables"][_folded(table)] = {"table": table, "home": made["home"], "seen": False}
                document["made"][_folded(table)] = document["made"].get(_folded(table), 0) + 1
            return entry is None

        self._change(change)
        return made["home"]

    def appear(self, table: str, home: str) -> None:
        """Makes the table at `home` seen. Raises Conflict when its name is another's now."""

        def change(document: dict[str, Json]) -> bool:
            entry = document["tables"].get(_folded(table))
            if entry is None or entry["home"] != home:
                raise Conflict(
                    f"Another writer took the name {table!r} first", where=table, hint="Run it again.", overtaken=True
                )
            new = not entry["seen"]
            entry["seen"] = True
            return new

        self._change(change)

    # trash

    def items(self) -> list[Dropped]:
        """What is in the trash, newest first."""
        trash = [t for t in self._read()[0]["trash"] if not t.get("purged")]
        found = [
            Dropped(t["table"], t["at"], t["run"], t["step"], t["bytes"], self.store.shown(t["home"])) for t in trash
        ]
        return sorted(found, key=lambda d: d.at, reverse=True)

    def holds(self, table: str, stamp: Stamp) -> bool:
        """Whether this step already dropped the table."""
        return any(
            _folded(t["table"]) == _folded(table) and (t["run"], t["step"]) == (stamp.run, stamp.step)
            for t in self._read()[0]["trash"]
        )

    def take(self, home: str, table: str, stamp: Stamp) -> None:
        """Says that the table at `home` is dropped."""
        size = self.store.bytes_below(home)

        def change(document: dict[str, Json]) -> bool:
            entry = document["tables"].get(_folded(table))
            if entry is None or entry["home"] != home:
                return False  # another writer dropped it
            del document["tables"][_folded(table)]
            document["trash"].append(
                {
                    "table": table,
                    "home": home,
                    "run": stamp.run,
                    "step": stamp.step,
                    "bytes": size,
                    "at": datetime.now(UTC).isoformat(timespec="microseconds"),
                }
            )
            return True

        self._change(change)

    def give_back(self, table: str, stamp: Stamp, home: str, occupied: bool, dropped_by: Stamp | None = None) -> None:
        """Says that the newest dropped table of that name (that `dropped_by` dropped) is back."""
        note = [stamp.run, stamp.step]

        def change(document: dict[str, Json]) -> bool:
            entry = document["tables"].get(_folded(table))
            if entry is not None and (entry["seen"] or occupied):
                if entry.get("returned") == note:
                    return False
                raise occupying(table)
            found = [
                t
                for t in document["trash"]
                if not t.get("purged")
                and _folded(t["table"]) == _folded(table)
                and dropped_by in (None, Stamp(t["run"], t["step"]))
            ]
            if not found:
                raise missing(table, self.items())
            newest = max(found, key=lambda t: str(t["at"]))
            document["trash"].remove(newest)
            if entry is not None:  # it was entered and has no version
                document["trash"].append(
                    {**entry, "purged": True, "run": "", "step": "", "bytes": 0, "at": newest["at"]}
                )
            document["tables"][_folded(table)] = {
                "table": newest["table"],
                "home": newest["home"],
                "seen": True,
                "returned": note,
            }
            return True

        self._change(change)

    def empty(self, older_than_days: float, dropped_by: Stamp | None = None) -> int:
        """Deletes what was dropped longer ago (by that step alone); the bytes freed. It is out of reach before its first file
        goes.
        """
        edge = (datetime.now(UTC) - timedelta(days=older_than_days)).isoformat(timespec="microseconds")
        homes: list[str] = []

        def old(t: Mapping[str, Json]) -> bool:
            return bool(t["at"] <= edge) and dropped_by in (None, Stamp(t["run"], t["step"]))

        def mark(document: dict[str, Json]) -> bool:
            homes[:] = [t["home"] for t in document["trash"] if old(t)]
            for dropped in document["trash"]:
                dropped["purged"] = dropped.get("purged", False) or old(dropped)
            return bool(homes)

        def clear(document: dict[str, Json]) -> bool:
            document["trash"] = [t for t in document["trash"] if t["home"] not in homes]
            return True

        self._change(mark)
        freed = sum(self.store.bytes_below(home) for home in homes)
        for home in homes:
            self.store.purge(home)
        if homes:
            self._change(clear)
        return freed


def _folded(table: str) -> str:
    schema, name = split_table(table)
    return f"{schema}/{name.casefold()}"


def _next_home(document: dict[str, Json], table: str) -> str:
    schema, name = split_table(table)
    before = document["made"].get(_folded(table), 0)
    return f"{schema}/{encode(name)}" + (f"~{before + 1}" if before else "")
