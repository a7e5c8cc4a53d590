"""The decoding grammar as a machine: which words can follow what is written so far.

It reads the GBNF that `decoding_grammar` writes (rules of quoted words, `|`, `( )`, `?`, `*`, `+` and rule names), and keeps
all readings of a prefix at once as stacks of places, the way a recursive descent would stand in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from intendant.errors import ModelError

__all__ = ["Automaton", "END", "Places"]

END = ""
"""Stands among the words that can follow where the answer may end."""
SYMBOL = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z][\w-]*|[()|?*+]')


@dataclass
class Node:
    """A place in a rule: words that lead on, rules to go through, and places reached for free."""

    words: dict[str, list[int]] = field(default_factory=dict)
    calls: list[tuple[str, int]] = field(default_factory=list)
    free: list[int] = field(default_factory=list)


Places = frozenset[int]
"""All the stacks that a prefix can stand at, by their numbers in the machine that gave them."""
BOTTOM = 0
"""The empty stack: the answer may end."""


class Automaton:
    """A grammar; `start()` is before the first word, `after(places, word)` goes on, `words(places)` can follow."""

    def __init__(self, text: str) -> None:
        self.nodes: list[Node] = []
        self.rules: dict[str, tuple[int, int]] = {}
        for line in text.splitlines():
            name, _, body = line.partition(" ::= ")
            self.rules[name.strip()] = (self.new(), self.new())
        for line in text.splitlines():
            name, _, body = line.partition(" ::= ")
            start, end = self.rules[name.strip()]
            Parser(self, SYMBOL.findall(body)).options(start, end)
        self.ends = {end: name for name, (_, end) in self.rules.items()}
        self.stacks: list[tuple[int, int]] = [(-1, -1)]
        """By number: the innermost place, and the stack that goes on when its rule is through."""
        self.numbers: dict[tuple[int, int], int] = {}
        self.open: dict[int, tuple[int, ...]] = {}
        self.reach: dict[int, tuple[list[int], list[tuple[int, int]], bool]] = {}
        self.following: dict[Places, dict[str, Places]] = {}

    def new(self) -> int:
        self.nodes.append(Node())
        return len(self.nodes) - 1

    def stack(self, place: int, rest: int) -> int:
        """The number of a stack, the same for the same."""
        key = (place, rest)
        if key not in self.numbers:
            self.numbers[key] = len(self.stacks)
            self.stacks.append(key)
        return self.numbers[key]

    def start(self) -> Places:
        return frozenset((self.stack(self.rules["root"][0], BOTTOM),))

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
            spoken, calls, through = self.near(place)
            for n in spoken:
                out[self.stack(n, rest)] = None
            nearer = [self.stack(start, self.stack(back, rest)) for start, back in calls] + ([rest] if through else [])
            fresh = [n for n in nearer if n not in seen]
            seen.update(fresh)
            todo += fresh
            if len(seen) > 20_000:
                raise ModelError("the decoding grammar goes round in circles")
        self.open[stack] = tuple(out)
        return self.open[stack]

    def near(self, place: int) -> tuple[list[int], list[tuple[int, int]], bool]:
        """What a place reaches for free within its rule: places with words, rules to go through, and whether its end."""
        held = self.reach.get(place)
        if held is not None:
            return held
        spoken: list[int] = []
        calls: list[tuple[int, int]] = []
        through, todo, seen = False, [place], {place}
        while todo:
            at = todo.pop()
            node = self.nodes[at]
            if node.words:
                spoken.append(at)
            calls += [(self.rules[name][0], back) for name, back in node.calls]
            through |= at in self.ends
            fresh = [n for n in node.free if n not in seen]
            seen.update(fresh)
            todo += fresh
        self.reach[place] = (spoken, calls, through)
        return self.reach[place]

    def words(self, places: Places) -> dict[str, Places]:
        """Each word that can follow, and where it leads; END where the answer may end.

        What lies beyond a word is looked at only once that word is gone on from: most never are.
        """
        held = self.following.get(places)
        if held is not None:
            return held
        found: dict[str, list[int]] = {}
        for at in {o for stack in places for o in self.opened(stack)}:
            if at == BOTTOM:
                found.setdefault(END, [])
                continue
            place, rest = self.stacks[at]
            for word, targets in self.nodes[place].words.items():
                found.setdefault(word, []).extend([self.stack(n, rest) for n in targets])
        self.following[places] = {w: frozenset(s) for w, s in found.items()}
        return self.following[places]


class Parser:
    """One rule's symbols into places between `start` and `end`."""

    def __init__(self, machine: Automaton, symbols: list[str]) -> None:
        self.m, self.symbols, self.i = machine, symbols, 0

    def peek(self) -> str:
        return self.symbols[self.i] if self.i < len(self.symbols) else ""

    def options(self, start: int, end: int) -> None:
        while True:
            at = start
            first = self.m.new()
            self.m.nodes[start].free.append(first)
            at = first
            while self.peek() not in ("", "|", ")"):
                at = self.item(at)
            self.m.nodes[at].free.append(end)
            if self.peek() != "|":
                return
            self.i += 1

    def item(self, at: int) -> int:
        """One symbol with its repetition, from place `at`; the place after it."""
        symbol = self.peek()
        self.i += 1
        before, after = self.m.new(), self.m.new()
        self.m.nodes[at].free.append(before)
        if symbol == "(":
            self.options(before, after)
            self.i += 1
        elif symbol.startswith('"'):
            self.literal(symbol, before, after)
        else:
            self.m.nodes[before].calls.append((symbol, after))
        sign = self.peek()
        if sign in ("?", "*", "+"):
            self.i += 1
            if sign in "?*":
                self.m.nodes[before].free.append(after)
            if sign in "*+":
                self.m.nodes[after].free.append(before)
        done = self.m.new()
        self.m.nodes[after].free.append(done)
        return done

    def literal(self, symbol: str, before: int, after: int) -> None:
        words = re.sub(r"\\(.)", r"\1", symbol[1:-1]).split()
        for n, word in enumerate(words):
            to = after if n == len(words) - 1 else self.m.new()
            self.m.nodes[before].words.setdefault(word, []).append(to)
            before = to
        if not words:
            self.m.nodes[before].free.append(after)
