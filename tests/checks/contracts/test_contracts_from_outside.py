"""Files of others: their own ways of saying a rule, what is no rule, and what isn't safe to read."""

from __future__ import annotations

import json

import pytest

from intendant.checks.contracts import read_contract
from intendant.checks.contracts.document import DEEPEST, MOST_BYTES, MOST_VALUES
from intendant.errors import UnknownName, UsageError
from intendant.types import Rule

DBT = """
version: 2
models:
  - name: customers
    columns: [{name: id, tests: [unique]}]
  - name: orders
    tests:
      - dbt_utils.unique_combination_of_columns:
          combination_of_columns: [a, b]
      - dbt_utils.equal_rowcount: {compare_model: ref('x')}
    columns:
      - name: id
        constraints: [{type: primary_key}, {type: weird}]
        tests:
          - not_null:
              config: {severity: warn}
          - unique: {where: "a > 1"}
      - name: status
        data_tests:
          - accepted_values: {values: ['paid', 'open'], quote: true}
          - name: of_status
            test_name: relationships
            arguments: {to: "source('shop', 'states')", field: code}
          - not_null: {enabled: false}
          - my_own_test
      - name: amount
        data_tests:
          - dbt_utils.accepted_range: {min_value: 0, max_value: 10, inclusive: false}
          - dbt_utils.accepted_range: {max_value: "(select max(x) from y)"}
          - dbt_expectations.expect_column_values_to_be_between: {min_value: 1, strictly: true, mostly: 0.9}
          - dbt_utils.expression_is_true: {expression: ">= 1"}
          - unique: {config: {error_if: ">10"}}
"""


def test_dbts_tests_are_read_in_all_their_spellings_and_the_rest_is_named_with_its_line():
    name, read = read_contract(DBT, "schema.yml", "orders")
    assert name == "dbt"
    assert read.rules == [
        Rule("unique", columns=("a", "b")),
        Rule("not_null", column="id"),
        Rule("unique", column="id"),
        Rule("allowed_values", column="status", values=("paid", "open")),
        Rule("foreign_key", column="status", ref="states.code"),
        Rule("range", column="amount", min=0, min_exclusive=True),
        Rule("range", column="amount", max=10, max_exclusive=True),
        Rule("expression", expression="amount >= 1"),
    ]
    left = {(x.what, x.line): x.why for x in read.left_out}
    assert {what for what, _ in left} == {
        "customers", "dbt_utils.equal_rowcount of orders", "severity of not_null of orders.id", "unique of orders.id",
        "constraint weird of orders.id", "not_null of orders.status", "my_own_test of orders.status",
        "dbt_utils.accepted_range of orders.amount", "unique of orders.amount",
        "dbt_expectations.expect_column_values_to_be_between of orders.amount",
    }  # fmt: skip
    assert "some rows only" in left["unique of orders.id", 17]
    assert "mostly 0.9" in left["dbt_expectations.expect_column_values_to_be_between of orders.amount", 30]


def test_a_source_of_dbt_gives_freshness():
    text = """
sources:
  - name: shop
    tables:
      - name: orders
        loaded_at_field: created_at
        freshness: {error_after: {count: 12, period: hour}}
"""
    assert read_contract(text, "f", "orders")[1].rules == [Rule("freshness", column="created_at", seconds=43200)]


def test_a_suite_of_0_x_is_read_and_what_tolerates_bad_rows_is_named():
    suite = {
        "expectation_suite_name": "s",
        "expectations": [
            {"expectation_type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a", "mostly": 1.0}},
            {"expectation_type": "expect_column_values_to_be_unique", "kwargs": {"column": "a", "mostly": 0.9}},
            {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "a", "row_condition": "b > 1"}},
            {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "a", "min_value": 1}},
            {"type": "expect_column_values_to_be_between", "kwargs": {"column": "a", "min_value": {"$PARAMETER": "x"}}},
            {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 7}},
            "nonsense",
        ],
    }
    name, read = read_contract(json.dumps(suite), "s.json", "orders")
    assert name == "great-expectations"
    assert read.rules == [Rule("not_null", column="a"), Rule("row_count", min=7, max=7)]
    assert [x.what.partition(":")[0] for x in read.left_out] == [f"expectation {n}" for n in (2, 3, 4, 5, 7)]


def test_a_contract_of_version_3_0_is_read():
    text = """
kind: DataContract
apiVersion: v3.0.2
schema:
  - name: orders
    properties:
      - {name: a, primaryKey: true, primaryKeyPosition: 2}
      - {name: b, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {exclusiveMaximum: 5, maxLength: 3}}
      - name: c
        quality:
          - {rule: nullCheck, mustBe: 0}
          - {rule: duplicateCount, mustBeLessThan: 10}
          - {type: text, description: looks nice}
          - {type: custom, engine: soda, implementation: "x"}
    quality:
      - {type: sql, query: "SELECT 1", mustBe: 1}
      - {metric: rowCount, mustBeGreaterThan: 9}
"""
    read = read_contract(text, "f", "orders")[1]
    assert read.rules == [
        Rule("row_count", min=10),
        Rule("range", column="b", max=5, max_exclusive=True),
        Rule("not_null", column="c"),
        Rule("not_null", column="b"),
        Rule("not_null", column="a"),
        Rule("unique", columns=("b", "a")),
    ]
    assert [x.what for x in read.left_out] == [
        "sql of orders", "maxLength of orders.b", "duplicateCount of orders.c", "text of orders.c", "custom of orders.c"
    ]  # fmt: skip


def test_a_file_about_other_tables_only_says_which():
    with pytest.raises(UnknownName, match=r"says nothing about 'invoices'.*orders"):
        read_contract("models: [{name: orders}, {name: customers}]", "f", "invoices")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models:\n  - name: [", "not YAML.*line"),
        ('{"expectations": [\n1,,2]}', "not JSON.*line 2"),
        ("models: !!python/object/apply:os.system ['true']", "tag.*line 1"),
        ("a: &a [1, 2]\nmodels: [*a, *a]", "alias.*line 1"),
        ("models: []\nb: {c: 1, c: 2}", "'c' stands twice.*line 2"),
        ('{"expectations": [], "expectations": []}', "stands twice"),
        ("models: []\nx: 2025-13-45", "line 2"),
        ("models: []\nx: .inf", "no number.*line 2"),
        ('{"expectations": [1e999]}', "no number"),
        ('{"expectations": [' + "9" * 5000 + "]}", "not JSON"),
        ("[" * 2000, "not JSON|deeper"),
        ("models: " + "[" * 3000, "deeper|YAML"),
        ("models: " + "[" * (DEEPEST + 2) + "]" * (DEEPEST + 2), "deeper"),
        ("models: [" + "1," * (MOST_VALUES + 1) + "]", "values"),
        ("x" * (MOST_BYTES + 1), "bytes"),
        ("just a text", "no file of rules"),
        ("", "no file of rules"),
        ("a\x00b", "YAML"),
    ],
    ids=range(18),
)
def test_a_file_that_is_not_safe_or_not_sound_is_refused_with_its_place(text: str, said: str):
    with pytest.raises(UsageError, match=f"(?s){said}"):
        read_contract(text, "f.yml", "orders")
