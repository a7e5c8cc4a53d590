"""Small documents beside a table that go where it goes: its settings, and notes of any kind."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager

from intendant.errors import Damaged
from intendant.lake.log import Log
from intendant.lake.store import Store
from intendant.types import Json, Stamp

__all__ = ["Documents"]

SETTINGS = "_settings.json"


class Seen(threading.local):
    """What each thread read last of each table's settings: what it writes next is meant to follow on it."""

    def __init__(self) -> None:
        self.marks: dict[str, object] = {}


class Documents(ABC):
    """The part of a lake that keeps them."""

    store: Store

    def __init__(self) -> None:
        self._seen = Seen()

    @abstractmethod
    def _known(self, table: str) -> Log: ...

    @abstractmethod
    def _locked(self, table: str) -> AbstractContextManager[None]: ...

    def settings(self, table: str) -> dict[str, Json]:
        """The table's JSON document (partition_by, sort_by, rules ...); {} when there is none."""
        home = self.store.home(table)
        document, self._seen.marks[home] = self.settings_at(home)
        return document

    def settings_at(self, home: str) -> tuple[dict[str, Json], object]:
        """The document of the table at `home`, and its mark."""
        key = f"{home}/{SETTINGS}"
        found = self.store.read(key)
        if found is None:
            return {}, None
        try:
            return dict(json.loads(found[0])["settings"]), found[1]
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(
                f"The settings of {self.store.named(home)!r} can't be read",
                where=self.store.shown(key),
                hint="Delete the file and provision the table again.",
            ) from error

    def set_settings(self, table: str, settings: Mapping[str, Json], stamp: Stamp) -> None:
        """Replaces the document, whole or not at all. Raises UnknownName, DiskFull; Conflict when another machine changed it
        since this thread read it last.
        """
        with self._locked(table):
            home = self._known(table).home
            text = json.dumps(
                {"settings": dict(settings), "run": stamp.run, "step": stamp.step}, ensure_ascii=False, indent=1
            )
            self.store.replace(f"{home}/{SETTINGS}", text, self._seen.marks.pop(home, ...))

    def notes(self, table: str, kind: str) -> list[str]:
        """The names of a table's notes of a kind."""
        return [
            n.removesuffix(".json")
            for n in self.store.names(f"{self.store.home(table)}/_{kind}")
            if n.endswith(".json")
        ]

    def note(self, table: str, kind: str, name: str) -> str | None:
        """A note's text, None when there is none."""
        found = self.store.read(f"{self.store.home(table)}/_{kind}/{name}.json")
        return None if found is None else found[0]

    def set_note(self, table: str, kind: str, name: str, content: str) -> None:
        """Replaces a note, whole or not at all. Raises UnknownName, DiskFull."""
        self.store.replace(f"{self._known(table).home}/_{kind}/{name}.json", content)

    def remove_note(self, table: str, kind: str, name: str) -> None:
        self.store.delete([f"{self.store.home(table)}/_{kind}/{name}.json"])
