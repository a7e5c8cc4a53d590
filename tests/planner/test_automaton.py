"""The decoding grammar as a machine: it admits just what the grammar says, and knows where an answer may end."""

from __future__ import annotations

import pytest
from tests.planner.test_ground import grounded

from intendant.language.plans import parse
from intendant.planner.automaton import END, Automaton
from intendant.planner.decoding import decoding_grammar
from intendant.planner.encode import encode


def admits(machine: Automaton, text: str) -> bool:
    places = machine.start()
    for word in text.split():
        places = machine.words(places).get(word, frozenset())
    return END in machine.words(places)


@pytest.mark.parametrize(
    ("grammar", "yes", "no"),
    [
        ('root ::= " a" " b"', ["a b"], ["a", "a b b", "b"]),
        ('root ::= (" a" | " b c")', ["a", "b c"], ["b", "a c", ""]),
        ('root ::= " a"? " b"', ["b", "a b"], ["a", "a a b"]),
        ('root ::= " a"* " b"+', ["b", "a a b b"], ["a", ""]),
        ('root ::= x ("," x)*\nx ::= " a" | " (" root " )"', ["a", "( a )", "( ( a ) )"], ["( a", ")"]),
        ('root ::= " say \\"hi\\""', ['say "hi"'], ["say hi"]),
        ('root ::= "" | " a"', ["", "a"], ["a a"]),
    ],
)
def test_it_admits_just_what_the_grammar_says(grammar: str, yes: list[str], no: list[str]) -> None:
    machine = Automaton(grammar)
    assert all(admits(machine, t) for t in yes) and not any(admits(machine, t) for t in no)


@pytest.mark.parametrize(
    "plan",
    [
        "query orders group by customer_id: sum price top 5 by sum_price",
        "transform orders filter status = 'paid' derive net = price - quantity rank by net descending per customer_id as place",
        "check orders for not null price, unique order_id on failure quarantine",
        "provision orders from customers\ndrop customers",
    ],
)
def test_every_plan_that_can_be_said_in_ids_is_admitted(plan: str) -> None:
    text = "paid orders: order_id, net as price minus quantity, customer_id, place; customers; 5; sum_price"
    g = grounded("shop", text)
    assert admits(Automaton(decoding_grammar(g)), encode(parse(plan), g))


def test_a_name_that_was_not_found_is_not_admitted() -> None:
    machine = Automaton(decoding_grammar(grounded("shop", "show the orders")))
    assert admits(machine, "query T1") and not admits(machine, "query T99")
