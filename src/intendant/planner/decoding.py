"""The decoding grammar (GBNF) of one sentence: the forms of the language with its candidates in place of names.

Whatever follows this grammar is `refuse`, `ask SLOT` or a plan in ids; a form that lacks a candidate it needs is left out.
Every token is written with a space before it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

from intendant.language.form import Choice, Form, Node, Optional, Slot, Word
from intendant.language.form import Sequence as Parts
from intendant.language.functions import FUNCTIONS
from intendant.language.grammar import grammar
from intendant.language.kinds import AGGREGATES, TYPES
from intendant.planner.ground import Grounding
from intendant.planner.ids import CONSTANTS, TOKEN

__all__ = ["SLOTS", "decoding_grammar", "spoken_grammar", "words_of_plans"]

SLOTS = ("table", "resource", "column", "value", "number", "schedule", "name", "other")
"""What a sentence can leave open."""
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
TEXT_TESTS = (("contains",), ("starts", "with"), ("ends", "with"), ("matches",))
PERIODS = ("year", "month", "day", "hour")


def said(*tokens: str) -> str:
    """Tokens as a GBNF literal."""
    return '"' + "".join(f" {t}" for t in tokens).replace("\\", "\\\\").replace('"', '\\"') + '"'


def either(options: Iterable[str | None]) -> str | None:
    kept = [o for o in options if o]
    return None if not kept else kept[0] if len(kept) == 1 else f"({' | '.join(kept)})"


def listed(one: str | None, sep: str = ",") -> str | None:
    return f"{one} ({said(sep)} {one})*" if one else None


class Writer:
    """Rules by name for one grounding; `any_of` gives the ids of families."""

    def __init__(self, g: Grounding, spoken: bool = False) -> None:
        self.g, self.spoken = g, spoken
        self.rules: dict[str, str] = {}
        self.slots = {name: self.rule(f"k{i}", text) for i, (name, text) in enumerate(self.kinds().items())}

    def rule(self, name: str, text: str | None) -> str | None:
        if text is None:
            return None
        self.rules[name] = text
        return name

    def any_of(self, families: str, *more: str) -> str | None:
        if self.spoken:
            made = any(m in DERIVED for m in more)
            more = tuple(m for m in more if not re.fullmatch("[A-Z]+[0-9]?|it[23]?", m))
            return either([*map(self.family, families), *map(said, more), *([WORD] if made else [])])
        return either([*map(self.family, families), *map(said, more)])

    def family(self, letter: str) -> str | None:
        """The rule for the ids of one family, written once; None when the sentence has none."""
        name = f"id-{letter}"
        if name not in self.rules:
            ids = self.g.family(letter)
            texts = dict.fromkeys(self.g.candidates[i].text for i in ids) if self.spoken else ids
            return self.rule(name, either(map(said, texts)))
        return name

    def kinds(self) -> dict[str, str | None]:
        """The text of each kind of slot; None where nothing fits it."""
        its = ("it", "it2", "it3")
        column = self.rule("col", self.any_of("CMWBI", "KEY", "TIME", "NEW", "A1", "A2", "A3", "A4"))
        number = self.rule("num", self.any_of("N", *CONSTANTS))
        made = self.rule("made", self.any_of("ICMWB", "NEW"))
        table = self.rule("table", self.any_of("TI" if self.spoken else "T", *its))
        self.expressions(column, number)
        value = self.rule("val", self.any_of("NVU", "true", "false", *CONSTANTS[:2]))
        aggregate = either(f"{said(*f.split())} {'col' if f != 'count' else 'col?'}" for f in AGGREGATES)
        over = either(f"{said(*f.split(), '(')} expr {said(')')}" for f in AGGREGATES)
        alias = self.any_of("I")
        one = f"({aggregate} | {over})" + (f" ({said('as')} {alias})?" if alias else "")
        time = self.rule("tcol", self.any_of("WI", "TIME", "NEW"))
        period = f"{either(said(p) for p in PERIODS)} {said('(')} {time} {said(')')}"
        return {
            "table": table,
            "target": self.any_of("IT"),
            "resource": self.any_of("RS"),
            "column": column,
            "columns": listed(column),
            "key": f"(col | {said('(')} {listed(column)} {said(')')})",
            "name": made,
            "query": self.any_of("Q"),
            "pipeline": self.any_of("Y"),
            "int": number,
            "path": self.any_of("P"),
            "text": self.any_of("V"),
            "expr": "expr",
            "value": value,
            "list": f"{said('(')} {listed(value)} {said(')')}",
            "table_column": f"table {said('.')} col",
            "type": either(said(t) for t in TYPES),
            "duration": self.any_of("D"),
            "when": self.any_of("K"),
            "rate": self.any_of("H"),
            "order": listed(f"col ({said('descending')})?"),
            "renames": listed(f"col {said('to')} made"),
            "aggregates": listed(one),
            "layout": listed(f"(col | {period})"),
            "match": either([None if self.spoken else said("MATCH"), listed(f"col ({said('=')} col)?", "and")]),
        }

    def expressions(self, column: str | None, number: str | None) -> None:
        literal = either([number, self.any_of("VUD")])
        call = f"{either(said(f, '(') for f in FUNCTIONS if f != 'start_of')} sum ({said(',')} sum)* {said(')')}"
        units = either(
            said("start_of", "(", f"'{u}'", ",") for u in ("hour", "day", "week", "month", "quarter", "year")
        )
        case = f"{said('case')} ({said('when')} expr {said('then')} sum)+ ({said('else')} sum)? {said('end')}"
        now = either([said("now", "(", ")"), said("today", "(", ")")])
        known = self.any_of("E", "true", "false")
        self.rules |= {
            "lit": literal or said("0"),
            "atom": f"(col | {known} | lit | {now} | {said('(')} expr {said(')')} | {call} | {units} sum {said(')')} | {case})",
            "prod": f"atom (({either(map(said, ('*', '/', '%')))}) atom)*",
            "sum": f"prod (({either(map(said, ('+', '-', '||')))}) prod)*",
            "test": (
                f"sum ( {either(map(said, COMPARISONS))} sum | {said('is', 'null')} | {said('is', 'not', 'null')}"
                f" | {said('in', '(')} lit ({said(',')} lit)* {said(')')} | {said('not', 'in', '(')} lit ({said(',')} lit)* {said(')')}"
                f" | {said('between')} sum {said('and')} sum | {either(said(*t) for t in TEXT_TESTS)} lit)?"
            ),
            "cond": f"({said('not')})? test",
            "expr": f"cond (({either(map(said, ('and', 'or')))}) cond)*",
        }

    def node(self, node: Node, verb: str) -> str | None:
        """The text of a form's node; None when it can't be said."""
        if isinstance(node, Word):
            return said(*TOKEN.findall(node.word))
        if isinstance(node, Slot):
            return self.slot(node, verb)
        if isinstance(node, Optional):
            inner = self.node(node.part, verb)
            return f"({inner})?" if inner else '""'
        if isinstance(node, Choice) and node.name in UNSAID:
            return None
        if isinstance(node, Choice):
            return either(self.node(o, verb) for o in node.options)
        assert isinstance(node, Parts)
        parts = [self.node(p, verb) for p in node.parts]
        return None if None in parts else " ".join(p for p in parts if p and p != '""')

    def slot(self, slot: Slot, verb: str) -> str | None:
        if slot.kind in ("operators", "rules"):
            return slot.kind
        special = {
            ("ingest", "target"): "target",
            ("transform", "target"): "target",
            ("provision", "target"): "target",
            ("optimize", "query"): "query",
            ("schedule", "pipeline"): "pipeline",
            ("export", "path"): "path",
        }
        return self.slots[special.get((verb, slot.name), slot.kind)]

    def forms(self, name: str, forms: dict[str, Form], sep: str) -> None:
        options = either(self.node(f.root, verb) for verb, f in forms.items()) or '""'
        self.rules[f"{name}-one"] = options
        self.rules[name] = f"{name}-one ({sep}{name}-one)*"

    def text(self, free: bool) -> str:
        g = grammar()
        self.forms("operators", dict(g.operators), "")
        self.forms("rules", dict(g.rules), f"{said(',')} ")
        steps = {verb: self.node(f.root, verb) for verb, f in g.verbs.items()}
        self.rules["step"] = either(steps.values()) or said("refuse")
        plan = f"step ({said(';')} step)*"
        self.rules["root"] = f"{said('refuse')} | {said('ask')} {either(map(said, SLOTS))} | {plan}" if free else plan
        return "\n".join(f"{n} ::= {t}" for n, t in self.rules.items())


UNSAID = ("fresh",)
"""What only a person's own plan says: no model was trained to."""
DERIVED = ("NEW", "A1")
"""Words in ids for columns that a plan makes: in a spoken plan any plain name."""
WORD = '" " [a-z] [a-z0-9_]*'


def spoken_grammar(grounding: Grounding) -> str:
    """The grammar with the candidates' own names and values in place of ids, for models that write the language itself."""
    return Writer(grounding, spoken=True).text(True)


def decoding_grammar(grounding: Grounding, *, free: bool = True) -> str:
    """The GBNF of a grounding; not `free`: a plan, neither `refuse` nor `ask`."""
    return Writer(grounding).text(free)


@functools.cache
def words_of_plans() -> tuple[str, ...]:
    """Every token a plan in ids can hold, the ids aside."""
    g = grammar()
    words: set[str] = {
        "refuse",
        "ask",
        "it",
        "it2",
        "it3",
        "KEY",
        "TIME",
        "NEW",
        "A1",
        "A2",
        "A3",
        "A4",
        "MATCH",
        ";",
        "(",
        ")",
        ",",
        ".",
        ":",
        "true",
        "false",
        "null",
        "is",
        "not",
        "in",
        "and",
        "or",
        "between",
        "case",
        "when",
        "then",
        "else",
        "end",
        "now",
        "today",
        "start_of",
        "to",
        "as",
        "descending",
        "refresh",
        "of",
    }
    words |= {*SLOTS, *COMPARISONS, *CONSTANTS, *FUNCTIONS, *TYPES, *PERIODS, "+", "-", "*", "/", "%", "||", "on", "="}
    words |= {w for t in (*TEXT_TESTS, *(f.split() for f in AGGREGATES)) for w in t}
    words |= {f"'{u}'" for u in ("hour", "day", "week", "month", "quarter", "year")}
    for forms in (g.verbs, g.operators, g.rules):
        for form in forms.values():
            words |= _words(form.root)
    return tuple(sorted(words))


def _words(node: Node) -> set[str]:
    if isinstance(node, Word):
        return set(TOKEN.findall(node.word))
    children: Sequence[Node] = ()
    if isinstance(node, Parts):
        children = node.parts
    elif isinstance(node, Choice):
        children = node.options
    elif isinstance(node, Optional):
        children = (node.part,)
    return {w for c in children for w in _words(c)}
