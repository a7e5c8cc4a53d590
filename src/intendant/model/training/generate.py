"""Training samples: a sentence over a catalog, seen by the real grounder, and its plan in candidate ids.

Sources: the bank of hand-written pairs, our own patterns, both joined into longer sentences, over catalogs that are
narrowed at random; and sentences about things that a catalog doesn't have, whose answer is to ask.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from intendant.errors import IntendantError
from intendant.language.plans import parse, print_plan
from intendant.language.to_sql import kind_of_type
from intendant.model.training.catalogs import World, narrowed
from intendant.model.training.noise import varied
from intendant.model.training.templates import FOLLOWING, PATTERNS, REFUSALS, SCHEDULES
from intendant.planner.decode import decode
from intendant.planner.decoding import SLOTS
from intendant.planner.encode import encode
from intendant.planner.glossary import CONCEPTS
from intendant.planner.ground import Grounding, ground
from intendant.planner.ids import Undecided, Unsayable
from intendant.types import Plan

__all__ = ["HELD_OUT", "Pair", "Sample", "bank", "samples", "sample_of"]

HERE = Path(__file__).parent
HELD_OUT = (
    "a_realestate",
    "b_parking",
    "d_museum",
    "e_drone",
    "h_ngo",
    "k_podcast",
    "n_tramway",
    "t_cargo_air",
    "v_ski",
    "zb_esports",
    "zb_greenhouse",
    "zb_recruiting",
    "zb_transitcard",
)
"""Catalogs that training never sees; validation is made of their sentences and of every 29th other one."""
JOINTS = (
    " and ",
    " then ",
    ", then ",
    ". then ",
    ". ",
    "; ",
    " and then ",
    ", and ",
    ". after that ",
    ". also ",
    ". finally ",
    " + ",
    "\n",
)


@dataclass(frozen=True)
class Pair:
    """A hand-written sentence and its plan: intent language, "refuse", or "ask: SLOT"."""

    catalog: str
    text: str
    plan: str


@dataclass(frozen=True)
class Sample:
    """What the model reads and what it has to write."""

    prompt: str
    plan: str
    origin: str


def bank(folder: Path = HERE / "bank") -> list[Pair]:
    """All hand-written pairs, in a fixed order. A line that isn't whole is passed over."""
    out = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                d = json.loads(line)
                out.append(Pair(d["catalog"], d["text"], d["plan"]))
            except (ValueError, KeyError):
                continue
    return out


def is_held_out(pair: Pair, i: int) -> bool:
    return pair.catalog in HELD_OUT or i % 29 == 0


def answer(plan: str) -> str | None:
    """`refuse` or `ask SLOT` when the pair is one of those."""
    if plan.startswith("refuse"):
        return "refuse"
    if plan.startswith("ask"):
        slot = plan.partition(":")[2].strip().split()[0] if ":" in plan else "other"
        return f"ask {slot if slot in SLOTS else 'other'}"
    return None


def sample_of(text: str, plan: str, world: World, origin: str, focus: Sequence[str] = ()) -> Sample:
    """The sample of a pair. Raises Unsayable when the grounder doesn't find what the plan needs."""
    g = ground(text, world.index, focus=focus)
    short = answer(plan)
    if short:
        return Sample(prompt_of(g), short, origin)
    try:
        return Sample(prompt_of(g), checked(parse(plan), g), origin)
    except IntendantError as e:
        raise Unsayable(str(e)) from None


def prompt_of(g: Grounding) -> str:
    """What the reader sees, in one line."""
    return " ".join(g.reading)


def checked(plan: Plan, g: Grounding) -> str:
    """The plan in ids, if reading it back gives a plan that says the same."""
    text = encode(plan, g)
    try:
        back = decode(text, g)
        again = encode(back, g)
        if again != text and print_plan(decode(again, g)) != print_plan(back):
            raise Unsayable(f"back: {again} for {text}")
    except (Undecided, IntendantError) as e:
        raise Unsayable(f"back: {e}") from None
    return again


def names_in(plan: str, world: World) -> set[str]:
    """Tables, resources, sources and queries that a plan speaks of."""
    out: set[str] = set()
    for name in (*world.catalog.tables, *world.catalog.resources, *world.catalog.sources, *world.catalog.queries):
        if re.search(rf"(?<![\w.]){re.escape(name)}(?![\w])", plan) or f'"{name}"' in plan:
            out.add(name)
            if name in world.catalog.resources:
                out.add(world.catalog.resources[name].source)
    for r in world.catalog.resources.values():
        if f"staging.{r.name}" in plan or f"ingest {r.source}" in plan:
            out.add(f"staging.{r.name}")
    return out


class Fill:
    """Fills a pattern's places from a world: the words people say and the text of the plan."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.w, self.rng = world, rng
        self.only: str | None = None

    def pair(self, text: str, plan: str, columns: Sequence[object] | None = None) -> tuple[str, str] | None:
        """Text and plan, or None when the world has nothing that fits."""
        chosen: dict[str, tuple[str, str]] = {}
        c = self.w.catalog
        tables = [t for t in c.tables.values() if t.columns]
        if "{e}" in text:
            tables = [t for t in tables if any(concept.build(t.columns) for concept in CONCEPTS)] or tables
        table = self.rng.choice(tables) if tables else None
        if "{e}" in text and "{t}" not in text and table:
            self.only = table.name
        resource = self.rng.choice(list(c.resources.values())) if c.resources else None
        about = (
            columns
            if columns is not None
            else (
                resource.columns if "{r}" in text and resource and "{t}" not in text else table.columns if table else ()
            )
        )
        for place in re.findall(r"\{(\w+)\}", text):
            kind = place[0]
            if kind == "t":
                found = table if place == "t" else self.rng.choice(tables)
                if found is None or (place == "t2" and found is table):
                    return None
                chosen[place] = (self.table_words(found.name), found.name)
            elif kind == "r":
                if resource is None:
                    return None
                chosen[place] = (self.resource_words(resource.source, resource.name), resource.full)
            else:
                one = self.other(kind, about, chosen)
                if one is None:
                    return None
                chosen[place] = one
        out = plan
        for place, (_, said) in chosen.items():
            out = out.replace("{" + place + "}", said)
        return text.format(**{p: s for p, (s, _) in chosen.items()}), out

    def other(
        self, kind: str, about: Sequence[object], chosen: Mapping[str, tuple[str, str]]
    ) -> tuple[str, str] | None:
        rng = self.rng
        if kind == "e":
            return self.business(about)
        if kind in "mcwa":
            wanted = {"m": ("number",), "c": ("text",), "w": ("time",), "a": ("number", "text", "time", "bool")}[kind]
            taken = {v for _, v in chosen.values()}
            pool = [c for c in about if kind_of_type(c.type) in wanted and quoted(c.name) not in taken]  # type: ignore[attr-defined]
            if not pool:
                return None
            column = rng.choice(pool)
            return self.column_words(column.name), quoted(column.name)  # type: ignore[attr-defined]
        if kind == "n":
            n = rng.choice((5, 10, 25, 50, 100, 250, 500, 1000, 5000, 10000, 100000))
            return rng.choice((f"{n:,}", str(n))), str(n)
        if kind == "v":
            beside = next((v for k, (_, v) in chosen.items() if k[0] == "c"), None)
            shown = [v for (_, c), vs in self.w.values.items() for v in vs if quoted(c) == beside]
            value = rng.choice(shown or ["north", "blue", "A12", "closed", "Berlin", "premium", "draft"])
            return rng.choice((value, f"'{value}'", value)), "'" + value.replace("'", "''") + "'"
        if kind == "d":
            n, unit = rng.choice((1, 2, 3, 7, 10, 30, 90, 365)), rng.choice(("day", "week", "month", "year", "hour"))
            said = f"{n} {unit}{'s' if n > 1 else ''}"
            return said, said
        if kind == "k":
            return rng.choice(SCHEDULES)
        if kind == "x":
            name = (
                rng.choice(("total", "clean", "daily", "net", "final", "recent", "big", "adjusted", "monthly", "top"))
                + "_"
                + rng.choice(
                    ("value", "rows", "sum", "view", "copy", "mart", "items", "ratio", "score", "set", "summary")
                )
            )
            return (name.replace("_", " ") if rng.random() < 0.15 else name), name
        if kind == "q":
            if not self.w.catalog.queries:
                return None
            name = rng.choice(list(self.w.catalog.queries))
            return rng.choice((name, name.replace("_", " "))), quoted(name)
        if kind == "p":
            path = (
                rng.choice(("out/", "", "exports/"))
                + rng.choice(("result", "data", "report"))
                + rng.choice((".csv", ".parquet", ".json"))
            )
            return rng.choice((path, f"'{path}'")), f"'{path}'"
        n, unit = rng.choice((5, 10, 50, 100)), rng.choice(("second", "minute"))
        what = rng.choice(("requests", "rows"))
        return f"{n} {what} per {unit}", f"{n} {what} per {unit}"

    def business(self, about: Sequence[object]) -> tuple[str, str] | None:
        """A phrase of the glossary that has an expression over these columns."""
        made = [(c, c.build(about)) for c in CONCEPTS]  # type: ignore[arg-type]
        made = [(c, built) for c, built in made if built]
        if not made:
            return None
        concept, built = self.rng.choice(made)
        return " ".join(self.rng.choice(concept.words)), built[0]

    def table_words(self, name: str) -> str:
        base = name.rpartition(".")[2] if name.startswith("staging.") and self.rng.random() < 0.5 else name
        plain = spoken(base)
        return self.rng.choice(
            (base, base, f"the {base} table", f"the {plain} table", plain, f"the {plain}", f"table {base}")
        )

    def resource_words(self, source: str, name: str) -> str:
        s = spoken(source)
        return self.rng.choice(
            (
                f"{source}.{name}",
                f"{spoken(name)} from {source}",
                f"{name} from the {s}",
                f"the {spoken(name)} of {s}",
                f"the {s}",
                f"{s}",
                spoken(name),
            )
        )

    def column_words(self, name: str) -> str:
        return self.rng.choice((name, name, name, spoken(name), spoken(name), f"the {spoken(name)}"))


def spoken(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_.]", " ", name).lower()


def quoted(name: str) -> str:
    from intendant.language.grammar import grammar

    return grammar().kinds.name(name)


def joined(a: tuple[str, str], b: tuple[str, str], rng: random.Random) -> tuple[str, str]:
    left, right = a[0].rstrip(" .!?"), b[0]
    joint = rng.choice(JOINTS)
    if not joint.rstrip().endswith((".", "\n")):
        right = right[:1].lower() + right[1:] if right[1:2].islower() else right
    return left + joint + right, a[1].replace("\n", " ; ") + " ; " + b[1].replace("\n", " ; ")


class Generator:
    """An endless stream of samples over these pairs and worlds."""

    def __init__(self, pairs: Sequence[Pair], worlds: Mapping[str, World], seed: int) -> None:
        self.rng, self.worlds = random.Random(seed), worlds
        self.pairs = [p for p in pairs if p.catalog in worlds]
        self.by_world: dict[str, list[Pair]] = {}
        for p in self.pairs:
            self.by_world.setdefault(p.catalog, []).append(p)

    def one(self) -> Sample | None:
        """One sample, or None when this draw can't be said."""
        kind = self.rng.random()
        try:
            if kind < 0.64 and self.pairs:
                return self.from_bank()
            if kind < 0.76 and self.pairs:
                return self.two_of_bank()
            if kind < 0.86:
                return self.from_pattern()
            if kind < 0.91:
                return self.with_following()
            if kind < 0.94 and self.pairs:
                return self.elsewhere()
            if kind < 0.965:
                return self.refused()
            return self.after_focus()
        except (Unsayable, IntendantError):
            return None

    def from_bank(self) -> Sample:
        p = self.rng.choice(self.pairs)
        return self.sample(p.text, p.plan, self.worlds[p.catalog], "bank", focused=True)

    def sample(self, text: str, plan: str, world: World, origin: str, focused: bool = False) -> Sample:
        focus: tuple[str, ...] = ()
        if answer(plan) is None and self.rng.random() < 0.5:
            world = narrowed(world, names_in(plan, world), self.rng)
        first = re.match(r"(?:check|transform|query|provision \S+ from|export|optimize) (\S+)", plan)
        if focused and first and first[1] in world.catalog.tables and self.rng.random() < 0.15:
            focus = (first[1],)
        text = varied(text, self.rng) if self.rng.random() < 0.75 else text
        return sample_of(text, plan, world, origin, focus)

    def two_of_bank(self) -> Sample:
        pairs = self.rng.choice(list(self.by_world.values()))
        a, b = self.rng.choice(pairs), self.rng.choice(pairs)
        if answer(a.plan) or answer(b.plan):
            raise Unsayable("not plans")
        text, plan = joined((a.text, a.plan), (b.text, b.plan), self.rng)
        if len(text) > 260:
            raise Unsayable("long")
        return self.sample(text, plan, self.worlds[a.catalog], "two")

    def from_pattern(self) -> Sample:
        world = self.rng.choice(list(self.worlds.values()))
        text, plan = self.rng.choice(PATTERNS)
        fill = Fill(world, self.rng)
        return self.resolved(fill.pair(text, plan), world, "pattern", (), fill.only)

    def with_following(self) -> Sample:
        """A sentence that makes a table, and one or two that go on with it."""
        world = self.rng.choice(list(self.worlds.values()))
        text, plan = self.rng.choice(
            [p for p in PATTERNS if re.match(r"ingest|transform .* into|provision|transform \{t\}", p[1])]
        )
        fill = Fill(world, self.rng)
        first = fill.pair(text, plan)
        if first is None:
            raise Unsayable("no fit")
        columns = self.left_by(first[1], world)
        for _ in range(self.rng.choice((1, 1, 2))):
            nxt = fill.pair(*self.rng.choice(FOLLOWING), columns)
            if nxt is None:
                raise Unsayable("no fit")
            first = joined(first, nxt, self.rng)
            if re.search(r"\binto\b|provision|rename|derive", nxt[1]):
                break
        return self.resolved(first, world, "following", ())

    def left_by(self, plan: str, world: World) -> Sequence[object]:
        m = re.match(r"ingest (\S+)", plan)
        if m:
            found = world.catalog.resources.get(m[1])
            return found.columns if found else ()
        m = re.search(r"(?:transform|from) (\S+)", plan)
        if not m or m[1] not in world.catalog.tables or "group by" in plan or "select" in plan or "drop" in plan:
            return ()
        return world.catalog.tables[m[1]].columns

    def after_focus(self) -> Sample:
        """A sentence that goes on with the result of the one before."""
        world = self.rng.choice(list(self.worlds.values()))
        table = self.rng.choice(list(world.catalog.tables.values()))
        pair = Fill(world, self.rng).pair(*self.rng.choice(FOLLOWING), table.columns)
        return self.resolved(pair, world, "focus", (table.name,))

    def refused(self) -> Sample:
        """A sentence that asks for nothing this product does."""
        world = self.rng.choice(list(self.worlds.values()))
        pair = Fill(world, self.rng).pair(self.rng.choice(REFUSALS), "refuse")
        if pair is None:
            raise Unsayable("no fit")
        return self.sample(*pair, world, "refused")

    def elsewhere(self) -> Sample:
        """A sentence about a table that this catalog doesn't have: the answer is to ask."""
        p = self.rng.choice(self.pairs)
        if answer(p.plan):
            raise Unsayable("no plan")
        other = self.rng.choice(list(self.worlds.values()))
        home = self.worlds[p.catalog]
        used = names_in(p.plan, home)
        said = {n for n in used if re.search(rf"(?i)\b{re.escape(spoken(n.rpartition('.')[2]))}\b", spoken(p.text))}
        if not said or other.name == home.name:
            raise Unsayable("names nothing")
        g = ground(varied(p.text, self.rng), other.index)
        if g.family("TRQ"):
            raise Unsayable("found something")
        what = "resource" if p.plan.startswith(("ingest", "limit")) else "table"
        return Sample(prompt_of(g), f"ask {what}", "elsewhere")

    def resolved(
        self, pair: tuple[str, str] | None, world: World, origin: str, focus: tuple[str, ...], only: str | None = None
    ) -> Sample:
        """The sample of a pair whose plan is partly in ids (`it`, TIME, MATCH)."""
        if pair is None:
            raise Unsayable("no fit")
        text, plan = pair
        if not focus and re.search(r"^\w+ (?:refresh of )?it\b|from it\b", plan.split(" ; ")[0]):
            tables = list(world.catalog.tables)
            used = only or self.rng.choice(tables)
            world = World(
                world.name,
                world.catalog.__class__(
                    tables={used: world.catalog.tables[used]},
                    resources=world.catalog.resources,
                    sources=world.catalog.sources,
                    queries=world.catalog.queries,
                ),
                world.values,
            )
        elif self.rng.random() < 0.4 and not focus:
            world = narrowed(world, names_in(plan, world), self.rng)
        text = varied(text, self.rng)
        g = ground(text, world.index, focus=focus)
        if "{y}" in plan:
            stores = [c for c in g.candidates.values() if c.family == "I" and c.text.endswith(("_store", "_mart"))]
            if not stores:
                raise Unsayable("no name")
            plan = plan.replace("{y}", stores[0].text)
        return Sample(prompt_of(g), half_encoded(plan, g), origin)


def half_encoded(plan: str, g: Grounding) -> str:
    """A pattern's plan in ids: decoded with its special words standing, then encoded."""
    for c in g.candidates.values():
        if c.family == "E":
            plan = plan.replace(c.text, c.id)
    try:
        return checked(decode(plan, g), g)
    except Undecided as e:
        raise Unsayable(str(e)) from None


def samples(pairs: Sequence[Pair], worlds: Mapping[str, World], seed: int) -> Iterator[Sample]:
    """Samples without end, reproducible by seed."""
    g = Generator(pairs, worlds, seed)
    while True:
        s = g.one()
        if s is not None and len(s.prompt.split()) <= 220 and len(s.plan.split()) <= 100:
            yield s
