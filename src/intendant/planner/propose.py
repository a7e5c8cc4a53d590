"""Propose: plans in ids that a model would write for a prompt, the likeliest first. One narrow door for every kind of model."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from intendant.errors import ModelError
from intendant.model.runtime import Runtime, runtime
from intendant.model.vocabulary import Vocabulary
from intendant.planner.ground import ID_WORDS, MOST

__all__ = ["EMBEDDED", "Embedded", "Proposer", "embedded_words", "moved"]

EMBEDDED = Path(__file__).parents[1] / "model" / "planner.gguf"
WARM = 0.7
SHIFTS = (0, 1, 3)
"""The same prompt is read with its ids numbered from 1, from 2, from 4: readers that agree are likelier right."""
SURE = -0.03
"""Log-probability above which a reading is not questioned further."""


class Proposer(Protocol):
    """Anything that writes plans in ids under a grammar."""

    def propose(self, prompt: str, grammar: str, k: int) -> list[tuple[str, float]]:
        """At most k different texts with their log-probabilities, best first; none when the model finds no end.

        Raises ModelError when there is no model.
        """


@functools.lru_cache(maxsize=4)
def embedded_words(path: Path) -> Vocabulary:
    """The vocabulary beside a model."""
    try:
        return Vocabulary.load(path.with_suffix(".vocab"))
    except OSError as e:
        hint = "Train it: `python -m intendant.model.training`."
        raise ModelError(f"the planner's vocabulary can't be read: {e}", hint=hint) from None


def moved(text: str, by: int) -> str:
    """The text with every id's number changed by so much."""
    return ID_WORDS.sub(lambda m: f"{m[1]}{int(m[2]) + by}", text) if by else text


@dataclass(frozen=True)
class Reader:
    """The model with one numbering of the ids."""

    model: Runtime
    words: Vocabulary
    prompt: str
    shift: int

    def tokens(self) -> list[int]:
        return self.words.prompt(moved(self.prompt, self.shift))[-300:]

    def best(self, grammar: str, seed: int = 0) -> tuple[str, float] | None:
        """The likeliest answer, or with a seed one drawn by chance."""
        heat = {"temperature": WARM, "seed": seed} if seed else {}
        try:
            out = self.model.complete(self.tokens(), grammar=moved(grammar, self.shift), **heat)  # type: ignore[arg-type]
        except ModelError:
            return None
        return moved(out.text, -self.shift), out.logprob

    def score(self, text: str) -> float:
        """The log-probability of exactly this answer."""
        said = " " + moved(text, self.shift).replace("\\", "\\\\").replace('"', '\\"')
        try:
            return self.model.complete(self.tokens(), grammar=f'root ::= "{said}"').logprob
        except ModelError:
            return -20.0


class Embedded:
    """The small model of the package. Answers of several numberings are pooled; each is scored under all of them."""

    def __init__(self, path: Path = EMBEDDED) -> None:
        self.path = path

    def propose(self, prompt: str, grammar: str, k: int) -> list[tuple[str, float]]:
        highest = max((int(m[2]) for m in ID_WORDS.finditer(prompt)), default=0)
        model, words = runtime(self.path), embedded_words(self.path)
        readers = [Reader(model, words, prompt, s) for s in SHIFTS if highest + s <= MOST]
        first = readers[0].best(grammar)
        if first is None:
            return []
        if k <= 1 or first[1] > SURE:
            return [first]
        found = {first[0]: {0: first[1]}}
        drawn = [(i, r.best(grammar)) for i, r in enumerate(readers) if i]
        drawn += [(i, readers[i].best(grammar, seed)) for seed in range(1, 3) for i in range(len(readers))]
        for i, answer in drawn:
            if answer is not None and (answer[0] in found or len(found) < k):
                found.setdefault(answer[0], {})[i] = answer[1]
        pooled = {
            text: pool([scores.get(i) if i in scores else r.score(text) for i, r in enumerate(readers)])
            for text, scores in found.items()
        }
        return sorted(pooled.items(), key=lambda kv: -kv[1])


def pool(logprobs: Sequence[float | None]) -> float:
    """The logarithm of the mean probability."""
    known = [x for x in logprobs if x is not None]
    return math.log(max(sum(math.exp(x) for x in known) / max(len(known), 1), 1e-9))
