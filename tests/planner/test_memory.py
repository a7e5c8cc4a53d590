"""The memory: what it offers again, to which sentences, what it never offers, and what becomes of a damaged file."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.planner.worlds import VALUES, iot, shop

from intendant.catalog import Catalog, Table
from intendant.errors import Damaged
from intendant.language.plans import parse, print_plan
from intendant.planner.ground import Grounding, ground
from intendant.planner.memory import FILE, MOST, Memory, Verdict, catalog_key
from intendant.planner.mentions import Index
from intendant.planner.skeleton import skeleton_of
from intendant.types import Column

SHOP = shop("orders", "customers")


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / FILE)


def seen(text: str, catalog: Catalog = SHOP, focus: Sequence[str] = ()) -> Grounding:
    values = {k: v for k, v in VALUES.items() if k[0] in catalog.tables}
    return ground(text, Index(catalog, values), focus=focus)


def told(memory: Memory, text: str, plan: str, verdict: Verdict = "approved", catalog: Catalog = SHOP) -> None:
    assert memory.remember(seen(text, catalog), parse(plan), verdict)


def recalled(memory: Memory, text: str, catalog: Catalog = SHOP, focus: Sequence[str] = ()) -> list[tuple[str, float]]:
    return [(print_plan(p), w) for p, w in memory.recall(seen(text, catalog, focus))]


def test_a_sentence_that_was_approved_gives_its_plan_again(memory: Memory) -> None:
    told(memory, "Keep only the paid ones of orders.", "transform orders filter status = 'paid'")
    assert recalled(memory, "keep only the  PAID ones of orders") == [("transform orders filter status = 'paid'", 1.0)]


def test_it_carries_over_to_other_names_and_literals_of_the_same_form(memory: Memory) -> None:
    told(memory, "glance at customers where country equals 'Spain'", "query customers filter country = 'Spain'")
    found = recalled(memory, "glance at orders where status equals 'open'")
    assert found == [("query orders filter status = 'open'", 2 / 3)]


def test_more_sentences_that_agree_weigh_more(memory: Memory) -> None:
    told(memory, "glance at customers where country equals 'Spain'", "query customers filter country = 'Spain'")
    told(memory, "glance at customers where country equals 'Germany'", "query customers filter country = 'Germany'")
    assert [w for _, w in recalled(memory, "glance at orders where status equals 'open'")] == [3 / 4]


def test_examples_that_disagree_give_nothing_but_their_own_sentences(memory: Memory) -> None:
    told(memory, "glance at orders where status equals 'open'", "query orders filter status = 'open'")
    told(memory, "glance at orders where status equals 'paid'", "query orders filter status != 'paid'")
    assert recalled(memory, "glance at orders where status equals 'cancelled'") == []
    assert (
        recalled(memory, "glance at orders where status equals 'paid'")[0][0] == "query orders filter status != 'paid'"
    )


def test_a_plan_that_was_rejected_is_not_offered_for_any_sentence_of_its_form(memory: Memory) -> None:
    told(memory, "tidy customers", "drop customers", "rejected")
    assert memory.rejected(seen("tidy orders")) == {"drop orders"}
    assert memory.rejected(seen("tidy up orders")) == frozenset()
    told(memory, "tidy orders", "drop orders")
    assert recalled(memory, "tidy orders") == [("drop orders", 1.0)]
    assert memory.rejected(seen("tidy orders")) == frozenset()
    assert recalled(memory, "tidy customers") == []


def test_the_newest_word_on_a_sentence_counts(memory: Memory) -> None:
    told(memory, "tidy orders", "query orders")
    told(memory, "tidy orders", "check orders", "corrected")
    assert recalled(memory, "tidy orders") == [("check orders", 1.0)]
    told(memory, "tidy orders", "check orders", "rejected")
    assert recalled(memory, "tidy orders") == [("query orders", 1.0)]


def test_what_the_sentence_does_not_say_is_taken_from_the_same_tables_only(memory: Memory) -> None:
    told(memory, "who is still with us", "query customers filter is_active = true")
    plan = [("query customers filter is_active = true", 1.0)]
    assert recalled(memory, "who is still with us") == plan
    assert recalled(memory, "who is still with us", iot("staging.readings")) == []
    changed = {**SHOP.tables, "customers": Table("customers", (Column("customer_id", "BIGINT"),))}
    assert recalled(memory, "who is still with us", replace(SHOP, tables=changed)) == []
    assert recalled(memory, "who is still with us", replace(SHOP, tables=dict(reversed(SHOP.tables.items())))) == plan


def test_a_table_that_was_only_meant_is_not_taken_where_there_is_another_to_choose(memory: Memory) -> None:
    told(memory, "check the table", "check orders", "answered")
    assert recalled(memory, "check the table") == [("check orders", 1.0)]
    assert recalled(memory, "check the table", shop("orders", "customers", "sales_store")) == []
    assert recalled(memory, "check the table", focus=("customers",)) == []


def test_the_last_result_is_remembered_as_the_last_result(memory: Memory) -> None:
    memory.remember(seen("check the table", focus=("orders",)), parse("check orders"), "approved")
    assert recalled(memory, "check the table", focus=("customers",)) == [("check customers", 1.0)]
    assert recalled(memory, "check the table") == []


def test_a_plan_that_ids_can_not_say_is_kept_for_its_own_sentence(memory: Memory) -> None:
    plan = "query orders filter status = 'something nobody said'"
    told(memory, "the odd ones of orders", plan, "corrected")
    assert recalled(memory, "the odd ones of orders") == [(plan, 1.0)]
    assert recalled(memory, "the odd ones of customers") == []


def test_a_waiting_example_counts_once_it_is_decided(memory: Memory) -> None:
    memory.remember(seen("tidy orders"), parse("check orders"), "waiting", run="r1")
    assert recalled(memory, "tidy orders") == [] and memory.rejected(seen("tidy orders")) == frozenset()
    assert (
        memory.decided("r1", "approved")
        and not memory.decided("r1", "rejected")
        and not memory.decided("r2", "approved")
    )
    assert recalled(memory, "tidy orders") == [("check orders", 1.0)]


def test_an_answer_is_remembered_for_its_question_sentence_and_choice_of_tables(memory: Memory) -> None:
    g = seen("show me 10 rows of the table")
    assert memory.remember_answer(catalog_key(SHOP, "table"), "table", skeleton_of(g), "orders")
    other = skeleton_of(seen("Show me 25 rows of the table."))
    assert memory.answer_for(catalog_key(SHOP, "table"), "table", other) == "orders"
    assert memory.answer_for(catalog_key(SHOP, "table"), "number", other) is None
    assert memory.answer_for(catalog_key(shop("orders"), "table"), "table", other) is None
    memory.remember_answer(catalog_key(SHOP, "table"), "table", other, "customers")
    assert [a["answer"] for a in memory.answers()] == ["customers"]


def test_what_is_forgotten_is_gone_from_the_file(memory: Memory) -> None:
    told(memory, "tidy orders", "check orders")
    told(memory, "tidy customers", "check customers")
    first, second = memory.examples()
    assert memory.forget(first.id) == 1 and [e.id for e in memory.examples()] == [second.id]
    memory.remember_answer("k", "table", "s", "a")
    assert memory.forget() == 1 and memory.examples() == [] and memory.answers() == []
    assert memory.forget() == 0


def test_nothing_to_recall_makes_no_file(memory: Memory) -> None:
    assert recalled(memory, "tidy orders") == [] and memory.examples() == [] and memory.forget() == 0
    assert not memory.path.exists() and memory.trouble is None


@pytest.mark.parametrize(
    "text",
    [
        "load orders with the password: hunter2secret",
        "check orders on postgres://me:pass@host/db",
        "check orders for AKIAABCDEFGHIJKLMNOP",
        "check orders of swordfish9",
    ],
)
def test_a_sentence_that_holds_a_secret_is_not_kept(text: str, tmp_path: Path) -> None:
    memory = Memory(tmp_path / FILE, lambda: ["swordfish9"])
    assert not memory.remember(seen(text), parse("check orders"), "approved")
    assert not memory.remember_answer("k", "table", "s", text)
    assert not memory.path.exists()


def test_only_so_many_examples_are_kept(memory: Memory) -> None:
    told(memory, "tidy orders", "check orders")
    with sqlite3.connect(memory.path) as db:
        db.execute(f"UPDATE examples SET id = id - {MOST}")
    told(memory, "tidy customers", "check customers")
    db.close()
    assert [e.sentence for e in memory.examples()] == ["tidy customers"]


@pytest.mark.parametrize("harm", ["noise", "row"])
def test_a_damaged_file_stops_no_sentence_and_says_how_it_is_mended(harm: str, memory: Memory) -> None:
    told(memory, "tidy orders", "check orders")
    if harm == "noise":
        memory.path.write_bytes(b"not a database, " * 500)
    else:
        with sqlite3.connect(memory.path) as db:
            db.execute("UPDATE examples SET tokens = '{'")
        db.close()
    assert recalled(memory, "tidy orders") == []
    assert isinstance(memory.trouble, Damaged) and "`intendant model forget --all`" in memory.trouble.hint
    with pytest.raises(Damaged, match="memory is damaged"):
        memory.examples()
    memory.forget()
    told(memory, "tidy orders", "check orders")
    assert recalled(memory, "tidy orders") == [("check orders", 1.0)] and memory.trouble is None


def many(path: Path, who: int) -> None:
    """Twenty sentences of one process."""
    for n in range(20):
        Memory(path).remember(seen(f"tidy orders {who}{n:02}"), parse("check orders"), "approved")


def test_processes_that_write_at_once_lose_nothing(memory: Memory) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=many, args=(memory.path, who)) for who in (1, 2, 3)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(timeout=120)
    assert [w.exitcode for w in workers] == [0, 0, 0] and len(memory.examples()) == 60
