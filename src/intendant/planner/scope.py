"""Scope: which columns a plan in ids can speak of where it stands, so that the search never writes what the check would refuse.

It follows a plan word by word, knows the columns that every operator leaves, and admits a word that follows only when it can
be meant: a column of the tables in play, not twice in one list, a value that is like what it is compared with, a join with
another table. Where it loses track (a pivot, a resource without declared columns) it admits everything: the check is exact,
this only saves the search from dead ends.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from intendant.errors import LanguageError
from intendant.language.functions import FUNCTIONS
from intendant.language.grammar import grammar
from intendant.language.kinds import AGGREGATES
from intendant.language.lexer import lex, quote_string
from intendant.language.to_sql import kind_of_type
from intendant.operators.group import default_name
from intendant.planner.decode import ends_of_aggregates, parse_table
from intendant.planner.ground import Grounding
from intendant.planner.ids import COLUMNS, CONSTANTS, ID
from intendant.types import Column

__all__ = ["START", "Here", "Scope", "starts"]

GOES_ON = frozenset(
    ", ( = + - * / % || < <= > >= != and or not when then else between in by on to as with : of per where filter drop"
    " inner left right full semi anti dense row from contains matches over aggregate".split()
)
"""Words after which an operator can't begin."""
COMPARISONS = frozenset(("=", "!=", "<", "<=", ">", ">="))
LIKE = {"number": "N", "text": "V", "time": "U", "bool": ""}
"""The family of literals that a kind of column is compared with."""
OF_NUMBERS = frozenset(("sum", "avg", "median", "stddev", "variance"))
OF_TEXT = frozenset(("trim", "upper", "lower", "title", "split"))
TEXT_TESTS = frozenset(("contains", "starts", "ends"))
OF_TIME = frozenset(
    name for name, f in FUNCTIONS.items() if f.form.startswith(f"{name}(time") or f.form.startswith(f"{name}(from")
)
KINDS = frozenset(LIKE)


@dataclass(frozen=True)
class Known:
    """What is known of a column: its kind ("" for none), and its values where these are few and all known."""

    kind: str = ""
    values: frozenset[str] = frozenset()


Columns = Mapping[str, Known]
NOTHING = Known()


@dataclass(frozen=True)
class Here:
    """Where a plan stands. `columns` is None where nothing is known of them."""

    verb: str = ""
    subject: str = ""
    columns: Columns | None = None
    joined: tuple[str, ...] = ()
    other: Columns | None = None
    """The columns of the table that is being joined."""
    aggregates: int = 0
    clause: tuple[str, ...] = ()
    """The words since the verb or the operator began."""
    results: tuple[str, ...] = ()
    """Tables of the steps before, newest first."""
    made: tuple[tuple[str, Columns | None], ...] = ()
    """Tables that steps before made or changed, newest first."""


START = Here()


class Scope:
    """The scope of one grounding: `after(here, word)` goes on, `admits(here, word)` says whether a word can follow."""

    def __init__(self, grounding: Grounding) -> None:
        self.g, self.catalog = grounding, grounding.catalog
        self.texts = {i: c.text.lower() for i, c in grounding.candidates.items()}
        self.quoted = {ids for found in grounding.literals for ids in found}
        self.tables: dict[str, Columns] = {}

    def table(self, here: Here, name: str) -> Columns | None:
        """The columns of a table as the steps so far leave it."""
        for made, columns in here.made:
            if made == name:
                return columns
        if name not in self.tables and self.catalog.has(name):
            t = self.catalog.table(name)
            self.tables[name] = described(t.columns, self.g.few_values, t.name)
        return self.tables.get(name)

    def resource(self, text: str) -> Columns | None:
        try:
            columns = self.catalog.resource(parse_table(text)).columns
        except LanguageError:
            return None
        return described(columns, {}, "") or None

    def after(self, here: Here, word: str) -> Here:
        """Where the plan stands after one more word."""
        if word == ";":
            return self.finished(self.settled(here))
        if not here.verb:
            return replace(here, verb=word, clause=(word,))
        if begins(here, word):
            return replace(self.settled(here), clause=(word,))
        if word == "into" and here.clause[0] != "split":
            return replace(self.settled(here), clause=(word,))
        here = replace(here, clause=(*here.clause, word))
        if not here.subject and word[:1] in "TRSi" and len(here.clause) > 1:
            return self.about(here, word)
        if here.clause[0] == "join" or here.clause[1:2] == ("join",):
            name = self.named(here, word) if here.clause[-2] == "join" else ""
            if name:
                return replace(here, other=self.table(here, name), joined=(*here.joined, name))
        if here.clause[0] == "union" and len(here.clause) == 2:
            other = self.table(here, self.named(here, word))
            both = {**other, **here.columns} if other is not None and here.columns is not None else None
            return replace(here, columns=both)
        return here

    def named(self, here: Here, word: str) -> str:
        """The table that an id or `it` stands for; "" when it can't be told."""
        if re.fullmatch("it[23]?", word):
            n = int(word[2:] or 1) - 1
            return here.results[n] if n < len(here.results) else ""
        return parse_table(self.g.candidates[word].text) if word[:1] == "T" and word in self.g.candidates else ""

    def about(self, here: Here, word: str) -> Here:
        """A step's subject has just been said."""
        if here.verb == "provision" and here.clause[-2] != "from":
            return here
        if word[:1] in "RS" and word in self.texts:
            columns = self.resource(self.g.candidates[word].text)
            return replace(here, subject=self.g.candidates[word].text, columns=columns)
        name = self.named(here, word)
        if not name:
            return replace(here, subject="?", columns=None) if word[:2] == "it" else here
        return replace(here, subject=name, columns=self.table(here, name))

    def settled(self, here: Here) -> Here:
        """The clause that ends here, done."""
        words, columns = here.clause, here.columns
        first = words[0] if words else ""
        count = self.counted(words) if first in ("group", "aggregate", "pivot") else 0
        if columns is not None:
            columns = self.left_by(words, columns, here.other)
        return replace(here, columns=columns, other=None, aggregates=here.aggregates + count)

    def left_by(self, words: Sequence[str], columns: Columns, other: Columns | None) -> Columns | None:
        """The columns after an operator. More than there are is safe, fewer is not."""
        first, ids = words[0], [w for w in words[1:] if w in self.texts]
        special = any(w in ("KEY", "TIME", "NEW", "MATCH") or re.fullmatch(r"A\d", w) for w in words)
        if first in ("group", "aggregate"):
            made = self.outputs(words)
            keys = words[2 : words.index(":")] if first == "group" and ":" in words else ()
            kept = (
                columns
                if special
                else {self.texts[w]: columns.get(self.texts[w], NOTHING) for w in keys if w in self.texts}
            )
            return {**kept, **made}
        if first == "select" and not special:
            return {self.texts[w]: columns.get(self.texts[w], NOTHING) for w in ids}
        if first == "drop" and words[1:2] and words[1] not in ("rows", "missing", "duplicates"):
            gone = {self.texts[w] for w in ids}
            return {n: k for n, k in columns.items() if n not in gone}
        if first == "pivot":
            return None
        if first == "derive" and len(words) > 1:
            return {**columns, self.texts.get(words[1], ""): NOTHING}
        if first == "rename":
            old = {self.texts[w] for w, after in pairwise(words) if after == "to" and w in self.texts}
            new = {self.texts[w] for before, w in pairwise(words) if before == "to" and w in self.texts}
            return {n: k for n, k in columns.items() if n not in old} | dict.fromkeys(new, NOTHING)
        if first == "cast" and ids:
            return {**columns, self.texts[ids[0]]: NOTHING}
        if "join" in words[:2]:
            if words[0] in ("semi", "anti") or other is None:
                return columns if words[0] in ("semi", "anti") else None
            return {**other, **columns}
        if first == "unpivot" and "as" in words:
            at = words.index("as")
            gone = {self.texts[w] for w in words[1:at] if w in self.texts}
            made = dict.fromkeys((self.texts[w] for w in words[at:] if w in self.texts), NOTHING)
            return {n: k for n, k in columns.items() if n not in gone} | made
        if first in ("split", "explode"):
            own = {self.texts[ids[0]]: NOTHING} if ids else {}
            return {**columns, **own, **dict.fromkeys((self.texts[w] for w in ids[1:]), NOTHING)}
        if "as" in words:
            return {
                **columns,
                **dict.fromkeys((self.texts[w] for w in words[words.index("as") :] if w in self.texts), NOTHING),
            }
        return columns

    def outputs(self, words: Sequence[str]) -> Columns:
        """The columns that the aggregates of a clause make: their names, and the names they get where none is said."""
        out: dict[str, Known] = {}
        for i, w in enumerate(words):
            if w == "as" and i + 1 < len(words) and words[i + 1] in self.texts:
                out[self.texts[words[i + 1]]] = Known("number") if words[i - 2 : i - 1] == ("count",) else NOTHING
            elif w in AGGREGATES and i + 1 < len(words) and words[i + 1] in self.texts:
                out[default_name(w, self.g.candidates[words[i + 1]].text).lower()] = NOTHING
            elif w == "count":
                out[default_name(w, "").lower()] = Known("number")
        return out

    def aliases(self, words: Sequence[str]) -> set[str]:
        """The names that a clause has given so far."""
        return {self.texts[w] for before, w in pairwise(words) if before == "as" and w in self.texts}

    def counted(self, words: Sequence[str]) -> int:
        """How many aggregates a clause has."""
        return sum(w in FIRST_OF_AGGREGATE and before in (":", ",", "aggregate") for before, w in pairwise(words))

    def finished(self, here: Here) -> Here:
        """A step is done: its table is the newest result."""
        name = ""
        if here.verb in ("transform", "ingest", "provision"):
            name = self.target(here)
        elif here.verb in ("check", "restore", "optimize") and here.subject != "?":
            return Here(results=(here.subject, *(r for r in here.results if r != here.subject)), made=here.made)
        if not name:
            return Here(
                results=here.results if here.verb not in ("transform", "ingest", "provision") else (), made=here.made
            )
        made = ((name, here.columns), *(m for m in here.made if m[0] != name))
        return Here(results=(name, *(r for r in here.results if r != name)), made=made)

    def target(self, here: Here) -> str:
        """The table that a step writes; "" when it can't be told."""
        if here.clause[0] == "into" and here.clause[-1] in self.texts:
            return parse_table(self.g.candidates[here.clause[-1]].text)
        if here.verb == "provision":
            said = next((w for w in here.clause if w in self.texts), "")
            return parse_table(self.g.candidates[said].text) if said else ""
        if here.verb == "ingest":
            try:
                return self.catalog.staging_name(self.catalog.resource(parse_table(here.subject)))
            except LanguageError:
                return ""
        return "" if here.subject == "?" else here.subject

    def admits(self, here: Here, word: str) -> bool:
        """Whether a word that the grammar allows can be meant here."""
        if not here.clause or not here.verb:
            return True
        last = here.clause[-1]
        if word[:1] == "A" and word[1:].isdigit():
            return int(word[1:]) <= here.aggregates
        if not ID.fullmatch(word):
            return self.admits_word(here, last, word)
        family = word[0]
        if family == "T":
            return self.admits_table(here, last, word)
        if family in "NVU":
            return self.admits_literal(here, word)
        if family == "E":
            return (
                here.columns is None
                or last == "."
                or expression_columns(self.g.candidates[word].text) <= set(here.columns)
            )
        if family in COLUMNS or family == "I":
            return self.admits_column(here, last, word)
        return True

    def admits_table(self, here: Here, last: str, word: str) -> bool:
        if last not in ("join", "union"):
            return True
        name = self.named(here, word)
        return name != here.subject and (last == "union" or name not in here.joined)

    def admits_column(self, here: Here, last: str, word: str) -> bool:
        clause, text = here.clause, self.texts.get(word, "")
        if text in listed_before(clause, self.texts):
            return False
        if is_name(clause, last):
            return not (last == "as" and clause[0] in ("group", "aggregate") and text in self.aliases(clause))
        if last == ".":
            other = self.table(here, self.named(here, clause[-2]))
            return other is None or text in other
        if here.columns is None:
            return True
        if here.other is not None and "on" in clause:
            return text in (here.other if last == "=" else here.columns)
        known = here.columns.get(text)
        if known is None:
            return False
        if last in AGGREGATES and (last, word) in pairwise(clause) and clause[0] in ("group", "aggregate"):
            return False
        return fits(known.kind, clause, last)

    def admits_literal(self, here: Here, word: str) -> bool:
        known = self.compared(here)
        if known is None:
            return True
        if known.kind in KINDS and word[0] != LIKE[known.kind]:
            return False
        if word[0] == "V" and known.values and word not in self.quoted:
            return self.texts[word] in known.values
        return True

    def admits_word(self, here: Here, last: str, word: str) -> bool:
        if here.other is not None and "on" in here.clause and last in self.texts and here.clause[-2] in ("on", "and"):
            return word == "=" or self.texts[last] in here.other
        if word in CONSTANTS:
            known = self.compared(here)
            return known is None or known.kind not in KINDS or known.kind == "number"
        known = here.columns.get(self.texts.get(last, "")) if here.columns and last in self.texts else None
        if known is None or known.kind not in KINDS:
            return True
        if word in ("*", "/", "%"):
            return known.kind == "number"
        if word in ("+", "-"):
            return known.kind in ("number", "time")
        if word in TEXT_TESTS or word == "||":
            return known.kind == "text"
        return True

    def compared(self, here: Here) -> Known | None:
        """The column that a literal after the clause is compared with; None where there is none."""
        c = here.clause
        column = ""
        if c[-1] in COMPARISONS and len(c) > 2 and c[-3] not in ("+", "-", "*", "/", "%", "||"):
            column = c[-2]
        elif "in" in c and c[-1] in ("(", ","):
            at = len(c) - 1 - c[::-1].index("in")
            if c[at + 1 : at + 2] == ("(",) and ")" not in c[at:]:
                column = c[at - 2] if c[at - 1] == "not" else c[at - 1]
        elif c[-1] == "between" and len(c) > 1:
            column = c[-2]
        elif c[-1] == "and" and len(c) > 3 and c[-3] == "between":
            column = c[-4]
        elif c[-2:] in (("at", "least"), ("at", "most")) and len(c) > 2:
            column = c[-3]
        elif (c[0] == "fill" and c[-1] == "with") or (c[-1] == "," and c[-4:-2] == ("coalesce", "(")):
            column = c[-2]
        if column not in self.texts or here.columns is None:
            return None
        return here.columns.get(self.texts[column])


WITH_OPERATORS = frozenset(("transform", "query"))


def begins(here: Here, word: str) -> bool:
    """Whether the word begins an operator."""
    last = here.clause[-1]
    if here.verb not in WITH_OPERATORS or word not in starts() or last in GOES_ON:
        return False
    return not (word == "distinct" and last == "count")


FIRST_OF_AGGREGATE = frozenset(f.split()[0] for f in AGGREGATES)


def described(columns: Sequence[Column], few: Mapping[tuple[str, str], Sequence[str]], table: str) -> Columns:
    """The columns by their text in the language, in small letters."""
    name = grammar().kinds.name
    out: dict[str, Known] = {}
    for c in columns:
        kind = kind_of_type(c.type)
        values = few.get((table, c.name), ()) if kind == "text" else ()
        out[name(c.name).lower()] = Known(kind, frozenset(quote_string(v).lower() for v in values))
    return out


@functools.cache
def starts() -> frozenset[str]:
    """The words that begin an operator."""
    return ends_of_aggregates() - {",", "as", "by", "into"}


@functools.lru_cache(maxsize=512)
def expression_columns(text: str) -> frozenset[str]:
    """The names in an expression that are no functions, in small letters."""
    tokens = [t for t in lex(text) if t.kind != "end"]
    return frozenset(
        t.text.lower() if t.kind == "word" else f'"{t.text}"'.lower()
        for t, after in zip(tokens, [*tokens[1:], None], strict=True)
        if t.kind in ("word", "name") and (after is None or after.text != "(") and t.text.lower() not in WORDS
    )


WORDS = frozenset("and or not is null in between case when then else end true false date timestamp interval".split())


def is_name(clause: Sequence[str], last: str) -> bool:
    """Whether what follows is a new name rather than a column there is."""
    first = clause[0]
    if last in ("as", "to", "into") or (first == "derive" and len(clause) == 1):
        return True
    return first in ("split", "unpivot") and "as" in clause


HEADS = frozenset("select drop by missing distinct unpivot columns per trim upper lower title".split())
"""Words that a plain list of columns follows."""


def listed_before(clause: Sequence[str], texts: Mapping[str, str]) -> set[str]:
    """The columns of the plain list that goes on here: after `,`, back to where it began."""
    out: set[str] = set()
    at = len(clause) - 1
    while at > 0 and clause[at] == "," and clause[at - 1] in texts and clause[at - 1][0] in "CMWBI":
        out.add(texts[clause[at - 1]])
        at -= 2
    return out if clause[at] in HEADS else set()


def fits(kind: str, clause: Sequence[str], last: str) -> bool:
    """Whether a column of this kind can stand after these words."""
    if kind not in KINDS:
        return True
    before = clause[-2] if len(clause) > 1 else ""
    if last in OF_NUMBERS and (before in (":", ",", "aggregate", "running", "moving")):
        return kind in ("number", "bool")
    if last in ("*", "/", "%"):
        return kind == "number"
    if last in ("+", "-"):
        return kind in ("number", "time")
    if clause[0] in OF_TEXT and (len(clause) == 1 or last == ",") and "by" not in clause:
        return kind == "text"
    if last == "(" and before in OF_TIME:
        return kind == "time"
    return True
