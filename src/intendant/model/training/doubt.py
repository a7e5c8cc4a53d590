"""Plans that are nearly right, for the network to learn to tell from right ones.

Half of them are the network's own: one number replaced by one that it holds likely though it is wrong. The others have an id
swapped for another of its family, or a clause left out.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence

import torch
from torch import Tensor

from intendant.model.pieces import ID_ROOM, Pieces
from intendant.planner.scope import starts

__all__ = ["ends", "spoiled_by_hand", "spoiled_by_model"]

OWN = 0.5
"""The share that the network spoils itself."""
BETWEEN = (";", "into", "where", "and", "or", ",", "as", "per", "on", "descending")


@functools.lru_cache(maxsize=2)
def boundaries(pieces: Pieces) -> frozenset[int]:
    """The answer numbers that a part of a plan begins with."""
    return frozenset(pieces.answer_numbers[w] for w in (*starts(), *BETWEEN) if w in pieces.answer_numbers)


def spoiled_by_hand(
    answer: Sequence[int], prompt: Sequence[int], pieces: Pieces, rng: random.Random
) -> list[int] | None:
    """The answer (END last) with an id swapped or a part left out; None: leave it to the network."""
    kind, count = rng.random(), len(pieces.answers)
    if kind < OWN:
        return None
    if kind < OWN + 0.28:
        at = rng.choice([i for i, x in enumerate(answer) if x >= count] or [-1])
        if at < 0:
            return None
        family = (answer[at] - count) // ID_ROOM
        seen = {x - len(pieces.pieces) for x in prompt if x >= len(pieces.pieces)}
        others = sorted(x + count for x in seen if x // ID_ROOM == family and x + count != answer[at])
        return [*answer[:at], rng.choice(others), *answer[at + 1 :]] if others else None
    marks = [i for i, x in enumerate(answer[:-1]) if i > 1 and x in boundaries(pieces)]
    if not marks:
        return None
    at = rng.choice(marks)
    after = next((i for i in marks if i > at), len(answer) - 1)
    return [*answer[:at], *answer[after:]]


@torch.no_grad()
def spoiled_by_model(logs: Tensor, prompt: Tensor, answer: Tensor, answers: int, pieces: int) -> Tensor:
    """Each answer [batch, time] (0 ends it, -1 after) with one number replaced by a likely wrong one [batch, time + 1]."""
    p = logs.detach().float().exp()
    target = answer.clamp(min=0)
    word = target < answers
    right = torch.zeros_like(p, dtype=torch.bool)
    right[:, :, :answers].scatter_(-1, target.clamp(max=answers - 1).unsqueeze(-1), word.unsqueeze(-1))
    right[:, :, answers:] = (prompt - pieces)[:, None, :] == (target - answers).masked_fill(word, -9)[:, :, None]
    p = p.masked_fill(right | (answer < 0).unsqueeze(-1) | (p < 1e-6), 0).sqrt() + 1e-12
    drawn = torch.multinomial(p.flatten(1), 1).squeeze(1)
    at, choice = drawn // p.shape[-1], drawn % p.shape[-1]
    place = prompt.gather(1, (choice - answers).clamp(min=0).unsqueeze(1)).squeeze(1) - pieces + answers
    number = torch.where(choice < answers, choice, place.clamp(min=0))
    out = torch.cat((answer, torch.full_like(answer[:, :1], -1)), 1)
    was_end = target.gather(1, at.unsqueeze(1)).squeeze(1) == 0
    out.scatter_(1, at.unsqueeze(1), number.unsqueeze(1))
    steps = torch.arange(out.shape[1])[None, :]
    out = out.masked_fill((number == 0)[:, None] & (steps > at[:, None]), -1)
    return torch.where(was_end[:, None] & (steps == at[:, None] + 1), 0, out)


def ends(answer: Tensor) -> Tensor:
    """Where each answer's END stands [batch]."""
    return (answer == 0).int().argmax(1)
