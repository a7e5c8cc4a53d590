"""A plan in candidate ids, and back: the one place where names and literals leave a plan and come in again.

Beside the ids of what was said there are a few words for what is only meant: `it` (`it2`, `it3`) the last results, or
the table that the sentence is about; KEY and TIME the key and the time column of a step's table; MATCH the columns that
join two tables; A1.. the aggregates of the step; NEW a derived column that nobody named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from intendant.catalog import Catalog
from intendant.errors import LanguageError
from intendant.language.expression import (
    Between,
    Binary,
    Call,
    Case,
    Col,
    Expr,
    In,
    IsNull,
    Literal,
    Unary,
    columns_of,
    parse_expression,
    print_expression,
)
from intendant.language.form import Form, Kind
from intendant.language.grammar import grammar
from intendant.language.kinds import AGGREGATES
from intendant.language.lexer import lex
from intendant.language.plans import parse
from intendant.operators.group import default_name
from intendant.planner.glossary import key_of, time_of
from intendant.planner.ground import Grounding
from intendant.planner.words import name_parts
from intendant.types import Column, Plan, Step, split_table

__all__ = ["ID", "Undecided", "Unsayable", "decode", "encode", "match_of"]

ID = re.compile(r"\b([RSTCMWBNVUDKIEQPHY])(\d{1,2})\b")
TOKEN = re.compile(r"'[^']*'|[A-Za-z_]\w*|\d+|<=|>=|!=|\|\||[^\s\w]")
CONSTANTS = ("0", "1", "2", "7", "12", "24", "60", "100", "1000")
COLUMNS = "CMWB"
ASIDE = frozenset("old former legacy backup bak tmp temporary test archive archived copy previous history deleted".split())
"""Words of tables that stand beside the real one; they must be named to be meant."""


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


def walk_columns(step: Step) -> Iterator[str]:
    """The names of columns that a step reads, those of its operators too."""
    texts: list[str] = []
    if step.get("where"):
        texts.append(step.args["where"])
    for name in ("by", "cursor", "column", "per"):
        if isinstance(step.get(name), str):
            yield step.args[name]
    for name in ("columns", "key", "keys", "sort"):
        for c in step.get(name) or ():
            yield c if isinstance(c, str) else c[0]
    for c in step.get("partition") or ():
        yield re.sub(r"\w+\((.*)\)", r"\1", c).strip('"')
    made: set[str] = set()
    for part in (*(step.get("operators") or ()), *(step.get("rules") or ())):
        if part.verb == "join":
            return
        inner = list(walk_columns(part))
        inner += [c.name for k in ("condition", "value", "expression") if part.get(k)
                  for c in columns_of(parse_expression(part.args[k]))]
        inner += [c.name for f, over, _ in part.get("aggregates") or () if over for c in columns_of(parse_expression(over))]
        inner += [a for a, _ in part.get("names") or ()]
        yield from (c for c in inner if c not in made)
        made |= {b for _, b in part.get("names") or ()} | ({part.args["name"]} if part.verb == "derive" else set())
        if part.verb == "group":
            return
    for text in texts:
        yield from (c.name for c in columns_of(parse_expression(text)))


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
            extra = tuple(c for c in made_columns(step) if c.name not in {o.name for o in self.catalog.table(name).columns})
            self.catalog = self.catalog.with_table(name, self.catalog.table(name).columns + extra)
        self.results = [name, *(r for r in self.results if r != name)]


def made_columns(step: Step) -> tuple[Column, ...]:
    """Columns that a transform makes, roughly typed; only their names matter here."""
    out = []
    for part in step.get("operators") or ():
        if part.verb == "derive":
            out.append(Column(part.args["name"], "DOUBLE"))
        out += [Column(b, "VARCHAR") for _, b in part.get("names") or ()]
        out += [Column(alias or default_name(f, over), "DOUBLE") for f, over, alias in part.get("aggregates") or ()]
    return tuple(out)


class Encoder:
    """Writes one step after another in ids. Raises Unsayable."""

    def __init__(self, grounding: Grounding) -> None:
        self.g = grounding
        self.state = State(grounding, grounding.catalog)
        self.kinds = id_kinds(self)
        self.made: dict[str, str] = {}
        self.step = Step("")
        self.aggregates = 0
        self.relation: tuple[Column, ...] = ()

    def plan(self, plan: Plan) -> str:
        out = []
        for step in plan.steps:
            out.append(self.one(step))
            self.state.after(step)
        return " ; ".join(out)

    def one(self, step: Step) -> str:
        self.step, self.made, self.aggregates = step, {}, 0
        try:
            self.relation = columns_in(self.state.catalog, step)[0]
        except LanguageError as e:
            raise Unsayable(str(e)) from None
        form = grammar().verbs[step.verb]
        return spaced(Form(form.text, form.root, self.kinds).write(self.targeted(step)))

    def targeted(self, step: Step) -> dict[str, Any]:
        """Arguments with a target marked as such, so that it is written as a new name where it is one."""
        args = dict(step.args)
        if args.get("target"):
            args["target"] = ("new", args["target"])
        return args

    def find(self, families: str, text: str, what: str) -> str:
        for f in families:
            if (f, text) in self.g.by_text:
                return self.g.by_text[(f, text)]
        lower = text.lower()
        for (f, t), i in self.g.by_text.items():
            if f in families and t.lower() == lower:
                return i
        raise Unsayable(f"{what} {text}")

    def table(self, value: Any) -> str:
        if isinstance(value, tuple):
            text = grammar().kinds["table"].write(value[1])
            return self.find("IT", text, "new name")
        if value in self.state.results[:3]:
            n = self.state.results.index(value)
            return "it" if n == 0 else f"it{n + 1}"
        try:
            return self.find("T", grammar().kinds["table"].write(value), "table")
        except Unsayable:
            if value != self.step.get("table"):
                raise
            return "it"

    def resource(self, value: str) -> str:
        own = [r for r in self.g.catalog.resources.values() if r.source == value]
        if len(own) == 1:
            value = own[0].full
        return self.find("RS", grammar().kinds["resource"].write(value), "resource")

    def column(self, name: str) -> str:
        if name.lower() in self.made:
            return self.made[name.lower()]
        try:
            return self.find(COLUMNS + "I", grammar().kinds.name(name), "column")
        except Unsayable:
            columns, place, key, time = columns_in(self.state.catalog, self.step)
            if name == time_of(columns, time):
                return "TIME"
            if name == key_of(columns, place, key):
                return "KEY"
            raise

    def new(self, name: str) -> str:
        """A name that the step makes."""
        try:
            out = self.find("I" + COLUMNS, grammar().kinds.name(name), "new name")
        except Unsayable:
            if "NEW" in self.made.values():
                raise
            out = "NEW"
        self.made[name.lower()] = out
        return out

    def literal(self, families: str, text: str, what: str) -> str:
        if text in CONSTANTS and families == "N" and ("N", text) not in self.g.by_text:
            return text
        return self.find(families, text, what)

    def expression(self, text: str) -> str:
        return print_expression(self.replaced(parse_expression(text)), frozenset())

    def replaced(self, e: Expr) -> Expr:
        """The tree with ids in place of what the sentence said."""
        text = print_expression(e, grammar().kinds.reserved)
        for family in "EU":
            if (family, text) in self.g.by_text:
                return Col(self.g.by_text[(family, text)])
        if isinstance(e, Literal):
            return self.replaced_literal(e, text)
        if isinstance(e, Between) and not e.negated and (open_end := self.period(e)):
            return open_end
        if isinstance(e, Col):
            return Col(self.column(e.name))
        if isinstance(e, Call) and e.name == "start_of" and len(e.args) == 2:
            return Call(e.name, (e.args[0], self.replaced(e.args[1])))
        return rebuilt(e, self.replaced)

    def replaced_literal(self, e: Literal, text: str) -> Expr:
        if e.kind in ("bool", "null"):
            return e
        if e.kind == "number":
            number = re.sub(r"\.0$", "", e.value)
            said = self.literal("N", number, "number")
            return e if said == number else Col(said)
        if e.kind == "duration":
            return Col(self.find("D", text, "duration"))
        if e.kind == "text":
            return Col(self.find("VU", text, "value"))
        return Col(self.find("U", text, "date"))

    def period(self, e: Between) -> Expr | None:
        """between the first and the last day of a period: from its start to before its end."""
        if not (isinstance(e.low, Literal) and isinstance(e.high, Literal) and e.high.kind == "date"):
            return None
        try:
            after = (date.fromisoformat(e.high.value) + timedelta(days=1)).isoformat()
        except ValueError:
            return None
        low, high = (self.g.by_text.get(("U", f"date '{d}'")) for d in (e.low.value, after))
        if not low or not high:
            return None
        arg = self.replaced(e.arg)
        return Binary("and", Binary(">=", arg, Col(low)), Binary("<", arg, Col(high)))

    def order(self, value: Sequence[tuple[str, str]]) -> str:
        return ", ".join(self.column(n) + (" descending" if d == "descending" else "") for n, d in value)

    def renames(self, value: Sequence[tuple[str, str]]) -> str:
        return ", ".join(f"{self.column(a)} to {self.new(b)}" for a, b in value)

    def group(self, value: Sequence[tuple[str, str, str]]) -> str:
        out = []
        for function, over, alias in value:
            self.aggregates += 1
            arg = ""
            if over:
                shown = self.expression(over)
                arg = f" {shown}" if re.fullmatch(r"[^E]\w+|E[A-Za-z_]\w*", shown) else f" ({shown})"
            said = ""
            name = alias or default_name(function, over)
            self.made[name.lower()] = f"A{self.aggregates}"
            if alias:
                try:
                    said = f" as {self.find('I', grammar().kinds.name(alias), 'new name')}"
                    self.made[alias.lower()] = said[4:]
                except Unsayable:
                    pass
            out.append(f"{function}{arg}{said}")
        return ", ".join(out)

    def layout(self, value: Sequence[str]) -> str:
        out = []
        for v in value:
            m = re.fullmatch(r"(year|month|day|hour)\((.*)\)", v)
            out.append(f"{m[1]}({self.column(unquoted(m[2]))})" if m else self.column(unquoted(v)))
        return ", ".join(out)

    def match(self, value: tuple[tuple[str, str], ...]) -> str:
        right = next((o.args["table"] for o in self.step.get("operators") or () if o.verb == "join" and o.args["match"] == value), None)
        said = all(("", self.by_name(n))[1] for pair in value for n in pair)
        if right and not said and self.state.catalog.has(right):
            best = match_of(self.relation, self.state.catalog.table(right).columns, right)
            if best == value:
                return "MATCH"
        return " and ".join(self.column(a) if a == b else f"{self.column(a)} = {self.column(b)}" for a, b in value)

    def by_name(self, name: str) -> str | None:
        text = grammar().kinds.name(name)
        return next((self.g.by_text[(f, text)] for f in COLUMNS if (f, text) in self.g.by_text), None)

    def type_of(self, value: str) -> str:
        return value


def unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def rebuilt(e: Expr, f: Callable[[Expr], Expr]) -> Expr:
    """The same node over changed children."""
    if isinstance(e, Unary):
        return Unary(e.op, f(e.arg))
    if isinstance(e, Binary):
        return Binary(e.op, f(e.left), f(e.right))
    if isinstance(e, Between):
        return Between(f(e.arg), f(e.low), f(e.high), e.negated)
    if isinstance(e, In):
        return In(f(e.arg), tuple(f(i) for i in e.items), e.negated)
    if isinstance(e, IsNull):
        return IsNull(f(e.arg), e.negated)
    if isinstance(e, Call):
        return Call(e.name, tuple(f(a) for a in e.args))
    if isinstance(e, Case):
        return Case(tuple((f(a), f(b)) for a, b in e.whens), f(e.otherwise) if e.otherwise is not None else None)
    return e


def id_kinds(e: Encoder) -> Mapping[str, Kind]:
    """The kinds of the language, written in ids."""
    g = grammar()

    def value(text: str) -> str:
        return e.expression(text)

    def parts(forms: Mapping[str, Form], sep: str) -> Callable[[Sequence[Step]], str]:
        return lambda steps: sep.join(Form(forms[s.verb].text, forms[s.verb].root, kinds).write(s.args) for s in steps)

    def derived(name: str) -> str:
        return e.new(name)

    def path(text: str) -> str:
        quoted = g.kinds["text"].write(text)
        return e.find("P", quoted, "path") if e.step.verb == "export" else e.find("V", quoted, "pattern")

    writers: dict[str, Callable[[Any], str]] = {
        "table": e.table, "resource": e.resource, "column": e.column, "columns": lambda v: ", ".join(map(e.column, v)),
        "key": lambda v: e.column(v[0]) if len(v) == 1 else f"({', '.join(map(e.column, v))})",
        "name": lambda v: e.find("Q", g.kinds.name(v), "query") if e.step.verb == "optimize" else
        e.find("Y", g.kinds.name(v), "pipeline") if e.step.verb == "schedule" else derived(v),
        "int": lambda v: e.literal("N", str(v), "number"), "text": path, "expr": e.expression, "value": value,
        "list": lambda v: f"({', '.join(map(value, v))})", "type": e.type_of,
        "table_column": lambda v: f"{e.table(v[0])}.{other_column(e, v)}",
        "duration": lambda v: e.find("D", v, "duration"), "when": lambda v: e.find("K", v, "schedule"),
        "rate": lambda v: e.find("H", v, "rate"), "order": e.order, "renames": e.renames, "aggregates": e.group,
        "layout": e.layout, "match": e.match, "operators": parts(g.operators, " "), "rules": parts(g.rules, ", "),
    }
    kinds = {k: Kind(k, g.kinds[k].read, w, "") for k, w in writers.items()}
    return kinds


def other_column(e: Encoder, value: tuple[str, str]) -> str:
    found = e.by_name(value[1])
    if found:
        return found
    table = e.state.catalog.table(value[0])
    if key_of(table.columns, table.name, declared(e.state.catalog, table.name)[0]) == value[1]:
        return "KEY"
    raise Unsayable(f"column {value[1]}")


def spaced(text: str) -> str:
    """The tokens of an id text with one space between."""
    return " ".join(TOKEN.findall(text))


def encode(plan: Plan, grounding: Grounding) -> str:
    """The plan in ids, one space between tokens, steps by `;`. Raises Unsayable."""
    try:
        return Encoder(grounding).plan(plan)
    except LanguageError as e:
        raise Unsayable(str(e)) from None


def decode(text: str, grounding: Grounding) -> Plan:
    """The plan that an id text stands for. Raises Undecided or LanguageError."""
    state = State(grounding, grounding.catalog)
    steps: list[Step] = []
    for sentence in text.split(" ; "):
        step = Decoder(state, sentence.strip()).step()
        steps.append(step)
        state.after(step)
    return Plan(tuple(steps))


class Decoder:
    """One step's ids to names."""

    def __init__(self, state: State, text: str) -> None:
        self.state, self.g, self.text = state, state.grounding, text
        self.tokens = TOKEN.findall(text)

    def step(self) -> Step:
        subject = self.subject()
        columns, place, key, time = self.place(subject)
        aggregates = self.aggregates()
        out: list[str] = []
        for i, token in enumerate(self.tokens):
            before = self.tokens[i - 1] if i else ""
            if token == "it":
                out.append(self.it(subject))
            elif re.fullmatch(r"it[23]", token):
                n = int(token[2]) - 1
                if n >= len(self.state.results):
                    raise Undecided("table", "there is no such earlier result")
                out.append(grammar().kinds["table"].write(self.state.results[n]))
            elif token in ("KEY", "TIME"):
                out.append(self.special(token, columns, place, key, time, self.referenced(i)))
            elif token == "NEW":
                out.append(self.invented(i))
            elif token == "MATCH":
                out.append(self.match(columns, i))
            elif re.fullmatch(r"A\d", token):
                out.append(aggregates[int(token[1]) - 1] if int(token[1]) <= len(aggregates) else "missing")
            elif token in self.g.candidates:
                out.append(self.g.candidates[token].text)
            elif ID.fullmatch(token):
                raise Undecided("other", f"{token} stands for nothing")
            else:
                out.append(token)
            if before == "." or token == ".":
                out[-2:] = ["".join(out[-2:])]
        return parse(" ".join(out)).steps[0]

    def subject(self) -> str | None:
        """The table that the step is about, when it isn't said by an id."""
        if "it" not in self.tokens:
            return None
        if self.state.results:
            return self.state.results[0]
        return self.meant()

    def meant(self) -> str:
        """The first of the likely tables that has the step's columns. Raises Undecided when none or several do."""
        used = [self.g.candidates[t] for t in self.tokens if t in self.g.candidates]
        names = [c.text for c in used if c.family in COLUMNS]
        for c in used:
            if c.family == "E":
                names += [grammar().kinds.name(x.name) for x in columns_of(parse_expression(c.text))]
        said = names or [c.text for c in self.g.candidates.values() if c.family in COLUMNS]
        if not names:
            for c in self.g.candidates.values():
                if c.family == "E":
                    said += [grammar().kinds.name(x.name) for x in columns_of(parse_expression(c.text))]
        tables = self.state.catalog.tables
        name = grammar().kinds.name
        named = {c.text for c in used if c.family == "T"}
        others = {name(c.name) for t in named for c in tables[parse_table(t)].columns} if "join" in self.tokens else set()
        scored = []
        for t in self.g.its:
            own = {name(c.name) for c in tables[t].columns}
            if grammar().kinds["table"].write(t) not in named and (not names or all(n in own | others for n in names)):
                scored.append((sum(n in own for n in said), t))
        if not scored:
            raise Undecided("table", "no table has these columns", self.g.its[:4])
        best = max(s for s, _ in scored)
        if "last" in self.g.prompt.partition("|")[0].split():
            return next(t for s, t in scored if s == best or not names)
        winners = [t for s, t in scored if s == best]
        if len(winners) > 1:
            winners = [t for t in winners if not set(name_parts(t)) & ASIDE] or winners
        if len(winners) > 1:
            owners = [t for t in winners if name(key_of(tables[t].columns, t, declared(self.state.catalog, t)[0]) or "") in names]
            winners = owners if len(owners) == 1 else winners
        if len(winners) > 1 and len({split_table(t)[1] for t in winners}) > 1:
            raise Undecided("table", "several tables fit", winners)
        return winners[-1] if len(winners) > 1 and split_table(winners[0])[0] != "main" else winners[0]

    def it(self, subject: str | None) -> str:
        return grammar().kinds["table"].write(subject or self.meant())

    def place(self, subject: str | None) -> tuple[tuple[Column, ...], str, str | None, str | None]:
        """The columns that KEY and TIME speak of."""
        catalog = self.state.catalog
        for token in self.tokens:
            c = self.g.candidates.get(token)
            if c and c.family in "RS" and self.tokens[0] == "ingest":
                try:
                    r = catalog.resource(unquoted_resource(c.text))
                except LanguageError:
                    return (), "", None, None
                return r.columns, r.name, r.key, r.timestamp
            if c and c.family == "T":
                t = catalog.table(parse_table(c.text))
                return t.columns, t.name, *declared(catalog, t.name)
            if token == "it" and subject:
                t = catalog.table(subject)
                return t.columns, t.name, *declared(catalog, t.name)
        return (), "", None, None

    def special(self, token: str, columns: Sequence[Column], place: str, key: str | None, time: str | None,
                other: str | None) -> str:
        if other:
            t = self.state.catalog.table(other)
            columns, place, (key, time) = t.columns, t.name, declared(self.state.catalog, t.name)
        found = key_of(columns, place, key) if token == "KEY" else time_of(columns, time)
        if not found:
            raise Undecided("column", f"{place or 'it'} has no {'key' if token == 'KEY' else 'time'} column that stands out")
        return grammar().kinds.name(found)

    def referenced(self, i: int) -> str | None:
        """The table before `. KEY`, for a reference to another table's column."""
        if i >= 2 and self.tokens[i - 1] == ".":
            c = self.g.candidates.get(self.tokens[i - 2])
            return parse_table(c.text) if c else None
        return None

    def aggregates(self) -> list[str]:
        """The output names of the step's aggregates, in order."""
        out: list[str] = []
        functions = [f.split() for f in AGGREGATES]
        i = 0
        while i < len(self.tokens):
            here = next((f for f in functions if self.tokens[i:i + len(f)] == f and i and self.tokens[i - 1] in (":", ",", "aggregate")), None)
            if here is None:
                i += 1
                continue
            j = i + len(here)
            depth, body = 0, []
            while j < len(self.tokens) and (depth or self.tokens[j] not in (",", "as", "sort", "top", "bottom", "filter", "into", "derive",
                                                                        "rename", "select", "first", "drop", "join", "fill", "cast")):
                depth += {"(": 1, ")": -1}.get(self.tokens[j], 0)
                body.append(self.tokens[j])
                j += 1
            if j + 1 < len(self.tokens) and self.tokens[j] == "as":
                c = self.g.candidates.get(self.tokens[j + 1])
                out.append(c.text if c else "missing")
            else:
                over = " ".join(self.g.candidates[t].text if t in self.g.candidates else t for t in body)
                out.append(grammar().kinds.name(default_name(" ".join(here), print_expression(parse_expression(over)) if over else "")))
            i = j
        return out

    def invented(self, i: int) -> str:
        """A name for a derived column: what its expression says."""
        rest = self.tokens[i + 2:i + 6] if self.tokens[i + 1:i + 2] == ["="] else []
        if not rest:
            first = next((j for j, t in enumerate(self.tokens) if t == "NEW"), i)
            return self.invented(first) if first != i else "value"
        if rest[0] == "start_of" and len(rest) > 2:
            return f'"{rest[2][1:-1]}"'
        if rest[0] in ("year", "month", "day", "hour", "quarter", "week"):
            return f'"{rest[0]}"'
        c = self.g.candidates.get(rest[0])
        if c and c.family == "E" and c.said:
            return grammar().kinds.name("_".join(name.lower() for name in re.findall(r"\w+", c.said)))
        if rest[0] == "date_of":
            return '"date"'
        return "value"

    def match(self, columns: Sequence[Column], i: int) -> str:
        """The join columns: of the step's table and the one before `on MATCH`."""
        right = self.tokens[i - 2] if i >= 2 else ""
        c = self.g.candidates.get(right)
        name = parse_table(c.text) if c else self.state.results[int(right[2:] or 1) - 1] if right.startswith("it") and self.state.results else None
        found = match_of(columns, self.state.catalog.table(name).columns, name) if name else None
        if not found:
            raise Undecided("column", "nothing tells on which columns to join")
        return grammar().kinds["match"].write(found)


def parse_table(text: str) -> str:
    """The table that its text in the language names."""
    parts = [t.text for t in lex(text) if t.kind in ("word", "name", "symbol")]
    return "".join(parts)


def unquoted_resource(text: str) -> str:
    return parse_table(text)
