"""Propose: plans in ids that a model would write for a grounding, the likeliest first. One narrow door for every model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from intendant.model.pieces import FAMILY_LETTERS, ID_ROOM
from intendant.model.reader import READER, Reader, reader
from intendant.planner.automaton import END, Automaton, Places
from intendant.planner.decoding import decoding_grammar
from intendant.planner.ground import Grounding
from intendant.planner.scope import START, Here, Scope

__all__ = ["Draft", "Embedded", "Proposer"]

BEAMS = 6
LONGEST = 110
SURE = -0.02
"""Log-probability above which an answer isn't scored a second time."""


class Draft(NamedTuple):
    """A plan in ids as a model writes it, and its log-probability."""

    text: str
    logprob: float


class Proposer(Protocol):
    """Anything that writes plans in ids under the grammar of a grounding."""

    def propose(self, grounding: Grounding, k: int, *, free: bool = True) -> list[Draft]:
        """At most k different texts, likeliest first; none when the model finds no end.

        Not `free`: a plan, neither `refuse` nor `ask`. Raises ModelError when there is no model.
        """


@dataclass(frozen=True)
class Beam:
    """An answer so far: its words, its log-probability, where it stands in the grammar and in the plan's scope."""

    words: tuple[str, ...]
    logprob: float
    places: Places
    here: Here = START


class Embedded:
    """The small model of the package, searched with beams that write only what the grammar and the scope admit."""

    def __init__(self, path: Path = READER) -> None:
        self.path = path

    def propose(self, grounding: Grounding, k: int, *, free: bool = True) -> list[Draft]:
        model = reader(self.path)
        machine = Automaton(decoding_grammar(grounding, free=free))
        search = Search(model, machine, Scope(grounding), min(k, BEAMS))
        state = model.read(*model.pieces.prompt(grounding.reading))
        beams = [Beam((), 0.0, machine.start())]
        last = np.array([model.pieces.end])
        done: list[Beam] = []
        for _ in range(min(LONGEST, int(model.shape["longest"]) - 1)):
            beams, parents, ended = search.extended(beams, model.step(state, last))
            done += ended
            done.sort(key=lambda b: -b.logprob)
            if not beams or (len(done) >= k and done[k - 1].logprob >= beams[0].logprob):
                break
            if done and done[0].logprob > beams[0].logprob + 7:
                break
            state = state.kept(np.array(parents))
            last = np.array([number(model, b.words[-1]) for b in beams])
        done = done[:k]
        if k > 1 and done and done[0].logprob < SURE:
            done = pooled(done, model, grounding.reading)
        return [Draft(" ".join(b.words), b.logprob) for b in done]


def pooled(answers: list[Beam], model: Reader, reading: Sequence[str]) -> list[Beam]:
    """The answers with the mean of their probability and of that under a prompt whose ids have other numbers.

    Numbers mean nothing, so a reading that hangs on them is a doubtful one.
    """
    again = scored([[moved(w) for w in a.words] for a in answers], model, [moved(t) for t in reading])
    both = [
        replace(a, logprob=float(np.logaddexp(a.logprob, b)) - math.log(2)) for a, b in zip(answers, again, strict=True)
    ]
    return sorted(both, key=lambda a: -a.logprob)


def moved(token: str) -> str:
    """An id with another number of its family: they go round by 29."""
    if is_id(token):
        return f"{token[0]}{(int(token[1:]) + 29) % ID_ROOM}"
    return token


def scored(answers: Sequence[Sequence[str]], model: Reader, reading: Sequence[str]) -> list[float]:
    """The log-probability of each answer, whatever the grammar."""
    rows = [[number(model, w) or 0 for w in a] + [model.pieces.end] for a in answers]
    state = model.read(*model.pieces.prompt(reading)).kept(np.zeros(len(rows), np.int64))
    last, out = np.full(len(rows), model.pieces.end), [0.0] * len(rows)
    for t in range(max(map(len, rows))):
        logs = model.step(state, last)
        for n, row in enumerate(rows):
            if t < len(row):
                out[n] += float(logs[n, row[t]])
        last = np.array([row[t] if t < len(row) else model.pieces.end for row in rows])
    return out


@dataclass(frozen=True)
class Following:
    """What may follow at some places: the words that the model can write, their answer numbers, and where each leads."""

    words: tuple[str, ...]
    numbers: np.ndarray
    places: tuple[Places, ...]
    may_end: bool


def following(places: Places, machine: Automaton, model: Reader) -> Following:
    found = [(w, number(model, w), p) for w, p in machine.words(places).items() if w != END]
    known = [(w, n, p) for w, n, p in found if n is not None]
    words, numbers, after = zip(*known, strict=True) if known else ((), (), ())
    return Following(words, np.array(numbers, np.int64), after, END in machine.words(places))


class Search:
    """One sentence's beams: what may follow, under its grammar and in the scope of what is written."""

    def __init__(self, model: Reader, machine: Automaton, scope: Scope, width: int) -> None:
        self.model, self.machine, self.scope, self.width = model, machine, scope, width
        self.held: dict[Places, Following] = {}

    def following(self, places: Places) -> Following:
        if places not in self.held:
            self.held[places] = following(places, self.machine, self.model)
        return self.held[places]

    def extended(self, beams: list[Beam], logs: np.ndarray) -> tuple[list[Beam], list[int], list[Beam]]:
        """The best next beams with the numbers of those they come from, and the answers that end here."""
        grown: list[tuple[float, int, int, Following]] = []
        ended: list[Beam] = []
        for n, beam in enumerate(beams):
            after = self.following(beam.places)
            if after.may_end:
                ended.append(replace(beam, logprob=beam.logprob + float(logs[n, self.model.pieces.end])))
            if len(after.numbers):
                gains = logs[n, after.numbers]
                grown += [(beam.logprob + float(gains[i]), n, i, after) for i in self.admitted(beam.here, after, gains)]
        grown.sort(key=lambda g: -g[0])
        kept = [g for g in grown[: self.width] if g[0] > grown[0][0] - 9]
        new = [
            Beam((*beams[n].words, after.words[i]), p, after.places[i], self.scope.after(beams[n].here, after.words[i]))
            for p, n, i, after in kept
        ]
        return new, [g[1] for g in kept], ended

    def admitted(self, here: Here, after: Following, gains: np.ndarray) -> list[int]:
        """The likeliest words that can be meant here, as many as there are beams."""
        found: list[int] = []
        for i in np.argsort(-gains, kind="stable"):
            if self.scope.admits(here, after.words[i]):
                found.append(int(i))
                if len(found) == self.width:
                    break
        return found


def is_id(word: str) -> bool:
    return word[:1] in FAMILY_LETTERS and word[1:].isdigit()


def number(model: Reader, word: str) -> int | None:
    """The answer number of a word or id; None for a word that the model was not trained to write."""
    if is_id(word):
        return model.pieces.id_number(word[0], int(word[1:]))
    return model.pieces.answer_numbers.get(word)
