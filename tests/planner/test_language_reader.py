"""A language model that reads along: it can agree, offer another plan, and never name what isn't there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.model.letters import make_letters
from tests.planner.test_ground import grounded
from tests.planner.worlds import shop
from tests.servers.chat import ChatServer, chat_server

from intendant import Intendant
from intendant.engines.duckdb import DuckDB
from intendant.errors import ModelError
from intendant.language.grammar import grammar
from intendant.language.plans import parse, print_plan
from intendant.model.backends import Gguf
from intendant.model.training.generate import bank
from intendant.operators._compile import Typing
from intendant.planner import Planner
from intendant.planner.decoding import spoken_grammar
from intendant.planner.encode import encode
from intendant.planner.ground import Grounding, ground
from intendant.planner.language_reader import Example, LanguageReader, guide
from intendant.planner.mentions import Index
from intendant.planner.propose import Draft
from intendant.run.planning import Lazy

TEXT = "How many orders have a price over 5?"
PLAN = "query orders filter price > 5 aggregate count"
OTHER = "query orders filter quantity > 5 aggregate count"
DECOYS = [Example(f"sentence {i} about things", "refuse") for i in range(20)]


class Says:
    """A proposer that says what it was given, whatever the sentence: (plan in ids, log-probability)."""

    def __init__(self, *said: tuple[str, float]) -> None:
        self.said = [Draft(*s) for s in said]

    def propose(self, grounding: Grounding, k: int, *, free: bool = True) -> list[Draft]:
        return self.said


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


@pytest.fixture
def typing() -> Iterator[Typing]:
    engine = DuckDB()
    yield Typing(engine)
    engine.close()


def own(logprob: float) -> Says:
    """The embedded reader's part: PLAN, this likely."""
    return Says((encode(parse(PLAN), ground(TEXT, Index(shop("orders", "customers")))), logprob))


def planner(typing: Typing, server: ChatServer, logprob: float = -1.5, must: bool = False) -> Planner:
    return Planner(own(logprob), typing, language=LanguageReader(Lazy(server.url).chat, DECOYS, must=must))


def test_a_plan_that_both_models_reach_runs_without_asking(typing: Typing, server: ChatServer) -> None:
    server.says = [PLAN]
    found = planner(typing, server).compile(TEXT, shop("orders", "customers"))
    assert found.status == "ready" and found.confidence >= 0.9 and not found.confirm
    assert found.plan is not None and " ".join(print_plan(found.plan).split()) == PLAN


def test_where_they_differ_both_plans_are_the_choices(typing: Typing, server: ChatServer) -> None:
    server.says = [OTHER]
    found = planner(typing, server, logprob=-0.001).compile(TEXT, shop("orders", "customers"))
    assert found.status == "ask" and found.question is not None
    assert [" ".join(c.plan.split()) for c in found.question.choices][:2] == [PLAN, OTHER]


@pytest.mark.parametrize(
    "answer",
    [
        "query payroll aggregate count",
        "query orders filter secret > 5",
        "drop orders; drop customers",
        "Sure! Here is SQL: SELECT 1",
        "",
        "query orders filter price > 5 aggregate count " * 400,
    ],
)
def test_a_plan_that_can_not_be_or_was_not_asked_for_counts_for_nothing(
    typing: Typing, server: ChatServer, answer: str
) -> None:
    server.says = [answer]
    alone = Planner(own(-0.001), typing)
    catalog = shop("orders", "customers")
    assert planner(typing, server, logprob=-0.001).compile(TEXT, catalog) == alone.compile(TEXT, catalog)


def test_its_doubt_makes_a_plan_be_shown_first(typing: Typing, server: ChatServer) -> None:
    server.says = ["refuse"]
    found = planner(typing, server, logprob=-0.0001).compile(TEXT, shop("orders", "customers"))
    assert found.status != "ready" or found.confirm


@pytest.mark.parametrize("trouble", [500, "not a message"])
def test_a_model_that_does_not_answer_is_one_reader_less(
    typing: Typing, server: ChatServer, trouble: int | str
) -> None:
    server.says = [trouble]
    assert planner(typing, server).compile(TEXT, shop("orders", "customers")).status in ("ready", "ask")


def test_where_it_must_answer_its_silence_is_an_error(typing: Typing) -> None:
    with chat_server() as gone:
        gone.says = [""]
    with pytest.raises(ModelError, match="does not answer"):
        planner(typing, gone, must=True).compile(TEXT, shop("orders", "customers"))


def test_a_server_without_grammars_is_asked_again_without(typing: Typing, server: ChatServer) -> None:
    server.says, server.knows_grammars = [PLAN], False
    found = planner(typing, server).compile(TEXT, shop("orders", "customers"))
    assert found.status == "ready" and ["grammar" in a for a in server.asked] == [True, False]


def test_what_is_said_first_is_the_same_for_every_sentence(typing: Typing, server: ChatServer) -> None:
    server.says = [PLAN]
    asking = planner(typing, server)
    asking.compile(TEXT, shop("orders", "customers"))
    asking.compile("show the customers of Spain", shop("customers", "orders"))
    first, second = (a["messages"] for a in server.asked)
    assert first[0] == second[0] == {"role": "system", "content": guide()}
    assert all(f.split()[0] in guide() for f in grammar().verbs)


def test_the_examples_nearest_to_the_sentence_are_shown(typing: Typing, server: ChatServer) -> None:
    server.says = [PLAN]
    near = Example("how many invoices have a total over 9?", "query invoices filter total > 9 aggregate count")
    reader = LanguageReader(Lazy(server.url).chat, [*DECOYS, near])
    Planner(Says(), typing, language=reader).compile(TEXT, shop("orders"))
    said = server.asked[0]["messages"]
    assert said[-3:-1] == [
        {"role": "user", "content": f"Request: {near.text}"},
        {"role": "assistant", "content": near.plan},
    ]
    assert "Table orders: order_id bigint" in said[-1]["content"] and said[-1]["content"].endswith(TEXT)


def test_the_grammar_holds_a_model_to_names_and_values_that_were_found(tmp_path: Path) -> None:
    g = grounded("shop", TEXT)
    said = spoken_grammar(g)
    assert '" orders"' in said and '" 5"' in said and "T1" not in said
    answer = Gguf(make_letters(tmp_path / "letters.gguf")).chat([{"role": "user", "content": "a"}], 40, said)
    assert answer.split()[0] in {"refuse", "ask", *(f.split()[0] for f in (v.text for v in grammar().verbs.values()))}


def test_a_workspace_says_that_its_model_reads(tmp_path: Path, server: ChatServer) -> None:
    server.says = ["query orders top 1 by price"]
    with Intendant.init(tmp_path) as app:
        (tmp_path / "orders.csv").write_text("order_id,price\n1,5\n2,7\n")
        app.load(tmp_path / "orders.csv", "orders")
    path = tmp_path / "intendant.toml"
    path.write_text(path.read_text() + f'\n[model]\nendpoint = "{server.url}"\nreads = true\n')
    with Intendant(tmp_path) as app:
        result = app.plan("the dearest of the orders")
        assert server.asked and result.status in ("succeeded", "needs_answer")
        assert len(server.asked[0]["messages"]) > 3 and len(bank()) > 1000


def test_reading_without_a_model_says_what_to_name(tmp_path: Path) -> None:
    with Intendant.init(tmp_path):
        pass
    path = tmp_path / "intendant.toml"
    path.write_text(path.read_text() + "\n[model]\nreads = true\n")
    with Intendant(tmp_path) as app:
        result = app.plan("show the orders")
        assert result.status == "failed" and result.error is not None
        assert "`reads` wants a language model" in str(result.error["message"])
