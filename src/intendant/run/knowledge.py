"""What is known right now: the lake's tables, the sources' resources (learned once, kept), saved queries, limits."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from intendant.catalog import Catalog, Table
from intendant.errors import Damaged, IntendantError
from intendant.lake import Lake
from intendant.run.asked import Asked
from intendant.run.journal import Journal
from intendant.sources import open_source
from intendant.types import Column, Json, Resource
from intendant.workspace import Workspace

if TYPE_CHECKING:
    from intendant.sources.base import Source

__all__ = ["Knowledge"]

FRESH_SECONDS = 24 * 3600
MOST_FILES = 2000


class Knowledge:
    def __init__(self, workspace: Workspace, lake: Lake, journal: Journal) -> None:
        self.workspace, self.lake, self.journal = workspace, lake, journal
        self.path = workspace.state / "resources.json"
        self.asked = Asked(journal)

    def catalog(self, learn: Collection[str] = (), *, again: bool = False) -> Catalog:
        """The catalog; sources named in `learn` are asked for resources and columns unless that is known already.

        Raises SourceError when one of those can't be reached and nothing is known of it.
        """
        kept = self._kept()
        resources: dict[str, Resource] = {}
        for name in self.workspace.sources:
            if name in learn and (again or not self._complete(name, kept)):
                kept[name] = self._learned(name)
                self._keep(kept)
            for resource in self._known(name, kept):
                resources[resource.full] = resource
        return Catalog(
            tables={n: self._table(n) for n in self.lake.names()},
            resources=resources,
            sources={n: str(c["kind"]) for n, c in self.workspace.sources.items()},
            queries=self.workspace.queries,
            pipelines=tuple(self.workspace.pipelines()),
            dropped=tuple(d.table for d in self.lake.dropped()),
            writable=tuple(str(c.get("path", "")) for c in self.workspace.sources.values() if c.get("writable") is True),
            ran=self.asked.queries(),
        )

    def learn_all(self) -> Catalog:
        """The catalog with every source that can be reached asked; those that can't are known by their declaration."""
        for name in self.workspace.sources:
            try:
                self.catalog([name])
            except IntendantError:
                continue
        return self.catalog()

    def source(self, name: str, resource: str = "") -> Source:
        """The opened source, held to the strictest limit set for it or for the resource."""
        config = self.workspace.source_config(name)
        limits = dict(config.get("limits", {}))
        for limit in self.limits():
            if limit["source"] in (name, f"{name}.{resource}"):
                key = f"{limit['what']}_per_second"
                rate = limit["count"] / limit["per_seconds"]
                limits[key] = min(rate, limits.get(key, rate))
        return open_source(name, {**config, "limits": limits} if limits else config, self.workspace.root)

    def limits(self) -> list[dict[str, Json]]:
        """The limits in force, the last one set for each source or resource."""
        last = {e.data["source"]: dict(e.data) for e in self.journal.events(kinds=["limit.set"])}
        return list(last.values())

    def _table(self, name: str) -> Table:
        """A table as it is; a damaged one as its last whole version, so that it can be rolled back and others be used."""
        try:
            snapshot = self.lake.snapshot(name)
        except Damaged:
            whole = self.lake.newest_whole(name)
            if whole is None:
                return Table(name, ())
            snapshot = whole
        return Table(name, snapshot.columns, snapshot.rows, snapshot.version, self.lake.settings(name))

    def _declared(self, name: str) -> dict[str, Resource]:
        config = self.workspace.sources[name]
        declared = config.get("resources", {})
        out = {}
        if isinstance(declared, Mapping):
            for res, spec in declared.items():
                spec = spec if isinstance(spec, Mapping) else {}
                out[res] = Resource(name, res, spec.get("key"), spec.get("timestamp"))
        for topic in config.get("topics", ()) if isinstance(config.get("topics", ()), list) else ():
            out.setdefault(topic, Resource(name, topic))
        return out

    def _known(self, name: str, kept: Mapping[str, Json]) -> list[Resource]:
        found = self._declared(name)
        for r in kept.get(name, {}).get("resources", ()):
            declared = found.get(r["name"])
            columns = tuple(Column(*c) for c in r["columns"])
            key = (declared.key if declared else None) or r["key"]
            timestamp = (declared.timestamp if declared else None) or r["timestamp"]
            found[r["name"]] = Resource(name, r["name"], key, timestamp, columns)
        return list(found.values())

    def _complete(self, name: str, kept: Mapping[str, Json]) -> bool:
        entry = kept.get(name)
        if not entry or time.time() - entry["at"] > FRESH_SECONDS:
            return False
        names = {r["name"] for r in entry["resources"] if r["columns"]}
        return set(self._declared(name)) <= names

    def _learned(self, name: str) -> dict[str, Json]:
        """What a source has. A resource that can't be read is known by its name: the others are of use without it."""
        source = self.source(name)
        out = []
        failed: list[IntendantError] = []
        for r in source.resources():
            try:
                columns = r.columns or self._peeked(source, r.name)
            except IntendantError as e:
                if e.retry:
                    raise
                failed, columns = [*failed, e], ()
            out.append(
                {"name": r.name, "key": r.key, "timestamp": r.timestamp, "columns": [[c.name, c.type] for c in columns]}
            )
        if failed and len(failed) == len(out):
            raise failed[0]
        lasts = not failed or self._listing(self.workspace.sources[name])  # where a change of the files is seen
        return {"config": self._hash(name), "at": time.time() if lasts else 0, "resources": out}

    def _peeked(self, source: Source, resource: str) -> tuple[Column, ...]:
        from intendant.engines.duckdb import DuckDB, described

        batch = source.peek(resource)
        if not batch.num_columns:
            return ()
        engine = DuckDB()
        with engine.session() as con:
            con.register("peeked", batch)
            columns = tuple(described(con, "FROM peeked"))
        engine.close()
        return columns

    def _kept(self) -> dict[str, Json]:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {n: e for n, e in data.items() if n in self.workspace.sources and e.get("config") == self._hash(n)}

    def _keep(self, kept: Mapping[str, Json]) -> None:
        temporary = self.path.with_suffix(".tmp")
        with suppress(OSError):  # it can be learned again
            temporary.write_text(json.dumps(kept), encoding="utf-8")
            temporary.replace(self.path)

    def _hash(self, name: str) -> str:
        """Changes with the source's settings and, for a folder of files, with the files."""
        config = self.workspace.sources[name]
        seen = json.dumps([config, self._listing(config)], sort_keys=True, default=str)
        return hashlib.sha256(seen.encode()).hexdigest()[:16]

    def files_of(self, name: str) -> list[tuple[str, int, int]] | None:
        """(path, bytes, time) of the files that a source reads on this machine; None where it reads something else, or more
        than can be looked at."""
        config = self.workspace.sources.get(name, {})
        found = self._listing(config) if config.get("kind") == "files" else []
        return found if 0 < len(found) < MOST_FILES else None

    def _listing(self, config: Mapping[str, Json]) -> list[tuple[str, int, int]]:
        path = str(config.get("path", ""))
        if config["kind"] != "files" or not path or "://" in path:
            return []
        folder = self.workspace.root / re.split(r"[*?\[]", path)[0]
        if not folder.is_dir():
            folder = folder.parent
        if folder == self.workspace.root:
            return []
        found = []
        for file in sorted(f for f in folder.rglob("*") if f.is_file())[:MOST_FILES]:
            with suppress(FileNotFoundError):  # gone since it was listed
                found.append((str(file), (told := file.stat()).st_size, told.st_mtime_ns))
        return found
