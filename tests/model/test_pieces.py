"""What the reader reads and writes as numbers: words whole or in pieces, ids by family and number, segments."""

from __future__ import annotations

from pathlib import Path

import pytest

from intendant.model.pieces import ID_ROOM, LONGEST, Pieces
from intendant.model.reader import READER
from intendant.planner.decoding import words_of_plans

SMALL = Pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "show", "ord", "##er", "##s", "."], ["</s>", "query", "filter"])


def test_a_known_word_is_one_number_and_an_unknown_one_its_longest_pieces() -> None:
    assert SMALL.prompt(["show", "orders"])[0] == [2, 4, 5, 6, 7, 3]


def test_a_word_without_pieces_is_unknown() -> None:
    assert SMALL.split("§x") == (1, 1)


def test_an_id_is_a_number_of_its_own_after_the_pieces() -> None:
    first, second = (SMALL.word(t)[0] for t in ("T1", "T2"))
    assert second == first + 1 >= len(SMALL.pieces) and SMALL.word("R0") == [len(SMALL.pieces)]


def test_lower_case_words_that_look_like_ids_are_words() -> None:
    assert all(n < len(SMALL.pieces) for n in SMALL.word("t1"))


def test_places_after_the_sentence_are_the_second_segment() -> None:
    numbers, segments = SMALL.prompt(["show", "|", "orders"])
    assert numbers == [2, 4, 3, 5, 6, 7] and segments == [0, 0, 1, 1, 1, 1]


def test_a_long_prompt_is_cut() -> None:
    numbers, segments = SMALL.prompt(["show"] * 1000)
    assert len(numbers) == len(segments) == LONGEST


def test_an_answer_with_a_word_that_no_plan_holds_is_an_error() -> None:
    assert SMALL.answer(["query", "T3"]) == [1, len(SMALL.answers) + 2 * ID_ROOM + 3, SMALL.end]
    with pytest.raises(KeyError):
        SMALL.answer(["dance"])


def test_accents_and_capitals_make_no_difference() -> None:
    assert SMALL.split("Örders") == SMALL.split("orders")


def test_pieces_survive_their_file(tmp_path: Path) -> None:
    SMALL.save(tmp_path / "x.pieces")
    again = Pieces.load(tmp_path / "x.pieces")
    assert (again.pieces, again.answers) == (SMALL.pieces, SMALL.answers)


def test_the_shipped_model_can_write_every_word_of_plans() -> None:
    assert set(words_of_plans()) <= set(Pieces.load(READER.with_suffix(".pieces")).answers)
