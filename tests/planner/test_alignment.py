"""How a plan lies along its sentence: what was said and passed over, what was never said, what stands with the wrong column."""

from __future__ import annotations

import pytest
from tests.planner.test_ground import grounded

from intendant.language.plans import parse
from intendant.planner.alignment import Alignment, alignment
from intendant.planner.encode import encode
from intendant.planner.likeness import root, shortens

TEXT = "orders with a price over 5 and a quantity under 3: show order_id"


@pytest.mark.parametrize(
    ("plan", "wanted"),
    [
        ("query orders filter price > 5 and quantity < 3 select order_id", Alignment()),
        ("query orders filter price > 5 select order_id", Alignment(passed=1)),
        ("query orders filter price > 5 and quantity < 3 select order_id, status", Alignment(implied=1)),
        ("query orders filter quantity > 5 and price < 3 select order_id", Alignment(apart=2)),
    ],
)
def test_what_does_not_lie_along_the_sentence_is_counted(plan: str, wanted: Alignment) -> None:
    g = grounded("shop", TEXT)
    assert alignment(encode(parse(plan), g), g) == wanted


def test_a_sentence_without_columns_and_literals_has_nothing_to_count() -> None:
    g = grounded("shop", "check the customers")
    assert alignment(encode(parse("check customers"), g), g) == Alignment()


@pytest.mark.parametrize(
    ("part", "word", "same"),
    [
        ("strm", "stream", True),
        ("camp", "campaign", True),
        ("pg", "page", True),
        ("clnt", "client", True),
        ("age", "agent", False),
        ("art", "article", False),
        ("st", "start", False),
        ("strm", "storey", False),
    ],
)
def test_a_name_s_part_may_be_a_word_cut_short(part: str, word: str, same: bool) -> None:
    assert shortens(part, word) is same


def test_words_of_one_root_meet() -> None:
    assert root("discharged") == root("discharge")
