"""Text to tokens: words, "quoted names", 'strings', numbers and symbols, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from intendant.errors import LanguageError

__all__ = ["Token", "bare", "lex", "place", "quote_name", "quote_string"]

TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f]+|\#[^\n]*)
      | (?P<newline>\n)
      | (?P<string>'(?:[^'\0]|'')*')
      | (?P<quoted>"(?:[^"\0]|"")+")
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?!\w))
      | (?P<word>[^\W\d]\w*)
      | (?P<symbol><=|>=|!=|<>|\|\||[.,:;=<>+\-*/%()?])
    """,
    re.VERBOSE,
)
BARE = re.compile(r"[^\W\d]\w*\Z")


@dataclass(frozen=True)
class Token:
    """`kind` is word, name (a quoted one), string, number, symbol, newline or end; `at` is the offset in the text."""

    kind: str
    text: str
    at: int

    @property
    def after(self) -> int:
        """The offset behind it."""
        quote = {"string": "'", "name": '"'}.get(self.kind)
        return self.at + len(self.text) + (2 + self.text.count(quote) if quote else 0)

    @property
    def lower(self) -> str:
        return self.text.lower() if self.kind == "word" else ""


def place(text: str, at: int) -> tuple[int, int]:
    """Offset to (line, column), both from 1."""
    line = text.count("\n", 0, at) + 1
    return line, at - (text.rfind("\n", 0, at) + 1) + 1


def lex(text: str) -> list[Token]:
    """All tokens, newlines among them, ended by an `end` token. Raises LanguageError at the first odd character."""
    out: list[Token] = []
    at = 0
    while at < len(text):
        m = TOKEN.match(text, at)
        if not m:
            line, column = place(text, at)
            raise LanguageError(
                f"{text[at]!r} does not belong here",
                where=f"line {line}, column {column}",
                hint=hint_for(text, at),
                line=line,
                column=column,
            )
        kind, raw = str(m.lastgroup), m.group()
        if kind == "string":
            out.append(Token("string", raw[1:-1].replace("''", "'"), at))
        elif kind == "quoted":
            out.append(Token("name", raw[1:-1].replace('""', '"'), at))
        elif kind != "space":
            out.append(Token(kind, raw, at))
        at = m.end()
    return [*out, Token("end", "", at)]


def hint_for(text: str, at: int) -> str:
    """The mend for an odd character."""
    if text[at] == '"' and text.startswith('""', at):
        return "A name has at least one character."
    if text[at] in "'\"":
        return "Close the quote; a text or a name can't hold the character NUL." if "\0" in text else "Close the quote."
    return 'Names with odd characters stand in double quotes: "like this".'


def bare(name: str) -> bool:
    """Whether a name can stand without quotes, reserved words apart."""
    return bool(BARE.match(name))


def quote_name(name: str, reserved: frozenset[str]) -> str:
    """The name as the language writes it: bare where that is unambiguous, "quoted" otherwise."""
    if bare(name) and name.lower() not in reserved:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_string(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
