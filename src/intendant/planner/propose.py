"""Propose: plans in ids that a model would write for a prompt, the likeliest first. One narrow door for every kind of model."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Protocol

from intendant.errors import ModelError
from intendant.model.runtime import runtime
from intendant.model.vocabulary import Vocabulary

__all__ = ["EMBEDDED", "Embedded", "Proposer", "embedded_words"]

EMBEDDED = Path(__file__).parents[1] / "model" / "planner.gguf"
WARM = 0.6


class Proposer(Protocol):
    """Anything that writes plans in ids under a grammar."""

    def propose(self, prompt: str, grammar: str, k: int) -> list[tuple[str, float]]:
        """At most k different texts with their log-probabilities, best first. Raises ModelError."""


@functools.lru_cache(maxsize=4)
def embedded_words(path: Path) -> Vocabulary:
    """The vocabulary beside a model."""
    try:
        return Vocabulary.load(path.with_suffix(".vocab"))
    except OSError as e:
        raise ModelError(f"the planner's vocabulary can't be read: {e}", hint="Train it: `python -m intendant.model.training`.") from None


class Embedded:
    """The small model of the package. The first answer is its best; further ones are drawn where it hesitates."""

    def __init__(self, path: Path = EMBEDDED) -> None:
        self.path = path

    def propose(self, prompt: str, grammar: str, k: int) -> list[tuple[str, float]]:
        tokens = embedded_words(self.path).prompt(prompt)[-300:]
        model = runtime(self.path)
        best = model.complete(tokens, grammar=grammar)
        found = {best.text: best.logprob}
        for seed in range(1, k if best.logprob < -0.15 else 1):
            try:
                other = model.complete(tokens, grammar=grammar, temperature=WARM, seed=seed)
            except ModelError:
                continue
            found.setdefault(other.text, other.logprob)
        return sorted(found.items(), key=lambda kv: -kv[1])
