"""A plan to candidate ids, for making training samples and for comparing plans; what isn't a candidate can't be said."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

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
    parse_expression,
    print_expression,
)
from intendant.language.form import Form, Kind
from intendant.language.grammar import grammar
from intendant.operators.group import default_name
from intendant.planner.glossary import key_of, time_of
from intendant.planner.ground import Grounding
from intendant.planner.ids import COLUMNS, CONSTANTS, TOKEN, State, Unsayable, columns_in, declared, match_of
from intendant.planner.shapes import EMAIL
from intendant.types import Column, Plan, Step

__all__ = ["encode"]


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
        if isinstance(e, Call) and e.name == "add_days" and (ago := self.ago(e)):
            return ago
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

    def ago(self, e: Call) -> Expr | None:
        """add_days(x, -60) where "60 days" was said: x less that."""
        days = e.args[1]
        if isinstance(days, Unary) and days.op == "-" and isinstance(days.arg, Literal):
            said = self.g.by_text.get(("D", f"{days.arg.value} days"))
        elif isinstance(days, Literal) and days.value.startswith("-"):
            said = self.g.by_text.get(("D", f"{days.value[1:]} days"))
        else:
            return None
        return Binary("-", self.replaced(e.args[0]), Col(said)) if said else None

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
        right = next(
            (
                o.args["table"]
                for o in self.step.get("operators") or ()
                if o.verb == "join" and o.args["match"] == value
            ),
            None,
        )
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
        if e.op == "like":
            raise Unsayable("`like` is for people who write it themselves")
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
        if e.step.verb == "export":
            return e.find("P", quoted, "path")
        address = g.kinds["text"].write(EMAIL)
        return e.find("V", address if "[^@" in text and ("V", address) in e.g.by_text else quoted, "pattern")

    writers: dict[str, Callable[[Any], str]] = {
        "table": e.table,
        "resource": e.resource,
        "column": e.column,
        "columns": lambda v: ", ".join(map(e.column, v)),
        "key": lambda v: e.column(v[0]) if len(v) == 1 else f"({', '.join(map(e.column, v))})",
        "name": lambda v: (
            e.find("Q", g.kinds.name(v), "query")
            if e.step.verb == "optimize"
            else e.find("Y", g.kinds.name(v), "pipeline")
            if e.step.verb == "schedule"
            else derived(v)
        ),
        "int": lambda v: e.literal("N", str(v), "number"),
        "text": path,
        "expr": e.expression,
        "value": value,
        "list": lambda v: f"({', '.join(map(value, v))})",
        "type": e.type_of,
        "table_column": lambda v: f"{e.table(v[0])}.{other_column(e, v)}",
        "duration": lambda v: e.find("D", v, "duration"),
        "when": lambda v: e.find("K", v, "schedule"),
        "rate": lambda v: e.find("H", v, "rate"),
        "order": e.order,
        "renames": e.renames,
        "aggregates": e.group,
        "layout": e.layout,
        "match": e.match,
        "operators": parts(g.operators, " "),
        "rules": parts(g.rules, ", "),
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
