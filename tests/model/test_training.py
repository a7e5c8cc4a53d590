"""Training: samples come out the same by seed, and say in ids what the bank says in names."""

from __future__ import annotations

from itertools import islice

from intendant.model.pieces import Pieces
from intendant.model.reader import READER
from intendant.model.training.catalogs import load_worlds
from intendant.model.training.generate import HELD_OUT, bank, is_held_out, samples
from intendant.planner.words import plain


def made(seed: int) -> list[tuple[str, str]]:
    worlds = load_worlds()
    pairs = [p for i, p in enumerate(bank()) if not is_held_out(p, i)]
    seen = {n: w for n, w in worlds.items() if n not in HELD_OUT}
    return [(s.prompt, s.plan) for s in islice(samples(pairs, seen, seed), 25)]


def test_samples_are_the_same_by_seed_and_others_by_another() -> None:
    assert made(3) == made(3) != made(4)


def test_every_sample_can_be_written_with_the_shipped_pieces() -> None:
    pieces = Pieces.load(READER.with_suffix(".pieces"))
    assert all(pieces.answer(plan.split()) and pieces.prompt(prompt.split(" "))[0] for prompt, plan in made(5))


def test_held_out_catalogs_exist_and_are_never_sampled() -> None:
    worlds = load_worlds()
    assert set(HELD_OUT) <= set(worlds)
    assert len(bank()) >= 6_000 and len(worlds) >= 60


def test_the_words_that_slips_are_set_right_to_are_words() -> None:
    assert all(w.isalpha() and w.islower() for w in plain())
