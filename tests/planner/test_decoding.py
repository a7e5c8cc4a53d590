"""The decoding grammar: whatever it admits is a plan that can be read, and it names nothing that wasn't found."""

from __future__ import annotations

import random
import re

import pytest
from tests.planner.test_ground import grounded

from intendant.errors import LanguageError, UnknownName
from intendant.language.plans import parse, print_plan
from intendant.planner.decode import decode
from intendant.planner.decoding import decoding_grammar, words_of_plans
from intendant.planner.encode import encode
from intendant.planner.ids import ID, Undecided

TEXTS = (
    (
        "shop",
        "pull the latest 100 orders, keep price over 5 and status paid, export to out/x.csv every night, call it big_orders",
    ),
    (
        "shop",
        "join orders and customers, archive what is older than 30 days by created_at, at most 50 requests per second",
    ),
    ("saved", "why is daily_revenue slow; restore orders to version 3; every email is a valid email"),
    ("empty", "hello"),
)
TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([\w-]+)|([()|*+?]))')


class Sampler:
    """Random strings of a GBNF made of literals, names, groups and | * + ?."""

    def __init__(self, text: str, rng: random.Random) -> None:
        self.rules = dict(line.split(" ::= ", 1) for line in text.splitlines())
        self.rng, self.depth = rng, 0

    def rule(self, name: str) -> str:
        self.depth += 1
        if self.depth > 60:
            raise RecursionError
        tokens = TOKEN.findall(self.rules[name])
        out, end = self.options(tokens, 0)
        assert end == len(tokens), self.rules[name]
        self.depth -= 1
        return out()

    def options(self, tokens: list[tuple[str, str, str]], i: int):  # type: ignore[no-untyped-def]
        choices = []
        while True:
            parts, i = self.sequence(tokens, i)
            choices.append(parts)
            if i < len(tokens) and tokens[i][2] == "|":
                i += 1
                continue
            return (lambda: "".join(p() for p in self.rng.choice(choices))), i

    def sequence(self, tokens: list[tuple[str, str, str]], i: int):  # type: ignore[no-untyped-def]
        parts = []
        while i < len(tokens) and tokens[i][2] not in ("|", ")"):
            literal, name, sign = tokens[i]
            if sign == "(":
                one, i = self.options(tokens, i + 1)
            elif name:
                one = (lambda n: lambda: self.rule(n))(name)
            else:
                one = (lambda t: lambda: t)(literal.replace('\\"', '"').replace("\\\\", "\\"))
            i += 1
            if i < len(tokens) and tokens[i][2] in ("*", "+", "?"):
                low, high = {"*": (0, 1), "+": (1, 2), "?": (0, 1)}[tokens[i][2]]
                one = (lambda o, a, b: lambda: "".join(o() for _ in range(self.rng.randint(a, b))))(one, low, high)
                i += 1
            parts.append(one)
        return parts, i


@pytest.mark.parametrize(("catalog", "text"), TEXTS)
def test_every_string_of_the_grammar_is_a_plan_or_leaves_something_open(catalog: str, text: str) -> None:
    g = grounded(catalog, text)
    rng = random.Random(7)
    read = 0
    for _ in range(300):
        try:
            said = Sampler(decoding_grammar(g), rng).rule("root").strip()
        except RecursionError:
            continue
        if said == "refuse" or said.startswith("ask "):
            continue
        assert all(m[0] in g.candidates for m in ID.finditer(said)), said
        try:
            plan = decode(said, g)
        except (Undecided, UnknownName):
            continue
        except LanguageError as e:
            assert "missing" in str(e) or "no `as`" in str(e), (said, e)
            continue
        assert parse(print_plan(plan)) == plan
        read += 1
    assert read > 20 or catalog == "empty"


def test_a_verb_that_lacks_what_it_needs_is_not_offered() -> None:
    grammar = decoding_grammar(grounded("shop", "do something with orders"))
    assert "archive" in grammar
    assert "export" not in grammar and "retain" in grammar and 'optimize" " query' not in grammar


def test_without_the_free_choice_there_is_neither_asking_nor_refusing() -> None:
    g = grounded("shop", "do something with orders")
    assert "refuse" in decoding_grammar(g) and "refuse" not in decoding_grammar(g, free=False)


def test_every_word_of_the_grammar_is_a_word_of_plans() -> None:
    known = set(words_of_plans())
    for catalog, text in TEXTS:
        for literal in re.findall(r'"((?:[^"\\]|\\.)*)"', decoding_grammar(grounded(catalog, text))):
            assert all(t in known or ID.fullmatch(t) for t in literal.split()), literal


PLANS = (
    (
        "shop",
        "keep paid orders and add net as price minus quantity",
        "transform orders\n  filter status = 'paid'\n  derive net = price - quantity",
    ),
    ("empty", "latest 50 from the sales api, then check it", "ingest sales_api.orders latest 50\ncheck staging.orders"),
    (
        "shop",
        "sum of price per customer, top 5, show it",
        "query orders group by customer_id: sum price top 5 by sum_price",
    ),
    ("shop", "archive orders older than 90 days", "archive orders older than 90 days by created_at"),
    (
        "shop",
        "join orders with customers into both_of_them",
        "transform orders join customers on customer_id into both_of_them",
    ),
    (
        "shop",
        "orders by month of created_at: number of them",
        'query orders derive "month" = start_of(\'month\', created_at) group by "month": count',
    ),
    (
        "shop",
        "orders of January 2024",
        "query orders filter created_at >= date '2024-01-01' and created_at < date '2024-02-01'",
    ),
)


@pytest.mark.parametrize(("catalog", "text", "plan"), PLANS)
def test_a_plan_in_ids_reads_back_as_the_plan(catalog: str, text: str, plan: str) -> None:
    g = grounded(catalog, text)
    assert print_plan(decode(encode(parse(plan), g), g)) == plan
