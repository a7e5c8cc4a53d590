"""What a plan may speak of: tables with their columns, resources, saved queries, pipelines. A frozen value.

Each step of a plan is checked against the catalog that the steps before it leave behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from intendant.errors import LanguageError, UnknownName, did_you_mean
from intendant.types import Column, Json, Resource

__all__ = ["Catalog", "Query", "Table"]


@dataclass(frozen=True)
class Table:
    """A table of the lake: its columns (types as DuckDB's), rows, version and settings."""

    name: str
    columns: tuple[Column, ...]
    rows: int = 0
    version: int = 0
    settings: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Query:
    """A saved query of intendant.toml."""

    name: str
    sql: str
    runs_per_day: float | None = None
    avg_ms: float | None = None


@dataclass(frozen=True)
class Catalog:
    """`tables` by name, `resources` by full name ("source.resource"), `sources` by name with their kind; `writable` are the
    addresses below which exports may write, `ran` the queries that ran lately, with how often as `runs_per_day`."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    resources: Mapping[str, Resource] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    queries: Mapping[str, Query] = field(default_factory=dict)
    pipelines: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    ran: tuple[Query, ...] = ()

    def table(self, name: str, where: str = "") -> Table:
        """The table of that name, exactly or in any case. Raises UnknownName with the nearest one."""
        if name in self.tables:
            return self.tables[name]
        folded = [t for t in self.tables.values() if t.name.lower() == name.lower()]
        if folded:
            return folded[0]
        if name in self.dropped:
            raise UnknownName(
                f"table {name!r} was dropped",
                where=where,
                hint=f"`intendant rollback {name}` brings it back.",
                name=name,
            )
        raise UnknownName(
            f"there is no table {name!r}", where=where, name=name, hint=did_you_mean(name, self.tables, "table")
        )

    def has(self, name: str) -> bool:
        return any(t.lower() == name.lower() for t in self.tables)

    def resource(self, name: str, where: str = "") -> Resource:
        """The resource "source.resource"; a source alone will do when it has just one.

        Raises UnknownName with the nearest name, or LanguageError with the list when several fit.
        """
        if name in self.resources:
            return self.resources[name]
        folded = [r for r in self.resources.values() if r.full.lower() == name.lower()]
        if folded:
            return folded[0]
        own = [r for r in self.resources.values() if r.source.lower() == name.partition(".")[0].lower()]
        if own and "." not in name:
            if len(own) == 1:
                return own[0]
            raise LanguageError(
                f"source {name!r} has several resources",
                where=where,
                hint="Say which: " + ", ".join(sorted(r.full for r in own)) + ".",
            )
        if own or name.partition(".")[0] in self.sources:
            raise UnknownName(
                f"there is no resource {name!r}",
                where=where,
                name=name,
                hint=did_you_mean(name, [r.full for r in own], "resource in this source"),
            )
        raise UnknownName(
            f"there is no source {name.partition('.')[0]!r}",
            where=where,
            name=name,
            hint=did_you_mean(name.partition(".")[0], self.sources, "source"),
        )

    def with_table(self, name: str, columns: tuple[Column, ...], **settings: Json) -> Catalog:
        """The catalog once a step has written this table."""
        old = self.tables.get(name)
        kept = dict(old.settings) if old else {}
        kept.update({k: v for k, v in settings.items() if v is not None})
        table = Table(name, columns, old.rows if old else 0, old.version + 1 if old else 0, kept)
        return replace(self, tables={**self.tables, name: table})

    def without_table(self, name: str) -> Catalog:
        return replace(self, tables={n: t for n, t in self.tables.items() if n != name}, dropped=(*self.dropped, name))

    def staging_name(self, resource: Resource) -> str:
        """Where ingested data lands when no target is named."""
        return f"staging.{resource.name}"
