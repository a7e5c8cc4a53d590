"""Propose: plans in ids that a model would write for a grounding, the likeliest first. One narrow door for every model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from intendant.model.pieces import FAMILY_LETTERS, ID_ROOM
from intendant.model.reader import READER, Reader, State, reader
from intendant.planner.automaton import Ahead, Automaton, Places
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
        self.read: tuple[Reader, tuple[str, ...], State] | None = None
        """The last prompt, and the state before the first word of its answer: a question's choices read it again."""

    def propose(self, grounding: Grounding, k: int, *, free: bool = True) -> list[Draft]:
        model = reader(self.path)
        machine = Automaton(decoding_grammar(grounding, free=free))
        search = Search(model, machine, Scope(grounding), min(k, BEAMS))
        state = self.state(model, grounding.reading)
        beams = [Beam((), 0.0, machine.start())]
        last = np.array([model.pieces.end])
        done: list[Beam] = []
        again: Future[State] | None = None
        for _ in range(min(LONGEST, int(model.shape["longest"]) - 1)):
            beams, parents, ended = search.extended(beams, model.step(state, last))
            done += ended
            done.sort(key=lambda b: -b.logprob)
            if again is None and k > 1 and all(b.logprob < SURE for b in (*beams[:1], *done[:1])):
                again = beside(partial(read_again, model, grounding.reading))
            if not beams or (len(done) >= k and done[k - 1].logprob >= beams[0].logprob):
                break
            if done and done[0].logprob > beams[0].logprob + 7:
                break
            state = state.kept(np.array(parents))
            last = np.array([model.answer_numbers[b.words[-1]] for b in beams])
        done = done[:k]
        if k > 1 and done and done[0].logprob < SURE:
            done = pooled(done, model, again.result() if again else read_again(model, grounding.reading))
        return [Draft(" ".join(b.words), b.logprob) for b in done]

    def state(self, model: Reader, reading: tuple[str, ...]) -> State:
        held = self.read
        if held is None or held[0] is not model or held[1] != reading:
            held = self.read = model, reading, model.read(*model.pieces.prompt(reading))
        return held[2].fresh()


def beside(work: Callable[[], State]) -> Future[State]:
    """What `work` will give, done in a thread of its own."""
    with_one = ThreadPoolExecutor(1, thread_name_prefix="second-reading")
    try:
        return with_one.submit(work)
    finally:
        with_one.shutdown(wait=False)


def read_again(model: Reader, reading: Sequence[str]) -> State:
    """The state of a prompt whose ids have other numbers."""
    return model.read(*model.pieces.prompt([moved(t) for t in reading]))


def pooled(answers: list[Beam], model: Reader, state: State) -> list[Beam]:
    """The answers with the mean of their probability and of that under the prompt with other numbers.

    Numbers mean nothing, so a reading that hangs on them is a doubtful one.
    """
    again = model.scored(state, [model.pieces.answer(map(moved, a.words)) for a in answers])
    both = [
        replace(a, logprob=float(np.logaddexp(a.logprob, b)) - math.log(2)) for a, b in zip(answers, again, strict=True)
    ]
    return sorted(both, key=lambda a: -a.logprob)


def moved(token: str) -> str:
    """An id with another number of its family: they go round by 29."""
    if token[:1] in FAMILY_LETTERS and token[1:].isdigit():
        return f"{token[0]}{(int(token[1:]) + 29) % ID_ROOM}"
    return token


@dataclass(frozen=True)
class Following:
    """What may follow at some places: the words that the model can write, their answer numbers, and what lies behind them."""

    words: tuple[str, ...]
    numbers: np.ndarray
    ahead: Ahead


def following(places: Places, machine: Automaton, model: Reader) -> Following:
    ahead, numbers = machine.ahead(places), model.answer_numbers
    words = tuple(w for w in ahead.words if w in numbers)
    return Following(words, np.array([numbers[w] for w in words], np.int64), ahead)


class Search:
    """One sentence's beams: what may follow, under its grammar and in the scope of what is written."""

    def __init__(self, model: Reader, machine: Automaton, scope: Scope, width: int) -> None:
        self.model, self.machine, self.scope, self.width = model, machine, scope, width
        self.held: dict[Places, Following] = {}

    def following(self, places: Places) -> Following:
        held = self.held.get(places)
        if held is None:
            held = self.held[places] = following(places, self.machine, self.model)
        return held

    def extended(self, beams: list[Beam], logs: np.ndarray) -> tuple[list[Beam], list[int], list[Beam]]:
        """The best next beams with the numbers of those they come from, and the answers that end here."""
        grown: list[tuple[float, int, int, Following]] = []
        ended: list[Beam] = []
        for n, beam in enumerate(beams):
            after = self.following(beam.places)
            if after.ahead.may_end:
                ended.append(replace(beam, logprob=beam.logprob + float(logs[n, self.model.pieces.end])))
            if len(after.numbers):
                gains = logs[n, after.numbers]
                grown += [(beam.logprob + float(gains[i]), n, i, after) for i in self.admitted(beam.here, after, gains)]
        grown.sort(key=lambda g: -g[0])
        kept = [g for g in grown[: self.width] if g[0] > grown[0][0] - 9]
        new = [self.longer(beams[n], p, after, i) for p, n, i, after in kept]
        return new, [g[1] for g in kept], ended

    def longer(self, beam: Beam, logprob: float, after: Following, i: int) -> Beam:
        """The beam with word i of those that may follow."""
        word = after.words[i]
        places = self.machine.at(after.ahead, word)
        return Beam((*beam.words, word), logprob, places, self.scope.after(beam.here, word))

    def admitted(self, here: Here, after: Following, gains: np.ndarray) -> list[int]:
        """The likeliest words that can be meant here, as many as there are beams."""
        found: list[int] = []
        for i in np.argsort(-gains, kind="stable").tolist():
            if self.scope.admits(here, after.words[i]):
                found.append(i)
                if len(found) == self.width:
                    break
        return found
