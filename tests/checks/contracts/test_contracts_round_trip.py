"""Rules leave as files of other tools and come back the same; what doesn't fit is named."""

from __future__ import annotations

import json
from importlib import resources

import jsonschema
import pytest
import yaml

from intendant.checks.contracts import FORMATS, read_contract, write_contract
from intendant.checks.contracts.base import anchored, full_match
from intendant.errors import UnknownName
from intendant.types import Column, Rule

COLUMNS = (
    Column("order_id", "BIGINT"), Column("status", "VARCHAR"), Column("amount", "DOUBLE"), Column("email", "VARCHAR"),
    Column("created_at", "TIMESTAMP"), Column("customer_id", "BIGINT"), Column("on", "BOOLEAN"), Column("n", "INTEGER"),
)  # fmt: skip
RULES = [
    Rule("not_null", column="order_id"),
    Rule("unique", column="order_id"),
    Rule("unique", columns=("customer_id", "created_at")),
    Rule("allowed_values", column="status", values=("paid", "no", "it's", "007", "2025-01-01", "{x}")),
    Rule("allowed_values", column="n", values=(1, 2, 3)),
    Rule("range", column="amount", min=-0.5, max=100000),
    Rule("range", column="n", min=0, min_exclusive=True),
    Rule("range", column="n", max=10, max_exclusive=True),
    Rule("range", column="created_at", min="2025-01-01"),
    Rule("pattern", column="email", regex="[^@ ]+@[^@ ]+"),
    Rule("pattern", column="status", regex=r"a|b[|)]|\|"),
    Rule("foreign_key", column="customer_id", ref="customers.id"),
    Rule("freshness", column="created_at", seconds=90 * 60),
    Rule("row_count", min=1, max=10),
    Rule("expression", expression="amount > 0 or status = 'paid' and n is null"),
]
NEVER = {"great-expectations": {"foreign_key", "freshness"}}


def key(rule: Rule) -> str:
    return repr(rule)


@pytest.mark.parametrize("name", [f.name for f in FORMATS])
def test_rules_come_back_the_same_and_the_others_are_named(name: str):
    written = write_contract(name, "staging.orders", COLUMNS, RULES)
    found, read = read_contract(written.text, "a file", "staging.orders")
    kept = [r for r in RULES if r.type not in NEVER.get(name, ())]
    assert (found, sorted(read.rules, key=key), read.left_out) == (name, sorted(kept, key=key), [])
    assert {left.what.partition(" ")[0] for left in written.left_out} == NEVER.get(name, set())


@pytest.mark.parametrize("name", [f.name for f in FORMATS])
@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{r.type} {r.column}")
def test_each_rule_comes_back_alone(name: str, rule: Rule):
    if rule.type in NEVER.get(name, ()):
        assert len(write_contract(name, "orders", COLUMNS, [rule]).left_out) == 1
        return
    text = write_contract(name, "orders", COLUMNS, [rule]).text
    assert read_contract(text, "a file", "orders")[1].rules == [rule]


def test_a_data_contract_is_valid_by_the_schema_of_its_standard():
    schema = json.loads(resources.files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8"))
    document = yaml.safe_load(write_contract("odcs", "orders", COLUMNS, RULES).text)
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [(e.json_path, e.message) for e in validator.iter_errors(document)] == []


def test_two_bounds_of_one_kind_on_a_column_are_kept_as_a_condition():
    rules = [Rule("range", column="n", min=0), Rule("range", column="n", min=5)]
    read = read_contract(write_contract("odcs", "orders", COLUMNS, rules).text, "a file", "orders")[1]
    assert read.rules == [Rule("expression", expression="n >= 5"), Rule("range", column="n", min=0)] or read.rules == [
        Rule("range", column="n", min=0), Rule("expression", expression="n >= 5")
    ]  # fmt: skip


def test_dbt_gets_its_tests_in_todays_form():
    document = yaml.safe_load(write_contract("dbt", "staging.orders", COLUMNS, RULES).text)
    [model] = document["models"]
    assert model["name"] == "orders"
    by_name = {c["name"]: c["data_tests"] for c in model["columns"]}
    assert by_name["order_id"] == ["not_null", "unique"]
    assert by_name["customer_id"] == [{"relationships": {"arguments": {"to": "ref('customers')", "field": "id"}}}]


def test_a_format_that_is_not_there_is_told_by_its_nearest():
    with pytest.raises(UnknownName, match="great-expectations"):
        write_contract("great_expectation", "orders", COLUMNS, RULES)


@pytest.mark.parametrize(
    "regex", ["a", "a|b", "(?:a|b)", "(?:a)|(?:b)", "(?:a)(?:b)", r"[|]\)", "[]|]", r"x\$", "a$|b"]
)
def test_a_regular_expression_comes_back_as_it_was(regex: str):
    assert full_match(anchored(regex)) == regex


@pytest.mark.parametrize("regex", ["abc", "^abc", "abc$", "^a|b$", r"^a\$"])
def test_a_regular_expression_that_is_searched_for_may_stand_anywhere(regex: str):
    assert full_match(regex) == f"(?s).*(?:{regex}).*"
