"""What the reader's network reads and writes as numbers: word pieces, ids by family and number, and the words of plans.

A prompt is words and ids (`T1`, `M2`) with `|` between places; an answer is words of the language and ids. The word
pieces are BERT's (30,522, lower case): greedy, the longest first.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["FAMILY_LETTERS", "ID_ROOM", "LONGEST", "Pieces"]

FAMILY_LETTERS = "RSTCMWBNVUDKIEQPHY"
ID_ROOM = 64
"""Numbers of one family that a network tells apart, from 0."""
ID = re.compile(r"([RSTCMWBNVUDKIEQPHY])(\d{1,2})\Z")
LONGEST = 220
"""Numbers of a prompt; what is longer is cut off at the end."""
PUNCTUATION = re.compile(r"[^\w\s]|_")


class Pieces:
    """`pieces` are the prompt's word pieces in order of their numbers, `answers` the words of plans.

    Prompt numbers: 0 to len(pieces)-1 a piece, from len(pieces) on an id (family * ID_ROOM + number). Answer numbers:
    0 to len(answers)-1 a word, from len(answers) on an id.
    """

    def __init__(self, pieces: Sequence[str], answers: Sequence[str]) -> None:
        self.pieces, self.answers = tuple(pieces), tuple(answers)
        self.numbers = {p: i for i, p in enumerate(self.pieces)}
        self.answer_numbers = {w: i for i, w in enumerate(self.answers)}
        self.begin, self.stop, self.unknown = (self.numbers[p] for p in ("[CLS]", "[SEP]", "[UNK]"))
        self.seen: dict[str, tuple[int, ...]] = {}

    @classmethod
    def load(cls, path: Path) -> Pieces:
        """The pieces and words of a file. Raises OSError, ValueError."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(found["pieces"], found["answers"])

    def save(self, path: Path) -> None:
        text = json.dumps({"pieces": self.pieces, "answers": self.answers}, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")

    def prompt(self, tokens: Iterable[str]) -> tuple[list[int], list[int]]:
        """(numbers, segments): segment 0 the sentence, 1 the catalog's places beside it."""
        out, segments, segment = [self.begin], [0], 0
        for t in tokens:
            if t == "|":
                own, segment = [self.stop], 1
            else:
                own = self.word(t)
            out += own
            segments += [segment] * len(own)
        if not segment:
            out, segments = [*out, self.stop], [*segments, 0]
        return out[:LONGEST], segments[:LONGEST]

    def word(self, token: str) -> list[int]:
        m = ID.match(token)
        if m:
            return [len(self.pieces) + FAMILY_LETTERS.index(m[1]) * ID_ROOM + int(m[2]) % ID_ROOM]
        if token not in self.seen:
            if len(self.seen) > 50_000:
                self.seen.clear()
            self.seen[token] = self.split(token)
        return list(self.seen[token])

    def split(self, word: str) -> tuple[int, ...]:
        """A word's pieces; signs stand alone, accents are taken off."""
        plain = "".join(c for c in unicodedata.normalize("NFD", word.lower()) if unicodedata.category(c) != "Mn")
        out: list[int] = []
        for part in PUNCTUATION.sub(lambda m: f" {m.group()} ", plain).split():
            out += self.greedy(part[:40])
        return tuple(out)

    def greedy(self, part: str) -> list[int]:
        out: list[int] = []
        i = 0
        while i < len(part):
            for end in range(len(part), i, -1):
                found = self.numbers.get(("##" if i else "") + part[i:end])
                if found is not None:
                    out.append(found)
                    i = end
                    break
            else:
                return [self.unknown]
        return out[:8]

    def answer(self, tokens: Iterable[str]) -> list[int]:
        """An answer's numbers, END among them. Raises KeyError for a word that no plan holds."""
        out = []
        for t in tokens:
            m = ID.match(t)
            out.append(self.id_number(m[1], int(m[2])) if m else self.answer_numbers[t])
        return [*out, self.end]

    def id_number(self, family: str, number: int) -> int:
        return len(self.answers) + FAMILY_LETTERS.index(family) * ID_ROOM + number

    @property
    def end(self) -> int:
        return 0

    """The answer number that ends a plan: the first word of `answers`."""
