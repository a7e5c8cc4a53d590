"""Candidate ids to a plan: the one place where names and literals come into what the model wrote."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from intendant.errors import LanguageError
from intendant.language.expression import columns_of, parse_expression, print_expression
from intendant.language.form import Choice, Node, Optional
from intendant.language.form import Sequence as Parts
from intendant.language.form import Word as Said
from intendant.language.grammar import grammar
from intendant.language.kinds import AGGREGATES
from intendant.language.lexer import lex
from intendant.operators.group import default_name
from intendant.planner.glossary import key_of, time_of
from intendant.planner.ground import Grounding
from intendant.planner.ids import COLUMNS, ID, TOKEN, State, Undecided, declared, match_of
from intendant.planner.parsed import parsed
from intendant.planner.words import name_parts
from intendant.types import Column, Plan, Step, split_table

__all__ = ["decode"]

ASIDE = frozenset(
    "old former legacy backup bak tmp temporary test archive archived copy previous history deleted".split()
)
"""Words of tables that stand beside the real one; they must be named to be meant."""


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
        return parsed(" ".join(out)).steps[0]

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
        others = (
            {name(c.name) for t in named for c in tables[parse_table(t)].columns} if "join" in self.tokens else set()
        )
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
            owners = [
                t
                for t in winners
                if name(key_of(tables[t].columns, t, declared(self.state.catalog, t)[0]) or "") in names
            ]
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

    def special(
        self, token: str, columns: Sequence[Column], place: str, key: str | None, time: str | None, other: str | None
    ) -> str:
        if other:
            t = self.state.catalog.table(other)
            columns, place, (key, time) = t.columns, t.name, declared(self.state.catalog, t.name)
        found = key_of(columns, place, key) if token == "KEY" else time_of(columns, time)
        if not found:
            raise Undecided(
                "column", f"{place or 'it'} has no {'key' if token == 'KEY' else 'time'} column that stands out"
            )
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
            here = next(
                (
                    f
                    for f in functions
                    if self.tokens[i : i + len(f)] == f and i and self.tokens[i - 1] in (":", ",", "aggregate")
                ),
                None,
            )
            if here is None:
                i += 1
                continue
            j = i + len(here)
            depth, body = 0, []
            while j < len(self.tokens) and (depth or self.tokens[j] not in ends_of_aggregates()):
                depth += {"(": 1, ")": -1}.get(self.tokens[j], 0)
                body.append(self.tokens[j])
                j += 1
            if j + 1 < len(self.tokens) and self.tokens[j] == "as":
                c = self.g.candidates.get(self.tokens[j + 1])
                out.append(c.text if c else "missing")
            else:
                over = " ".join(self.g.candidates[t].text if t in self.g.candidates else t for t in body)
                said = print_expression(parse_expression(over)) if over else ""
                out.append(grammar().kinds.name(default_name(" ".join(here), said)))
            i = j
        return out

    def invented(self, i: int) -> str:
        """A name for a derived column: what its expression says."""
        rest = self.tokens[i + 2 : i + 6] if self.tokens[i + 1 : i + 2] == ["="] else []
        if not rest:
            if self.tokens[i - 1 : i] == ["as"] and self.tokens[i - 3 : i - 2] == ["explode"]:
                return self.element_of(self.tokens[i - 2])
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

    def element_of(self, column: str) -> str:
        """What one element of a list is called: `tag` of `tags`."""
        c = self.g.candidates.get(column)
        name = c.text.strip('"') if c else "value"
        one = (
            name[:-3] + "y"
            if name.endswith("ies")
            else name[:-1]
            if name.endswith("s") and not name.endswith("ss")
            else name
        )
        return grammar().kinds.name(one)

    def match(self, columns: Sequence[Column], i: int) -> str:
        """The join columns: of the step's table and the one before `on MATCH`."""
        right = self.tokens[i - 2] if i >= 2 else ""
        c = self.g.candidates.get(right)
        name = (
            parse_table(c.text)
            if c
            else self.state.results[int(right[2:] or 1) - 1]
            if right.startswith("it") and self.state.results
            else None
        )
        found = match_of(columns, self.state.catalog.table(name).columns, name) if name else None
        if not found:
            raise Undecided("column", "nothing tells on which columns to join")
        return grammar().kinds["match"].write(found)


@functools.cache
def ends_of_aggregates() -> frozenset[str]:
    """Words that end an aggregate: `,`, `as`, `by`, `into` and the first words of operators."""
    firsts = {TOKEN.findall(w)[0] for form in grammar().operators.values() for w in first_words(form.root)}
    return frozenset({",", "as", "by", "into", *firsts})


def first_words(node: Node) -> set[str]:
    """The words a form may begin with."""
    if isinstance(node, Said):
        return {node.word}
    if isinstance(node, Choice):
        return {w for o in node.options for w in first_words(o)}
    if isinstance(node, Optional):
        return first_words(node.part)
    out: set[str] = set()
    for part in node.parts if isinstance(node, Parts) else ():
        out |= first_words(part)
        if not isinstance(part, Optional):
            break
    return out


def parse_table(text: str) -> str:
    """The table that its text in the language names."""
    parts = [t.text for t in lex(text) if t.kind in ("word", "name", "symbol")]
    return "".join(parts)


def unquoted_resource(text: str) -> str:
    return parse_table(text)
