"""The notation in which a verb says its sentence once; parser, printer, decoding grammar and help all follow from it.

    ingest <resource:resource> [(latest|oldest):order <count:int> [by <by:column>]] [into <target:table>]

A word stands for itself; `<name:kind>` is an argument; `[...]` may be left out; `(a|b):name` is a choice of words kept
as the argument `name`; `(a|b)` chooses between forms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from intendant.language.cursor import Cursor, Mismatch

__all__ = ["Choice", "Form", "Kind", "Node", "Optional", "Sequence", "Slot", "Word", "compile_form"]

Args: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """How an argument is read, written and described. `read` raises Mismatch."""

    name: str
    read: Callable[[Cursor], Any]
    write: Callable[[Any], str]
    help: str


@dataclass(frozen=True)
class Word:
    word: str


@dataclass(frozen=True)
class Slot:
    name: str
    kind: str


@dataclass(frozen=True)
class Sequence:
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Optional:
    part: Node


@dataclass(frozen=True)
class Choice:
    options: tuple[Node, ...]
    name: str | None = None


Node: TypeAlias = Word | Slot | Sequence | Optional | Choice

PIECE = re.compile(r"\s*(?:(?P<slot><\w+:\w+>)|(?P<named>\)\:\w+)|(?P<sign>[\[\]()|])|(?P<word>[^\s\[\]()|<>]+))")


class Builder:
    def __init__(self, text: str) -> None:
        self.pieces = [(str(m.lastgroup), m.group().strip()) for m in PIECE.finditer(text)]
        self.i = 0

    def options(self) -> list[Node]:
        out: list[Node] = [self.sequence()]
        while self.i < len(self.pieces) and self.pieces[self.i][1] == "|":
            self.i += 1
            out.append(self.sequence())
        return out

    def sequence(self) -> Node:
        parts: list[Node] = []
        while self.i < len(self.pieces):
            kind, text = self.pieces[self.i]
            if text in ("]", ")", "|") or kind == "named":
                break
            self.i += 1
            parts.append(self.part(kind, text))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def part(self, kind: str, text: str) -> Node:
        if kind == "slot":
            name, _, slot_kind = text[1:-1].partition(":")
            return Slot(name, slot_kind)
        if text == "[":
            inner = self.options()
            self.i += 1
            return Optional(inner[0] if len(inner) == 1 else Choice(tuple(inner)))
        if text == "(":
            inner = self.options()
            closing = self.pieces[self.i][1]
            self.i += 1
            return Choice(tuple(inner), closing[2:] if closing.startswith("):") else None)
        return Word(text)


def words_of(node: Node) -> str:
    return " ".join(words_of(p) for p in node.parts) if isinstance(node, Sequence) else node.word  # type: ignore[union-attr]


@dataclass(frozen=True)
class Form:
    """A compiled form; `text` is its notation."""

    text: str
    root: Node
    kinds: Mapping[str, Kind]

    def read(self, c: Cursor) -> Iterator[Args]:
        """Every way to match at the cursor, longest optional parts first; the cursor stands after the match."""
        out: Args = {}
        for _ in self._match(self.root, c, out):
            yield dict(out)

    def write(self, args: Mapping[str, Any]) -> str:
        """The canonical text of the arguments."""
        return self._write(self.root, args)

    def slots(self) -> list[Slot | Choice]:
        """Slots and named choices in order."""
        return list(_slots(self.root))

    def words(self) -> set[str]:
        return set(_words(self.root))

    def _match(self, node: Node, c: Cursor, out: Args) -> Iterator[None]:
        start = c.pos
        if isinstance(node, Word):
            try:
                for w in re.findall(r"\w+|[^\w\s]", node.word):
                    c.word(w) if w[0].isalpha() else c.symbol(w)
            except Mismatch:
                c.pos = start
                return
            yield
        elif isinstance(node, Slot):
            try:
                value = self.kinds[node.kind].read(c)
            except Mismatch:
                c.pos = start
                return
            out[node.name] = value
            yield
            out.pop(node.name, None)
        elif isinstance(node, Optional):
            yield from self._match(node.part, c, out)
            c.pos = start
            yield
        elif isinstance(node, Choice):
            for option in node.options:
                c.pos = start
                for _ in self._match(option, c, out):
                    if node.name:
                        out[node.name] = words_of(option)
                    yield
                    if node.name:
                        out.pop(node.name, None)
        else:
            yield from self._match_parts(node.parts, 0, c, out)
        c.pos = start

    def _match_parts(self, parts: tuple[Node, ...], i: int, c: Cursor, out: Args) -> Iterator[None]:
        if i == len(parts):
            yield
            return
        for _ in self._match(parts[i], c, out):
            yield from self._match_parts(parts, i + 1, c, out)

    def _write(self, node: Node, args: Mapping[str, Any]) -> str:
        if isinstance(node, Word):
            return node.word
        if isinstance(node, Slot):
            return self.kinds[node.kind].write(args[node.name])
        if isinstance(node, Optional):
            return self._write(node.part, args) if _filled(node.part, args) else ""
        if isinstance(node, Choice):
            if node.name:
                return str(args[node.name])
            fitting = [o for o in node.options if _filled(o, args)] or [node.options[-1]]
            return self._write(max(fitting, key=lambda o: _held(o, args)), args)
        out = ""
        for part in node.parts:
            text = self._write(part, args)
            close = not out or not text or (isinstance(part, Word) and part.word in (":", ","))
            out += text if close else f" {text}"
        return out


def _slots(node: Node) -> Iterator[Slot | Choice]:
    if isinstance(node, Slot) or (isinstance(node, Choice) and node.name):
        yield node
    elif isinstance(node, Choice):
        for o in node.options:
            yield from _slots(o)
    elif isinstance(node, Sequence):
        for p in node.parts:
            yield from _slots(p)
    elif isinstance(node, Optional):
        yield from _slots(node.part)


def _words(node: Node) -> Iterator[str]:
    if isinstance(node, Word):
        yield from (w for w in re.findall(r"\w+", node.word) if w[0].isalpha())
    elif isinstance(node, Sequence):
        for p in node.parts:
            yield from _words(p)
    elif isinstance(node, Choice):
        for o in node.options:
            yield from _words(o)
    elif isinstance(node, Optional):
        yield from _words(node.part)


def _held(node: Node, args: Mapping[str, Any]) -> int:
    """How many of the arguments a part would write."""
    return sum(args.get(str(s.name)) is not None for s in _slots(node))


def _filled(node: Node, args: Mapping[str, Any]) -> bool:
    """Whether the arguments have everything this part needs (named slots outside nested optionals)."""
    if isinstance(node, Word):
        return True
    if isinstance(node, Slot):
        return args.get(node.name) is not None
    if isinstance(node, Optional):
        return True
    if isinstance(node, Choice):
        if node.name:
            return args.get(node.name) in [words_of(o) for o in node.options]
        return any(_filled(o, args) for o in node.options)
    return all(_filled(p, args) for p in node.parts)


def compile_form(text: str, kinds: Mapping[str, Kind]) -> Form:
    """The form of a notation. A kind that isn't there is our own mistake: KeyError."""
    builder = Builder(text)
    options = builder.options()
    root = options[0] if len(options) == 1 else Choice(tuple(options))
    form = Form(text, root, kinds)
    for slot in form.slots():
        if isinstance(slot, Slot):
            kinds[slot.kind]
    return form
