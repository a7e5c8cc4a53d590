"""The decoding grammar as a machine: which words can follow what is written so far.

It reads the GBNF that `decoding_grammar` writes (rules of quoted words, `|`, `( )`, `?`, `*`, `+` and rule names), and keeps
all readings of a prefix at once as stacks of places, the way a recursive descent would stand in them. What a rule's text
becomes is kept: from one sentence to the next most rules are the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from intendant.errors import ModelError

__all__ = ["Automaton", "END", "Places"]

END = ""
"""Stands among the words that can follow where the answer may end."""
SYMBOL = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z][\w-]*|[()|?*+]')


class Node:
    """A place in a rule: words that lead on, rules to go through, and places reached for free."""

    def __init__(self) -> None:
        self.words: dict[str, list[Node]] = {}
        self.calls: list[tuple[str, Node]] = []
        self.free: list[Node] = []
        self.last = False
        """Whether the rule is through here."""

    @cached_property
    def near(self) -> tuple[list[Node], list[tuple[str, Node]], bool]:
        """What it reaches for free within its rule: places with words, rules to go through, and whether its end."""
        spoken: list[Node] = []
        calls: list[tuple[str, Node]] = []
        through, todo, seen = False, [self], {self}
        while todo:
            at = todo.pop()
            if at.words:
                spoken.append(at)
            calls += at.calls
            through |= at.last
            fresh = [n for n in at.free if n not in seen]
            seen.update(fresh)
            todo += fresh
        return spoken, calls, through


@lru_cache(maxsize=4096)
def compiled(body: str) -> Node:
    """Where the rule of this text begins."""
    start, end = Node(), Node()
    end.last = True
    Parser(SYMBOL.findall(body)).options(start, end)
    return start


Places = frozenset[int]
"""All the stacks that a prefix can stand at, by their numbers in the machine that gave them."""
BOTTOM = 0
"""The empty stack: the answer may end."""


@dataclass(frozen=True)
class Ahead:
    """What can follow a prefix: words with the places they lead on from, and the stacks below each of those."""

    words: dict[str, list[Node]]
    rests: dict[Node, list[int]]
    may_end: bool


class Automaton:
    """A grammar; `start()` is before the first word, `after(places, word)` goes on, `words(places)` can follow."""

    def __init__(self, text: str) -> None:
        rules = (line.partition(" ::= ") for line in text.splitlines())
        self.rules = {name.strip(): compiled(body) for name, _, body in rules}
        self.stacks: list[tuple[Node, int]] = [(Node(), -1)]
        """By number: the innermost place, and the stack that goes on when its rule is through."""
        self.numbers: dict[tuple[Node, int], int] = {}
        self.open: dict[int, tuple[int, ...]] = {}

    def stack(self, place: Node, rest: int) -> int:
        """The number of a stack, the same for the same."""
        key = (place, rest)
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = len(self.stacks)
            self.stacks.append(key)
        return number

    def start(self) -> Places:
        return frozenset((self.stack(self.rules["root"], BOTTOM),))

    def opened(self, stack: int) -> tuple[int, ...]:
        """The stacks with words that a stack leads to without one; BOTTOM: the end."""
        held = self.open.get(stack)
        if held is not None:
            return held
        out: dict[int, None] = {}
        todo, seen = [stack], {stack}
        while todo:
            at = todo.pop()
            if at == BOTTOM:
                out[at] = None
                continue
            place, rest = self.stacks[at]
            spoken, calls, through = place.near
            for n in spoken:
                out[self.stack(n, rest)] = None
            nearer = [self.stack(self.rules[name], self.stack(back, rest)) for name, back in calls]
            nearer += [rest] if through else []
            fresh = [n for n in nearer if n not in seen]
            seen.update(fresh)
            todo += fresh
            if len(seen) > 20_000:
                raise ModelError("the decoding grammar goes round in circles")
        self.open[stack] = tuple(out)
        return self.open[stack]

    def words(self, places: Places) -> dict[str, Places]:
        """Each word that can follow, and where it leads; END where the answer may end."""
        ahead = self.ahead(places)
        return {word: self.at(ahead, word) for word in (*ahead.words, *([END] if ahead.may_end else []))}

    def ahead(self, places: Places) -> Ahead:
        """What can follow. What lies beyond a word is looked at only once that word is gone on from: most never are."""
        rests: dict[Node, list[int]] = {}
        for at in {o for stack in places for o in self.opened(stack)}:
            place, rest = self.stacks[at]
            rests.setdefault(place, []).append(rest)
        may_end = rests.pop(self.stacks[BOTTOM][0], None) is not None
        return Ahead(spoken(frozenset(rests)), rests, may_end)

    def at(self, ahead: Ahead, word: str) -> Places:
        """The places behind a word."""
        found = ((n, node) for node in ahead.words.get(word, ()) for n in node.words[word])
        return frozenset([self.stack(n, rest) for n, node in found for rest in ahead.rests[node]])


@lru_cache(maxsize=4096)
def spoken(nodes: frozenset[Node]) -> dict[str, list[Node]]:
    """The words that lead on from these places, each with those it does so from."""
    found: dict[str, list[Node]] = {}
    for node in nodes:
        for word in node.words:
            found.setdefault(word, []).append(node)
    return found


class Parser:
    """One rule's symbols into places between `start` and `end`."""

    def __init__(self, symbols: list[str]) -> None:
        self.symbols, self.i = symbols, 0

    def peek(self) -> str:
        return self.symbols[self.i] if self.i < len(self.symbols) else ""

    def options(self, start: Node, end: Node) -> None:
        while True:
            at = Node()
            start.free.append(at)
            while self.peek() not in ("", "|", ")"):
                at = self.item(at)
            at.free.append(end)
            if self.peek() != "|":
                return
            self.i += 1

    def item(self, at: Node) -> Node:
        """One symbol with its repetition, from place `at`; the place after it."""
        symbol = self.peek()
        self.i += 1
        before, after, done = Node(), Node(), Node()
        at.free.append(before)
        if symbol == "(":
            self.options(before, after)
            self.i += 1
        elif symbol.startswith('"'):
            self.literal(symbol, before, after)
        else:
            before.calls.append((symbol, after))
        sign = self.peek()
        if sign in ("?", "*", "+"):
            self.i += 1
            if sign in "?*":
                before.free.append(after)
            if sign in "*+":
                after.free.append(before)
        after.free.append(done)
        return done

    def literal(self, symbol: str, before: Node, after: Node) -> None:
        words = re.sub(r"\\(.)", r"\1", symbol[1:-1]).split()
        for n, word in enumerate(words):
            to = after if n == len(words) - 1 else Node()
            before.words.setdefault(word, []).append(to)
            before = to
        if not words:
            before.free.append(after)
