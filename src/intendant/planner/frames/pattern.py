"""Patterns over a sentence whose pieces have become typed chunks, and the scene they rewrite.

A scene is shown as text in which a chunk stands as its words and its kinds: `orders<T0> over<> 10<N3>`. A pattern is a
regular expression in which `{C:c}` is one chunk of kind C, `{C+:cs}` a list of them, `{n:x}` one to three words that may
be a new name; plain words match whether they are chunks as well or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

__all__ = ["DONE", "Chunk", "Hit", "Rule", "Scene", "Token", "rule"]

DONE = "•"
"""Stands where words were explained."""
MARK = r"(?:<\w+>)?"
WORD = re.compile(r"(?<![\\\w])([a-z][a-z'-]*)(\?)?(?!\w)")
MACRO = re.compile(r"\{([A-Za-z]+)(\+)?(?::(\w+))?\}")
JOINT = r"(?: , and| ,| and| &| plus| or| then| , then| as_well_as)"
NAME = r"[^\s,.:;=()<>•!?+*/-]+(?:<\w+>)?"


@dataclass(frozen=True)
class Chunk:
    """A typed piece: `kinds` are letters, `values` what it stands for by letter; `quality` is 1 when it was said in full."""

    kinds: str
    values: Mapping[str, Any]
    said: str = ""
    quality: float = 1.0

    def __getitem__(self, kind: str) -> Any:
        return self.values.get(kind)


@dataclass(frozen=True)
class Token:
    """A word, sign or chunk; `at` is where it begins in the sentence."""

    word: str
    at: int
    chunk: Chunk | None = None

    @property
    def shown(self) -> str:
        return self.word.replace(" ", "_")


@dataclass
class Scene:
    """The pieces of a clause. Rules rewrite them; what is explained becomes DONE."""

    tokens: list[Token]
    quality: float = 1.0
    notes: dict[str, Any] = field(default_factory=dict)
    seen: tuple[tuple[int, ...], tuple[str, list[int], list[Chunk]]] | None = None

    def view(self) -> tuple[str, list[int], list[Chunk]]:
        """The text, the start of each token in it, and the chunks by number."""
        key = tuple(map(id, self.tokens))
        if self.seen is None or self.seen[0] != key:
            self.seen = key, self.draw()
        return self.seen[1]

    def draw(self) -> tuple[str, list[int], list[Chunk]]:
        parts: list[str] = []
        starts: list[int] = []
        chunks: list[Chunk] = []
        n = 0
        for t in self.tokens:
            shown = t.shown
            if t.chunk is not None:
                shown += f"<{t.chunk.kinds}{len(chunks)}>"
                chunks.append(t.chunk)
            starts.append(n)
            parts.append(shown)
            n += len(shown) + 1
        return " ".join(parts), starts, chunks

    def put(self, a: int, b: int, chunk: Chunk | None) -> None:
        """Tokens a..b become the chunk, or DONE."""
        at = self.tokens[a].at
        word = chunk.said if chunk is not None else DONE
        self.tokens[a:b] = [Token(word, at, chunk)]

    def leftover(self) -> list[Token]:
        return [t for t in self.tokens if t.word != DONE]


class Hit:
    """A match: `hit["c"]` the chunk, `hit.all("cs")` a list of them, `hit.word("x")` the words, `hit.at` the place."""

    def __init__(self, scene: Scene, match: re.Match[str], chunks: list[Chunk], a: int, b: int) -> None:
        self.scene, self.match, self.chunks, self.a, self.b = scene, match, chunks, a, b

    @property
    def at(self) -> int:
        return self.scene.tokens[self.a].at

    def has(self, name: str) -> bool:
        return self.match.groupdict().get(name) is not None

    def __getitem__(self, name: str) -> Chunk:
        return self.chunks[int(self.match[name])]

    def get(self, name: str) -> Chunk | None:
        return self[name] if self.has(name) else None

    def all(self, name: str) -> list[Chunk]:
        return [self.chunks[int(n)] for n in re.findall(r"<[A-Z]+(\d+)>", self.match[name] or "")]

    def word(self, name: str) -> str:
        return re.sub(r"<\w+>", "", self.match[name] or "").strip()


Build = Callable[[Hit], Chunk | bool | None]


@dataclass(frozen=True)
class Rule:
    """A pattern and what its match becomes: a chunk, True for DONE, None for no match after all."""

    pattern: str
    build: Build

    @cached_property
    def regex(self) -> re.Pattern[str]:
        return re.compile(rf"(?<!\S)(?:{expand(self.pattern)})(?!\S)")

    def apply(self, scene: Scene, most: int = 12) -> bool:
        """Rewrite every match, leftmost first. Says whether there was one."""
        found, start = False, 0
        while most:
            text, starts, chunks = scene.view()
            m = self.regex.search(text, start)
            if m is None:
                return found
            if m.end() == m.start():
                return found
            a = starts.index(m.start()) if m.start() in starts else -1
            b = next((i for i, s in enumerate(starts) if s > m.end()), len(starts))
            if a < 0:
                start = m.start() + 1
                continue
            out = self.build(Hit(scene, m, chunks, a, b))
            if out is None or out is False:
                start = m.start() + 1
                continue
            found, most = True, most - 1
            scene.put(a, b, None if out is True else out)
            start = 0
        return found


def rule(pattern: str) -> Callable[[Build], Rule]:
    """Makes a Rule of the function below it."""
    return lambda build: Rule(pattern, build)


def expand(pattern: str) -> str:
    """The regular expression of a pattern."""
    held: list[str] = []

    def hold(text: str) -> str:
        held.append(text)
        return f"\x00{len(held) - 1}\x01"

    def macro(m: re.Match[str]) -> str:
        kinds, many, name = m[1], m[2], m[3]
        group = f"?P<{name}>" if name else "?:"
        if kinds == "n":
            return hold(rf"({group}{NAME}(?: {NAME}){{0,2}}?)")
        if kinds == "w":
            return hold(rf"({group}{NAME})")
        if many:
            one = rf"[^\s<]*<[A-Z]*[{kinds}][A-Z]*\d+>"
            return hold(rf"({group}{one}(?:{JOINT} {one})*)")
        return hold(rf"[^\s<]*<[A-Z]*[{kinds}][A-Z]*({group}\d+)>")

    out = MACRO.sub(macro, pattern)
    out = re.sub(r"\?P<\w+>", lambda m: hold(m[0]), out)
    out = WORD.sub(lambda m: f"(?:{m[1]}{m[2]}){MARK}" if m[2] else m[1] + MARK, out)
    return re.sub(r"\x00(\d+)\x01", lambda m: held[int(m[1])], out)
