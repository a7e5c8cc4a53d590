"""What the memory says about a sentence in the planner's terms: a plan at once, one more reading, or a plan left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.planner.test_memory import SHOP, seen, told

from intendant.engines.duckdb import DuckDB
from intendant.language.plans import parse, print_plan
from intendant.operators._compile import Typing
from intendant.planner.check import Checked
from intendant.planner.memory import FILE, Memory, catalog_key
from intendant.planner.recall import allowed, answer_to, readings, recalled
from intendant.planner.skeleton import skeleton_of


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / FILE)


@pytest.fixture
def typing() -> Iterator[Typing]:
    engine = DuckDB()
    yield Typing(engine)
    engine.close()


def test_a_sentence_that_was_approved_is_ready_at_once(memory: Memory, typing: Typing) -> None:
    told(memory, "tidy orders", "check orders")
    found = recalled(memory, seen("Tidy orders!"), typing)
    assert found is not None and (found.status, found.confidence, found.plan) == ("ready", 1.0, parse("check orders"))
    assert recalled(memory, seen("tidy customers"), typing) is None


def test_a_sentence_of_the_same_form_is_read_and_not_taken_at_once(memory: Memory, typing: Typing) -> None:
    told(memory, "tidy orders", "check orders")
    assert readings(memory, seen("tidy orders")) == []
    assert [(print_plan(r.plan), r.certainty) for r in readings(memory, seen("tidy customers"))] == [
        ("check customers", 2 / 3)
    ]


def test_a_plan_that_the_catalog_no_longer_admits_is_not_taken(memory: Memory, typing: Typing) -> None:
    told(memory, "tidy orders", "transform orders filter price = 'blue'")
    assert recalled(memory, seen("tidy orders"), typing) is None


def test_nothing_is_dropped_from_memory_that_the_sentence_does_not_say(memory: Memory, typing: Typing) -> None:
    told(memory, "tidy orders", "drop orders")
    assert recalled(memory, seen("tidy orders"), typing) is None


def test_a_candidate_that_was_rejected_is_left_out(memory: Memory) -> None:
    told(memory, "tidy orders", "drop orders", "rejected")
    found = [
        Checked("a", -1.0, plan=parse("drop orders")),
        Checked("b", -2.0, plan=parse("check orders")),
        Checked("c", -3.0),
    ]
    assert [c.text for c in allowed(memory, seen("tidy orders"), found)] == ["b", "c"]


def test_an_answer_is_found_for_the_same_question(memory: Memory) -> None:
    memory.remember_answer(catalog_key(SHOP, "table"), "table", skeleton_of(seen("tidy the table")), "orders")
    assert answer_to(memory, seen("Tidy the table."), "table") == "orders"
    assert answer_to(memory, seen("Tidy the table."), "resource") is None
