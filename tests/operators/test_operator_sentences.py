"""Every way to say an operator is printed as it was written, and means the same through JSON."""

from __future__ import annotations

import json

import pytest

from intendant.language import from_json, parse, print_plan, to_json

SAID = (
    "explode items",
    "explode items as item",
    "split full_name by ' ' as given, family",
    "split full_name by '''' as \"given name\"",
    "pivot metric: avg value",
    "pivot metric: avg value by device_id, site",
    "pivot metric in ('a', 'b', null): avg value as v, count by device_id",
    "pivot metric: count sort by x",
    "unpivot q1, q2, q3 as question, score",
    'unpivot "rank" as "title", "share"',
    "rank by revenue descending per region as region_rank",
    "dense rank by revenue, id as place",
    "row number by paid_on as n",
    "running sum amount by paid_on per customer_id as balance",
    "running count case when a then 1 end by b as c",
    "running avg price * quantity by paid_on, id as so_far",
    "moving avg revenue over 7 rows by sold_on per region, shop as week",
    "moving max 5 over 1 rows by sold_on as five",
    "previous amount by paid_on as before",
    'next "previous" by "next" descending per "by" as "as"',
    "share of revenue as part",
    "share of revenue per region, country as part",
    "top 3 by revenue per region",
    "bottom 3 by revenue, id descending per region, country",
    "top 3 by revenue",
    "sample 100 rows",
    "sample 10 percent",
    "semi join customers on customer_id",
    "anti join staging.customers on customer_id = id and region",
    "title first_name, last_name",
    "cast paid_on to date",
    "cast paid_on to date written '%d.%m.%Y'",
    "cast paid_on to timestamp written '%d.%m.%Y' or empty",
    "cast quantity to integer or empty",
    "drop rows where status = 'cancelled' or amount < 0",
    'drop "rows"',
    "group by region: mode status, variance amount as spread, list id",
    "distinct rank by x as y",
    'distinct "rank"',
    "drop missing next x by y as z",
    "fill x with previous by y previous x by y as z",
    "group by a: count sample 1 rows",
)


@pytest.mark.parametrize("said", SAID)
def test_an_operator_is_printed_as_it_was_written(said: str) -> None:
    plan = parse(f"query t {said}")
    assert print_plan(plan) == f"query t {said}"
    assert from_json(json.loads(json.dumps(to_json(plan)))) == plan


def test_an_operator_that_takes_the_name_of_an_aggregate_is_not_read_as_one() -> None:
    steps = parse("query t group by a: count running sum b by c as d").steps[0].args["operators"]
    assert [s.verb for s in steps] == ["group", "running"]
