"""The one grammar: every verb's, operator's and rule's form, gathered from the folders they live in."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping

from intendant.errors import LanguageError, did_you_mean
from intendant.language import parts
from intendant.language.cursor import Cursor
from intendant.language.expression import HARD
from intendant.language.form import Choice, Form, Kind, Node, Optional, Sequence, Word, compile_form
from intendant.language.functions import FUNCTIONS
from intendant.language.kinds import TYPES, Kinds
from intendant.language.lexer import Token
from intendant.types import SCHEMAS, Step

__all__ = ["Grammar", "grammar"]


MOST_OPERATORS = 50


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
        self.kinds.reserved = frozenset(
            words | HARD | {*SCHEMAS, "then", "ascending", "descending", "every", "month", "day"}
        )
        self.starts = sorted({f.text.split()[0] for f in self.verbs.values()})

    def _forms(self, package: str) -> dict[str, Form]:
        classes = sorted(parts.load(package), key=lambda p: -len(_head(p.form)))  # type: ignore[attr-defined]
        return {p.verb: compile_form(p.form, self.kinds) for p in classes}  # type: ignore[attr-defined]

    def read_step(self, c: Cursor) -> Iterator[Step]:
        """Every way to read a step at the cursor."""
        if c.token.lower not in self.starts:
            c.fail("a verb (" + ", ".join(self.starts) + ")")
            return
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
            if len(path) > MOST_OPERATORS:
                raise c.refusal(
                    f"one step has more than {MOST_OPERATORS} operators",
                    "Split it: put an intermediate result `into` a table.",
                )
            if after > end:
                best, end = list(path), after
            branches.append(self._readings(c, after))
        c.pos = end
        if not best:
            raise c.fail("an operator (" + ", ".join(sorted(self.operators)).replace("_", " ") + ")")
        return tuple(best)

    def _readings(self, c: Cursor, start: int) -> list[tuple[Step, int]]:
        """Every way to read one operator (`then` may stand before it), longest first; last come those that take a bare word
        of the language for a column.
        """
        out = []
        c.pos = start
        if c.at_word("then"):
            c.next()
        begin = c.pos
        for verb, form in self.operators.items():
            c.pos = begin
            out += [(Step(verb, args), c.pos) for args in form.read(c)]
        return sorted(out, key=lambda r: (self._loose(list(c.tokens[start : r[1]]), r[0]), -r[1]))

    def _loose(self, tokens: list[Token], step: Step) -> bool:
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
        return " ".join(self.operator_texts(steps))

    def operator_texts(self, steps: tuple[Step, ...]) -> list[str]:
        """Each operator as text; `then` keeps apart what would be read as one, as `count` and the `distinct` after it."""
        out = []
        for before, step in zip((None, *steps), steps, strict=False):
            apart = "then " if step.verb == "distinct" and before is not None and _takes_distinct(before) else ""
            out.append(apart + self.operators[step.verb].write(step.args))
        return out

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


def _takes_distinct(step: Step) -> bool:
    """Whether the word `distinct` behind this operator would be read as part of it."""
    last = step.verb == "group" or (step.verb == "pivot" and not step.get("keys"))
    counts = last and step.args["aggregates"][-1] == ("count", "", "")
    return counts or (step.verb == "union" and not step.get("distinct"))


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


def read_all(c: Cursor) -> Step:
    """The one step that the whole cursor holds."""
    for step in grammar().read_step(c):
        if c.token.kind == "end":
            return step
        c.fail("the end of the sentence")
    hint = hint_for(c)
    c.expected = grouped(c.expected)
    raise c.error(hint) from None


def hint_for(c: Cursor) -> str:
    """The nearest word of the language that would fit, for a word that doesn't."""
    token, before = c.tokens[c.farthest], c.tokens[max(c.farthest - 1, 0)]
    if (
        token.kind == "symbol"
        and token.text == "("
        and before.kind == "word"
        and before.lower not in grammar().kinds.reserved
    ):
        return f"There is no function `{before.text}`. " + did_you_mean(before.text, FUNCTIONS, "function")
    words = {w for e in c.expected for w in re.findall(r"\w+", e)} & (grammar().kinds.reserved | set(TYPES))
    if len(token.lower) > 2 and words:
        hint = did_you_mean(token.text, words, "word")
        return hint if hint.startswith("Did") else ""
    return ""


def grouped(expected: set[str]) -> set[str]:
    """What was expected, with the first words of all operators said as one."""
    heads = {w for form in grammar().operators.values() for w in first_words(form.root)}
    if not heads <= expected:
        return expected
    return {e for e in expected - heads if not e.startswith("an operator (")} | {"an operator"}


def first_words(node: Node) -> set[str]:
    """The words that a form can begin with."""
    if isinstance(node, Word):
        return {node.word}
    if isinstance(node, Choice):
        return {w for o in node.options for w in first_words(o)}
    if isinstance(node, Sequence):
        words = first_words(node.parts[0])
        return words | first_words(Sequence(node.parts[1:])) if isinstance(node.parts[0], Optional) else words
    return first_words(node.part) if isinstance(node, Optional) else set()
