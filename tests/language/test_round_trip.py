"""Text, value and JSON are three renderings of one plan: none loses or changes anything."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, example, given, settings
from plan_shapes import expressions, plans

from intendant.language import from_json, grammar, parse, print_plan, to_json
from intendant.language.expression import Expr, parse_expression, print_expression
from intendant.types import Plan, Step

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)


@given(plans)
@settings(max_examples=400, deadline=None, suppress_health_check=SLOW)
@example(Plan((Step("query", {"table": "t", "operators": (Step("distinct"), Step("sort", {"keys": (("a", "ascending"),)}))}),)))
def test_what_is_printed_is_read_back_as_the_same_plan(plan: Plan) -> None:
    text = print_plan(plan)
    assert parse(text) == plan
    assert print_plan(parse(text)) == text


@given(plans)
@settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
def test_json_holds_the_whole_plan(plan: Plan) -> None:
    assert from_json(json.loads(json.dumps(to_json(plan)))) == plan


@given(expressions)
@settings(max_examples=400, deadline=None, suppress_health_check=SLOW)
def test_an_expression_keeps_its_shape_through_its_text(expression: Expr) -> None:
    reserved = grammar().kinds.reserved
    assert parse_expression(print_expression(expression, reserved)) == expression
