"""The vocabulary: words whole, unknown words in pieces, the same numbers in use as in training."""

from __future__ import annotations

from pathlib import Path

import pytest

from intendant.model.vocabulary import BEGIN, END, PIECE, PLAN, Vocabulary
from intendant.planner.decoding import words_of_plans
from intendant.planner.ground import FAMILIES, MOST
from intendant.planner.propose import EMBEDDED, embedded_words

SMALL = Vocabulary([BEGIN, END, PLAN, "show", "T1", PIECE + "ord", PIECE + "e", PIECE + "r"])


def test_a_known_word_is_one_token() -> None:
    assert SMALL.prompt("show T1") == [0, 3, 4, 2]


def test_an_unknown_word_is_its_longest_pieces() -> None:
    assert SMALL.words(["order"]) == [5, 6, 7]


def test_what_has_no_piece_is_left_out() -> None:
    assert SMALL.words(["x§"]) == []


def test_a_plan_with_an_unknown_word_is_an_error() -> None:
    with pytest.raises(KeyError):
        SMALL.plan("query T1")


def test_a_vocabulary_survives_its_file(tmp_path: Path) -> None:
    SMALL.save(tmp_path / "v")
    assert Vocabulary.load(tmp_path / "v").tokens == SMALL.tokens


def test_the_shipped_vocabulary_has_every_word_of_plans_and_every_id() -> None:
    known = set(embedded_words(EMBEDDED).tokens)
    assert set(words_of_plans()) <= known
    assert {f"{f}{n}" for f in FAMILIES for n in range(1, MOST + 1)} <= known
