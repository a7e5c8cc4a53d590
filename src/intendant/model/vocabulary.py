"""The planner model's words: one token per word or id, pieces for a word it never saw. One text file, a token a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

__all__ = ["BEGIN", "END", "PLAN", "Vocabulary"]

BEGIN, END, PLAN = "<s>", "</s>", "<plan>"
PIECE = "##"
"""Before a piece of an unknown word."""


class Vocabulary:
    """Tokens by number. Words are matched whole, then in pieces, the longest first; what has no piece is left out."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tuple(tokens)
        self.ids = {t: i for i, t in enumerate(self.tokens)}
        self.longest = max((len(t) - 2 for t in self.tokens if t.startswith(PIECE)), default=0)

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """The vocabulary of a file. Raises OSError."""
        return cls(path.read_text(encoding="utf-8").splitlines())

    def save(self, path: Path) -> None:
        path.write_text("\n".join(self.tokens) + "\n", encoding="utf-8")

    @cached_property
    def known(self) -> frozenset[str]:
        """The plain words: what needs no setting right."""
        return frozenset(t for t in self.tokens if t.isalpha() and t.islower() and len(t) > 1)

    def prompt(self, text: str) -> list[int]:
        """A prompt's tokens, from BEGIN to PLAN."""
        return [self.ids[BEGIN], *self.words(text.split()), self.ids[PLAN]]

    def plan(self, text: str) -> list[int]:
        """A plan's tokens and END. Raises KeyError for a word that no plan holds."""
        return [*(self.ids[t] for t in text.split()), self.ids[END]]

    def words(self, words: Iterable[str]) -> list[int]:
        out: list[int] = []
        for w in words:
            if w in self.ids:
                out.append(self.ids[w])
            else:
                out += self.pieces(w)
        return out

    def pieces(self, word: str) -> list[int]:
        out: list[int] = []
        i = 0
        while i < len(word):
            for n in range(min(self.longest, len(word) - i), 0, -1):
                found = self.ids.get(PIECE + word[i : i + n])
                if found is not None:
                    out.append(found)
                    i += n
                    break
            else:
                i += 1
        return out[:6]
