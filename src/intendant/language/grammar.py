"""The one grammar: every verb's, operator's and rule's form, gathered from the folders they live in."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from intendant.errors import LanguageError, did_you_mean
from intendant.language import parts
from intendant.language.cursor import Cursor
from intendant.language.expression import HARD
from intendant.language.form import Form, Kind, Slot, compile_form
from intendant.language.kinds import Kinds
from intendant.language.lexer import Token
from intendant.types import Step

__all__ = ["Grammar", "grammar"]


class Grammar:
    """`verbs`, `operators` and `rules` map a part's name to its compiled form."""

    def __init__(self) -> None:
        self.kinds = Kinds()
        self.kinds["operators"] = Kind("operators", self.read_operators, self.write_operators, "operators, in order")
        self.kinds["rules"] = Kind("rules", self.read_rules, self.write_rules, "rules, by comma")
        self.rules = self._forms("intendant.checks.rules")
        self.operators = self._forms("intendant.operators")
        self.verbs = self._forms("intendant.actions")
        words: set[str] = set()
        for form in (*self.rules.values(), *self.operators.values(), *self.verbs.values()):
            words |= form.words()
        self.kinds.reserved = frozenset(words | HARD | {"then", "ascending", "descending", "every", "month", "day"})
        self.starts = sorted({f.text.split()[0] for f in self.verbs.values()})

    def _forms(self, package: str) -> dict[str, Form]:
        classes = sorted(parts.load(package), key=lambda p: -len(_head(p.form)))  # type: ignore[attr-defined]
        return {p.verb: compile_form(p.form, self.kinds) for p in classes}  # type: ignore[attr-defined]

    def read_step(self, c: Cursor) -> Iterator[Step]:
        """Every way to read a step at the cursor."""
        word = c.token.lower
        if word not in self.starts:
            c.fail("a verb (" + ", ".join(self.starts) + ")")
        yield from self._read_any(self.verbs, c)

    def _read_any(self, forms: Mapping[str, Form], c: Cursor) -> Iterator[Step]:
        start = c.pos
        for verb, form in forms.items():
            c.pos = start
            for args in form.read(c):
                yield Step(verb, args)

    def read_operators(self, c: Cursor) -> tuple[Step, ...]:
        """The operators from the cursor on that reach farthest: `distinct sort by x` is two, not a column named sort."""
        start = c.pos
        best, end = [], start
        path: list[Step] = []
        seen = {start}
        branches = [self._readings(c, start)]
        while branches:
            if not branches[-1]:
                branches.pop()
                if path:
                    path.pop()
                continue
            step, after = branches[-1].pop(0)
            if after in seen:
                continue
            seen.add(after)
            path.append(step)
            if after > end:
                best, end = list(path), after
            branches.append(self._readings(c, after))
        c.pos = end
        if not best:
            raise c.fail("an operator (" + ", ".join(sorted(self.operators)).replace("_", " ") + ")")
        return tuple(best)

    def _readings(self, c: Cursor, start: int) -> list[tuple[Step, int]]:
        """Every way to read one operator: those that take no bare word of the language for a column first, then by length."""
        out = []
        for verb, form in self.operators.items():
            c.pos = start
            out += [(Step(verb, args), c.pos) for args in form.read(c)]
        return sorted(out, key=lambda r: (self._loose(c.tokens[start : r[1]], r[0]), -r[1]))

    def _loose(self, tokens: Sequence[Token], step: Step) -> bool:
        columns = step.get("columns") or ()
        return any(t.lower in self.kinds.reserved and t.text in columns for t in tokens)

    def read_rules(self, c: Cursor) -> tuple[Step, ...]:
        out = [self._rule(c)]
        while c.at_symbol(","):
            c.next()
            out.append(self._rule(c))
        return tuple(out)

    def _rule(self, c: Cursor) -> Step:
        step = self._first(self.rules, c)
        if step is None:
            raise c.fail("a rule (" + ", ".join(sorted(self.rules)).replace("_", " ") + ")")
        return step

    def _first(self, forms: Mapping[str, Form], c: Cursor) -> Step | None:
        """The longest way to read one of these; the cursor moves past it."""
        start, best, end = c.pos, None, c.pos
        for verb, form in forms.items():
            c.pos = start
            for args in form.read(c):
                if c.pos > end:
                    best, end = Step(verb, args), c.pos
        c.pos = end
        return best

    def write_operators(self, steps: tuple[Step, ...]) -> str:
        return " ".join(self.operators[s.verb].write(s.args) for s in steps)

    def write_rules(self, steps: tuple[Step, ...]) -> str:
        return ", ".join(self.rules[s.verb].write(s.args) for s in steps)

    def form_of(self, verb: str) -> Form:
        """The form of a verb, operator or rule. Raises LanguageError with the nearest verb."""
        for forms in (self.verbs, self.operators, self.rules):
            if verb in forms:
                return forms[verb]
        raise LanguageError(f"there is no verb {verb!r}", hint=did_you_mean(verb, self.verbs, "verb"))

    def write(self, step: Step) -> str:
        """The canonical one-line text of a step."""
        return self.form_of(step.verb).write(step.args)

    def names_of(self, step: Step, kind: str) -> list[Any]:
        """The values of a step's slots of one kind."""
        slots = self.form_of(step.verb).slots()
        return [step.args[s.name] for s in slots if isinstance(s, Slot) and s.kind == kind and step.get(s.name) is not None]


def _head(form: str) -> str:
    words = []
    for word in form.split():
        if not word[0].isalpha():
            break
        words.append(word)
    return " ".join(words)


@functools.cache
def grammar() -> Grammar:
    """The grammar of the installed parts, built once."""
    return Grammar()


def read_all(text: str, c: Cursor) -> Step:
    """The one step that the whole cursor holds."""
    for step in grammar().read_step(c):
        if c.token.kind == "end":
            return step
        c.fail("the end of the sentence")
    raise c.error(hint_for(text, c)) from None


def hint_for(text: str, c: Cursor) -> str:
    token = c.tokens[c.farthest]
    words = {w for e in c.expected for w in e.replace("(", " ").replace(")", " ").replace(",", " ").split()}
    if token.kind == "word" and token.text:
        hint = did_you_mean(token.text, words | set(grammar().starts if c.farthest == 0 else ()), "word")
        return hint if hint.startswith("Did") else ""
    return ""
