"""Plans with one result count as one, and only those."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from intendant import Intendant
from intendant.language.plans import parse
from intendant.operators._compile import Typing
from intendant.planner.check import Checked
from intendant.planner.decide import Thresholds, decide
from intendant.planner.ground import Grounding
from intendant.planner.results import MOST_ROWS, Results


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intendant]:
    folder = tmp_path_factory.mktemp("w")
    orders = [
        {"id": i, "customer_id": i % 4, "amount": i * 1.5, "status": "paid" if i % 3 else "open"} for i in range(30)
    ]
    customers = [{"customer_id": i, "name": f"n{i}"} for i in range(6)]
    with Intendant.init(folder) as made:
        for name, rows in (("orders", orders), ("customers", customers)):
            (folder / f"{name}.json").write_text(json.dumps(rows))
            made.load(folder / f"{name}.json", name)
        yield made


@pytest.fixture
def results(app: Intendant) -> Results:
    return Results(app.engine, Typing(app.engine, app.lake.snapshot), app.lake.snapshot)


def same(app: Intendant, results: Results, a: str, b: str) -> bool:
    found = [results.tried(parse(p), app.knowledge.catalog())[0] for p in (a, b)]
    return found[0] is not None and found[0] == found[1]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (
            "query customers anti join orders on customer_id",
            "query customers left join orders on customer_id filter id is null select customer_id, name",
        ),
        (
            "query orders filter status = 'paid' aggregate count",
            "query orders drop rows where status = 'open' aggregate count",
        ),
        ("transform orders filter amount > 3", "transform orders drop rows where amount <= 3"),
        ("query orders select id, amount", "query orders select amount, id"),
    ],
)
def test_plans_with_the_same_rows_are_one(app: Intendant, results: Results, a: str, b: str) -> None:
    assert same(app, results, a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("query orders filter amount > 3", "query orders filter amount > 4.5"),
        ("query orders filter amount > 3", "transform orders filter amount > 3"),
        ("transform orders filter amount > 3", "transform orders filter amount > 3 into x"),
        ("query orders sort by amount", "query orders sort by amount descending"),
        ("query orders top 30 by amount", "query orders bottom 30 by amount"),
        ("query orders group by status: count", "query orders group by status: count as n"),
        ("query orders filter amount < 0", "query orders filter amount > 1000"),
        ("query orders sample 5 rows", "query orders sample 5 rows"),
        ("check orders", "check orders"),
        ("query orders filter nothing > 1", "query orders filter nothing > 1"),
    ],
)
def test_other_rows_order_names_verbs_or_none_are_not_one(app: Intendant, results: Results, a: str, b: str) -> None:
    assert not same(app, results, a, b)


def test_one_entry_has_the_probability_of_all(app: Intendant, results: Results) -> None:
    plans = [parse("transform orders filter amount > 3"), parse("transform orders drop rows where amount <= 3"), None]
    found = [Checked(str(i), -1.0, plan=p, short="" if p else "refuse") for i, p in enumerate(plans)]
    joined = results.joined(found, app.knowledge.catalog())
    assert len(joined) == 2 and joined[0].plan == plans[0] and joined[0].logprob == pytest.approx(-0.3068, abs=1e-3)


def test_large_tables_are_not_tried(app: Intendant, results: Results, tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    file.write_text("x\n" + "1\n" * (MOST_ROWS + 1))
    app.load(file, "large")
    assert results.tried(parse("query large aggregate count"), app.knowledge.catalog()) == (None, False)


def test_a_plan_that_would_find_nothing_is_known_and_asked_about(app: Intendant, results: Results) -> None:
    catalog = app.knowledge.catalog()
    for plan, empty in (
        ("transform orders filter amount > 1000", True),
        ("transform orders filter amount > 1000 into x\nquery x aggregate count", True),
        ("query orders filter amount > 1000 aggregate count", False),
        ("query orders filter amount > 3", False),
    ):
        assert results.tried(parse(plan), catalog)[1] is empty
    found = results.joined([Checked("0", -0.5, plan=parse("query orders filter amount > 1000"))], catalog)
    g = Grounding("big orders", catalog, {}, "")
    asked = decide(found, g, Thresholds(0.9, 0.0), lambda slot: ())
    assert (asked.status, asked.reason) == ("ask", "On the tables as they are it would find no row.")
    assert decide(found, g, Thresholds(0.0, 0.0), lambda slot: ()).status == "ready"


@pytest.mark.parametrize(
    ("plan", "sensible"),
    [
        ("transform orders row number by amount per id as n", False),
        ("query orders top 2 by amount per id", False),
        ("query orders filter amount > 3 share of amount per id, status as s", False),
        ("transform orders row number by amount per customer_id as n", True),
        ("query orders join customers on customer_id top 2 by amount per id", True),
        ("query orders group by customer_id: count top 1 by row_count per customer_id", True),
        ("transform orders row number by amount per nothing as n", True),
    ],
)
def test_nothing_is_ranked_among_rows_that_stand_alone(app: Intendant, results: Results, plan: str, sensible: bool) -> None:
    found = results.joined([Checked(plan, -0.01, plan=parse(plan))], app.knowledge.catalog())
    assert (found[0].plan is not None) == sensible
    assert sensible or "of its own" in found[0].error
