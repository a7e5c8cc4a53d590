"""The catalogs that training sentences speak of: read from files, and made anew by mixing their tables."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from intendant.catalog import Catalog, Query, Table
from intendant.planner.mentions import Index
from intendant.types import Column, Resource

__all__ = ["World", "load_worlds", "narrowed"]

HERE = Path(__file__).parent


@dataclass
class World:
    """A catalog, the values of its text columns, and its index of names."""

    name: str
    catalog: Catalog
    values: Mapping[tuple[str, str], Sequence[str]]

    def __post_init__(self) -> None:
        self.index = Index(self.catalog, self.values)


def columns(found: Mapping[str, str]) -> tuple[Column, ...]:
    return tuple(Column(n, t) for n, t in found.items())


def world(data: Mapping[str, Mapping[str, Mapping[str, object]]]) -> World:
    """The world of one file's JSON."""
    tables = {n: Table(n, columns(t["columns"])) for n, t in data.get("tables", {}).items()}  # type: ignore[arg-type]
    resources: dict[str, Resource] = {}
    sources: dict[str, str] = {}
    for source, about in data.get("sources", {}).items():
        sources[source] = str(about["kind"])
        for name, r in about.get("resources", {}).items():  # type: ignore[attr-defined]
            resources[f"{source}.{name}"] = Resource(
                source, name, r.get("key"), r.get("timestamp"), columns(r.get("columns", {}))
            )
    queries = {n: Query(n, str(sql)) for n, sql in data.get("queries", {}).items()}
    values = {
        (k.rpartition(".")[0], k.rpartition(".")[2]): list(map(str, v)) for k, v in data.get("values", {}).items()
    }
    return World(str(data["name"]), Catalog(tables, resources, sources, queries), values)


def load_worlds(folder: Path = HERE / "catalogs") -> dict[str, World]:
    """All worlds by name."""
    found = (world(json.loads(p.read_text())) for p in sorted(folder.glob("*.json")))
    return {w.name: w for w in found}


def narrowed(w: World, used: set[str], rng: random.Random) -> World:
    """The world with only the tables and resources in use and, by chance, some others."""
    share = rng.choice((0.0, 0.0, 0.3, 0.7))
    tables = {n: t for n, t in w.catalog.tables.items() if n in used or rng.random() < share}
    resources = {n: r for n, r in w.catalog.resources.items() if n in used or r.source in used or rng.random() < share}
    sources = {
        s: k for s, k in w.catalog.sources.items() if s in used or any(r.source == s for r in resources.values())
    }
    queries = {n: q for n, q in w.catalog.queries.items() if n in used or rng.random() < 0.5}
    catalog = replace(w.catalog, tables=tables, resources=resources, sources=sources, queries=queries)
    return World(w.name, catalog, {k: v for k, v in w.values.items() if k[0] in tables or k[0] in resources})
