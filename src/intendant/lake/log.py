"""A table's Delta log: every version is one JSON file, read strictly and written whole or not at all.

Commits are put in place only where there is none yet (a hard link after an fsync; a conditional put), so a version exists
durably or not at all, and two writers of one version can't both win. Reading accepts no gap and no broken line: a log
that is damaged says so instead of giving fewer rows. Format: github.com/delta-io/delta/blob/master/PROTOCOL.md.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from intendant.errors import Conflict, Damaged, LakeError
from intendant.lake.schema import from_delta, to_delta
from intendant.lake.store import Entry, Store
from intendant.types import Column, Json, Stamp

__all__ = ["Commit", "File", "Log", "State", "app_id"]

NAME = re.compile(r"(\d{20})\.json")
READABLE = {"timestampNtz"}
PROTOCOL = {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz"],
                         "writerFeatures": ["timestampNtz"]}}


def app_id(stamp: Stamp) -> str:
    """The application id of Delta's `txn` action for a step of a run."""
    return json.dumps([stamp.run, stamp.step], ensure_ascii=False)


@dataclass(frozen=True)
class File:
    """A data file of a version: its path from the table's folder, bytes, rows, and Delta's stats as JSON text."""

    path: str
    bytes: int
    rows: int
    stats: str

    def add(self, data_change: bool) -> Json:
        return {"add": {"path": quote(self.path, safe="/=-_.~"), "partitionValues": {}, "size": self.bytes,
                        "modificationTime": _now(), "dataChange": data_change, "stats": self.stats}}

    def remove(self, data_change: bool) -> Json:
        return {"remove": {"path": quote(self.path, safe="/=-_.~"), "deletionTimestamp": _now(),
                           "dataChange": data_change, "extendedFileMetadata": True, "partitionValues": {},
                           "size": self.bytes}}


@dataclass(frozen=True)
class Commit:
    """One parsed log file. `meta` is (columns, configuration, id) where the commit sets them."""

    version: int
    adds: tuple[File, ...]
    removes: frozenset[str]
    meta: tuple[tuple[Column, ...], Mapping[str, str], str] | None
    transactions: tuple[str, ...]
    info: Mapping[str, Json]

    @property
    def at(self) -> str:
        """When, as UTC in ISO 8601 with milliseconds."""
        moment = datetime.fromtimestamp(self.info.get("timestamp", 0) / 1000, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class State:
    """A table as of one version."""

    version: int
    columns: tuple[Column, ...]
    configuration: Mapping[str, str]
    id: str
    files: Mapping[str, File]
    commit: Commit


def _now() -> int:
    return int(time.time() * 1000)


def _file(action: Json, path: str) -> File:
    if action.get("deletionVector") or action.get("partitionValues"):
        raise LakeError("The table was changed by another tool in a way that isn't supported here", where=path,
                        hint="Copy it to a new table with that tool, without partitions and deletion vectors.")
    stats, name = action.get("stats") or "{}", unquote(action["path"])
    if any(part in ("", ".", "..") for part in name.split("/")) or "://" in name:
        raise ValueError(f"the file {name!r} lies outside of the table's folder")
    return File(name, int(action["size"]), int(json.loads(stats)["numRecords"]), stats)


def _parse(version: int, path: str, text: str) -> Commit:
    if not text.endswith("\n"):
        raise ValueError("the file ends in the middle of a line")
    adds: list[File] = []
    removes: set[str] = set()
    transactions: list[str] = []
    meta, info = None, {}
    for line in text.splitlines():
        action = json.loads(line)
        if "add" in action:
            adds.append(_file(action["add"], path))
        elif "remove" in action:
            removes.add(unquote(action["remove"]["path"]))
        elif "txn" in action:
            transactions.append(action["txn"]["appId"])
        elif "metaData" in action:
            raw = action["metaData"]
            meta = (from_delta(raw["schemaString"], path), raw.get("configuration") or {}, raw["id"])
        elif "commitInfo" in action:
            info = action["commitInfo"]
        elif set(action.get("protocol", {}).get("readerFeatures") or ()) - READABLE:
            raise LakeError("The table needs Delta features that aren't supported here", where=path,
                            hint="Copy it to a new table with the tool that made it.")
    if not (adds or removes or transactions or meta or info):
        raise ValueError("the file holds no action")
    return Commit(version, tuple(adds), frozenset(removes), meta, tuple(transactions), info)


class Log:
    """The log of the table whose home is `home`; parsed files are kept as long as they don't change."""

    def __init__(self, store: Store, home: str, table: str) -> None:
        self.store, self.home, self.table = store, home, table
        self.folder = f"{home}/_delta_log"
        self._parsed: dict[int, tuple[object, Commit]] = {}

    def exists(self) -> bool:
        return self.latest() is not None

    def latest(self) -> int | None:
        """The newest version's number, None when there is no table."""
        return max((int(m[1]) for n in self.store.names(self.folder) if (m := NAME.fullmatch(n))), default=None)

    def _entries(self) -> dict[int, Entry]:
        found = self.store.entries(self.folder).items()
        return {int(m[1]): entry for name, entry in found if (m := NAME.fullmatch(name))}

    def _damaged(self, version: int, reason: str) -> Damaged:
        mend = (f"Restore {self.table!r} to version {version - 1}; later versions are set aside."
                if version else "Restore the workspace's folder from a copy.")
        return Damaged(f"Version {version} of {self.table!r} is damaged in the log: {reason}",
                       where=self.store.shown(self.key(version)), hint=mend, table=self.table, version=version)

    def empty(self) -> Damaged:
        """The error for a table without any version."""
        return self._damaged(0, "all of it is missing")

    def key(self, version: int) -> str:
        return f"{self.folder}/{version:020}.json"

    def _read(self, entries: Mapping[int, Entry]) -> dict[int, bytes]:
        """The content of the entries that aren't known as they are now."""
        new = {v: e for v, e in entries.items() if v not in self._parsed or self._parsed[v][0] != e.mark}
        found = self.store.read_all({self.key(v): e.mark for v, e in new.items()})
        return {v: found[self.key(v)] for v in new if self.key(v) in found}

    def _commit(self, version: int, mark: object, new: Mapping[int, bytes]) -> Commit:
        if version not in new:
            if version not in self._parsed:
                raise self._damaged(version, "its file is missing")
            return self._parsed[version][1]
        try:
            commit = _parse(version, self.store.shown(self.key(version)), new[version].decode("utf-8"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(version, str(error)) from error
        self._parsed[version] = (mark, commit)
        return commit

    def commits(self, until: int | None = None) -> Iterator[Commit]:
        """The commits from version 0 on, in order. Raises Damaged at the first one that is missing or broken."""
        entries = self._entries()
        last = max(entries, default=-1) if until is None else until
        whole = next((v for v in range(last + 1) if v not in entries), last + 1)
        new = self._read({v: entries[v] for v in range(whole)})
        for version in range(last + 1):
            if version not in entries:
                raise self._damaged(version, "its file is missing")
            yield self._commit(version, entries[version].mark, new)

    def states(self, until: int | None = None) -> Iterator[State]:
        """The table as of each version, in order."""
        files: dict[str, File] = {}
        meta: tuple[tuple[Column, ...], Mapping[str, str], str] | None = None
        for commit in self.commits(until):
            meta = commit.meta or meta
            if meta is None:
                raise self._damaged(commit.version, "the schema is missing")
            if commit.removes:
                files = {path: file for path, file in files.items() if path not in commit.removes}
            files.update((file.path, file) for file in commit.adds)
            yield State(commit.version, meta[0], meta[1], meta[2], files.copy(), commit)

    def state(self, version: int | None = None) -> State | None:
        """The table as of `version` (None: the newest), None when there is none."""
        last = None
        for state in self.states(version):
            last = state
        return last

    def version_of(self, stamp: Stamp) -> int | None:
        """The version that a step of a run committed."""
        wanted = app_id(stamp)
        return next((c.version for c in self.commits() if wanted in c.transactions), None)

    def write(self, base: State | None, columns: Sequence[Column], files: Sequence[File], *, stamp: Stamp,
              operation: str, configuration: Mapping[str, str], rows_written: int, data_change: bool = True,
              version: int | None = None) -> int:
        """Commits the version after `base` in which the table is exactly `files`; the version. Raises Conflict."""
        number = (base.version + 1 if base else 0) if version is None else version
        before: Mapping[str, File] = base.files if base else {}
        after = {file.path: file for file in files}
        rows = sum(file.rows for file in files)
        actions: list[Json] = [{"commitInfo": {
            "timestamp": _now(), "operation": "WRITE", "operationParameters": {}, "engineInfo": "intendant",
            "isBlindAppend": False, **({"readVersion": base.version} if base else {}),
            "intendant": {"run": stamp.run, "step": stamp.step, "operation": operation, "rows": rows,
                          "rows_written": rows_written, "bytes": sum(f.bytes for f in files)}}}]
        if number == 0:
            actions.append(PROTOCOL)
        if base is None or tuple(columns) != base.columns or dict(configuration) != dict(base.configuration):
            actions.append(_meta(columns, configuration, base.id if base else str(uuid.uuid4())))
        actions.append({"txn": {"appId": app_id(stamp), "version": number, "lastUpdated": _now()}})
        actions += [f.remove(data_change) for path, f in before.items() if path not in after]
        actions += [f.add(data_change) for path, f in after.items() if path not in before]
        self._put(number, actions)
        return number

    def _put(self, version: int, actions: Iterable[Json]) -> None:
        lines = "".join(json.dumps(action, ensure_ascii=False, allow_nan=False) + "\n" for action in actions)
        self.store.fence()
        try:
            self.store.create(self.key(version), lines)
        except FileExistsError as error:
            raise Conflict(f"Another writer made version {version} of {self.table!r} first",
                           where=self.store.shown(self.key(version)), hint="Run it again on the newer version.", overtaken=True) from error

    def set_aside(self, first: int) -> None:
        """Moves version `first` and everything newer out of the log, where they can still be looked at."""
        versions = [self.key(v) for v in sorted(self._entries(), reverse=True) if v >= first]
        checkpoints = [f"{self.folder}/{n}" for n in self.store.names(self.folder)
                       if ".checkpoint" in n or n == "_last_checkpoint"]
        self.store.aside([*versions, *checkpoints], f"{self.folder}/_set_aside-{_now()}-{uuid.uuid4().hex[:8]}")


def _meta(columns: Sequence[Column], configuration: Mapping[str, str], table_id: str) -> Json:
    return {"metaData": {"id": table_id, "format": {"provider": "parquet", "options": {}},
                         "schemaString": to_delta(columns), "partitionColumns": [],
                         "configuration": dict(configuration), "createdTime": _now()}}

