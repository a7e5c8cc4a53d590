"""A plan in candidate ids, and back: the one place where names and literals leave a plan and come in again.

Beside the ids of what was said there are a few words for what is only meant: `it` (`it2`, `it3`) the last results, or
the table that the sentence is about; KEY and TIME the key and the time column of a step's table; MATCH the columns that
join two tables; A1.. the aggregates of the step; NEW a derived column that nobody named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from intendant.catalog import Catalog
from intendant.errors import LanguageError
from intendant.operators.group import default_name
from intendant.planner.glossary import key_of
from intendant.planner.ground import Grounding
from intendant.planner.words import name_parts
from intendant.types import Column, Step, split_table

__all__ = ["ID", "State", "Undecided", "Unsayable", "columns_in", "declared", "match_of"]

ID = re.compile(r"\b([RSTCMWBNVUDKIEQPHY])(\d{1,2})\b")
TOKEN = re.compile(r"'[^']*'|[A-Za-z_]\w*|\d+|<=|>=|!=|\|\||[^\s\w]")
CONSTANTS = ("0", "1", "2", "7", "12", "24", "60", "100", "1000")
COLUMNS = "CMWB"


class Unsayable(Exception):
    """A plan that these candidates can't express; says what is missing."""


class Undecided(Exception):
    """A plan that leaves something open; `slot` says what: table, column, key."""

    def __init__(self, slot: str, message: str, choices: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.slot, self.choices = slot, tuple(choices)


def match_of(left: Sequence[Column], right: Sequence[Column], name: str) -> tuple[tuple[str, str], ...] | None:
    """The columns that most likely join a table to table `name`: a shared key, or <name>_id beside id."""
    ours = {c.name.lower(): c.name for c in left}
    shared = [(ours[c.name.lower()], c.name) for c in right if c.name.lower() in ours]
    ends = ("id", "code", "number", "key", "sku", "uuid", "email")
    keys = [p for p in shared if name_parts(p[1])[-1:] and name_parts(p[1])[-1] in ends]
    own = key_of(right, name)
    for pool in ([p for p in keys if p[1] == own], keys, shared):
        if pool:
            return (pool[0],)
    singular = name_parts(name.rpartition(".")[2])
    for c in left:
        parts = name_parts(c.name)
        if own and (parts in ((*singular, "id"), (*singular, "code"), (*singular[-1:], "id"), singular)):
            return ((c.name, own),)
    return None


def columns_in(catalog: Catalog, step: Step) -> tuple[tuple[Column, ...], str, str | None, str | None]:
    """The columns a step stands on, its place's name, and the declared key and time."""
    if step.get("resource") and step.verb == "ingest":
        r = catalog.resource(step.args["resource"])
        return r.columns, r.name, r.key, r.timestamp
    if step.get("table"):
        t = catalog.table(step.args["table"])
        return t.columns, t.name, *declared(catalog, t.name)
    return (), "", None, None


def declared(catalog: Catalog, table: str) -> tuple[str | None, str | None]:
    """The key and time that a resource of the table's name declares, when the table has such columns."""
    rest = split_table(table)[1]
    names = {c.name for c in catalog.tables[table].columns}
    for r in catalog.resources.values():
        if r.name == rest:
            return (r.key if r.key in names else None), (r.timestamp if r.timestamp in names else None)
    return None, None


def written(step: Step, catalog: Catalog) -> str | None:
    """The table that a step leaves behind as the last result."""
    if step.verb == "ingest":
        return str(step.get("target") or catalog.staging_name(catalog.resource(step.args["resource"])))
    if step.verb in ("transform", "provision"):
        return str(step.get("target") or step.args["table"])
    if step.verb in ("check", "restore", "optimize") and step.get("table"):
        return str(step.args["table"])
    return None


@dataclass
class State:
    """What the steps so far have left: the catalog and the results, newest first."""

    grounding: Grounding
    catalog: Catalog
    results: list[str] = field(default_factory=list)

    def after(self, step: Step) -> None:
        name = written(step, self.catalog)
        if name is None:
            return
        if not self.catalog.has(name):
            try:
                columns = columns_in(self.catalog, step)[0]
            except LanguageError:
                columns = ()
            self.catalog = self.catalog.with_table(name, columns + made_columns(step))
        elif step.verb == "transform":
            extra = tuple(
                c for c in made_columns(step) if c.name not in {o.name for o in self.catalog.table(name).columns}
            )
            self.catalog = self.catalog.with_table(name, self.catalog.table(name).columns + extra)
        self.results = [name, *(r for r in self.results if r != name)]


def made_columns(step: Step) -> tuple[Column, ...]:
    """Columns that a transform makes, roughly typed; only their names matter here."""
    out = []
    for part in step.get("operators") or ():
        if part.verb == "derive" or part.get("name"):
            out.append(Column(part.args["name"], "DOUBLE"))
        if part.verb == "unpivot":
            out.append(Column(part.args["value"], "DOUBLE"))
        out += [Column(b, "VARCHAR") for b in part.get("parts") or ()]
        out += [Column(b, "VARCHAR") for _, b in part.get("names") or ()]
        out += [Column(alias or default_name(f, over), "DOUBLE") for f, over, alias in part.get("aggregates") or ()]
    return tuple(out)
