"""A place in a list of tokens that remembers the farthest failure, so that errors point at what really is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from intendant.errors import LanguageError
from intendant.language.lexer import Token, place

__all__ = ["Cursor", "Mismatch"]


class Mismatch(Exception):
    """No match here; the cursor's `expected` says what would have matched at the farthest place."""


class Cursor:
    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self.text, self.tokens = text, tokens
        self.pos = 0
        self.farthest, self.expected = 0, set[str]()

    @property
    def token(self) -> Token:
        return self.tokens[self.pos]

    def peek(self, ahead: int = 0) -> Token:
        return self.tokens[min(self.pos + ahead, len(self.tokens) - 1)]

    def next(self) -> Token:
        token = self.token
        self.pos = min(self.pos + 1, len(self.tokens) - 1)
        return token

    def fail(self, expected: str) -> Mismatch:
        if self.pos > self.farthest:
            self.farthest, self.expected = self.pos, set()
        if self.pos == self.farthest:
            self.expected.add(expected)
        return Mismatch(expected)

    def at_word(self, *words: str) -> bool:
        """Whether the next tokens are these words."""
        return all(self.peek(i).kind == "word" and self.peek(i).lower == w for i, w in enumerate(words))

    def at_symbol(self, *symbols: str) -> bool:
        return self.token.kind == "symbol" and self.token.text in symbols

    def word(self, *words: str) -> str:
        for w in words:
            if not self.at_word(w):
                raise self.fail(w)
            self.next()
        return " ".join(words)

    def symbol(self, symbol: str) -> str:
        if not self.at_symbol(symbol):
            raise self.fail(repr(symbol))
        return self.next().text

    def take(self, kind: str, label: str) -> Token:
        if self.token.kind != kind:
            raise self.fail(label)
        return self.next()

    def refusal(self, message: str, hint: str) -> LanguageError:
        """An error of another sort than a word that doesn't fit, at the cursor."""
        line, column = place(self.text, self.token.at)
        return LanguageError(
            message, where=f"line {line}, column {column}", hint=hint, line=line, column=column
        )

    def error(self, hint: str = "") -> LanguageError:
        """The error at the farthest place reached."""
        token = self.tokens[self.farthest]
        line, column = place(self.text, token.at)
        wanted = sorted(self.expected)
        found = "the end of the sentence" if token.kind in ("end", "newline") else repr(token.text)
        said = ", ".join(wanted[:-1]) + (" or " if len(wanted) > 1 else "") + (wanted[-1] if wanted else "")
        return LanguageError(
            f"{found} where {said or 'nothing more'} was expected",
            where=f"line {line}, column {column}",
            hint=hint,
            line=line,
            column=column,
            expected=tuple(wanted),
            found=token.text,
        )
