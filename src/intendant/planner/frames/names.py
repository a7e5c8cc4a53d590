"""The names of one place: which words can stand for its columns and values, and how surely.

Unlike mentions of the whole catalog, words are read inside the table that a clause is about, so "weight" is weight_kg
and "customer" is customer_id where only one column answers to it; a word that two columns answer to stands for none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intendant.language.to_sql import kind_of_type
from intendant.planner.likeness import root
from intendant.planner.mentions import SYNONYMS, Index
from intendant.planner.words import name_parts
from intendant.types import Column

__all__ = ["Found", "Names", "kind_of", "values_by_column"]

Parts = tuple[str, ...]
TAILS = {"id": 0.9, "code": 0.87, "key": 0.87, "number": 0.86, "sku": 0.88, "name": 0.84}
UNITS = frozenset(
    """at on date time day kg km kmh kwh kw mm cm m c f eur usd gbp chf pct percent minutes minute hours hour seconds second
    days ms mb gb celsius g l mmhg bpm ml litre ts timestamp""".split()
)
GENERIC = frozenset(
    """id code number key name date time type count total value at on of is has to in from by per no first last day days
    amount rate level class text note start end status state minutes hours seconds up down and new old""".split()
)
DATES = ("date", "time", "day", "timestamp", "moment")


@dataclass(frozen=True)
class Found:
    """A column that words can stand for."""

    column: str
    quality: float


def kind_of(column: Column) -> str:
    """The chunk kinds of a column: C and one of M (number), W (time), B (yes or no), L (text)."""
    return "C" + {"number": "M", "time": "W", "bool": "B"}.get(kind_of_type(column.type), "L")


class Names:
    """Words to columns and values of one place, called `noun` in the singular."""

    def __init__(
        self, columns: Sequence[Column], noun: Parts, values: Mapping[str, Sequence[tuple[Parts, str]]]
    ) -> None:
        self.columns = {c.name: c for c in columns}
        self.table: dict[Parts, dict[str, float]] = defaultdict(dict)
        for c in columns:
            self.add_column(c, noun)
        self.add_partial()
        self.add_synonyms()
        self.values: dict[Parts, list[tuple[str, str]]] = defaultdict(list)
        for c in columns:
            for parts, text in values.get(c.name, ()):
                self.values[parts].append((c.name, text))
        self.longest = max((len(p) for p in (*self.table, *self.values)), default=1)

    def put(self, parts: Parts, column: str, quality: float) -> None:
        if parts:
            own = self.table[parts]
            own[column] = max(own.get(column, 0), quality)

    def add_column(self, c: Column, noun: Parts) -> None:
        p = name_parts(c.name)
        forms = [(p, 1.0)]
        if p[:1] and p[0] in ("is", "has", "was"):
            forms.append((p[1:], 0.95))
        if noun and p[: len(noun)] == noun and len(p) > len(noun):
            forms.append((p[len(noun) :], 0.9))
        elif noun and len(p) < 3:
            forms += [((*noun, *p), 0.95), ((*noun[-1:], *p), 0.94)]
        for parts, quality in list(forms):
            if len(parts) > 1 and parts[-1] in TAILS:
                forms.append((parts[:-1], min(quality, TAILS[parts[-1]])))
            core = parts
            while len(core) > 1 and core[-1] in UNITS:
                core = core[:-1]
            if core != parts:
                forms.append((core, min(quality, 0.85)))
        if kind_of(c)[1] == "W":
            for parts, _ in list(forms):
                for ending in DATES[:3]:
                    forms.append(((*parts, ending), 0.84))
                    forms.append(((ending, "of", *parts), 0.84))
        for parts, quality in forms:
            self.put(parts, c.name, quality)
            rooted = tuple(root(w) for w in parts)
            self.put(("~", *rooted), c.name, min(quality, 0.82))

    def add_partial(self) -> None:
        """Parts of a name that no other column has."""
        seen: dict[Parts, set[str]] = defaultdict(set)
        for name in self.columns:
            p = name_parts(name)
            for n in range(1, len(p)):
                for i in range(len(p) - n + 1):
                    seen[p[i : i + n]].add(name)
        for parts, owners in seen.items():
            if len(owners) == 1 and parts not in self.table and (parts == ("name",) or not set(parts) <= GENERIC):
                self.put(parts, next(iter(owners)), 0.72)
        times = [c.name for c in self.columns.values() if kind_of(c)[1] == "W"]
        if len(times) == 1 and ("date",) not in self.table:
            self.put(("date",), times[0], 0.72)

    def add_synonyms(self) -> None:
        for said, meant in SYNONYMS.items():
            if (said,) in self.table or said.endswith("est") or said in ("expensive", "cheap"):
                continue
            for word in meant:
                found = self.table.get((word,))
                if found:
                    for column, quality in found.items():
                        self.put((said,), column, quality * 0.75)
                    break

    def column(self, parts: Parts) -> Found | None:
        """The column that these words stand for; None when there is none or more than one."""
        found = self.table.get(parts) or self.table.get(("~", *(root(w) for w in parts)))
        if not found:
            return None
        ranked = sorted(found.items(), key=lambda kv: -kv[1])
        if len(ranked) > 1 and ranked[0][1] - ranked[1][1] < 0.009:
            return None
        return Found(*ranked[0])


def values_by_column(index: Index) -> dict[str, list[tuple[Parts, str]]]:
    """The values that the data has shown, by column."""
    out: dict[str, list[tuple[Parts, str]]] = defaultdict(list)
    for e in index.values:
        out[e.owner].append((e.parts, e.text))
    return out
